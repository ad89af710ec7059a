//! The clients and their subscriptions.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::demo::event::Events;

/// The newest clients that shook hands.
#[derive(Default)]
pub(in crate::demo) struct Clients(Mutex<VecDeque<Client>>);

struct Client {
    id: String,
    /// The value of its cookie `BAYEUX_BROWSER`.
    browser: String,
    connected: bool,
    subscriptions: Vec<Subscription>,
}

pub(super) struct Subscription {
    pub(super) channel: String,
    /// The replay id of the newest event that it has or does not want.
    pub(super) seen: u64,
}

impl Subscription {
    fn is_for(&self, channel: &str) -> bool {
        self.channel == channel
            || (self.channel == "/data/ChangeEvents" && channel.starts_with("/data/"))
    }
}

/// All methods but `add` show in their result whether the client exists.
impl Clients {
    pub(super) fn add(&self, id: String, browser: String) {
        let mut clients = self.lock();
        if clients.len() == MOST {
            clients.pop_front();
        }
        clients.push_back(Client {
            id,
            browser,
            connected: false,
            subscriptions: Vec::new(),
        });
    }

    /// Returns whether this is the client's first connect.
    pub(super) fn connect(&self, id: &str, browser: &str) -> Option<bool> {
        let mut clients = self.lock();
        let mut clients = clients.iter_mut();
        let client = clients.find(|client| client.id == id && client.browser == browser)?;
        let first = !client.connected;
        client.connected = true;
        Some(first)
    }

    pub(super) fn subscribe(&self, id: &str, subscriptions: Vec<Subscription>) -> bool {
        self.change(id, |client| {
            for subscription in subscriptions {
                client
                    .subscriptions
                    .retain(|own| own.channel != subscription.channel);
                client.subscriptions.push(subscription);
            }
        })
    }

    pub(super) fn unsubscribe(&self, id: &str, channels: &[String]) -> bool {
        self.change(id, |client| {
            client
                .subscriptions
                .retain(|own| !channels.contains(&own.channel));
        })
    }

    pub(super) fn remove(&self, id: &str) -> bool {
        let mut clients = self.lock();
        let before = clients.len();
        clients.retain(|client| client.id != id);
        clients.len() < before
    }

    /// The events that a client has not had yet, as messages.
    pub(super) fn events(&self, id: &str, events: &Events) -> Option<Vec<Value>> {
        let mut clients = self.lock();
        let client = clients.iter_mut().find(|client| client.id == id)?;
        let oldest = client.subscriptions.iter().map(|own| own.seen).min();
        let mut messages = Vec::new();
        for event in events.after(oldest.unwrap_or(u64::MAX)) {
            let mut wanted = false;
            for own in &mut client.subscriptions {
                if event.replay_id > own.seen {
                    own.seen = event.replay_id;
                    wanted |= own.is_for(&event.channel);
                }
            }
            if wanted {
                messages.push(json!({"data": event.data, "channel": event.channel}));
            }
        }
        Some(messages)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Client)) -> bool {
        let mut clients = self.lock();
        let client = clients.iter_mut().find(|client| client.id == id);
        client.map(change).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clients kept, so that a demo org can run forever.
const MOST: usize = 1_000;
