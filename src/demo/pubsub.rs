//! The Pub/Sub API: gRPC on the same port as everything else, with the one topic `/event/Order__e`.
//!
//! Payloads are Avro, which only clients read: the org stores the bytes.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

pub(super) use self::bus::Bus;
use self::{
    bus::{number, replay_id},
    grpc::{Messages, Status, answer, failed, framed, trailers},
    message::{
        Error, FetchRequest, FetchResponse, PublishRequest, PublishResponse, PublishResult,
        SchemaInfo, SchemaRequest, TopicInfo, TopicRequest,
    },
};
use super::{
    Inner,
    answer::Body,
    id::{ORG_ID, same_id},
    rig::seen::Watched,
    service::Call,
    session::Access,
};

mod bus;
mod grpc;
mod message;

impl Inner {
    /// `/eventbus.v1.PubSub/{method}`
    pub(super) async fn pubsub(
        self: &Arc<Self>,
        call: &Call,
        method: &str,
        body: Watched,
    ) -> Response<Body> {
        if !self.may_call(call) {
            return failed(Status::UNAUTHENTICATED);
        }
        let mut messages = Messages::new(body);
        let answered = match method {
            "GetTopic" => self.topic(&mut messages).await,
            "GetSchema" => schema(&mut messages).await,
            "Publish" => self.publish(&mut messages).await,
            "Subscribe" => return answer(self.subscribe(call, messages)),
            _ => Err(Status::unimplemented()),
        };
        match answered {
            Ok(message) => {
                let frames = [Frame::data(message), Frame::trailers(trailers(Ok(())))];
                let frames = stream::iter(frames.map(Ok::<_, io::Error>));
                answer(StreamBody::new(frames).boxed_unsync())
            }
            Err(status) => failed(status),
        }
    }

    /// Returns whether the call may be made: beside the session, the metadata must name its org.
    fn may_call(&self, call: &Call) -> bool {
        let metadata = |name| call.head.headers.get(name)?.to_str().ok();
        call.access == Access::Live
            && metadata("instanceurl") == Some(&self.origin)
            && metadata("tenantid").is_some_and(|id| same_id(id, ORG_ID))
    }

    async fn topic(&self, messages: &mut Messages) -> Result<Bytes, Status> {
        let TopicRequest { topic_name } = only(messages).await?;
        check(&topic_name)?;
        Ok(framed(&TopicInfo {
            topic_name,
            tenant_guid: ORG_ID.to_owned(),
            can_publish: true,
            can_subscribe: true,
            schema_id: SCHEMA_ID.to_owned(),
            rpc_id: RPC_ID.to_owned(),
        }))
    }

    async fn publish(&self, messages: &mut Messages) -> Result<Bytes, Status> {
        let request: PublishRequest = only(messages).await?;
        check(&request.topic_name)?;
        let results = request.events.into_iter().map(|event| {
            let correlation_key = event.id.clone();
            let (replay_id, error) = if event.schema_id == SCHEMA_ID {
                (self.bus.publish(event), None)
            } else {
                let msg = "The schema_id is not that of the topic".to_owned();
                (Vec::new(), Some(Error { code: 1, msg }))
            };
            PublishResult {
                replay_id,
                error,
                correlation_key,
            }
        });
        let response = PublishResponse {
            results: results.collect(),
            schema_id: SCHEMA_ID.to_owned(),
            rpc_id: RPC_ID.to_owned(),
        };
        self.changed.notify_waiters();
        Ok(framed(&response))
    }

    fn subscribe(self: &Arc<Self>, call: &Call, messages: Messages) -> Body {
        let token = call.head.headers.get("accesstoken");
        let token = token.and_then(|token| token.to_str().ok());
        let subscriber = Subscriber {
            org: self.clone(),
            token: token.unwrap_or_default().to_owned(),
            messages,
            seen: None,
            wanted: 0,
            half_closed: false,
        };
        let frames = stream::unfold(Some(subscriber), |subscriber| async move {
            let mut subscriber = subscriber?;
            Some(match subscriber.next().await {
                Ok(Some(response)) => {
                    let frame = Frame::data(framed(&response));
                    (Ok::<_, io::Error>(frame), Some(subscriber))
                }
                Ok(None) => (Ok(Frame::trailers(trailers(Ok(())))), None),
                Err(status) => (Ok(Frame::trailers(trailers(Err(status)))), None),
            })
        });
        StreamBody::new(frames).boxed_unsync()
    }
}

/// One call of `Subscribe`.
struct Subscriber {
    org: Arc<Inner>,
    token: String,
    messages: Messages,
    /// The number of the newest event that it has; nothing before its first request.
    seen: Option<u64>,
    /// Number of events that it asked for and has not got yet.
    wanted: usize,
    /// If true, no more requests will come.
    half_closed: bool,
}

impl Subscriber {
    /// The next response to send; nothing if the call is over.
    async fn next(&mut self) -> Result<Option<FetchResponse>, Status> {
        let keep_alive = tokio::time::sleep(KEEP_ALIVE);
        let mut keep_alive = std::pin::pin!(keep_alive);
        let org = self.org.clone();
        loop {
            let mut changed = std::pin::pin!(org.changed.notified());
            // From here on no event is missed.
            changed.as_mut().enable();
            let timeout = org.knobs().session_timeout;
            if org.sessions.worth(&self.token, timeout) != Access::Live {
                return Err(Status::UNAUTHENTICATED);
            }
            if let Some(response) = self.news() {
                return Ok(Some(response));
            }
            if self.half_closed && self.wanted == 0 {
                return Ok(None);
            }
            tokio::select! {
                request = self.messages.next(), if !self.half_closed => match request? {
                    Some(request) => self.request(request)?,
                    None => self.half_closed = true,
                },
                () = changed => {}
                () = &mut keep_alive => return Ok(Some(self.response(Vec::new()))),
            }
        }
    }

    fn news(&mut self) -> Option<FetchResponse> {
        let (events, last) = self.org.bus.after(self.seen?, self.wanted);
        if events.is_empty() {
            return None;
        }
        self.seen = Some(last);
        self.wanted -= events.len();
        Some(self.response(events))
    }

    fn request(&mut self, request: FetchRequest) -> Result<(), Status> {
        if self.seen.is_none() || !request.topic_name.is_empty() {
            check(&request.topic_name)?;
        }
        if self.seen.is_none() {
            let newest = self.org.bus.newest();
            self.seen = Some(match request.replay_preset {
                1 => 0,
                2 => number(&request.replay_id)
                    .filter(|number| *number <= newest)
                    .ok_or(Status::invalid("There is no event with this replay_id"))?,
                _ => newest,
            });
        }
        match usize::try_from(request.num_requested) {
            Ok(more) if more > 0 => {
                self.wanted = self.wanted.saturating_add(more);
                Ok(())
            }
            _ => Err(Status::invalid("num_requested must be more than 0")),
        }
    }

    fn response(&self, events: Vec<message::ConsumerEvent>) -> FetchResponse {
        FetchResponse {
            events,
            latest_replay_id: replay_id(self.seen.unwrap_or_default()),
            rpc_id: RPC_ID.to_owned(),
            pending_num_requested: i32::try_from(self.wanted).unwrap_or(i32::MAX),
        }
    }
}

async fn schema(messages: &mut Messages) -> Result<Bytes, Status> {
    let SchemaRequest { schema_id } = only(messages).await?;
    if schema_id != SCHEMA_ID {
        return Err(Status::not_found("There is no schema with this id"));
    }
    Ok(framed(&SchemaInfo {
        schema_json: SCHEMA.to_owned(),
        schema_id,
        rpc_id: RPC_ID.to_owned(),
    }))
}

async fn only<M: prost::Message + Default>(messages: &mut Messages) -> Result<M, Status> {
    let message = messages.next().await?;
    message.ok_or(Status::invalid("There is no message"))
}

fn check(topic: &str) -> Result<(), Status> {
    match topic {
        TOPIC => Ok(()),
        _ => Err(Status::not_found(
            "The demo org has no topic but /event/Order__e",
        )),
    }
}

const TOPIC: &str = "/event/Order__e";

const SCHEMA_ID: &str = "KxC1P8xW4-iTJxZQ6PlZpw";

const SCHEMA: &str = r#"{"name":"Order__e","namespace":"com.sforce.eventbus","type":"record","fields":[{"name":"CreatedDate","type":"long"},{"name":"CreatedById","type":"string"},{"name":"Number__c","type":["null","string"],"default":null}]}"#;

/// The id by which support would find the call.
const RPC_ID: &str = "demo";

/// An idle subscriber gets a message at least every 270 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(270);
