//! The paths that a shared session must not reach.

use crate::{
    proxy::{
        path::{Reading, is, is_alike, is_plain, readings, stem, words},
        target::{Api, Endpoint, Target},
    },
    salesforce::REST_ROOT,
};

/// Judges `path` by what is denied, as any server on the way might read it. The very bytes judged
/// are what is sent. What is ours to answer must be spelled plainly; `allowed` opens the rest.
///
/// # Errors
/// If it is denied. What means one thing here and another there always is.
pub(crate) fn judge(path: &str, allowed: &[String]) -> Result<Option<Endpoint>, Denied> {
    let is_plain = is_plain(path.as_bytes());
    let of_rest = path.strip_prefix(REST_ROOT).filter(|_| is_plain);
    if of_rest.is_some_and(|path| !is_canvas(words(path.as_bytes()))) {
        Ok(None)
    } else if is_plain {
        judge_soap(path.as_bytes())?;
        judge_words(path.as_bytes(), true, allowed)
    } else {
        judge_readings(
            &readings(path.as_bytes()).ok_or(Denied::Ambiguous)?,
            allowed,
        )
    }
}

/// The readings that are resolved must lead to one and the same thing; of the others, which hardly
/// any server has, none may lead where that does not.
fn judge_readings(readings: &[Reading], allowed: &[String]) -> Result<Option<Endpoint>, Denied> {
    let any = |has: fn(&[u8]) -> bool| readings.iter().any(|reading| has(&reading.bytes));
    if any(has_dots) {
        return Err(Denied::DotSegment);
    }
    if any(|path| matches!(Target::parse(path).api, Api::Soap(_)) || judge_soap(path).is_err()) {
        return Err(Denied::Disguised);
    }
    if any(is_odd) {
        return Err(Denied::Ambiguous);
    }
    let judged = |reading: &Reading| judge_words(&reading.bytes, false, allowed);
    let mut resolved = readings.iter().filter(|reading| reading.is_resolved());
    let first = resolved.next().ok_or(Denied::Ambiguous)?;
    let (verdict, target) = (judged(first), Target::parse(&first.bytes));
    if resolved
        .any(|other| judged(other) != verdict || Target::parse(&other.bytes).api != target.api)
    {
        return Err(Denied::Ambiguous);
    }
    let is_denied = |reading| judged(reading).is_err();
    if verdict.is_ok() && readings.iter().any(is_denied) {
        return Err(Denied::Ambiguous);
    }
    verdict
}

/// Returns whether there is a word of dots, or one of which nothing else is left without its format.
fn has_dots(path: &[u8]) -> bool {
    words(path).any(|word| word.contains(&b'.') && stem(word).is_empty())
}

/// Returns whether there is a byte at which some servers end a path, a backslash that may end a
/// parameter or be part of it, or a character in a form that only some servers decode.
fn is_odd(path: &[u8]) -> bool {
    let is_escape = |it: &[u8]| {
        let (start, digits) = it.split_at(2);
        start.eq_ignore_ascii_case(b"%u") && digits.iter().all(u8::is_ascii_hexdigit)
    };
    path.contains(&0)
        || path.contains(&b';') && path.contains(&b'\\')
        || path.windows(6).any(is_escape)
        || path.windows(2).any(is_overlong)
}

/// Returns whether a character begins here in UTF-8 of more bytes than it has (RFC 3629 section 3): some
/// servers take `%c0%af` for a slash.
fn is_overlong(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xC0 | 0xC1, 0x80..=0xBF] | [0xE0, 0x80..=0x9F] | [0xF0, 0x80..=0x8F]
    )
}

/// Judges what is, or may be taken for, a path of a SOAP API: only for those that are known is it known
/// what logs in or out and where the session goes.
fn judge_soap(path: &[u8]) -> Result<(), Denied> {
    let mut rest = words(path);
    while let Some(word) = rest.next() {
        let mut after = rest.clone();
        let (soap, name) = (after.next(), after.next());
        if is_alike(Some(word), b"services") && is_alike(soap, b"soap") {
            if !is(Some(word), "services") || !is(soap, "soap") {
                return Err(Denied::Disguised);
            }
            if !SOAP_APIS.iter().any(|known| is(name, known)) {
                return Err(Denied::UnknownSoap);
            }
        }
        // What follows is what is within an API.
        if is(Some(word), "services") {
            break;
        }
    }
    Ok(())
}

fn judge_words(
    path: &[u8],
    is_plain: bool,
    allowed: &[String],
) -> Result<Option<Endpoint>, Denied> {
    let Some(why) = denied(path) else {
        return Ok(None);
    };
    let target = Target::parse(path);
    let is_allowed = is_allowed(path, allowed);
    match target.endpoint() {
        Some(endpoint)
            if is_plain && target.is_whole && (endpoint.is_shielded() || !is_allowed) =>
        {
            Ok(Some(endpoint))
        }
        Some(endpoint) if endpoint.is_shielded() => Err(why),
        _ if is_allowed => Ok(None),
        _ => Err(why),
    }
}

/// Returns whether `path`, read in one way, has to do with sessions.
pub(crate) fn is_about_sessions(path: &[u8]) -> bool {
    denied(path).is_some()
}

/// Looks a path up in the table, below whatever site. Of what is within an API, only the API
/// decides: the classes of Apex REST have any paths they like.
fn denied(path: &[u8]) -> Option<Denied> {
    let mut rest = words(path);
    loop {
        if let Some(rule) = SESSIONS.iter().find(|rule| rule.applies(rest.clone())) {
            return Some(Denied::Session(rule.path, rule.does));
        }
        if is(Some(rest.next()?), "services") {
            let is_canvas = is_alike(rest.next(), b"data") && is_canvas(rest);
            return is_canvas.then_some(Denied::Session(CANVAS, "hands out tokens"));
        }
    }
}

/// Returns whether `path`, from the version on, is what the REST API has of [`CANVAS`].
fn is_canvas<'a>(mut path: impl Iterator<Item = &'a [u8]>) -> bool {
    is_alike(path.nth(1), CANVAS.as_bytes())
}

/// A path that has to do with sessions, with all that is below it.
struct Rule {
    /// In lower case.
    path: &'static str,
    does: &'static str,
    /// A word below it that is harmless.
    but: Option<&'static str>,
}

impl Rule {
    const fn new(path: &'static str, does: &'static str) -> Self {
        Self {
            path,
            does,
            but: None,
        }
    }

    fn applies<'a>(&self, mut path: impl Iterator<Item = &'a [u8]>) -> bool {
        words(self.path.as_bytes()).all(|word| is_alike(path.next(), word))
            && self.but.is_none_or(|word| !is(path.next(), word))
    }
}

/// Paths that give a client a session or token that it did not have and that outlives its request,
/// show one, or end one: [`crate::salesforce::facts::session_endpoints`].
const SESSIONS: [Rule; 11] = [
    Rule::new("/secur", "hands out a session to a browser, or ends it"),
    Rule {
        but: Some("userinfo"),
        ..Rule::new("/services/oauth2", "creates, shows or ends sessions")
    },
    Rule::new(
        "/services/auth",
        "logs in to and out of this org and other services",
    ),
    Rule::new("/services/a360/token", "hands out a token for Data 360"),
    Rule::new("/agentforce/bootstrap/nameduser", "hands out a token"),
    Rule::new("/ide/auth", "hands out a token"),
    Rule::new(
        "/visualforce/session",
        "hands out a session for another host",
    ),
    Rule::new("/content/session", "hands out a session for another host"),
    Rule::new("/idp", "logs in to other services as the user"),
    Rule::new("/servlet/servlet.su", "hands out a session of another user"),
    Rule::new("/servlet/networks", "hands out a session for a site"),
];

/// The same in the REST API, whatever its version: requests for Canvas apps are signed there.
const CANVAS: &str = "platformconnect";

/// `allowed` holds paths such as `/services/oauth2/introspect`, which open what lies below too.
fn is_allowed(path: &[u8], allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| {
        let mut ours = words(path);
        words(allowed.as_bytes()).all(|word| is_same(ours.next(), word))
    })
}

fn is_same(found: Option<&[u8]>, word: &[u8]) -> bool {
    found.is_some_and(|found| found.eq_ignore_ascii_case(word))
}

/// The words after `/services/Soap/`: [`crate::salesforce::facts::families`].
const SOAP_APIS: [&str; 7] = ["u", "c", "m", "t", "s", "class", "package"];

/// The reason that a path is denied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "the path has a . or .. segment, plain or encoded, which servers read in different ways; send it resolved"
    )]
    DotSegment,
    #[error(
        "the path of a SOAP API has an encoded character, a backslash, a semicolon or a format, which servers read in different ways; write it plainly"
    )]
    Disguised,
    #[error(
        "there is no such SOAP API; the path must have u, c, m, T, s, class or package after /services/Soap/"
    )]
    UnknownSoap,
    #[error(
        "servers read this path in different ways, because of an encoded slash, a backslash, a semicolon, double encoding, or %u; write it plainly"
    )]
    Ambiguous,
    #[error(
        "{0} {1}, and the session here is shared by all clients; if you must, add the path to guard.allow_paths"
    )]
    Session(&'static str, &'static str),
}

#[cfg(test)]
#[path = "../../../tests/fuzz/path.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shared_session_must_not_reach_is_denied_however_it_is_spelled() {
        for path in [
            "/services/oauth2/singleaccess",
            "/services/oauth2/revoke/x",
            "/services/oauth2;x=y/revoke",
            "/services%2foauth2%2Frevoke",
            "/%73ervices/oauth2/revoke",
            "/%2573ervices/oauth2/revoke",
            "/services\\oauth2\\revoke",
            "/services%5coauth2%5crevoke",
            "/services/%6fauth2/revoke",
            "/customers/services/oauth2/revoke",
            "/secur/frontdoor.jsp",
            "/Secur/logout.jsp/x",
            "/secur/logout.jsp;x",
            "/site/secur/logout.jsp",
            "/services/oauth2/userinfo%2f..%2frevoke",
            "/services/oauth2/userinfo/../revoke",
            "/services/data/%2e%2e/oauth2/revoke",
            "/services/data/.;x/v62.0",
            // With a format, and with what some servers cut off.
            "/services/a360/token.json",
            "/services/a360/token.XML/x",
            "/services/oauth2/token.json",
            "/services/oauth2/userinfo.json",
            "/services/oauth2%20/revoke",
            "/services/oauth2./revoke",
            "/services%20/oauth2/revoke",
            "/services/%09oauth2/revoke",
            "/ide/auth.json",
            "/ide./auth",
            "/site/ide/auth.json",
            "/secur./frontdoor.jsp",
            "/secur%20/frontdoor.jsp",
            "/secur%2e/frontdoor.jsp",
            // With letters that are others of the same case.
            "/\u{17f}ecur/frontdoor.jsp",
            "/%c5%bfecur/frontdoor.jsp",
            "/%25c5%25bfecur/frontdoor.jsp",
            "/\u{130}dp/login",
            "/services/a360/to\u{212a}en",
            "/services/oauth2/revo%e2%84%aae",
            "/visualforce/session.json",
            "/services/a360/token..json",
            "/services/oauth2..json/singleaccess",
            "/services/oauth2%20.json/revoke",
            "/services..xml/oauth2/revoke",
            "/ide/auth%20.json",
            "/ide/auth.json.json",
            "/secur..json/frontdoor.jsp",
            "/idp..json/login",
            "/visualforce/session.xml.json.",
            "/services/data/v62.0/sobjects/..json/x",
            "/services/data/v62.0/sobjects/...xml/x",
            "/services/data/v62.0/sobjects/%20..json/x",
            "/services/async/62.0/job/..json",
            // In forms that some servers decode.
            "/services/%u006fauth2/revoke",
            "/services/%U006Fauth2/revoke",
            "/services/%25u006fauth2/revoke",
            "/services/data/v62.0/sobjects%u002faccount",
            "/services%c0%afoauth2%c0%afrevoke",
            "/services/%c1%afauth2/revoke",
            "/services/%25c1%25afauth2/revoke",
            "/services%e0%80%afoauth2/revoke",
            "/services%f0%80%80%afoauth2/revoke",
            // Of the REST API, whose paths are hardly looked at.
            "/services/data/v62.0/platformconnect",
            "/services/data//v62.0//PlatformConnect.json/signedrequest",
            "/services/data/v62.0/platformconnect./signedrequest",
            "/services/data/v62.0/%70latformconnect/signedrequest",
            "/site/services/data/v62.0/platformconnect/signedrequest",
            "/services/Soap/%75/64.0",
            "/services/Soap/u;x/64.0",
            "/services/Soap/%2575/64.0",
            "/services/%53oap/u/64.0",
            "/services/Soap;x/u/64.0",
            "/services;a%2fb/Soap/u/64.0",
            "/site/services\\Soap/u/64.0",
        ] {
            assert!(judge(path, &[]).is_err(), "{path}");
        }
    }

    #[test]
    fn only_known_soap_apis_pass_and_only_as_they_are_usually_written() {
        for path in [
            "/services/Soap/u/62.0",
            "//Services/soap/C/62.0/00D000000000000/",
            "/services/Soap/T/62.0",
            "/services/Soap/class/Acme",
            "/services/Soap/class/u.json",
            "/services/Soap/package/Acme",
            "/site/services/Soap/m/62.0",
            "/services/apexrest/services/Soap/x",
            "/services/Soaps/x",
        ] {
            assert_eq!(judge(path, &[]), Ok(None), "{path}");
        }
        for path in [
            "/services/Soap",
            "/services/Soap/62.0",
            "/services/Soap/x/62.0",
            "/services/Soap/u./62.0",
            "/services/Soap/u.xml/62.0",
            "/services/Soap/u.json..json/62.0",
            "/services/Soap/uu/62.0",
            "/services/Soap/classes/Acme",
            "/site/services/soap/x/62.0",
        ] {
            assert_eq!(judge(path, &[]), Err(Denied::UnknownSoap), "{path}");
        }
        for path in [
            "/services/Soap./u/62.0",
            "/services/Soap.json/u/62.0",
            "/services.xml/Soap/u/62.0",
            "/services/Soap/u%20/62.0",
            "/services/Soap%20/u/62.0",
            "/services%20.json/Soap/u/62.0",
            "/site/services/Soap%09/u/62.0",
        ] {
            assert_eq!(judge(path, &[]), Err(Denied::Disguised), "{path}");
        }
    }

    #[test]
    fn what_only_looks_odd_passes() {
        for path in [
            "/services/data/v62.0/sobjects/Account/Ext__c/a%e9b",
            "/services/data/v62.0/sobjects/Account/Ext__c/%C3%A9%E2%82%AC%F0%9F%98%80",
            "/services/data/v62.0/sobjects/Account/Ext__c/100%25up",
            "/services/data/v62.0/sobjects/Account/Ext__c/%25u00",
            "/services/data/v57.0/sobjects/Account.json",
            "/services/apexrest/ide/auth.json",
            "/ide/auth.jsonx",
            "/idea/auth",
            "/servlet/servlet.FileDownload",
            "/services/data/platformconnect",
            "/services/data/v62.0/platformconnections",
            "/services/data/v62.0/sobjects/platformconnect",
        ] {
            assert_eq!(judge(path, &[]), Ok(None), "{path}");
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_ambiguous() {
        for path in [
            // Cut first and decoded then, these lead to sessions.
            "/services;a%2fb/oauth2/singleaccess",
            "/;%2fservices/secur/frontdoor.jsp",
            "/services;%2f..;/oauth2/revoke",
            "/services/oauth2/userinfo;/%2frevoke%3b",
            "/ide;a%2fb/auth",
            "/services;a%252fb/oauth2/singleaccess",
            // Decoded first, these do.
            "/x;a%2fsecur/frontdoor.jsp",
            "/services/data%3b/x;%2f/../oauth2/revoke",
            "/sfc;%2fvisualforce/session",
            // And these where a slash that is encoded is none.
            "/services%2fdata/services/oauth2/revoke",
            "/services%2fdata/%73ervices/oauth2/revoke",
            // To other APIs than they seem.
            "/services;a%2fb/async/62.0/job",
            "/x;a%2fservices/data/v62.0",
            "/services;a\\b/oauth2/revoke",
            // Where a backslash is a character like any other.
            "/services\\/secur/frontdoor.jsp",
            "/services\\x/services/oauth2/revoke",
            "/services%5c/ide/auth",
            "/services%5ca/%2fsecur\\frontdoor.jsp",
            "/secur%00/frontdoor.jsp;\\",
        ] {
            let denied = judge(path, &[]).unwrap_err();
            let is_denied_as_such = matches!(denied, Denied::Ambiguous | Denied::DotSegment);
            assert!(is_denied_as_such, "{path}: {denied:?}");
        }
    }

    /// Ways to write the same path.
    fn spellings(path: &str) -> Vec<String> {
        let (start, end) = path.split_at(path.len() - 1);
        let odd: String = path
            .chars()
            .map(|c| {
                if c == '/' {
                    '/'
                } else {
                    c.to_ascii_uppercase()
                }
            })
            .collect();
        let encoded =
            |letter: &str, percent: &str| format!("{percent}{:02x}", letter.as_bytes()[0]);
        vec![
            path.to_owned(),
            odd,
            path.replace('/', "//"),
            path.replace('/', "/;/"),
            path.replace('/', "/%2f"),
            path.replace('/', "%2F").replacen("%2F", "/", 1),
            path.replace('/', "\\").replacen('\\', "/", 1),
            path.replace('/', "%5c").replacen("%5c", "/", 1),
            format!("{path};x=y"),
            path.replace('/', ";x/"),
            format!("{start}{}", encoded(end, "%")),
            format!("{start}{}", encoded(end, "%25")),
            format!("{start}{}", encoded(end, "%2525")),
            format!("/%{:02X}{}", path.as_bytes()[1], &path[2..]),
            format!("{path}/"),
            format!("{path}/more"),
            format!("{path}%2fmore"),
            format!("{path};%2f"),
            format!("/site{path}"),
            format!("/site/below{path}"),
            format!("/site;x{path}"),
        ]
    }

    #[test]
    fn all_that_hands_out_sessions_is_denied_in_every_spelling_unless_it_is_allowed() {
        for rule in &SESSIONS {
            // Below the one rule that has an exception, not the exception.
            let path = match rule.but {
                Some(_) => format!("{}/singleaccess", rule.path),
                None => rule.path.to_owned(),
            };
            for spelling in spellings(&path) {
                assert!(judge(&spelling, &[]).is_err(), "{spelling}");
            }
            let allowed = [path.clone()];
            for open in [&path, &format!("/{path}/"), &format!("{path}/more")] {
                assert!(judge(open, &[]).is_err(), "{open}");
                assert_eq!(judge(open, &allowed), Ok(None), "{open}");
            }
            // A path that only begins alike, or is within an API, is something else.
            for harmless in [
                format!("{path}x"),
                format!("{path}%78"),
                format!("/services/apexrest{path}"),
                format!(
                    "/services/data/v62.0/sobjects/A/Ext__c/a;b%2F{}",
                    &path[1..]
                ),
            ] {
                let is_below_oauth = rule.but.is_some() && harmless.starts_with(rule.path);
                assert_eq!(judge(&harmless, &[]).is_err(), is_below_oauth, "{harmless}");
            }
        }
    }

    /// The path that servers make of this one.
    pub(super) fn by_servers(path: &str) -> Vec<String> {
        let decoded = |path: &str| {
            let bytes = percent_encoding::percent_decode_str(path);
            bytes.decode_utf8_lossy().into_owned()
        };
        let cut = |path: &str| {
            let words = path.split('/').map(|word| word.split(';').next().unwrap());
            words.collect::<Vec<_>>().join("/")
        };
        let slashed = |path: &str| path.replace('\\', "/");
        let parsed = url::Url::parse(&format!("https://localhost{path}")).unwrap();
        let once = decoded(path);
        [
            path.to_owned(),
            // Browsers, and what is made of their rules.
            parsed.path().to_owned(),
            decoded(parsed.path()),
            // nginx.
            once.clone(),
            slashed(&once),
            // Tomcat, and Jetty since version 10.
            decoded(&cut(path)),
            slashed(&decoded(&cut(path))),
            // Jetty before that.
            cut(&once),
            cut(&slashed(&once)),
            // One behind another.
            decoded(&once),
            cut(&decoded(&once)),
            decoded(&cut(&once)),
            decoded(&cut(&decoded(&cut(path)))),
        ]
        .map(|path| without_dots(&path))
        .into()
    }

    fn without_dots(path: &str) -> String {
        let mut words = Vec::new();
        for word in path.split('/') {
            match word {
                "" | "." => {}
                ".." => drop(words.pop()),
                word => words.push(word),
            }
        }
        format!("/{}", words.join("/"))
    }

    /// Returns whether a plain path is one of those below `secur` or `services/oauth2`, whatever
    /// site is before it.
    pub(super) fn is_of_sessions(path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        let mut words = path.split('/').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word {
                "secur" => return true,
                "services" => {
                    return words.next() == Some("oauth2") && words.next() != Some("userinfo");
                }
                _ => {}
            }
        }
        false
    }

    #[test]
    fn what_clients_use_passes() {
        for path in [
            "/",
            "/services/data/v62.0/query",
            "//services/data/v62.0/query/",
            "/services/oauth2/userinfo",
            "/services/apexrest/secur/oauth2/revoke",
            "/services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c",
            "/services/data/v62.0/sobjects/Account/Ext__c/..a",
            "/services/data/v62.0/sobjects/Account/Ext__c/a;b%2Fc",
            "/services/data/v62.0/sobjects/Account/Ext__c/a%3Bb%252Fc",
            "/services/apexrest/orders;v=1/a%2fb",
            "/%73ervices/data/v62.0/limits",
            "/.well-known/openid-configuration",
            "/ide",
            "/visualforce",
            "/services/Soap/u/64.0/",
            "/id/00D000000000000/005000000000000",
        ] {
            assert_eq!(judge(path, &[]), Ok(None), "{path}");
        }
    }

    #[test]
    fn what_is_ours_to_answer_is_plain_and_whole() {
        for (path, endpoint) in [
            ("/services/oauth2/token", Endpoint::Token),
            ("//services//oauth2//revoke/", Endpoint::Revoke),
            ("/SERVICES/OAuth2/Introspect", Endpoint::Introspect),
            ("/secur/logout.jsp", Endpoint::Logout),
            ("//Secur/LOGOUT.jsp/", Endpoint::Logout),
        ] {
            assert_eq!(judge(path, &[]), Ok(Some(endpoint)), "{path}");
        }
    }

    #[test]
    fn a_setting_opens_one_path_and_what_lies_below() {
        let allowed = ["/services/oauth2/introspect".to_owned()];
        assert_eq!(judge("/services/oauth2/introspect", &allowed), Ok(None));
        assert_eq!(judge("//Services/oauth2/introspect/", &allowed), Ok(None));
        assert!(judge("/services/oauth2/introspector", &allowed).is_err());
        assert!(judge("/services/oauth2/singleaccess", &allowed).is_err());
    }

    #[test]
    fn no_setting_opens_what_ends_the_session() {
        let allowed = ["/services/oauth2".to_owned(), "/secur".to_owned()];
        assert_eq!(judge("/services/oauth2/singleaccess", &allowed), Ok(None));
        for path in ["/services/oauth2/revoke", "/secur/logout.jsp"] {
            assert!(judge(path, &allowed).is_ok_and(|endpoint| endpoint.is_some()));
        }
        for path in [
            "/services/oauth2/%72evoke",
            "/services/oauth2/revoke/x",
            "/services/oauth2/revoke;x",
            "/services%2foauth2/token",
            "/secur/logout%2ejsp",
            "/secur\\logout.jsp",
        ] {
            assert!(judge(path, &allowed).is_err(), "{path}");
        }
    }
}
