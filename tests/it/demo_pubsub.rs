//! The demo org's Pub/Sub API, over HTTP/2 as gRPC clients speak it.

use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use tokio::{sync::mpsc, task};

use crate::support::{
    Demo,
    grpc::{
        Answer, Caller, Event, Fetched, Outcome, Publish, Published, Schema, TOPIC, Topic, fetch,
        named, payloads,
    },
};

#[tokio::test]
async fn a_topic_names_its_schema() {
    let org = Demo::start().await;
    let session = org.session().await;
    let mut answer = org
        .call("GetTopic", &org.metadata(&session), &named(TOPIC))
        .await;
    let topic: Topic = answer.message().await.unwrap();
    assert_eq!(topic.topic_name, TOPIC);
    assert!(topic.can_publish && topic.can_subscribe);
    assert_eq!(answer.trailers().await["grpc-status"], "0");

    let asked = named(&topic.schema_id);
    let mut answer = org.call("GetSchema", &org.metadata(&session), &asked).await;
    let schema: Schema = answer.message().await.unwrap();
    let record: serde_json::Value = serde_json::from_str(&schema.schema_json).unwrap();
    assert_eq!(
        (&record["type"], &record["name"]),
        (&"record".into(), &"Order__e".into())
    );

    let unknown = org
        .call("GetTopic", &org.metadata(&session), &named("/event/No__e"))
        .await;
    assert_eq!(unknown.head["grpc-status"], "5");
}

#[tokio::test]
async fn a_caller_who_is_not_who_they_say_is_refused_in_trailers_only() {
    let org = Demo::start().await;
    let session = org.session().await;
    let good = org.metadata(&session);
    for (name, value) in [
        ("accesstoken", Some("00Dxx0000001gPL!dead")),
        ("accesstoken", None),
        ("instanceurl", Some("https://localhost:1")),
        ("instanceurl", None),
        ("tenantid", Some("00Dxx0000001gPX")),
        ("tenantid", None),
    ] {
        let mut metadata = good.clone();
        match value {
            Some(value) => drop(metadata.insert(name, value.try_into().unwrap())),
            None => drop(metadata.remove(name)),
        }
        for method in ["GetTopic", "Subscribe"] {
            let mut answer = org.call(method, &metadata, &named(TOPIC)).await;
            assert_eq!(answer.head["content-type"], "application/grpc");
            assert_eq!(answer.head["grpc-status"], "16", "{name}: {value:?}");
            let code = "sfdc.platform.eventbus.grpc.service.auth.error";
            assert_eq!(answer.head["error-code"], code);
            assert_eq!(answer.message::<Topic>().await, None);
        }
    }
    let mut short = good.clone();
    short.insert("tenantid", "00Dxx0000001gPL".try_into().unwrap());
    let mut answer = org.call("GetTopic", &short, &named(TOPIC)).await;
    assert!(answer.message::<Topic>().await.is_some());
}

#[tokio::test]
async fn subscribers_get_as_many_events_as_they_asked_for() {
    let org = Demo::start().await;
    let session = org.session().await;
    let first = org.publish(&session, &["one", "two"]).await;
    assert_eq!(first[0].replay_id.len(), 8);
    assert_eq!(first[1].correlation_key, "two");

    let (requests, mut answer) = org.subscribe(&session).await;
    requests.send(fetch(TOPIC, 1, &[], 1)).unwrap();
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["one"], "the earliest, and one only");
    assert_eq!(
        (response.pending, &response.latest),
        (0, &first[0].replay_id)
    );
    requests.send(fetch(TOPIC, 0, &[], 2)).unwrap();
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["two"]);
    assert_eq!(response.pending, 1);
    org.publish(&session, &["three", "four"]).await;
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["three"], "as it happens");

    let (requests, mut answer) = org.subscribe(&session).await;
    requests
        .send(fetch(TOPIC, 2, &first[1].replay_id, 2))
        .unwrap();
    drop(requests);
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["three", "four"], "after a replay id");
    assert_eq!(answer.message::<Fetched>().await, None);
    assert_eq!(answer.trailers().await["grpc-status"], "0");
}

#[tokio::test]
async fn a_subscription_ends_with_its_session() {
    let org = Demo::start().await;
    let session = org.session().await;
    let (requests, mut answer) = org.subscribe(&session).await;
    requests.send(fetch(TOPIC, 0, &[], 10)).unwrap();
    org.org.end_sessions();
    assert_eq!(answer.message::<Fetched>().await, None);
    let trailers = answer.trailers().await;
    assert_eq!(trailers["grpc-status"], "16");
    let code = "sfdc.platform.eventbus.grpc.service.auth.error";
    assert_eq!(trailers["error-code"], code);
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_not_published() {
    let org = Demo::start().await;
    let session = org.session().await;
    let event = Event {
        id: "x".to_owned(),
        schema_id: "other".to_owned(),
        payload: Bytes::new(),
    };
    let request = Publish {
        topic_name: TOPIC.to_owned(),
        events: vec![event],
    };
    let mut answer = org.call("Publish", &org.metadata(&session), &request).await;
    let published: Published = answer.message().await.unwrap();
    assert_eq!(published.results[0].error.as_ref().unwrap().code, 1);
}

impl Demo {
    fn metadata(&self, session: &str) -> HeaderMap {
        let mut metadata = HeaderMap::new();
        metadata.insert("accesstoken", session.try_into().unwrap());
        metadata.insert("instanceurl", self.org.instance_url().try_into().unwrap());
        metadata.insert("tenantid", self.org.org_id().try_into().unwrap());
        metadata
    }

    async fn call(&self, method: &str, metadata: &HeaderMap, message: &impl Message) -> Answer {
        self.caller().await.call(method, metadata, message).await
    }

    async fn subscribe(&self, session: &str) -> (mpsc::UnboundedSender<Vec<u8>>, Answer) {
        let (requests, answer) = self.open("Subscribe", &self.metadata(session)).await;
        (requests, answer.await.unwrap())
    }

    async fn publish(&self, session: &str, payloads: &[&str]) -> Vec<Outcome> {
        let caller = self.caller().await;
        caller.publish(&self.metadata(session), payloads).await
    }

    /// A call whose messages are yet to be sent.
    async fn open(
        &self,
        method: &str,
        metadata: &HeaderMap,
    ) -> (mpsc::UnboundedSender<Vec<u8>>, task::JoinHandle<Answer>) {
        self.caller().await.open(method, metadata)
    }

    async fn caller(&self) -> Caller {
        let tls = self.connect(&[b"h2"]).await;
        Caller::new(tls, &self.org.instance_url()).await
    }
}
