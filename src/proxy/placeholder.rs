//! The session ids that clients are given in place of the real one.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use http::{header, request::Parts};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::{
    auth::Session,
    config,
    proxy::{
        family::{Envelope, SESSION_HEADERS},
        refusal::Refusal,
    },
};

/// The placeholders for the session of one org, and those for the sessions of the others that this
/// proxy serves.
///
/// A placeholder opens nothing: whatever a client sends as its session is replaced. It looks like
/// one of Salesforce's, because clients check that ([`crate::salesforce::facts::clients`]), and
/// shows which org a client belongs to. It is derived and not stored, so that restarts and replicas
/// agree.
///
/// Where the configuration says who may log in, each of these clients has one of its own, derived
/// from its user name and password: who shows it has logged in. It opens nothing any more when the
/// client is taken out of the configuration, or its password is changed.
pub(crate) struct Placeholders {
    own: String,
    /// User names, and the placeholder of each.
    of_clients: Vec<(String, String)>,
    /// Names of orgs, and the placeholders of each.
    others: Vec<(String, String)>,
}

impl Placeholders {
    /// Those that a proxy for the org at `index` of `orgs` knows.
    pub(crate) fn new(orgs: &[config::Org], index: usize) -> Self {
        let others = orgs
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, org)| {
                let of_clients = of_clients(org).into_iter().map(|(_, text)| text);
                let all = of_clients.chain([derive(org, &[])]);
                all.map(|text| (org.name.clone(), text))
            })
            .collect();
        let org = orgs.get(index);
        Self {
            own: org.map(|org| derive(org, &[])).unwrap_or_default(),
            of_clients: org.map(of_clients).unwrap_or_default(),
            others,
        }
    }

    /// The session id for clients that nobody has named, who read the id of the org from it.
    pub(crate) fn session_id(&self, org_id: &str) -> String {
        self.session_id_of("", org_id)
    }

    /// The one for the client of this user name.
    pub(crate) fn session_id_of(&self, client: &str, org_id: &str) -> String {
        let found = self.of_clients.iter().find(|(name, _)| name == client);
        let text = found.map_or(&self.own, |(_, text)| text);
        format!("{}!{text}", org_id.get(..15).unwrap_or(org_id))
    }

    /// The same as `session_id`, for the org of `session`.
    pub(crate) fn placeholder_for(&self, session: &Session) -> String {
        let org_id = session.identity.org_id.as_deref();
        self.session_id(org_id.unwrap_or(UNKNOWN_ORG))
    }

    /// Returns whether `text` was given out here for this org.
    pub(crate) fn is_own(&self, text: &str) -> bool {
        let is_nobodys = text
            .split_once('!')
            .is_some_and(|(_, own)| own.as_bytes().ct_eq(self.own.as_bytes()).into());
        is_nobodys || self.client_of(text).is_some()
    }

    /// The user name of the client that `text` was given to.
    pub(crate) fn client_of(&self, text: &str) -> Option<&str> {
        let (_, shown) = text.split_once('!')?;
        let found = self
            .of_clients
            .iter()
            .find(|(_, text)| shown.as_bytes().ct_eq(text.as_bytes()).into());
        found.map(|(name, _)| &**name)
    }

    /// Lets in a client that does not show the client key, if it shows what one of `clients` was
    /// given for its user name and password.
    pub(crate) fn admit_without_key(
        &self,
        head: &Parts,
        envelope: Option<&Envelope>,
    ) -> Result<(), Refusal> {
        let is_given = |shown: &[u8]| {
            self.of_clients
                .iter()
                .any(|(_, text)| shown.ct_eq(text.as_bytes()).into())
        };
        let begins_with_one = |shown: &[u8]| {
            // After the id of the org.
            memchr::memchr_iter(b'!', shown)
                .filter_map(|at| shown.get(at + 1..at + 1 + LENGTH))
                .any(is_given)
        };
        if !shown(head, envelope).iter().any(|it| begins_with_one(it)) {
            return Err(Refusal::NoClientKey);
        }
        Ok(())
    }

    /// The user name of the client whose placeholder this shows, if it is that of one of `clients`.
    pub(crate) fn client_that_shows(&self, head: &Parts) -> Option<&str> {
        if self.of_clients.is_empty() {
            return None;
        }
        let found = |shown: &[u8]| {
            let mut ends = memchr::memchr_iter(b'!', shown);
            ends.find_map(|at| {
                let given = shown.get(at + 1..at + 1 + LENGTH)?;
                let is_it = |(_, text): &&(String, String)| given.ct_eq(text.as_bytes()).into();
                self.of_clients.iter().find(is_it)
            })
        };
        let shown = shown(head, None);
        let (name, _) = shown.iter().find_map(|shown| found(shown))?;
        Some(name)
    }

    /// Refuses a client that shows the placeholder of another org: what it wants done would be done
    /// to the wrong data.
    pub(crate) fn refuse_other_orgs(
        &self,
        head: &Parts,
        envelope: Option<&Envelope>,
    ) -> Result<(), Refusal> {
        // Most proxies serve one org.
        if self.others.is_empty() {
            return Ok(());
        }
        self.check_all(&shown(head, envelope))
    }

    /// The same as `refuse_other_orgs`, for one text that a client shows.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), Refusal> {
        self.check_all(&[text.as_bytes().into()])
    }

    fn check_all(&self, shown: &[Cow<'_, [u8]>]) -> Result<(), Refusal> {
        let is_shown = |(_, other): &&(String, String)| {
            shown
                .iter()
                .any(|text| memchr::memmem::find(text, other.as_bytes()).is_some())
        };
        match self.others.iter().find(is_shown) {
            Some((name, _)) => Err(Refusal::WrongOrg(name.clone())),
            None => Ok(()),
        }
    }
}

/// All that may hold what a client takes for its session: [`crate::salesforce::facts::families`].
fn shown<'a>(head: &'a Parts, envelope: Option<&'a Envelope>) -> Vec<Cow<'a, [u8]>> {
    let others = ["accesstoken", header::COOKIE.as_str()];
    SESSION_HEADERS
        .into_iter()
        .chain(others)
        .flat_map(|name| head.headers.get_all(name))
        .map(|value| value.as_bytes().into())
        .chain(
            head.uri
                .query()
                .map(|query| percent_decode_str(query).into()),
        )
        .chain(envelope.map(|envelope| envelope.said.as_bytes().into()))
        .collect()
}

/// The user names of the clients of `org`, and the placeholder of each.
fn of_clients(org: &config::Org) -> Vec<(String, String)> {
    let clients = org.clients.iter().flat_map(config::Clients::digests);
    clients
        .map(|(name, digest)| {
            let of_it = [name.as_bytes(), b"\n", digest].concat();
            (name.to_owned(), derive(org, &of_it))
        })
        .collect()
}

/// Derives as many characters as Salesforce has after the id of the org, of its alphabet.
fn derive(org: &config::Org, client: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, org.credential.secret());
    (0..ROUNDS)
        .flat_map(|round| {
            let mut context = hmac::Context::with_key(&key);
            context.update(&[round]);
            for part in [
                &*org.name,
                org.credential.client_id(),
                &org.username,
                org.login_url.as_str(),
            ] {
                context.update(part.as_bytes());
                // None of them has one.
                context.update(b"\n");
            }
            context.update(client);
            context.sign().as_ref().to_vec()
        })
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect()
}

/// The id that stands where the org did not say its own.
const UNKNOWN_ORG: &str = "00D000000000000";

/// Rounds of 32 characters each.
const ROUNDS: u8 = 3;

/// Characters.
const LENGTH: usize = 32 * ROUNDS as usize;

/// Characters that every client's check of a session id lets pass.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use http::Request;

    use super::*;
    use crate::demo;

    /// Two orgs that differ in nothing but their names.
    async fn orgs() -> Vec<config::Org> {
        let demo = demo::Org::start().await.unwrap();
        ["one", "two"]
            .map(|name| config::Org::at_demo(name, &demo))
            .into()
    }

    #[tokio::test]
    async fn looks_like_a_session_id_and_is_the_same_every_time() {
        let orgs = orgs().await;
        let [one, two, again] =
            [0, 1, 0].map(|index| Placeholders::new(&orgs, index).session_id("00Dxx0000001gPLEAY"));
        assert_eq!(one, again);
        assert_ne!(one, two);
        let (org, rest) = one.split_once('!').unwrap();
        assert_eq!(org, "00Dxx0000001gPL");
        assert_eq!(rest.len(), 96);
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        assert!(rest.chars().all(is_word), "{one}");
    }

    #[tokio::test]
    async fn the_one_of_another_org_is_found_wherever_it_is_shown() {
        let orgs = orgs().await;
        let placeholders = Placeholders::new(&orgs, 0);
        let theirs = Placeholders::new(&orgs, 1).session_id("00Dxx0000001gPL");
        let ours = placeholders.session_id("00Dxx0000001gPL");
        assert!(placeholders.is_own(&ours) && !placeholders.is_own(&theirs));
        for (name, before) in [
            ("authorization", "Bearer "),
            ("authorization", "OAuth "),
            ("x-sfdc-session", ""),
            ("x-sfdc-session", "Bearer "),
            ("cookie", "a=b; sid="),
            ("?oauth_token=", ""),
            ("?format=json&access_token=", ""),
        ] {
            for (session, is_wrong) in [(&theirs, true), (&ours, false)] {
                let request = match name.strip_prefix('?') {
                    Some(query) => {
                        Request::get(format!("/?{query}{}", session.replace('!', "%21")))
                    }
                    None => Request::get("/").header(name, format!("{before}{session}")),
                };
                let head = request.body(()).unwrap().into_parts().0;
                let checked = placeholders.refuse_other_orgs(&head, None);
                assert_eq!(checked.is_err(), is_wrong, "{name}{before}");
            }
        }
    }

    #[tokio::test]
    async fn each_client_has_its_own_which_ends_with_its_password() {
        let clients = |pairs: &[(&str, &str)]| {
            let mut clients = config::Clients::default();
            for (name, password) in pairs {
                clients.add((*name).to_owned(), password.as_bytes());
            }
            clients
        };
        let mut orgs = orgs().await;
        orgs[0].clients = Some(clients(&[("etl", "one"), ("bi", "two")]));
        let before = Placeholders::new(&orgs, 0);
        let [etl, bi, nobody] =
            ["etl", "bi", "x"].map(|client| before.session_id_of(client, "00Dxx0000001gPL"));
        assert_eq!(nobody, before.session_id("00Dxx0000001gPL"));
        assert_eq!(before.client_of(&etl), Some("etl"));
        assert_eq!(before.client_of(&bi), Some("bi"));
        assert_eq!(before.client_of(&nobody), None);

        let vouched = |placeholders: &Placeholders, shown: &str| {
            let request = Request::get("/").header("authorization", format!("Bearer {shown}"));
            let head = request.body(()).unwrap().into_parts().0;
            placeholders.admit_without_key(&head, None).is_ok()
        };
        assert!(vouched(&before, &etl) && vouched(&before, &bi));
        let cut = &etl[..etl.len() - 1];
        for shown in [&*nobody, cut, "", "!", "00Dxx0000001gPL!"] {
            assert!(!vouched(&before, shown), "{shown}");
        }

        orgs[0].clients = Some(clients(&[("etl", "another"), ("bi", "two")]));
        let after = Placeholders::new(&orgs, 0);
        assert!(!vouched(&after, &etl) && vouched(&after, &bi));
        orgs[0].clients = Some(clients(&[("etl", "one")]));
        let after = Placeholders::new(&orgs, 0);
        assert!(vouched(&after, &etl) && !vouched(&after, &bi));
        // To another org they all are those of this one.
        let other = Placeholders::new(&orgs, 1);
        assert!(other.check_text(&etl).is_err() && other.check_text(&nobody).is_err());
    }
}
