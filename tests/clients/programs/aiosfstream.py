"""The Streaming API. It keeps no cookies of bare addresses, so it is told a name."""

import asyncio

from aiosfstream_ng import Client, ReplayOption
from aiosfstream_ng.auth import AuthenticatorBase
from proxy import *

TOPIC = "/topic/Accounts"
CHANGES = "/data/AccountChangeEvent"


class Placeholder(AuthenticatorBase):
    async def _authenticate(self):
        url = HTTP.replace("127.0.0.1", "localhost")
        answer = {"access_token": PLACEHOLDER, "token_type": "Bearer", "instance_url": url}
        answer |= {"id": "", "signature": "", "issued_at": "0"}
        return 200, answer


async def main():
    asyncio.get_running_loop().set_exception_handler(report)
    async with Client(Placeholder(), replay=ReplayOption.NEW_EVENTS) as client:
        await client.subscribe(TOPIC)
        did("handshake and subscription")

        await create("Heard of")
        equal(await heard(client), (TOPIC, "Heard of"))
        did("event")

        # While the client waits in a long poll.
        waiting = asyncio.create_task(heard(client))
        await asyncio.to_thread(end_session)
        await create("Heard of later")
        equal(await waiting, (TOPIC, "Heard of later"))
        did("event after the session ended")

        await asyncio.to_thread(end_session)
        await client.subscribe(CHANGES)
        await create("Heard of twice")
        both = {await heard(client), await heard(client)}
        equal(both, {(TOPIC, "Heard of twice"), (CHANGES, "Heard of twice")})
        await client.unsubscribe(CHANGES)
        did("second subscription")

    async with Client(Placeholder(), replay=ReplayOption.ALL_EVENTS) as client:
        await asyncio.to_thread(end_session)
        await client.subscribe(TOPIC)
        names = [(await heard(client))[1] for _ in range(3)]
        equal(names, ["Heard of", "Heard of later", "Heard of twice"])
        did("replay")


def report(loop, context):
    # The library's own connect, which it cancels when it is closed.
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def create(name):
    await asyncio.to_thread(rest, "POST", "/sobjects/Account", {"Name": name})


async def heard(client):
    message = await asyncio.wait_for(client.receive(), 20)
    data = message["data"]
    record = data["payload"] if message["channel"] == CHANGES else data["sobject"]
    return message["channel"], record["Name"]


asyncio.run(main())
