//! One request, once it has ended.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Trace, shown};
use crate::{config::ClientLabel, system::escape};

/// The facts about one request, whatever came of it. It has neither bodies nor queries nor anything
/// that opens something.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// When its head had come.
    pub(crate) began: SystemTime,
    /// The org that it was for, if that was found.
    pub(crate) org: Option<Arc<str>>,
    /// The address of the listener that it came in by, as configured.
    pub(crate) listener: Arc<str>,
    pub(crate) peer: Peer,
    pub(crate) client: Client,
    /// The user of the org that it was sent as, where that depends on the client.
    pub(crate) user: Option<Arc<str>>,
    pub(crate) method: Method,
    /// The path as the client sent it, without the query; cut if it is longer than 4 KiB.
    pub(crate) path: String,
    pub(crate) family: &'static str,
    /// The operation of a SOAP API.
    pub(crate) operation: Option<Box<str>>,
    /// The version of the API, such as 62.
    pub(crate) api_version: Option<u16>,
    pub(crate) status: StatusCode,
    pub(crate) answered_by: AnsweredBy,
    /// False if the connection broke before the last byte had gone.
    pub(crate) is_whole: bool,
    pub(crate) waits: Waits,
    /// Bytes of the body of the request.
    pub(crate) received: u64,
    /// Bytes of the body of the response.
    pub(crate) sent: u64,
    /// Times that it was sent to the org again, and why it was the first time.
    pub(crate) replays: u8,
    pub(crate) replayed_for: Option<Replayed>,
    /// What the org said of its allocation.
    pub(crate) usage: Option<Usage>,
    pub(crate) signs: Signs,
    /// The version that it was sent at in place of an older one.
    pub(crate) raised: Option<Raised>,
    /// If true, its policy would have refused it, but only observes.
    pub(crate) would_be_refused: bool,
    /// Its place in a trace, where traces are configured.
    pub(crate) trace: Option<Box<Trace>>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Peer {
    Address(IpAddr),
    /// A user of this machine, on a Unix socket.
    Uid(u32),
    #[default]
    Unknown,
}

impl Peer {
    pub(crate) fn uid(self) -> Option<u32> {
        match self {
            Self::Uid(uid) => Some(uid),
            Self::Address(_) | Self::Unknown => None,
        }
    }
}

/// By what a client is known, the most certain first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Client {
    /// The name in `clients` that it logged in by.
    Named(Arc<str>),
    /// The user that it runs as.
    Uid(u32),
    /// The name of all clients of the listener that it came in by.
    Listener(Arc<str>),
    /// What it says of itself: its `User-Agent`.
    Says(Arc<str>),
    Unknown,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KnownBy {
    Name,
    Uid,
    Listener,
    UserAgent,
    Unknown,
    /// The many for whom there was no room, as one.
    Others,
}

/// A client as it is counted and shown: no other is taken for it by calling itself the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) known_by: KnownBy,
    /// On one line, not endless, without what may be a session.
    name: Box<str>,
}

impl Record {
    /// Returns whether it is of a user of this machine who may not call.
    pub(super) fn is_of_another_user(&self) -> bool {
        self.answered_by == AnsweredBy::Error("OTHER_USER")
    }
}

impl Client {
    pub(crate) fn known_by(&self) -> KnownBy {
        match self {
            Self::Named(_) => KnownBy::Name,
            Self::Uid(_) => KnownBy::Uid,
            Self::Listener(_) => KnownBy::Listener,
            Self::Says(_) => KnownBy::UserAgent,
            Self::Unknown => KnownBy::Unknown,
        }
    }

    /// Its name, which may have anything in it.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Named(name) | Self::Listener(name) => Cow::Borrowed(name),
            Self::Uid(uid) => uid.to_string().into(),
            Self::Says(agent) => product(agent).into(),
            Self::Unknown => "".into(),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(self.known_by(), &self.name())
    }

    /// Returns whether it is only known by what it says of itself, which can be anything.
    pub(super) fn names_itself(&self) -> bool {
        matches!(self, Self::Says(_))
    }

    /// What it is called in a configuration, if it cannot choose that for itself.
    pub(crate) fn label(&self) -> Option<ClientLabel> {
        match self {
            Self::Named(name) => Some(ClientLabel::Name(name.clone())),
            Self::Uid(uid) => Some(ClientLabel::Uid(*uid)),
            Self::Listener(name) => Some(ClientLabel::Listener(name.clone())),
            Self::Says(_) | Self::Unknown => None,
        }
    }
}

impl KnownBy {
    /// One word for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Uid => "uid",
            Self::Listener => "listener",
            Self::UserAgent => "user_agent",
            Self::Unknown => "unknown",
            Self::Others => "others",
        }
    }

    /// What stands before the name for people.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Name | Self::Unknown | Self::Others => "",
            Self::Uid => "uid:",
            Self::Listener => "listener:",
            Self::UserAgent => "ua:",
        }
    }
}

impl Identity {
    pub(crate) fn new(known_by: KnownBy, name: &str) -> Self {
        let name = shown(name, LONGEST_NAME);
        Self {
            known_by,
            name: Box::from(&*escape::line(&name)),
        }
    }

    /// Those for whom there was no room.
    pub(super) fn others() -> Self {
        Self::new(KnownBy::Others, "")
    }

    pub(crate) fn name(&self) -> Option<String> {
        match self.known_by {
            KnownBy::Unknown | KnownBy::Others => None,
            _ => Some(self.name.to_string()),
        }
    }
}

impl Display for Identity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.known_by {
            KnownBy::Unknown | KnownBy::Others => f.write_str(self.known_by.word()),
            by => write!(f, "{}{}", by.mark(), self.name),
        }
    }
}

/// The first product of a `User-Agent` (RFC 9110 section 10.1.5), and not all that follows it.
fn product(agent: &str) -> &str {
    let end = agent.find([' ', '\t', '(']).unwrap_or(agent.len());
    &agent[..agent.floor_char_boundary(end.min(LONGEST_PRODUCT))]
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnsweredBy {
    Org,
    /// The proxy, for what it answers in place of the org.
    Proxy,
    /// The proxy, with an error of this code.
    Error(&'static str),
    /// Nobody: the client was gone before.
    Nobody,
}

/// Where the time went. Zero is no wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// For a login, or for what the org says of the session.
    pub(crate) login: Duration,
    /// For its turn, while too many long calls were open.
    pub(crate) turn: Duration,
    /// For a connection to the org.
    pub(crate) connection: Duration,
    /// From when the request was sent to the first byte of the org's response.
    pub(crate) first_byte: Duration,
    /// In all, to the last byte for the client.
    pub(crate) total: Duration,
}

/// Why a request was sent to the org again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// The session was dead.
    Session,
    /// The org had moved.
    Moved,
    /// The connection had been closed before anything was sent.
    Connection,
    /// Too many long calls were open.
    Crowded,
}

/// `Sforce-Limit-Info: api-usage=18/5000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) used: u32,
    pub(crate) allowed: u32,
}

/// A version of the API, such as 20, and the one that requests of it are sent at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raised {
    /// The oldest that the request, or one within it, names.
    pub(crate) from: u16,
    pub(crate) to: u16,
}

/// Signs of what Salesforce is about to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs(u8);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Sign {
    SoapLogin = 1,
    PasswordGrant = 1 << 1,
    /// A session in a query string.
    SessionInQuery = 1 << 2,
    /// The host of an instance, or one that the org has left.
    OldHost = 1 << 3,
    /// A `Warning` header of the org.
    Warning = 1 << 4,
}

impl Usage {
    /// Reads the value of `Sforce-Limit-Info`, which may have more than this.
    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let rest = value.as_bytes().strip_prefix(b"api-usage=")?;
        let (used, rest) = number(rest)?;
        let (allowed, _) = number(rest.strip_prefix(b"/")?)?;
        Some(Self { used, allowed })
    }
}

/// The number that `text` begins with, and what follows it.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let (digits, rest) = text.split_at(digits.count());
    let add = |number: u32, digit: &u8| {
        let number = number.checked_mul(10)?;
        number.checked_add(u32::from(digit - b'0'))
    };
    let number = digits.iter().try_fold(0, add)?;
    (!digits.is_empty()).then_some((number, rest))
}

impl Signs {
    pub(crate) fn add(&mut self, sign: Sign) {
        self.0 |= sign as u8;
    }

    pub(crate) fn has(self, sign: Sign) -> bool {
        self.0 & sign as u8 != 0
    }
}

/// Bytes.
const LONGEST_PRODUCT: usize = 64;
const LONGEST_NAME: usize = 256;

#[cfg(test)]
impl Record {
    /// A request that went well.
    pub(super) fn example() -> Self {
        Self {
            began: SystemTime::UNIX_EPOCH,
            org: Some("main".into()),
            listener: "localhost:8080".into(),
            peer: Peer::Address([127, 0, 0, 1].into()),
            client: Client::Unknown,
            user: None,
            method: Method::GET,
            path: "/services/data/v62.0/limits".into(),
            family: "rest",
            operation: None,
            api_version: Some(62),
            status: StatusCode::OK,
            answered_by: AnsweredBy::Org,
            is_whole: true,
            waits: Waits {
                total: Duration::from_millis(12),
                first_byte: Duration::from_millis(10),
                ..Waits::default()
            },
            received: 0,
            sent: 1024,
            replays: 0,
            replayed_for: None,
            usage: None,
            signs: Signs::default(),
            raised: None,
            would_be_refused: false,
            trace: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_is_read_whatever_stands_behind_it() {
        let parse = |text: &'static str| {
            let usage = Usage::parse(&HeaderValue::from_static(text));
            usage.map(|usage| (usage.used, usage.allowed))
        };
        assert_eq!(parse("api-usage=18/5000"), Some((18, 5000)));
        assert_eq!(
            parse("api-usage=25/5000; per-app-api-usage=17/250(appName=sample)"),
            Some((25, 5000))
        );
        for odd in [
            "",
            "api-usage=",
            "api-usage=1",
            "api-usage=x/5",
            "api-usage=5/",
            "api-usage=/5",
            "api-usage=99999999999/5",
            "1/2",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        assert_eq!(parse("per-app-api-usage=17/250"), None);
    }

    #[test]
    fn a_client_is_called_by_its_product_on_one_line() {
        let name = |agent: &str| Client::Says(agent.into()).identity().to_string();
        let requests = name("python-requests/2.32 extra");
        assert_eq!(requests, "ua:python-requests/2.32");
        assert_eq!(name("Mozilla/5.0 (X11)"), "ua:Mozilla/5.0");
        assert_eq!(name("t\u{202e}x/1"), "ua:t\\u202ex/1");
        assert_eq!(name("00DAc00000xyzAB!AQ4A"), "ua:[session]");
        let long = name(&"é".repeat(10_000));
        assert_eq!(long.len(), "ua:".len() + LONGEST_PRODUCT);
    }

    #[test]
    fn no_client_can_call_itself_by_the_name_of_another() {
        for (client, label) in [
            (Client::Named("etl@example.com".into()), "etl@example.com"),
            (Client::Uid(1000), "uid:1000"),
            (Client::Listener("load".into()), "listener:load"),
            (Client::Unknown, "unknown"),
        ] {
            let identity = client.identity();
            assert_eq!(identity.to_string(), label);
            let names = [label, &identity.name];
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                let feigned = Client::Says(name.into()).identity();
                assert_ne!(feigned, identity);
                assert_ne!(feigned.to_string(), label);
            }
        }
        assert_ne!(Client::Says("others".into()).identity(), Identity::others());
    }

    #[test]
    fn a_word_is_the_same_in_each_document() {
        for by in [
            KnownBy::Name,
            KnownBy::Uid,
            KnownBy::Listener,
            KnownBy::UserAgent,
            KnownBy::Unknown,
            KnownBy::Others,
        ] {
            assert_eq!(serde_json::to_value(by).unwrap(), by.word());
        }
    }
}
