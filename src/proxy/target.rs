//! The API that a path leads to, and its version: the one place that knows.

use std::ops::Range;

use super::path::{is, is_alike, resolved, words};
use crate::salesforce::{ApiVersion, REST_ROOT};

/// Where a path leads. The guard, the families and what rewrites responses all ask here, so that
/// they cannot take a path for different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The path of an Experience Cloud site, before that of the API: `/portal/` of
    /// `/portal/services/data/v62.0`. Mostly empty.
    pub(crate) site: &'a [u8],
    pub(crate) api: Api<'a>,
    /// The version of the API, as it is written: `v62.0` or `62.0`.
    pub(crate) version: Option<&'a [u8]>,
    /// True if nothing follows: for `/services/data/v62.0` and `/services/oauth2/token`, and not
    /// for `/services/data/v62.0/limits`.
    pub(crate) is_whole: bool,
}

/// The API at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api<'a> {
    /// `/services/data`
    Rest,
    /// `/services/apexrest`: a class decides itself what it takes.
    Apex,
    /// Anything else that answers as REST does.
    Other,
    /// `userinfo` and the identity URLs.
    Identity,
    /// A place of logins and logouts.
    Session(Endpoint),
    /// SOAP, by the word that says which: `u`, `c`, `m`, `class` and so on.
    Soap(&'a [u8]),
    /// The description of a SOAP API.
    Wsdl,
    /// Bulk 1.0.
    Bulk,
    Cometd,
    /// Anything that is not below `/services`.
    Page,
}

/// A place where sessions are made, shown or ended. The session here is shared by all clients, so
/// the proxy answers in place of the org ([`crate::salesforce::facts::session_endpoints`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/services/oauth2/token`
    Token,
    /// `/services/oauth2/revoke`
    Revoke,
    /// `/services/oauth2/introspect`
    Introspect,
    /// `/secur/logout.jsp`
    Logout,
}

impl<'a> Target<'a> {
    /// Reads `path` by its words, whatever their case, and below the path of a site.
    pub(crate) fn parse(path: &'a [u8]) -> Self {
        if let Some(rest) = path.strip_prefix(REST_ROOT.as_bytes()) {
            return Self::versioned(Api::Rest, words(rest));
        }
        let mut rest = words(path);
        let first = rest.next();
        if is(first, "id") && is_identity(rest.clone()) {
            return Self::named(Api::Identity, rest);
        }
        let mut after = rest.clone();
        // A site may be called so, too.
        if is(first, "cometd") && !after.any(|word| is(Some(word), "services")) {
            // Before version 37.0, events were replayed at a path of their own
            // ([`crate::salesforce::facts::families`]).
            let mut after = rest.clone();
            let rest = if is(after.next(), REPLAY) {
                after
            } else {
                rest
            };
            return Self::versioned(Api::Cometd, rest);
        }
        if is(first, "services") {
            return Self::below_services(rest);
        }
        while let Some(word) = rest.next() {
            if is(Some(word), "services") {
                // Up to where this word begins.
                let site = &path[..word.as_ptr().addr() - path.as_ptr().addr()];
                let target = Self::below_services(rest);
                return Self { site, ..target };
            }
        }
        Self::outside(path)
    }

    fn below_services(mut rest: impl Iterator<Item = &'a [u8]>) -> Self {
        let name = rest.next();
        if is(name, "data") {
            Self::versioned(Api::Rest, rest)
        } else if is(name, "soap") {
            Self::versioned(Api::Soap(rest.next().unwrap_or_default()), rest)
        } else if is(name, "async") {
            Self::versioned(Api::Bulk, rest)
        } else if is_alike(name, b"apexrest") {
            Self::named(Api::Apex, rest)
        } else if is(name, "wsdl") {
            Self::named(Api::Wsdl, rest)
        } else if is(name, "oauth2") {
            Self::named(oauth2(rest.next()), rest)
        } else {
            Self::named(Api::Other, rest)
        }
    }

    fn outside(path: &'a [u8]) -> Self {
        let mut rest = words(path);
        let (first, second) = (rest.next(), rest.next());
        if is(first, "soap") && is(second, "ajax") {
            return Self::versioned(Api::Page, rest);
        }
        let api = if first.is_none() {
            Api::Other
        } else if is(first, "secur") && is(second, "logout.jsp") {
            Api::Session(Endpoint::Logout)
        } else if is(first, "soap") && is(second, "wsdl.jsp") {
            Api::Wsdl
        } else {
            Api::Page
        };
        Self::named(api, rest)
    }

    fn versioned(api: Api<'a>, mut rest: impl Iterator<Item = &'a [u8]>) -> Self {
        let next = rest.next();
        let version = next.filter(|next| is_version(next));
        Self {
            version,
            is_whole: rest.next().is_none() && next == version,
            ..Self::named(api, std::iter::empty())
        }
    }

    fn named(api: Api<'a>, mut rest: impl Iterator<Item = &'a [u8]>) -> Self {
        Self {
            site: &[],
            api,
            version: None,
            is_whole: rest.next().is_none(),
        }
    }

    /// Reads the URL of a request within a request, without its query: a path, which may begin with
    /// the version.
    pub(crate) fn parse_within(path: &'a [u8]) -> Self {
        match Self::parse(path) {
            target if target.api == Api::Rest => target,
            _ => Self::versioned(Api::Rest, words(path)),
        }
    }

    /// The version of the API, if it is one.
    pub(crate) fn api_version(&self) -> Option<ApiVersion> {
        self.version.and_then(ApiVersion::parse)
    }

    /// The words that follow the version in `path`, which this was read from.
    pub(crate) fn below<'b>(&self, path: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + Clone {
        let end = self.version.and_then(|version| place(path, version));
        words(end.map_or(&[], |at| &path[at.end..]))
    }

    /// The part of `path`, which this was read from, that has to change for `version`, and what is
    /// to be there.
    pub(crate) fn at(&self, path: &[u8], version: ApiVersion) -> Option<(Range<usize>, String)> {
        let written = self.version?;
        let mut range = place(path, written)?;
        let before = words(&path[..range.start]).last();
        if self.api == Api::Cometd
            && let Some(before) = before.filter(|before| is(Some(before), REPLAY))
        {
            range.start = place(path, before)?.start;
        }
        let prefix = match written.first()? {
            b'v' => "v",
            b'V' => "V",
            _ => "",
        };
        Some((range, format!("{prefix}{version}")))
    }

    /// The endpoint that the proxy answers in place of the org. A site has none.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        match self.api {
            Api::Session(endpoint) if self.site.is_empty() => Some(endpoint),
            _ => None,
        }
    }
}

/// Returns whether code of the org's own answers at `path`, or is run there, which may do anything
/// at a GET.
pub(crate) fn runs_code(path: &str) -> bool {
    let path = resolved(path.as_bytes());
    match Target::parse(&path).api {
        Api::Apex | Api::Page => true,
        Api::Rest | Api::Other => {
            words(&path).any(|word| RUNS_CODE.iter().any(|name| is_alike(Some(word), name)))
        }
        _ => false,
    }
}

impl Endpoint {
    /// True if no setting lets it through to the org, where it would make a session that nobody
    /// keeps, or end the one that all share.
    pub(crate) fn is_shielded(self) -> bool {
        self != Self::Introspect
    }
}

fn oauth2(name: Option<&[u8]>) -> Api<'static> {
    if is(name, "userinfo") {
        Api::Identity
    } else if is(name, "token") {
        Api::Session(Endpoint::Token)
    } else if is(name, "revoke") {
        Api::Session(Endpoint::Revoke)
    } else if is(name, "introspect") {
        Api::Session(Endpoint::Introspect)
    } else {
        Api::Other
    }
}

/// Returns whether these are the ids of an org and of a user: a site may be called `id`, too.
fn is_identity<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut begins = |prefix: &[u8]| words.next().is_some_and(|word| word.starts_with(prefix));
    begins(ORG) && begins(USER) && words.next().is_none()
}

/// The place of `part` in `whole`, which it is a part of.
fn place(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let at = start..start + part.len();
    (whole.get(at.clone())? == part).then_some(at)
}

/// Returns whether this is `v62.0`, or `62.0` should an org take that.
pub(crate) fn is_version(word: &[u8]) -> bool {
    let number = word.strip_prefix(b"v").or_else(|| word.strip_prefix(b"V"));
    number
        .unwrap_or(word)
        .first()
        .is_some_and(u8::is_ascii_digit)
}

/// Resources of the Tooling API that execute code in an answer to a GET: Tooling API Developer Guide, *REST
/// Resources*.
const RUNS_CODE: [&[u8]; 3] = [
    b"executeAnonymous",
    b"runTestsAsynchronous",
    b"runTestsSynchronous",
];

/// The first characters of the ids of orgs and users.
const ORG: &[u8] = b"00D";
const USER: &[u8] = b"005";

/// The word before the version in old paths of CometD.
const REPLAY: &str = "replay";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> (String, Api<'_>, Option<&str>, bool) {
        let target = Target::parse(path.as_bytes());
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let version = target.version.map(text);
        (
            text(target.site).to_owned(),
            target.api,
            version,
            target.is_whole,
        )
    }

    #[test]
    fn a_path_leads_to_an_api_in_a_version() {
        for (path, api, version, is_whole) in [
            ("/services/data", Api::Rest, None, true),
            ("/services/data/", Api::Rest, None, true),
            ("/services/data/v62.0", Api::Rest, Some("v62.0"), true),
            ("//Services/Data//V62.0/", Api::Rest, Some("V62.0"), true),
            ("/services/data/62.0", Api::Rest, Some("62.0"), true),
            (
                "/services/data/v62.0/limits",
                Api::Rest,
                Some("v62.0"),
                false,
            ),
            ("/services/data/video", Api::Rest, None, false),
            ("/services/data/v", Api::Rest, None, false),
            ("/services/Soap/u/62.0", Api::Soap(b"u"), Some("62.0"), true),
            (
                "/services/Soap/u/v62.0/00D",
                Api::Soap(b"u"),
                Some("v62.0"),
                false,
            ),
            ("/services/Soap/class/A", Api::Soap(b"class"), None, false),
            ("/services/Soap", Api::Soap(b""), None, true),
            ("/services/async/62.0/job", Api::Bulk, Some("62.0"), false),
            ("/cometd/62.0", Api::Cometd, Some("62.0"), true),
            ("/services/apexrest/v1", Api::Apex, None, false),
            ("/services/v62.0", Api::Other, None, true),
            ("/services/oauth2/userinfo", Api::Identity, None, true),
            ("/services/oauth2/authorize", Api::Other, None, true),
            ("/id/00D/005", Api::Identity, None, false),
            ("//ID/00D/005/", Api::Identity, None, false),
            ("/id/00D/005/x", Api::Page, None, false),
            ("/id/apex/Acme", Api::Page, None, false),
            ("/services/wsdl/tooling", Api::Wsdl, None, false),
            ("/soap/wsdl.jsp", Api::Wsdl, None, true),
            (
                "/soap/ajax/62.0/connection.js",
                Api::Page,
                Some("62.0"),
                false,
            ),
            ("/cometd/replay/36.0", Api::Cometd, Some("36.0"), true),
            ("/cometd/replay", Api::Cometd, None, true),
            ("/cometd/36.0/handshake", Api::Cometd, Some("36.0"), false),
            ("/secur/frontdoor.jsp", Api::Page, None, true),
            ("/", Api::Other, None, true),
        ] {
            assert_eq!(
                parse(path),
                (String::new(), api, version, is_whole),
                "{path}"
            );
        }
    }

    #[test]
    fn a_version_is_changed_where_it_stands_and_nothing_else_is() {
        for (path, changed) in [
            ("/services/data/v20.0/limits", "/services/data/v41.0/limits"),
            ("//services/DATA//V7.0/v7.0", "//services/DATA//V41.0/v7.0"),
            ("/services/data/20/", "/services/data/41.0/"),
            ("/services/Soap/u/20.0/00D", "/services/Soap/u/41.0/00D"),
            ("/services/Soap/T/v33.0", "/services/Soap/T/v41.0"),
            ("/services/async/17.0/job/", "/services/async/41.0/job/"),
            ("/cometd/24.0/connect", "/cometd/41.0/connect"),
            ("/cometd/replay/36.0", "/cometd/41.0"),
            ("/cometd//Replay/36.0/handshake", "/cometd//41.0/handshake"),
            (
                "/portal/services/data/v20.0/x",
                "/portal/services/data/v41.0/x",
            ),
            (
                "/soap/ajax/20.0/connection.js",
                "/soap/ajax/41.0/connection.js",
            ),
        ] {
            let target = Target::parse(path.as_bytes());
            let change = target.at(path.as_bytes(), ApiVersion::new(41));
            let (at, text) = change.expect(path);
            let mut found = path.to_owned();
            found.replace_range(at, &text);
            assert_eq!(found, changed);
        }
        for path in [
            "/services/data",
            "/services/apexrest/v20.0/x",
            "/services/Soap/class/A",
            "/lightning/v20.0",
        ] {
            let target = Target::parse(path.as_bytes());
            assert_eq!(target.at(path.as_bytes(), ApiVersion::new(41)), None);
        }
    }

    #[test]
    fn a_request_within_a_request_may_begin_with_its_version() {
        for (path, version, below) in [
            ("/services/data/v38.0/query", Some(38), "query"),
            ("v34.0/sobjects/Account", Some(34), "sobjects Account"),
            ("/v34.0/limits/", Some(34), "limits"),
            ("sobjects/v34.0", None, ""),
            ("", None, ""),
        ] {
            let target = Target::parse_within(path.as_bytes());
            assert_eq!(target.api_version(), version.map(ApiVersion::new), "{path}");
            let words: Vec<_> = target.below(path.as_bytes()).collect();
            assert_eq!(words.join(&b' '), below.as_bytes(), "{path}");
        }
    }

    #[test]
    fn an_endpoint_is_the_orgs_own_and_not_that_of_a_site() {
        for (path, endpoint) in [
            ("/services/oauth2/token", Some(Endpoint::Token)),
            ("//Services/OAuth2/Token/x", Some(Endpoint::Token)),
            ("/services/oauth2/revoke", Some(Endpoint::Revoke)),
            ("/services/oauth2/introspect", Some(Endpoint::Introspect)),
            ("/secur/logout.jsp", Some(Endpoint::Logout)),
            ("/site/services/oauth2/token", None),
            ("/site/secur/logout.jsp", None),
            ("/services/oauth2/tokens", None),
            ("/services/data/oauth2/token", None),
        ] {
            assert_eq!(
                Target::parse(path.as_bytes()).endpoint(),
                endpoint,
                "{path}"
            );
        }
    }

    #[test]
    fn a_site_has_its_path_before_that_of_an_api() {
        for (path, site) in [
            ("/portal/services/Soap/u/62.0", "/portal/"),
            ("/id/services/data/v62.0/limits", "/id/"),
            ("/cometd/services/data/v62.0/limits", "/cometd/"),
            ("/id/00D/services/data", "/id/00D/"),
            ("/a//b/services/data/v62.0", "/a//b/"),
            ("/services/services/data", ""),
        ] {
            assert_eq!(parse(path).0, site, "{path}");
        }
    }
}
