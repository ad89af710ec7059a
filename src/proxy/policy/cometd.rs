//! The Streaming API: messages on meta channels read, and all others publish.

use std::fmt::Display;

use super::{
    json::Json,
    judge::{Judge, Judged, Object},
};
use crate::proxy::path::{is, words};

/// Judges the messages of a request.
pub(super) fn judge(judge: Judge<'_>, what: &dyn Display, body: &Json) -> Judged {
    let messages = match body {
        Json::List(messages) => messages,
        message => std::slice::from_ref(message),
    };
    for message in messages {
        match message.text("channel") {
            Some("/meta/subscribe") => subscribe(judge, what, message)?,
            Some(channel) if META.contains(&channel) => {}
            Some(channel) if is_meta(channel) => {
                judge.unclear(what, "nothing is known of a meta channel in it")?;
            }
            _ => judge.write(what, Object::Other)?,
        }
    }
    Ok(())
}

/// Returns whether a channel is, or may be taken for, one that does something other than to publish.
fn is_meta(channel: &str) -> bool {
    is(words(channel.trim().as_bytes()).next(), "meta")
}

fn subscribe(judge: Judge<'_>, what: &dyn Display, message: &Json) -> Judged {
    let channels = match message.get("subscription") {
        Some(Json::List(channels)) => channels,
        Some(channel) => std::slice::from_ref(channel),
        None => &[],
    };
    for channel in channels {
        let object = match channel {
            Json::Text(channel) => object_of(channel),
            _ => Object::Unknown,
        };
        judge.read(what, object)?;
        if let Object::Named(object) = object {
            judge.read_all(what, object)?;
        }
    }
    Ok(())
}

/// The object of the events on a channel, where its name says it.
fn object_of(channel: &str) -> Object<'_> {
    let changes = channel
        .strip_prefix("/data/")
        .and_then(|name| name.strip_suffix("ChangeEvent"));
    match changes.or_else(|| channel.strip_prefix("/event/")) {
        // `Invoice__ChangeEvent` is of `Invoice__c`.
        Some(name) if name.ends_with("__") => Object::Unknown,
        // A channel has events of several objects.
        Some(name) if name.to_ascii_lowercase().ends_with("__chn") => Object::Unknown,
        Some(name) if !name.is_empty() => Object::of(name),
        _ => Object::Unknown,
    }
}

const META: [&str; 4] = [
    "/meta/handshake",
    "/meta/connect",
    "/meta/unsubscribe",
    "/meta/disconnect",
];
