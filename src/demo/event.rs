//! Events of the org, for those who subscribe.
//!
//! Events are a part of the data, so that a rollback removes them, too.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use super::{
    bulk::now,
    data::{Data, Record},
    id::USER_ID,
};

/// The newest events of all channels.
#[derive(Clone, Default)]
pub(super) struct Events {
    kept: VecDeque<Arc<Event>>,
    published: u64,
}

/// An event. Those of all channels together are numbered from 1.
pub(super) struct Event {
    pub(super) channel: String,
    pub(super) replay_id: u64,
    pub(super) data: Value,
}

impl Events {
    /// Adds an event. `data` gets its replay id.
    pub(super) fn publish(&mut self, channel: String, data: impl FnOnce(u64) -> Value) {
        self.published += 1;
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(Event {
            channel,
            replay_id: self.published,
            data: data(self.published),
        }));
    }

    /// The events after `replay_id`, in their order.
    pub(super) fn after(&self, replay_id: u64) -> impl Iterator<Item = &Event> {
        let from = self
            .kept
            .partition_point(|event| event.replay_id <= replay_id);
        self.kept.range(from..).map(|event| &**event)
    }

    /// The newest replay id; 0 if there is none.
    pub(super) fn newest(&self) -> u64 {
        self.published
    }

    /// Returns whether all events after `replay_id` are still stored.
    pub(super) fn reach_back_to(&self, replay_id: u64) -> bool {
        (self.published - self.kept.len() as u64..=self.published).contains(&replay_id)
    }
}

impl Data {
    /// Publishes a new record: a change event of its object, and the PushTopic `Accounts`.
    pub(super) fn created(&mut self, object: &str, record: &Record) {
        let id = &record["Id"];
        if object == "Account" {
            let shown = json!({"Id": id, "Name": record["Name"]});
            self.events
                .publish("/topic/Accounts".to_owned(), |replay_id| {
                    json!({
                        "event": {"createdDate": now(), "replayId": replay_id, "type": "created"},
                        "sobject": shown,
                    })
                });
        }
        let entity = match object.strip_suffix("__c") {
            Some(custom) => format!("{custom}__"),
            None => object.to_owned(),
        };
        self.events
            .publish(format!("/data/{entity}ChangeEvent"), |replay_id| {
                let mut payload = json!({"ChangeEventHeader": {
                    "entityName": object,
                    "recordIds": [id],
                    "changeType": "CREATE",
                    "commitUser": USER_ID,
                    "commitNumber": replay_id,
                    "sequenceNumber": 1,
                }});
                for (name, value) in record {
                    if name != "Id" && !value.is_null() {
                        payload[name] = value.clone();
                    }
                }
                json!({"schema": SCHEMA, "payload": payload, "event": {"replayId": replay_id}})
            });
    }

    /// Publishes a platform event of a client.
    pub(super) fn publish(&mut self, name: &str, values: &Record) {
        let mut payload = json!({"CreatedDate": now(), "CreatedById": USER_ID});
        for (name, value) in values {
            payload[name] = value.clone();
        }
        self.events.publish(format!("/event/{name}"), |replay_id| {
            json!({"schema": SCHEMA, "payload": payload, "event": {"replayId": replay_id}})
        });
    }
}

/// Looks like the id of a schema, which the clients here do not need.
const SCHEMA: &str = "dffQ2QLzDNHqwB8_sHMxdA";

/// Events kept, so that a demo org can run forever.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_are_forgotten() {
        let mut events = Events::default();
        for _ in 0..MOST + 5 {
            events.publish("/event/Order__e".to_owned(), |replay_id| json!(replay_id));
        }
        assert_eq!(events.after(0).count(), MOST);
        assert_eq!(events.after(events.newest() - 2).count(), 2);
        assert!(events.reach_back_to(5) && events.reach_back_to(events.newest()));
        assert!(!events.reach_back_to(4) && !events.reach_back_to(events.newest() + 1));
    }
}
