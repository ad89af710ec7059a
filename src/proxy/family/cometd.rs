//! The errors of the Streaming API, which come in messages (Bayeux 1.0).

use http::StatusCode;
use serde_json::{Value, json};

use super::Verdict;

/// The verdict of `body`, which came with status 200 or 401, on the session. It is dead if a message on a
/// meta channel failed with 401 ([`crate::salesforce::facts::expiry`]): at last, if another message did
/// not fail, or is an event.
///
/// An event may carry the same words as data, so they must stand where only the org writes.
pub(super) fn judge(body: &[u8]) -> Verdict {
    // Nearly all responses have nothing of the kind.
    if memchr::memmem::find(body, b"401::").is_none() {
        return Verdict::Sound;
    }
    let messages = match serde_json::from_slice(body) {
        Ok(Value::Array(messages)) => messages,
        Ok(message) => vec![message],
        Err(_) => return Verdict::Sound,
    };
    if !messages.iter().any(is_refusal) {
        Verdict::Sound
    } else if messages.iter().all(|it| it["successful"] == false) {
        Verdict::Dead
    } else {
        Verdict::DeadAtLast
    }
}

/// An error of the proxy's own. Some clients read a message out of a response of any status, and
/// break if there is none, so it is one: of the channel that there is always someone to listen to.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> String {
    let reconnect = if status.is_server_error() {
        "retry"
    } else {
        "none"
    };
    json!([{
        "channel": "/meta/connect",
        "successful": false,
        "error": format!("{}::{code}: {message}", status.as_u16()),
        "advice": { "reconnect": reconnect, "interval": PAUSE },
    }])
    .to_string()
}

fn is_refusal(message: &Value) -> bool {
    let is_401 = |text: &Value| text.as_str().is_some_and(|text| text.starts_with("401::"));
    message["channel"]
        .as_str()
        .is_some_and(|channel| channel.starts_with("/meta/"))
        && message["successful"] == false
        && (is_401(&message["error"]) || is_401(&message["ext"]["sfdc"]["failureReason"]))
}

/// Milliseconds for a client to wait before it tries again.
const PAUSE: u32 = 2000;
