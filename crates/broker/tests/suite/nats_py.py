"""The official Python client against a NATS server: `nats_py.py URL`. Exits 0 when all holds."""

import asyncio
import sys

import nats
from nats.errors import MaxPayloadError, NoRespondersError


async def settle(client):
    """Returns once the server has done all that the client asked for: operations of a connection are
    done in order. Not by `flush`, whose PING overtakes what still waits in the client."""
    echo = await client.subscribe(client.new_inbox())
    await client.publish(echo.subject, b"")
    await echo.next_msg(timeout=10)
    await echo.unsubscribe()


async def publish_and_subscribe(a, b):
    sub = await a.subscribe("py.one.*")
    rest = await a.subscribe("py.>")
    await settle(a)
    await b.publish("py.one.x", b"hello")
    for each in (sub, rest):
        message = await each.next_msg(timeout=10)
        assert (message.subject, message.data) == ("py.one.x", b"hello"), message
    await sub.unsubscribe()
    await rest.unsubscribe()


async def request_and_reply(a, b):
    async def answer(message):
        await message.respond(message.data.upper())

    sub = await a.subscribe("py.ask", cb=answer)
    await settle(a)
    for number in range(50):
        reply = await b.request("py.ask", b"n%d" % number, timeout=10)
        assert reply.data == b"N%d" % number, reply
    await sub.unsubscribe()


async def nobody_there(a, _):
    try:
        await a.request("py.nobody", b"", timeout=10)
    except NoRespondersError:
        return
    raise AssertionError("somebody answered")


async def queue_groups(a, b):
    seen = {"a": 0, "b": 0}
    done = asyncio.Event()

    def count(name):
        async def counter(_):
            seen[name] += 1
            if sum(seen.values()) == 200:
                done.set()

        return counter

    await a.subscribe("py.work", queue="crew", cb=count("a"))
    await b.subscribe("py.work", queue="crew", cb=count("b"))
    await settle(a)
    await settle(b)
    for _ in range(200):
        await a.publish("py.work", b"")
    await asyncio.wait_for(done.wait(), 10)
    await settle(a)
    await settle(b)
    assert sum(seen.values()) == 200 and min(seen.values()) > 20, seen


async def headers(a, b):
    sub = await a.subscribe("py.head")
    await settle(a)
    await b.publish("py.head", b"body", headers={"Marcato-Proof": "a:b, c", "Two": "2"})
    message = await sub.next_msg(timeout=10)
    assert message.headers == {"Marcato-Proof": "a:b, c", "Two": "2"}, message.headers
    assert message.data == b"body"


async def unsubscribe_after(a, b):
    sub = await a.subscribe("py.some")
    await sub.unsubscribe(limit=2)
    await settle(a)
    for number in range(5):
        await b.publish("py.some", b"%d" % number)
    await settle(b)
    await settle(a)
    got = [(await sub.next_msg(timeout=10)).data for _ in range(2)]
    assert got == [b"0", b"1"], got


async def large(a, b):
    sub = await a.subscribe("py.large")
    await settle(a)
    body = b"x" * a.max_payload
    await b.publish("py.large", body)
    assert (await sub.next_msg(timeout=10)).data == body
    try:
        await b.publish("py.large", body + b"x")
    except MaxPayloadError:
        return
    raise AssertionError("a payload over the limit went out")


async def drain(a, b):
    got = []

    async def keep(message):
        got.append(message.data)

    sub = await a.subscribe("py.drain", cb=keep)
    await settle(a)
    for _ in range(100):
        await b.publish("py.drain", b"")
    await settle(b)
    await sub.drain()
    assert len(got) == 100, len(got)


async def main(url):
    a = await nats.connect(url, name="a", allow_reconnect=False)
    b = await nats.connect(url, name="b", allow_reconnect=False)
    cases = [
        publish_and_subscribe,
        request_and_reply,
        nobody_there,
        queue_groups,
        headers,
        unsubscribe_after,
        large,
        drain,
    ]
    for case in cases:
        await asyncio.wait_for(case(a, b), 30)
        print("ok", case.__name__)
    await a.drain()
    await b.drain()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
