"""The Pub/Sub API. A stream that the org ends cannot be taken up by anyone but the client: here it
does what Salesforce's own examples do, and subscribes again from the last event that it saw."""

import io
import json
import queue

import fastavro
import grpc
from proxy import *

needs(PUBSUB, "the Pub/Sub API")
messages, services = grpc.protos_and_services("pubsub.proto")

TOPIC = "/event/Order__e"
# What the library asks for; the proxy has to set its own.
METADATA = [
    ("accesstoken", PLACEHOLDER),
    ("instanceurl", HTTP),
    ("tenantid", PLACEHOLDER.split("!")[0]),
]


def main():
    with grpc.insecure_channel(PUBSUB) as channel:
        org = services.PubSubStub(channel)
        topic = call(org.GetTopic, messages.TopicRequest(topic_name=TOPIC))
        assert topic.can_publish and topic.can_subscribe, topic
        assert topic.tenant_guid.startswith("00D"), topic
        did("GetTopic")

        end_session()
        request = messages.SchemaRequest(schema_id=topic.schema_id)
        schema = fastavro.parse_schema(json.loads(call(org.GetSchema, request).schema_json))
        did("GetSchema")

        subscription = Subscription(org)
        publish(org, topic, schema, "first")
        equal(subscription.next(schema), "first")
        did("Publish and Subscribe")

        end_session()
        publish(org, topic, schema, "second")
        equal(subscription.next(schema), "second")
        did("both after the session ended")

        try:
            call(org.GetTopic, messages.TopicRequest(topic_name="/event/Nothing__e"))
            raise AssertionError("a topic that is not there")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.NOT_FOUND)
        did("error")
        subscription.cancel()


def call(method, request):
    """Once more if the org says that it does not know the client: a proxy that does not keep a
    request can do no better than to have a new session for the next."""
    for last in (False, True):
        try:
            return method(request, metadata=METADATA, timeout=20)
        except grpc.RpcError as error:
            if last or error.code() != grpc.StatusCode.UNAUTHENTICATED:
                raise


def publish(org, topic, schema, number):
    payload = io.BytesIO()
    order = {"CreatedDate": 1, "CreatedById": "005", "Number__c": number}
    fastavro.schemaless_writer(payload, schema, order)
    event = messages.ProducerEvent(
        id=number, schema_id=topic.schema_id, payload=payload.getvalue()
    )
    request = messages.PublishRequest(topic_name=TOPIC, events=[event])
    [result] = call(org.Publish, request).results
    assert not result.HasField("error"), result


class Subscription:
    def __init__(self, org):
        self.org = org
        self.replay_id = None
        self.subscribe()

    def subscribe(self):
        first = {"topic_name": TOPIC, "num_requested": 1}
        if self.replay_id is None:
            # The first event may be there before the subscription.
            first["replay_preset"] = messages.EARLIEST
        else:
            first |= {"replay_preset": messages.CUSTOM, "replay_id": self.replay_id}
        self.requests = queue.Queue()
        self.requests.put(messages.FetchRequest(**first))
        self.stream = self.org.Subscribe(
            iter(self.requests.get, None), metadata=METADATA, timeout=20
        )

    def next(self, schema):
        while True:
            try:
                response = next(self.stream)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAUTHENTICATED:
                    raise
                self.requests.put(None)
                self.subscribe()
                continue
            self.replay_id = response.latest_replay_id
            for event in response.events:
                self.requests.put(messages.FetchRequest(num_requested=1))
                payload = io.BytesIO(event.event.payload)
                return fastavro.schemaless_reader(payload, schema, None)["Number__c"]

    def cancel(self):
        self.requests.put(None)
        self.stream.cancel()


main()
