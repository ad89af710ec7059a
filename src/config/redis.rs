//! `[redis]`: where several processes for the same orgs share their sessions and what budgets count.

use std::{
    fmt::{self, Debug, Formatter},
    path::Path,
};

use rustls_pki_types::CertificateDer;
use url::Url;

use super::{
    Config, ca, document::Value, given, problem::Origin, reference, section::Section, value,
};

impl Config {
    /// Redis, if any org shares by it: a demo org is in its process alone.
    pub(crate) fn shared_redis(&self) -> Option<&Redis> {
        let shares = self.orgs.iter().any(|org| org.demo.is_none());
        self.redis.as_ref().filter(|_| shares)
    }
}

/// A Redis server.
#[derive(Clone, PartialEq, Eq)]
pub struct Redis {
    /// With the password, if there is one.
    pub(crate) url: Url,
    /// Certificate authorities to trust in place of the system's. For `rediss://` only.
    pub ca: Vec<CertificateDer<'static>>,
    /// What the names of all keys begin with.
    pub prefix: String,
}

impl Redis {
    /// The server at `url`, with every default.
    ///
    /// # Errors
    /// If it is not the URL of one.
    pub fn at(url: &str) -> Result<Self, String> {
        Ok(Self {
            url: parse(url)?,
            ca: Vec::new(),
            prefix: PREFIX.to_owned(),
        })
    }

    /// The port that it listens on, unless that is a path.
    pub(crate) fn port(&self) -> Option<u16> {
        (self.url.scheme() != "unix").then(|| self.url.port().unwrap_or(6379))
    }

    /// The address, for messages: without user and password.
    pub(crate) fn name(&self) -> String {
        let (scheme, path) = (self.url.scheme(), self.url.path());
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}"));
        format!("{scheme}://{host}{}{path}", port.unwrap_or_default())
    }
}

/// Omits the password.
impl Debug for Redis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.name()).finish()
    }
}

pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Redis> {
    let url = match section.get("url").map(|node| (&node.value, node.origin)) {
        Some((Value::Table(_), _)) => reference::text_line(&mut section, "url", folder, parse),
        // A variable may hold a password, a file and a command line may not.
        Some((_, Origin::Variable(_))) => section.read("url", |url| parse(value::text(url)?)),
        _ => section.read("url", |url| without_password(parse(value::text(url)?)?)),
    };
    let has_ca = section.get("ca_file").is_some();
    let ca = section.read("ca_file", |path| {
        ca::read(&value::file(path, folder)?, ca::Signed::Servers)
    });
    let prefix = section.read("prefix", |prefix| match value::text(prefix)? {
        text if is_prefix(text) => Ok(text.to_owned()),
        text => Err(format!(
            "must be 1 to 64 letters, digits and characters of \":._-\", not {}",
            given::shown(text)
        )),
    });
    let is_given = section.get("url").is_some();
    if !is_given && (has_ca || prefix.is_some()) {
        section.problem("url", "missing; add one such as \"redis://127.0.0.1:6379\"");
    }
    if let Some(url) = &url
        && has_ca
        && url.scheme() != "rediss"
    {
        section.problem("ca_file", "is for TLS; use it with rediss://, or remove it");
    }
    section.finish();
    Some(Redis {
        url: url?,
        ca: ca.unwrap_or_default(),
        prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
    })
}

/// No message shows any of `text`, which may hold a password.
fn parse(text: &str) -> Result<Url, String> {
    let example = "write one such as \"redis://127.0.0.1:6379\", \"rediss://redis.example:6380/0\" or \
                   \"unix:///run/redis/redis.sock\"";
    if !cfg!(feature = "redis") {
        return Err(
            "this build of orgproxy shares no sessions; remove it, or build orgproxy with the cargo \
             feature redis"
                .to_owned(),
        );
    }
    let url =
        Url::parse(text).map_err(|_| format!("is not the URL of a Redis server; {example}"))?;
    let is_right = match url.scheme() {
        "redis" | "rediss" => {
            let database = url.path().trim_start_matches('/');
            url.host_str().is_some_and(|host| !host.is_empty())
                && (database.is_empty() || database.parse::<u16>().is_ok())
                && url.query().is_none()
        }
        "unix" => url.path().len() > 1,
        _ => false,
    };
    if !is_right || url.fragment().is_some() {
        return Err(format!("is not the URL of a Redis server; {example}"));
    }
    Ok(url)
}

fn without_password(url: Url) -> Result<Url, String> {
    // Where the server is at a path, the query has it.
    if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "pass") {
        return Err(
            "must not have a password here; put the whole URL elsewhere: url = { env = \"REDIS_URL\" } \
             or { file = \"redis.url\" }"
                .to_owned(),
        );
    }
    Ok(url)
}

fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

const PREFIX: &str = "orgproxy";

#[cfg(test)]
#[cfg(feature = "redis")]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("redis://127.0.0.1", true, Some(6379); "the usual port")]
    #[test_case("redis://127.0.0.1:6380", true, Some(6380); "a port")]
    #[test_case("redis://:horse@127.0.0.1", false, Some(6379); "a password")]
    #[test_case("unix:///run/redis.sock?db=1", true, None; "a path")]
    #[test_case("unix:///run/redis.sock?db=1&pass=horse", false, None; "a password for a path")]
    fn a_url_has_a_port_and_no_password(text: &str, may_be_in_a_file: bool, port: Option<u16>) {
        assert_eq!(Redis::at(text).unwrap().port(), port);
        let kept = without_password(parse(text).unwrap());
        assert_eq!(kept.is_ok(), may_be_in_a_file, "{kept:?}");
    }

    #[test_case("redis://127.0.0.1:6379", Some("redis://127.0.0.1:6379"))]
    #[test_case(
        "rediss://:horse@redis.example:6380/2",
        Some("rediss://redis.example:6380/2")
    )]
    #[test_case("redis://user:horse@[::1]", Some("redis://[::1]"))]
    #[test_case("unix:///run/redis.sock", Some("unix:///run/redis.sock"))]
    #[test_case("unix:///run/redis.sock?db=1&pass=horse", Some("unix:///run/redis.sock"); "a password in the query")]
    #[test_case("127.0.0.1:6379", None; "no scheme")]
    #[test_case("http://horse", None; "another scheme")]
    #[test_case("redis://horse/x", None; "a database that is none")]
    #[test_case("redis://horse#insecure", None; "not checking who it is")]
    #[test_case("redis:horse", None; "no host")]
    #[test_case("unix:", None; "no path")]
    fn a_server_is_named_without_its_password(url: &str, expected: Option<&str>) {
        match (Redis::at(url), expected) {
            (Ok(redis), Some(expected)) => {
                assert_eq!(redis.name(), expected);
                assert!(!format!("{redis:?}").contains("horse"));
            }
            (Err(error), None) => assert!(!error.contains("horse"), "{error}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}
