//! The session ids that clients are given in place of the real one.

use std::{borrow::Cow, collections::HashMap, iter};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use http::{header, request::Parts};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::{
    auth::Session,
    config::{self, ClientLabel},
    proxy::{
        exchange::Exchange,
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
///
/// Where clients act as several users ([`crate::proxy::users`]), each is for one of them, and is refused
/// where it comes from a client that acts as another: what it does would be done in the wrong name.
///
/// After a change of the key, while the process runs, those of the former key stay valid: clients
/// keep them for as long as they like.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Placeholders {
    /// The first is given out.
    own: Vec<String>,
    /// User names, and the placeholder of each. The first of a name is given out.
    of_clients: Vec<(String, String)>,
    /// The same user names, by the digests of the placeholders: to find one takes as long for a
    /// thousand clients as for one, and the time tells nothing of the placeholders.
    names: HashMap<Box<[u8]>, String>,
    /// Users besides the org's own, and the placeholder of other clients that act as each. The first of
    /// a user is given out.
    of_users: Vec<(String, String)>,
    /// All of these, each with its user, if clients act as several.
    users: Vec<(String, String)>,
    /// Those that were for another user before the configuration changed.
    outdated: Vec<String>,
    /// The name of the org in the configuration.
    org: String,
    /// Names of orgs, and the placeholders of each.
    others: Vec<(String, String)>,
}

impl Placeholders {
    /// Those that a proxy for the org at `index` of `orgs` knows. `former` are the same orgs with
    /// the keys that they had.
    pub(crate) fn new(orgs: &[config::Org], former: &[config::Org], index: usize) -> Self {
        let of_all = |org: &config::Org| Given::new(org, former);
        let others = orgs
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, org)| {
                let all = of_all(org).texts();
                all.into_iter().map(|text| (org.name.clone(), text))
            })
            .collect();
        let Some(org) = orgs.get(index) else {
            return Self::default();
        };
        let given = of_all(org);
        Self {
            names: by_digest(&given.of_clients),
            users: given.users(org),
            outdated: given.outdated(org, former),
            org: org.name.clone(),
            own: given.own,
            of_clients: given.of_clients,
            of_users: given.of_users,
            others,
        }
    }

    /// The session id for clients that nobody has named, who read the id of the org from it. They act
    /// as the org's own user, or as `user`.
    pub(crate) fn session_id(&self, user: Option<&str>, org_id: &str) -> String {
        self.session_id_of("", user, org_id)
    }

    /// The one for the client of this user name.
    pub(crate) fn session_id_of(&self, client: &str, user: Option<&str>, org_id: &str) -> String {
        let found = self.of_clients.iter().find(|(name, _)| name == client);
        let of_user = || self.of_users.iter().find(|(of, _)| Some(&**of) == user);
        let text = found.or_else(of_user).map(|(_, text)| text);
        let text = text.or_else(|| self.own.first()).map_or("", String::as_str);
        format!("{}!{text}", org_id.get(..15).unwrap_or(org_id))
    }

    /// The same as `session_id`, for the org of `session` and the user of `exchange`.
    pub(crate) fn placeholder_for(&self, session: &Session, exchange: &Exchange) -> String {
        let org_id = session.identity.org_id.as_deref();
        let user = exchange.user();
        self.session_id(user.as_deref(), org_id.unwrap_or(UNKNOWN_ORG))
    }

    /// Returns whether `text` was given out here for this org.
    pub(crate) fn is_own(&self, text: &str) -> bool {
        let is_nobodys = text.split_once('!').is_some_and(|(_, shown)| {
            let of_users = self.of_users.iter().map(|(_, text)| text);
            let mut own = self.own.iter().chain(of_users);
            own.any(|own| shown.as_bytes().ct_eq(own.as_bytes()).into())
        });
        is_nobodys || self.client_of(text).is_some()
    }

    /// The user name of the client that `text` was given to.
    pub(crate) fn client_of(&self, text: &str) -> Option<&str> {
        let (_, shown) = text.split_once('!')?;
        self.name_of(shown.as_bytes())
    }

    /// The user name of the client whose placeholder a request shows, if it is that of one of
    /// `clients`.
    pub(crate) fn client_that_shows(
        &self,
        head: &Parts,
        envelope: Option<&Envelope>,
    ) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let shown = shown(head, envelope);
        shown.iter().find_map(|shown| {
            // After the id of the org, as long as a placeholder's characters go on.
            let mut begins = memchr::memchr_iter(b'!', shown).map(|at| &shown[at + 1..]);
            begins.find_map(|begin| {
                let end = begin.iter().position(|byte| !is_in_alphabet(*byte));
                self.name_of(&begin[..end.unwrap_or(begin.len())])
            })
        })
    }

    /// The user name of the client whose placeholder ends with `shown`, after the id of the org.
    fn name_of(&self, shown: &[u8]) -> Option<&str> {
        if self.names.is_empty() || shown.len() != LENGTH {
            return None;
        }
        let name = self.names.get(digest(&SHA256, shown).as_ref())?;
        Some(name)
    }

    /// Refuses a client that shows the placeholder of another org, since what it wants done would be
    /// done to the wrong data, or one of another user than that of `exchange`.
    pub(crate) fn refuse_others(
        &self,
        head: &Parts,
        envelope: Option<&Envelope>,
        exchange: &Exchange,
    ) -> Result<(), Refusal> {
        // Most proxies serve one org as one user.
        let is_alone = self.others.is_empty() && self.users.is_empty() && self.outdated.is_empty();
        if is_alone {
            return Ok(());
        }
        let shown = shown(head, envelope);
        self.check_orgs(&shown)?;
        self.check_users(&shown, exchange)
    }

    /// The same as `refuse_others` for one text that a client shows, as for the org.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), Refusal> {
        self.check_orgs(&[text.as_bytes().into()])
    }

    /// The same, as for the user.
    pub(crate) fn check_user(&self, text: &str, exchange: &Exchange) -> Result<(), Refusal> {
        self.check_users(&[text.as_bytes().into()], exchange)
    }

    fn check_orgs(&self, shown: &[Cow<'_, [u8]>]) -> Result<(), Refusal> {
        let runs = runs(shown);
        let mut others = self.others.iter();
        match others.find(|(_, other)| has(&runs, other)) {
            Some((name, _)) => Err(Refusal::WrongOrg(name.clone())),
            None => Ok(()),
        }
    }

    fn check_users(&self, shown: &[Cow<'_, [u8]>], exchange: &Exchange) -> Result<(), Refusal> {
        if self.users.is_empty() && self.outdated.is_empty() {
            return Ok(());
        }
        let user = exchange.user();
        let of_others = self
            .users
            .iter()
            .filter(|(_, of)| Some(&**of) != user.as_deref());
        let mut wrong = of_others.map(|(text, _)| text).chain(&self.outdated);
        let runs = runs(shown);
        if wrong.any(|text| has(&runs, text)) {
            return Err(Refusal::WrongUser(self.org.clone()));
        }
        Ok(())
    }
}

/// Those of one org, as in [`Placeholders`].
struct Given {
    own: Vec<String>,
    of_clients: Vec<(String, String)>,
    of_users: Vec<(String, String)>,
}

impl Given {
    /// By the key of `org` and those that it had, of which `former` has some.
    fn new(org: &config::Org, former: &[config::Org]) -> Self {
        let mut given = Self {
            own: Vec::new(),
            of_clients: Vec::new(),
            of_users: Vec::new(),
        };
        let key = |of: &config::Org| of.credential.secret().to_owned();
        let had = former
            .iter()
            .filter(|it| it.name == org.name && key(it) != key(org));
        for by in iter::once(org).chain(had) {
            given.own.push(derive(by, &org.username, &[]));
            for (name, digest) in org.clients.iter().flat_map(config::Clients::digests) {
                let of_it = [name.as_bytes(), b"\n", digest].concat();
                let text = derive(by, user_of(org, name), &of_it);
                given.of_clients.push((name.to_owned(), text));
            }
            for user in org.users.iter().flat_map(|it| it.besides(&org.username)) {
                let text = derive(by, user, &[]);
                given.of_users.push((user.to_owned(), text));
            }
        }
        given
    }

    fn texts(&self) -> Vec<String> {
        let named = self.of_clients.iter().chain(&self.of_users);
        let named = named.map(|(_, text)| text);
        self.own.iter().chain(named).cloned().collect()
    }

    /// All of them, each with its user, if clients of `org` act as several.
    fn users(&self, org: &config::Org) -> Vec<(String, String)> {
        if org.users.is_none() {
            return Vec::new();
        }
        let own = self.own.iter().map(|text| (text, &*org.username));
        let of_clients = self.of_clients.iter();
        let of_clients = of_clients.map(|(name, text)| (text, user_of(org, name)));
        let of_users = self.of_users.iter().map(|(user, text)| (text, &**user));
        let all = own.chain(of_clients).chain(of_users);
        all.map(|(text, user)| (text.clone(), user.to_owned()))
            .collect()
    }

    /// What was given out while the clients of `org` acted as other users.
    fn outdated(&self, org: &config::Org, former: &[config::Org]) -> Vec<String> {
        let valid = self.texts();
        former
            .iter()
            .filter(|it| it.name == org.name && it.users != org.users)
            .flat_map(|it| Self::new(it, &[]).texts())
            .filter(|text| !valid.contains(text))
            .collect()
    }
}

/// The user that the client of this name acts as.
fn user_of<'a>(org: &'a config::Org, client: &str) -> &'a str {
    let label = ClientLabel::Name(client.into());
    let user = org.users.as_ref().and_then(|users| users.of(&label));
    user.unwrap_or(&org.username)
}

/// The user names in `of_clients`, by the digests of their placeholders.
fn by_digest(of_clients: &[(String, String)]) -> HashMap<Box<[u8]>, String> {
    let entry = |(name, text): &(String, String)| {
        let digest = digest(&SHA256, text.as_bytes());
        (digest.as_ref().into(), name.clone())
    };
    of_clients.iter().map(entry).collect()
}

/// The runs of characters of placeholders in which there may be one. Most requests have one, of the very
/// length: to tell it from a thousand placeholders takes a thousand comparisons, not a thousand searches
/// through all that is shown.
fn runs<'a>(shown: &'a [Cow<'_, [u8]>]) -> Vec<&'a [u8]> {
    let runs = shown
        .iter()
        .flat_map(|it| it.split(|byte| !is_in_alphabet(*byte)));
    runs.filter(|run| run.len() >= LENGTH).collect()
}

fn has(runs: &[&[u8]], text: &str) -> bool {
    let text = text.as_bytes();
    runs.iter()
        .any(|run| *run == text || run.len() > LENGTH && memchr::memmem::find(run, text).is_some())
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

/// Derives as many characters as Salesforce has after the id of the org, of its alphabet.
fn derive(org: &config::Org, user: &str, client: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, org.credential.secret());
    (0..ROUNDS)
        .flat_map(|round| {
            let mut context = hmac::Context::with_key(&key);
            context.update(&[round]);
            for part in [
                &*org.name,
                org.credential.client_id(),
                user,
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

fn is_in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}

#[cfg(test)]
#[path = "../../tests/fuzz/placeholder.rs"]
mod fuzz;

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::sync::Arc;

    use http::{Method, Request};

    use super::*;
    use crate::{demo, proxy::family::Family};

    fn exchange() -> Exchange {
        Exchange::new(Arc::default(), Family::Rest, &Method::GET, None)
    }

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
        let [one, two, again] = [0, 1, 0].map(|index| {
            Placeholders::new(&orgs, &[], index).session_id(None, "00Dxx0000001gPLEAY")
        });
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
        let placeholders = Placeholders::new(&orgs, &[], 0);
        let theirs = Placeholders::new(&orgs, &[], 1).session_id(None, "00Dxx0000001gPL");
        let ours = placeholders.session_id(None, "00Dxx0000001gPL");
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
                let checked = placeholders.refuse_others(&head, None, &exchange());
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
        let before = Placeholders::new(&orgs, &[], 0);
        let [etl, bi, nobody] =
            ["etl", "bi", "x"].map(|client| before.session_id_of(client, None, "00Dxx0000001gPL"));
        assert_eq!(nobody, before.session_id(None, "00Dxx0000001gPL"));
        assert_eq!(before.client_of(&etl), Some("etl"));
        assert_eq!(before.client_of(&bi), Some("bi"));
        assert_eq!(before.client_of(&nobody), None);

        let shows = |placeholders: &Placeholders, shown: &str| {
            let request = Request::get("/").header("authorization", format!("Bearer {shown}"));
            let head = request.body(()).unwrap().into_parts().0;
            let name = placeholders.client_that_shows(&head, None);
            name.map(str::to_owned)
        };
        assert_eq!(shows(&before, &etl).as_deref(), Some("etl"));
        assert_eq!(shows(&before, &bi).as_deref(), Some("bi"));
        // Whatever is before it, it is that client's and no other's.
        assert_eq!(shows(&before, &format!("a!{etl}")).as_deref(), Some("etl"));
        let (cut, longer) = (&etl[..etl.len() - 1], format!("{etl}x"));
        let changed = format!("{cut}!");
        for shown in [
            &*nobody,
            cut,
            &longer,
            &changed,
            "",
            "!",
            "00Dxx0000001gPL!",
        ] {
            assert_eq!(shows(&before, shown), None, "{shown}");
        }

        orgs[0].clients = Some(clients(&[("etl", "another"), ("bi", "two")]));
        let after = Placeholders::new(&orgs, &[], 0);
        assert!(shows(&after, &etl).is_none() && shows(&after, &bi).is_some());
        orgs[0].clients = Some(clients(&[("etl", "one")]));
        let after = Placeholders::new(&orgs, &[], 0);
        assert!(shows(&after, &etl).is_some() && shows(&after, &bi).is_none());
        // To another org they all are those of this one.
        let other = Placeholders::new(&orgs, &[], 1);
        assert!(other.check_text(&etl).is_err() && other.check_text(&nobody).is_err());
    }
}
