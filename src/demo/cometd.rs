//! The Streaming API: CometD (Bayeux 1.0) by long polling.
//!
//! A dead session shows only in the messages, never in the status
//! ([`crate::salesforce::facts::expiry`]). A client must send its id and the cookies of its
//! handshake.

use std::time::Duration;

use aws_lc_rs::rand;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

pub(super) use self::clients::Clients;
use self::clients::Subscription;
use super::{
    Inner,
    answer::Answer,
    id::ORG_ID,
    rest::{NEWEST, header_value},
    rig::seen::Log,
    service::Call,
    session::Access,
};

mod clients;

impl Inner {
    /// `/cometd/…`
    pub(super) async fn cometd(&self, call: &Call, body: Bytes) -> Answer {
        if call.head.method != Method::POST {
            // The answer to a client that prefers a WebSocket.
            return plain(StatusCode::BAD_REQUEST, "Unknown Bayeux Transport");
        }
        if body.len() > LONGEST {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Maximum Request Size Exceeded",
            );
        }
        let messages = match serde_json::from_slice(&body) {
            Ok(Value::Array(messages)) => messages,
            Ok(message @ Value::Object(_)) => vec![message],
            _ => return plain(StatusCode::BAD_REQUEST, "Malformed Bayeux message"),
        };
        let mut replies = Vec::new();
        let mut cookies = Vec::new();
        for message in messages {
            let reply = match message["channel"].as_str() {
                Some("/meta/handshake") => match self.unsupported_stream(call) {
                    Some(error) => refused(&message, json!({"reconnect": "none"}), &error),
                    None => self.handshake(call, &message, &mut cookies),
                },
                Some("/meta/connect") => self.connect(call, &message, &mut replies).await,
                Some(channel) => self.other(call, &message, channel),
                None => refused(&message, Value::Null, "400::Channel missing"),
            };
            replies.push(reply);
        }
        let answer = Answer::json(Value::Array(replies));
        cookies.into_iter().fold(answer, |answer, cookie| {
            answer.header(header::SET_COOKIE, cookie)
        })
    }

    /// The error for a version that is retired, as the
    /// [documentation](https://developer.salesforce.com/docs/atlas.en-us.248.0.api_streaming.meta/api_streaming/streaming_error_codes.htm)
    /// has it.
    fn unsupported_stream(&self, call: &Call) -> Option<String> {
        let oldest = self.knobs().oldest_version;
        let segments = call.segments();
        let version = segments.iter().find_map(|it| it.strip_suffix(".0"));
        let is_retired = version?.parse::<usize>().ok()? < oldest;
        is_retired.then(|| {
            format!(
                "400::Unsupported API version. Only API versions '{oldest}.0' and above are \
                 supported. URI format: '/cometd/{NEWEST}.0'"
            )
        })
    }

    fn handshake(&self, call: &Call, message: &Value, cookies: &mut Vec<HeaderValue>) -> Value {
        if let Some(reason) = refusal(call.access) {
            let mut reply = Map::new();
            reply.insert("ext".to_owned(), json!({"sfdc": {"failureReason": reason}}));
            reply.insert("advice".to_owned(), json!({"reconnect": "none"}));
            reply.insert("channel".to_owned(), "/meta/handshake".into());
            copy(message, "id", &mut reply);
            reply.insert("error".to_owned(), "403::Handshake denied".into());
            reply.insert("successful".to_owned(), false.into());
            return reply.into();
        }
        let (id, browser) = (random_id(), random_id());
        for cookie in [
            format!("BAYEUX_BROWSER={browser}"),
            format!("sfdc-stream=!{}", random_id()),
        ] {
            let attributes = "Domain=.salesforce.com; Path=/; Secure; HttpOnly; SameSite=None";
            cookies.push(header_value(&format!("{cookie}; {attributes}")));
        }
        self.clients.add(id.clone(), browser);
        let mut reply = Map::new();
        reply.insert(
            "ext".to_owned(),
            json!({"replay": true, "payload.format": true}),
        );
        reply.insert("minimumVersion".to_owned(), "1.0".into());
        reply.insert("clientId".to_owned(), id.into());
        reply.insert(
            "supportedConnectionTypes".to_owned(),
            json!(["long-polling"]),
        );
        reply.insert("channel".to_owned(), "/meta/handshake".into());
        copy(message, "id", &mut reply);
        reply.insert("version".to_owned(), "1.0".into());
        reply.insert("successful".to_owned(), true.into());
        reply.into()
    }

    /// Answers at once the first time; later when there are events, which go to `replies`, or when
    /// the time is over.
    async fn connect(&self, call: &Call, message: &Value, replies: &mut Vec<Value>) -> Value {
        if let Some(reason) = refusal(call.access) {
            return unauthorized(message, reason);
        }
        let id = message["clientId"].as_str().unwrap_or_default();
        let headers = &call.head.headers;
        let browser = cookie(headers, "BAYEUX_BROWSER").unwrap_or_default();
        let first = match cookie(headers, "sfdc-stream") {
            Some(_) => self.clients.connect(id, browser),
            None => None,
        };
        let Some(first) = first else {
            return unknown_client(message);
        };
        let knobs = self.knobs();
        let wait = if first {
            Duration::ZERO
        } else {
            let asked = message["advice"]["timeout"].as_u64();
            let asked = asked.map_or(Duration::MAX, Duration::from_millis);
            asked.min(knobs.long_poll)
        };
        let token = token(headers).unwrap_or_default();
        let _waiting = Waiting::new(&self.log);
        let mut too_long = std::pin::pin!(tokio::time::sleep(wait));
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no event is missed.
            changed.as_mut().enable();
            if let Some(reason) = refusal(self.sessions.worth(token, knobs.session_timeout)) {
                return unauthorized(message, reason);
            }
            let Some(events) = self.clients.events(id, &self.data().events) else {
                return unknown_client(message);
            };
            let enough = !events.is_empty() || wait.is_zero();
            replies.extend(events);
            if enough {
                break;
            }
            tokio::select! {
                () = changed => {}
                () = &mut too_long => break,
            }
        }
        let advice = json!({
            "reconnect": "retry",
            "interval": 0,
            "timeout": knobs.long_poll.as_millis() as u64,
        });
        let mut reply = accepted(message);
        if first {
            reply["advice"] = advice;
        }
        reply
    }

    fn other(&self, call: &Call, message: &Value, channel: &str) -> Value {
        if let Some(reason) = refusal(call.access) {
            return unauthorized(message, reason);
        }
        let id = message["clientId"].as_str().unwrap_or_default();
        let known = match channel {
            "/meta/subscribe" => match self.subscriptions(message) {
                Ok(subscriptions) => self.clients.subscribe(id, subscriptions),
                Err(error) => return refused(message, Value::Null, &error),
            },
            "/meta/unsubscribe" => self.clients.unsubscribe(id, &channels(message)),
            "/meta/disconnect" => self.clients.remove(id),
            _ => return refused(message, Value::Null, "403::Create denied"),
        };
        if known {
            accepted(message)
        } else {
            unknown_client(message)
        }
    }

    /// The channels that a client subscribes to, with the first event: `ext.replay` maps channels
    /// to replay ids, to -1 for new events only, or to -2 for all stored ones.
    fn subscriptions(&self, message: &Value) -> Result<Vec<Subscription>, String> {
        let data = self.data();
        let one = |channel: String| {
            let mut kinds = ["/topic/", "/event/", "/data/"].into_iter();
            if !kinds.any(|kind| channel.len() > kind.len() && channel.starts_with(kind)) {
                return Err(format!(
                    "404::The channel you requested to subscribe to does not exist {{{channel}}}"
                ));
            }
            let seen = match message["ext"]["replay"][&channel].as_i64() {
                None | Some(-1) => data.events.newest(),
                Some(-2) => 0,
                Some(id) => u64::try_from(id)
                    .ok()
                    .filter(|id| data.events.reach_back_to(*id))
                    .ok_or_else(|| {
                        format!(
                            "400::The replayId {{{id}}} you provided was invalid.  Please provide a \
                             valid ID, -2 to replay all events, or -1 to replay only new events."
                        )
                    })?,
            };
            Ok(Subscription { channel, seen })
        };
        channels(message).into_iter().map(one).collect()
    }
}

/// One or several.
fn channels(message: &Value) -> Vec<String> {
    match &message["subscription"] {
        Value::Array(channels) => channels
            .iter()
            .filter_map(|channel| channel.as_str().map(str::to_owned))
            .collect(),
        Value::String(channel) => vec![channel.clone()],
        _ => Vec::new(),
    }
}

fn refusal(access: Access) -> Option<&'static str> {
    match access {
        Access::Live => None,
        Access::Missing => Some("401::Request requires authentication"),
        Access::Garbled | Access::Dead => Some("401::Authentication invalid"),
    }
}

fn unauthorized(message: &Value, reason: &str) -> Value {
    refused(message, json!({"reconnect": "none", "interval": 0}), reason)
}

fn unknown_client(message: &Value) -> Value {
    let advice = json!({"reconnect": "handshake", "interval": 0});
    refused(message, advice, "403::Unknown client")
}

fn refused(message: &Value, advice: Value, error: &str) -> Value {
    let mut reply = Map::new();
    copy(message, "clientId", &mut reply);
    if !advice.is_null() {
        reply.insert("advice".to_owned(), advice);
    }
    copy(message, "channel", &mut reply);
    copy(message, "id", &mut reply);
    copy(message, "subscription", &mut reply);
    reply.insert("error".to_owned(), error.into());
    reply.insert("successful".to_owned(), false.into());
    reply.into()
}

fn accepted(message: &Value) -> Value {
    let mut reply = Map::new();
    for name in ["clientId", "channel", "id", "subscription"] {
        copy(message, name, &mut reply);
    }
    reply.insert("successful".to_owned(), true.into());
    reply.into()
}

fn copy(message: &Value, name: &str, reply: &mut Map<String, Value>) {
    if let Some(value) = message.get(name) {
        reply.insert(name.to_owned(), value.clone());
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    Answer::text(status, "text/plain; charset=UTF-8", text.to_owned())
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.split_once(' ').map(|(_, token)| token)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).into_iter();
    let mut cookies = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    cookies
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
}

fn random_id() -> String {
    let mut random = [0; 12];
    // Without randomness there is no TLS either.
    let _ = rand::fill(&mut random);
    let hex = random.map(|byte| format!("{byte:02x}"));
    format!("{}{}", &ORG_ID[3..5], hex.concat())
}

/// Counts a connect while it waits.
struct Waiting<'a>(&'a Log);

impl<'a> Waiting<'a> {
    fn new(log: &'a Log) -> Self {
        log.count(|counts| counts.long_polls += 1);
        Self(log)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.count(|counts| counts.long_polls -= 1);
    }
}

/// Bytes of a request's body.
const LONGEST: usize = 32_768;
