//! The proxies that the environment names: `HTTPS_PROXY` and its relatives.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    sync::Arc,
};

use base64ct::{Base64, Encoding};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Host;

use super::bypass::Bypass;

/// The hosts that are reached through a proxy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    proxy: Option<Arc<Proxy>>,
    except: Arc<Bypass>,
}

/// A proxy on the way.
pub(crate) struct Proxy {
    pub(super) scheme: Scheme,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// User and password, decoded.
    pub(super) credentials: Option<(String, String)>,
    /// The same for a proxy that speaks HTTP.
    pub(super) authorization: Option<HeaderValue>,
    /// The variable that names it.
    pub(crate) variable: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    /// TLS to the proxy.
    Https,
    /// Names are looked up here.
    Socks5,
    /// Names are looked up by the proxy.
    Socks5h,
}

impl Proxies {
    /// Reads all variables, even those that are not used here.
    ///
    /// # Errors
    /// Each variable whose value cannot be used, and why.
    pub(crate) fn from_env(
        get: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Vec<(&'static str, Unusable)>> {
        let (mut proxy, mut faults) = (None, Vec::new());
        for variable in VARIABLES {
            let Some(value) = get(variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            match Proxy::parse(variable, &value) {
                // No host is reached over plain HTTP.
                Ok(_) if PLAIN.contains(&variable) => {}
                Ok(found) => {
                    proxy.get_or_insert_with(|| Arc::new(found));
                }
                Err(fault) => faults.push((variable, fault)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let except = ["NO_PROXY", "no_proxy"]
            .into_iter()
            .filter_map(get)
            .find(|list| !list.is_empty());
        let except = except.unwrap_or_default();
        Ok(Self {
            proxy,
            except: Arc::new(Bypass::parse(&except.to_string_lossy())),
        })
    }

    /// The port of the proxy, if there is one.
    pub(crate) fn port(&self) -> Option<u16> {
        self.proxy.as_ref().map(|proxy| proxy.port)
    }

    /// The proxy on the way to `host`, which has no brackets.
    pub(super) fn to(&self, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = self.proxy.as_deref()?;
        (!self.except.contains(host, port)).then_some(proxy)
    }
}

impl Proxy {
    fn parse(variable: &'static str, value: &OsStr) -> Result<Self, Unusable> {
        let value = value.to_str().ok_or(Unusable::Encoding)?;
        check_characters(value)?;
        let (scheme, rest) = match value.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme)?, rest),
            None => (Scheme::Http, value),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(Unusable::Path);
        }
        let (userinfo, place) = match rest.split_once('@') {
            Some((_, place)) if place.contains('@') => return Err(Unusable::At),
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, rest),
        };
        let (host, port) = self::place(place)?;
        let credentials = userinfo.filter(|text| !text.is_empty());
        let credentials = credentials
            .map(|text| scheme.credentials(text))
            .transpose()?;
        let authorization = credentials.as_ref().and_then(basic);
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or_else(|| scheme.port()),
            credentials,
            authorization,
            variable,
        })
    }

    /// An example of its URL with user and password.
    pub(super) fn example(&self) -> String {
        format!("{}://USER:PASSWORD@{self}", self.scheme.name())
    }
}

/// The variables that name proxies with a user or a password, and what they name without them.
pub(crate) fn without_credentials() -> Vec<(&'static str, String)> {
    let named = VARIABLES.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        let bare = without_userinfo(&value.to_string_lossy())?;
        Some((*name, bare))
    });
    named.collect()
}

/// The URL of a proxy without user and password, if it has them, however it is written.
fn without_userinfo(value: &str) -> Option<String> {
    let (before, place) = value.rsplit_once('@')?;
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|it| it.is_ascii_alphanumeric());
    Some(if is_scheme {
        format!("{scheme}://{place}")
    } else {
        place.to_owned()
    })
}

/// Host and port, without the secret parts.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{self}", self.scheme.name())
    }
}

impl Scheme {
    fn parse(name: &str) -> Result<Self, Unusable> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "https" => Self::Https,
            "socks5" => Self::Socks5,
            // Desktops write it for a proxy of any version.
            "socks5h" | "socks" => Self::Socks5h,
            _ => return Err(Unusable::Scheme),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }

    /// User and password, within what this kind of proxy can take (RFC 7617 section 2, RFC 1929).
    fn credentials(self, userinfo: &str) -> Result<(String, String), Unusable> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let (user, password) = (decoded(user)?, decoded(password)?);
        let is_socks = matches!(self, Self::Socks5 | Self::Socks5h);
        let fits = |text: &str| (1..=255).contains(&text.len());
        if is_socks && !(fits(&user) && fits(&password)) {
            return Err(Unusable::Length);
        }
        if !is_socks && user.contains(':') {
            return Err(Unusable::Colon);
        }
        Ok((user, password))
    }
}

/// Refuses characters that a URL cannot have (RFC 3986 section 2), because programs read them
/// differently.
fn check_characters(value: &str) -> Result<(), Unusable> {
    let bytes = value.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let follow = |count: usize| bytes.get(index + 1..).and_then(|rest| rest.get(..count));
        let is_fine = match byte {
            b'%' => follow(2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => true,
            _ => b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
        };
        if !is_fine {
            return Err(match (byte, index) {
                (b'"', 0) => Unusable::Quotes,
                (b'\r' | b'\n', _) if value[index..].trim().is_empty() => Unusable::LineEnd,
                (b' ' | b'\t', _) if value[index..].trim().is_empty() => Unusable::Blanks,
                (b' ' | b'\t', 0) => Unusable::Blanks,
                (b'\\', _) => Unusable::Character("a backslash", "%5C"),
                (b'%', _) => Unusable::Character("a % that begins no %XX", "%25"),
                (b' ', _) => Unusable::Character("a space", "%20"),
                (b'"', _) => Unusable::Character("a quotation mark", "%22"),
                (0x80.., _) => Unusable::Character(
                    "a character beyond ASCII",
                    "the %XX of each of its UTF-8 bytes",
                ),
                _ => Unusable::Character("a character that a URL cannot contain", "its %XX"),
            });
        }
    }
    match (bytes.first(), bytes.last()) {
        (Some(b'\''), _) | (_, Some(b'\'')) => Err(Unusable::Quotes),
        _ => Ok(()),
    }
}

fn place(text: &str) -> Result<(String, Option<u16>), Unusable> {
    let (host, port) = match text.rsplit_once(':') {
        // The last colon may be one of an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = port.map(|port| {
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let number = port.parse().ok().filter(|number| *number > 0);
        number.filter(|_| is_number).ok_or(Unusable::Port)
    });
    let port = port.transpose()?;
    if host.is_empty() {
        return Err(Unusable::NoHost);
    }
    let host = match Host::parse(host).map_err(|_| Unusable::Host)? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok((host, port))
}

fn decoded(text: &str) -> Result<String, Unusable> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| Unusable::Encoding)?;
    if text.chars().any(char::is_control) {
        Err(Unusable::Control)
    } else {
        Ok(text.into_owned())
    }
}

fn basic((user, password): &(String, String)) -> Option<HeaderValue> {
    let encoded = Base64::encode_string(format!("{user}:{password}").as_bytes());
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The reason that the value of a variable cannot be used. The value is not in it: it may hold a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("is not the URL of a proxy: it has {0}, which must be written as {1}; {HOW}")]
    Character(&'static str, &'static str),
    #[error(
        "is not the URL of a proxy: it has more than one @; in a user or password write %40; {HOW}"
    )]
    At,
    #[error(
        "is not the URL of a proxy: it has a path, a query or a fragment; in a user or password write %2F for /, %3F for ?, %23 for #; {HOW}"
    )]
    Path,
    #[error("is not the URL of a proxy: it is in quotes; remove them; {HOW}")]
    Quotes,
    #[error("is not the URL of a proxy: it ends with a line break; remove it; {HOW}")]
    LineEnd,
    #[error("is not the URL of a proxy: it has spaces around it; remove them; {HOW}")]
    Blanks,
    #[error("is not the URL of a proxy: it is not UTF-8; percent-encode what it holds; {HOW}")]
    Encoding,
    #[error("is not the URL of a proxy: its user or password has a control character; {HOW}")]
    Control,
    #[error(
        "is not the URL of a proxy: its user has a colon, which cannot be sent to an HTTP proxy; {HOW}"
    )]
    Colon,
    #[error(
        "is not the URL of a proxy: for SOCKS5, user and password must both be given, with at most 255 bytes each; {HOW}"
    )]
    Length,
    #[error("is not the URL of a proxy: its scheme is not http, https, socks5 or socks5h; {HOW}")]
    Scheme,
    #[error("is not the URL of a proxy: it has no host; {HOW}")]
    NoHost,
    #[error("is not the URL of a proxy: its host is not a name or an address; {HOW}")]
    Host,
    #[error("is not the URL of a proxy: its port is not a number from 1 to 65535; {HOW}")]
    Port,
}

const HOW: &str = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with everything in \
                   USER and PASSWORD percent-encoded except letters, digits and - . _ ~ (CORP\\me \
                   is CORP%5Cme)";

const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

const PLAIN: [&str; 2] = ["HTTP_PROXY", "http_proxy"];

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use test_case::test_case;

    use super::*;

    fn parse(value: &str) -> Result<Proxy, Unusable> {
        Proxy::parse("HTTPS_PROXY", OsStr::new(value))
    }

    #[test_case("http://proxy.corp:3128", "http://proxy.corp:3128", None; "plain")]
    #[test_case("http://proxy.corp:3128/", "http://proxy.corp:3128", None; "with a slash")]
    #[test_case("proxy.corp:3128", "http://proxy.corp:3128", None; "without a scheme")]
    #[test_case("HTTP://Proxy.Corp", "http://proxy.corp:80", None; "in capitals, without a port")]
    #[test_case("https://proxy.corp", "https://proxy.corp:443", None; "over TLS")]
    #[test_case("socks5://proxy.corp", "socks5://proxy.corp:1080", None; "socks5")]
    #[test_case("socks5h://10.0.0.1:9050", "socks5h://10.0.0.1:9050", None; "socks5h")]
    #[test_case("socks://localhost:1080/", "socks5h://localhost:1080", None; "as desktops write it")]
    #[test_case("http://[fd00::1]:3128", "http://[fd00::1]:3128", None; "version 6")]
    #[test_case("http://me:pw@proxy.corp:80", "http://proxy.corp:80", Some(("me", "pw")); "with a password")]
    #[test_case("me:pw@proxy.corp:80", "http://proxy.corp:80", Some(("me", "pw")); "with a password, without a scheme")]
    #[test_case("http://me@proxy.corp:80", "http://proxy.corp:80", Some(("me", "")); "with a user")]
    #[test_case("http://CORP%5Cme:p%40%20%3A%C3%BC@proxy.corp:80", "http://proxy.corp:80", Some(("CORP\\me", "p@ :\u{fc}")); "encoded")]
    #[test_case("http://me:!$&'()*+,;=@proxy.corp:80", "http://proxy.corp:80", Some(("me", "!$&'()*+,;=")); "what needs no encoding")]
    #[test_case("http://@proxy.corp:80", "http://proxy.corp:80", None; "with nothing before the at sign")]
    fn a_url_of_a_proxy_is_read(value: &str, place: &str, credentials: Option<(&str, &str)>) {
        let proxy = parse(value).unwrap();
        assert_eq!(format!("{proxy:?}"), place);
        let read = proxy.credentials.as_ref();
        let read = read.map(|(user, password)| (user.as_str(), password.as_str()));
        assert_eq!(read, credentials);
    }

    #[test_case("http://CORP\\user:s3cret@proxy:80"; "backslash")]
    #[test_case("CORP\\user:s3cret@proxy:80"; "backslash without a scheme")]
    #[test_case("http://user:s3 cret@proxy:80"; "blank in the password")]
    #[test_case("\"http://user:s3cret@proxy:80\""; "double quotes")]
    #[test_case("'http://user:s3cret@proxy:80'"; "single quotes")]
    #[test_case("http://user:s3cret@proxy:80\n"; "line end")]
    #[test_case("http://user:s3cret@proxy:80\r\n"; "two line ends")]
    #[test_case(" http://user:s3cret@proxy:80"; "blank before")]
    #[test_case("http://user:s3cret@proxy:80 "; "blank behind")]
    #[test_case(" "; "only a blank")]
    #[test_case("http://"; "no host")]
    #[test_case("http:///"; "no host but a path")]
    #[test_case("http://:3128"; "no host but a port")]
    #[test_case("http://user:s3cret@"; "no host but a user")]
    #[test_case("http://user:s3cret@proxy:99999"; "port too large")]
    #[test_case("http://user:s3cret@proxy:0"; "port zero")]
    #[test_case("http://user:s3cret@proxy:"; "empty port")]
    #[test_case("http://user:s3cret@proxy:http"; "port that is a word")]
    #[test_case("http://user:s3cret@proxy:+80"; "port with a sign")]
    #[test_case("ftp://user:s3cret@proxy:80"; "unknown scheme")]
    #[test_case("socks4://user:s3cret@proxy:80"; "scheme that is not spoken")]
    #[test_case("user:s3cret://proxy:80"; "no scheme at all")]
    #[test_case("http:/user:s3cret@proxy:80"; "one slash")]
    #[test_case("http://user:s3cret@x@proxy:80"; "at sign in the password")]
    #[test_case("http://user:s3cret/x@proxy:80"; "slash in the password")]
    #[test_case("http://user:1/s3cret@proxy:80"; "slash in the password behind a digit")]
    #[test_case("http://user:s3cret?x@proxy:80"; "question mark in the password")]
    #[test_case("http://user:s3cret#x@proxy:80"; "number sign in the password")]
    #[test_case("http://user:s3cret%@proxy:80"; "per cent sign in the password")]
    #[test_case("http://user:s3cret%zz@proxy:80"; "bad encoding")]
    #[test_case("http://user:s3cret%FF@proxy:80"; "encoding of what is not UTF-8")]
    #[test_case("http://user:s3cret%0A@proxy:80"; "encoded line end")]
    #[test_case("http://us%3Aer:s3cret@proxy:80"; "colon in the user")]
    #[test_case("http://user:s3cret\u{fc}@proxy:80"; "umlaut")]
    #[test_case("http://user:s3cret<>@proxy:80"; "brackets")]
    #[test_case("http://user:s3cret@proxy:80/path"; "path")]
    #[test_case("http://user:s3cret@::1:80"; "version 6 without brackets")]
    #[test_case("http://user:s3cret@[::1:80"; "half a bracket")]
    #[test_case("socks5://:s3cret@proxy:80"; "socks5 without a user")]
    #[test_case("socks5://s3cret@proxy:80"; "socks5 without a password")]
    fn what_is_not_a_url_of_a_proxy_is_refused_without_its_password(value: &str) {
        let fault = parse(value).unwrap_err().to_string();
        assert!(fault.contains("http://USER:PASSWORD@HOST:PORT"), "{fault}");
        assert!(
            !fault.contains("s3cret") && !fault.contains("user:"),
            "{fault}"
        );
    }

    #[test_case("http://me:pw@proxy:80", Some("http://proxy:80"))]
    #[test_case("me:pw@proxy:80", Some("proxy:80"); "without a scheme")]
    #[test_case("socks5h://me@proxy", Some("socks5h://proxy"); "a user alone")]
    #[test_case("http://me:p@w/1@proxy:80/", Some("http://proxy:80/"); "not encoded")]
    #[test_case("me:a://b@proxy:80", Some("proxy:80"); "with a scheme in the password")]
    #[test_case("http://proxy:80", None; "without a user")]
    fn a_program_gets_a_proxy_without_its_password(value: &str, bare: Option<&str>) {
        assert_eq!(without_userinfo(value).as_deref(), bare);
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        let value = OsString::from_vec(b"http://user:s3cret\xff@proxy:80".to_vec());
        assert_eq!(
            Proxy::parse("HTTPS_PROXY", &value).unwrap_err(),
            Unusable::Encoding
        );
    }

    #[test]
    fn all_variables_are_read_and_the_first_that_leads_somewhere_is_taken() {
        let from = |variables: &[(&str, &str)]| {
            Proxies::from_env(|name| {
                let found = variables.iter().find(|(given, _)| *given == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        let way = |variables: &[(&str, &str)]| {
            let proxies = from(variables).unwrap();
            proxies.to("acme.com", 443).map(|proxy| proxy.host.clone())
        };
        for (variables, host) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", "a"), ("ALL_PROXY", "b")], Some("a")),
            (&[("https_proxy", "a"), ("ALL_PROXY", "b")], Some("a")),
            (&[("HTTPS_PROXY", ""), ("all_proxy", "b")], Some("b")),
            (&[("HTTP_PROXY", "a"), ("http_proxy", "b")], None),
            (&[("HTTPS_PROXY", "a"), ("NO_PROXY", "acme.com")], None),
            (
                &[("HTTPS_PROXY", "a"), ("NO_PROXY", ""), ("no_proxy", "*")],
                None,
            ),
        ] {
            assert_eq!(way(variables).as_deref(), host, "{variables:?}");
        }
        for variable in VARIABLES {
            let faults = from(&[("HTTPS_PROXY", "a"), (variable, "http://")]).err();
            let is_shadowed = variable == "HTTPS_PROXY";
            let wanted = (!is_shadowed).then(|| vec![(variable, Unusable::NoHost)]);
            assert_eq!(faults, wanted, "{variable}");
        }
    }
}
