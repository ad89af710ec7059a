//! A client of the Pub/Sub API: gRPC over HTTP/2.

use std::{collections::VecDeque, convert::Infallible};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task,
};

use super::in_time;

/// A topic that the demo org has.
pub const TOPIC: &str = "/event/Order__e";

/// A connection to make calls on.
#[derive(Clone)]
pub struct Caller {
    sender: http2::SendRequest<UnsyncBoxBody<Bytes, Infallible>>,
    origin: String,
}

impl Caller {
    /// Calls whoever is at the other end of `stream` by the name in `origin`.
    pub async fn new<S>(stream: S, origin: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        let handshake = http2::handshake(TokioExecutor::new(), stream);
        let (sender, connection) = handshake.await.unwrap();
        task::spawn(connection);
        Self {
            sender,
            origin: origin.to_owned(),
        }
    }

    /// A call of one message.
    pub async fn call(&self, method: &str, metadata: &HeaderMap, message: &impl Message) -> Answer {
        let (requests, answer) = self.open(method, metadata);
        requests.send(message.encode_to_vec()).unwrap();
        drop(requests);
        answer.await.unwrap()
    }

    /// Publishes events, whose payloads are text here.
    pub async fn publish(&self, metadata: &HeaderMap, payloads: &[&str]) -> Vec<Outcome> {
        let mut answer = self.call("GetTopic", metadata, &named(TOPIC)).await;
        let topic: Topic = answer.message().await.unwrap();
        let events = payloads.iter().map(|payload| Event {
            id: (*payload).to_owned(),
            schema_id: topic.schema_id.clone(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        });
        let request = Publish {
            topic_name: TOPIC.to_owned(),
            events: events.collect(),
        };
        let mut answer = self.call("Publish", metadata, &request).await;
        answer.message::<Published>().await.unwrap().results
    }

    /// A call whose messages are yet to be sent.
    pub fn open(
        &self,
        method: &str,
        metadata: &HeaderMap,
    ) -> (mpsc::UnboundedSender<Vec<u8>>, task::JoinHandle<Answer>) {
        let (requests, messages) = mpsc::unbounded_channel::<Vec<u8>>();
        let frames = stream::unfold(messages, |mut messages| async move {
            let message = messages.recv().await?;
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(message.len() as u32);
            framed.put_slice(&message);
            Some((Ok::<_, Infallible>(Frame::data(framed.freeze())), messages))
        });
        let mut request = Request::post(format!("{}/eventbus.v1.PubSub/{method}", self.origin))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(frames).boxed_unsync())
            .unwrap();
        request.headers_mut().extend(metadata.clone());
        let mut caller = self.clone();
        let answer = task::spawn(async move {
            let answer = in_time(caller.sender.send_request(request)).await.unwrap();
            Answer::new(answer, caller)
        });
        (requests, answer)
    }
}

/// The answer to a call: messages, then trailers.
pub struct Answer {
    pub head: HeaderMap,
    body: Incoming,
    rest: BytesMut,
    trailers: VecDeque<HeaderMap>,
    /// The connection lives as long as this.
    _caller: Caller,
}

impl Answer {
    fn new(answer: Response<Incoming>, caller: Caller) -> Self {
        assert_eq!(
            answer.status(),
            200,
            "gRPC says everything else in trailers"
        );
        let (head, body) = answer.into_parts();
        Self {
            head: head.headers,
            body,
            rest: BytesMut::new(),
            trailers: VecDeque::new(),
            _caller: caller,
        }
    }

    /// The next message; none once there are trailers.
    pub async fn message<M: Message + Default>(&mut self) -> Option<M> {
        loop {
            if self.rest.len() >= 5 {
                let length = u32::from_be_bytes(self.rest[1..5].try_into().unwrap()) as usize;
                if self.rest.len() >= 5 + length {
                    self.rest.advance(5);
                    return Some(M::decode(self.rest.split_to(length)).unwrap());
                }
            }
            match in_time(self.body.frame()).await?.unwrap().into_data() {
                Ok(data) => self.rest.extend_from_slice(&data),
                Err(frame) => self.trailers.extend(frame.into_trailers()),
            }
        }
    }

    /// True if the call ended before it began: a status, and nothing else.
    pub fn is_trailers_only(&self) -> bool {
        self.head.contains_key("grpc-status") && self.body.is_end_stream()
    }

    /// Returns the trailers, which must come next.
    pub async fn trailers(&mut self) -> HeaderMap {
        assert_eq!(self.message::<Topic>().await, None);
        self.trailers.pop_front().expect("trailers")
    }
}

/// Asks for a topic, or for a schema.
pub fn named(name: &str) -> Named {
    Named {
        name: name.to_owned(),
    }
}

/// Asks for events.
pub fn fetch(topic: &str, replay_preset: i32, replay_id: &[u8], num_requested: i32) -> Vec<u8> {
    let request = Fetch {
        topic_name: topic.to_owned(),
        replay_preset,
        replay_id: replay_id.to_vec(),
        num_requested,
    };
    request.encode_to_vec()
}

/// The payloads of events, which here are text.
pub fn payloads(response: &Fetched) -> Vec<String> {
    let events = response.events.iter();
    let payload = |event: &Consumed| event.event.as_ref().unwrap().payload.to_vec();
    events
        .map(|event| String::from_utf8(payload(event)).unwrap())
        .collect()
}

// The part of the public `pubsub_api.proto` that tests need.

/// A request for a topic or for a schema.
#[derive(Clone, PartialEq, Message)]
pub struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Topic {
    #[prost(string, tag = "1")]
    pub topic_name: String,
    #[prost(bool, tag = "3")]
    pub can_publish: bool,
    #[prost(bool, tag = "4")]
    pub can_subscribe: bool,
    #[prost(string, tag = "5")]
    pub schema_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Schema {
    #[prost(string, tag = "1")]
    pub schema_json: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Event {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub schema_id: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub struct Publish {
    #[prost(string, tag = "1")]
    pub topic_name: String,
    #[prost(message, repeated, tag = "2")]
    pub events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Published {
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<Outcome>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Outcome {
    #[prost(bytes = "vec", tag = "1")]
    pub replay_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub error: Option<Mistake>,
    #[prost(string, tag = "3")]
    pub correlation_key: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Mistake {
    #[prost(int32, tag = "1")]
    pub code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Fetch {
    #[prost(string, tag = "1")]
    pub topic_name: String,
    #[prost(int32, tag = "2")]
    pub replay_preset: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub replay_id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub num_requested: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Fetched {
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<Consumed>,
    #[prost(bytes = "vec", tag = "2")]
    pub latest: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub pending: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Consumed {
    #[prost(message, optional, tag = "1")]
    pub event: Option<Event>,
    #[prost(bytes = "vec", tag = "2")]
    pub replay_id: Vec<u8>,
}
