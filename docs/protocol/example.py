#!/usr/bin/env python3
"""A client in Python, written from README.md alone.

    example.py vectors                                 checks every file of vectors/
    example.py ping --fleet-config FILE [--fleet NAME] [--key FILE]
                                                       pings all nodes of a fleet

Needs Python 3.11 and two packages: cryptography and nats-py. It is here to be read: it keeps no known
nodes, sends nothing twice, and takes an Ed25519 key from a file without a passphrase only.
"""

import argparse
import asyncio
import json
import pathlib
import secrets
import sys
import time
import tomllib

sys.dont_write_bytecode = True

import nats
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

import protocol as p

WAIT = 5.0


# ---------------------------------------------------------------- the test vectors


def refuses(what, why, check, *arguments):
    """Checks that something is refused, and for this reason where one is given."""
    try:
        check(*arguments)
    except p.Refused as refused:
        assert why in (None, refused.why), f"{what}: {why} expected, {refused}"
        return
    raise AssertionError(f"{what}: it was taken")


def equal(what, got, expected):
    assert got == expected, f"{what}: {expected!r} expected, {got!r} found"


def content(case):
    return case["text"].encode() if "text" in case else p.from_base64(case["base64"])


def message_of(case):
    """A message as the broker delivers it."""
    message = case["message"]
    headers = [tuple(pair) for pair in message["headers"]]
    return {"subject": message["subject"], "headers": headers, "body": content(message["body"])}


def private_key(case):
    return x25519.X25519PrivateKey.from_private_bytes(p.from_base64(case["secret"]))


def check_names(file):
    for case in file["tokens"]:
        equal("token", p.token(case["name"]), case["token"])
        equal("name", p.name_of(case["token"]), case["name"])
    for wrong in file["not_tokens"]:
        refuses(wrong, None, p.name_of, wrong)
    for kind, cases in file["names"].items():
        for name in cases["accepted"]:
            p.NAMES[kind](name)
        for name in cases["refused"]:
            refuses(name, None, p.NAMES[kind], name)
    of = file["subjects"]
    node, reply = p.token(of["node"]), ("reply", p.token(of["caller"]), of["id"])
    made = {"order": ("order",), "to_node": ("node", node), "reply": (*reply, node),
            "answer": (*reply, "=hub"), "registry": ("registry", node), "question": ("question",)}  # fmt: skip
    for name, tokens in made.items():
        equal(name, p.subject(of["collective"], *tokens), of[name])


def check_json(file):
    for case in file["accepted"]:
        p.parse_json(content(case))
    for case in file["refused"]:
        refuses(case["why"], "malformed", p.parse_json, content(case))


def check_times(file):
    for case in file["accepted"]:
        equal("time", p.moment(case["text"]), case["ms"])
        equal("time", p.written(case["ms"]), case["text"])
    for wrong in file["refused"]:
        refuses(wrong, None, p.moment, wrong)


def check_keys(file):
    for case in file["digests"]:
        equal("digest", p.sha256(case["text"].encode()).hex(), case["sha256"])
    for case in file["keys"]:
        equal("digest", p.key_digest(case["key"]).hex(), case["digest"])
        fingerprint = "SHA256:" + p.to_base64(p.key_digest(case["key"])).rstrip("=")
        equal("fingerprint", fingerprint, case["fingerprint"])
    for case in file["refused_keys"]:
        refuses(case["why"], None, p.key_blob, case["key"])
    for case in file["machines"]:
        equal("machine", p.machine_of(case["machine_id"]), case["machine"])


def check_signatures(file):
    def check(case):
        signature, key = p.parse_signature(case["signature"]), p.key_blob(case["key"])
        p.verify(signature, key, case["namespace"], case["message"].encode())

    for case in file["accepted"]:
        check(case)
    for case in file["refused"]:
        refuses(case["why"], None, check, case)


def check_merkle(file):
    for group in file["sets"]:
        check_tree(group, group["nodes"], lambda node: (node["identity"], node["key"]), p.node_leaf)
    group = file["steps"]
    check_tree(group, group["steps"], lambda step: (step["text"].encode(),), p.step_leaf)
    for case in file["refused"]:
        leaf, proof = bytes.fromhex(case["leaf"]), p.parse_proof(case["proof"])
        assert not p.proves(case["root"], case["count"], leaf, proof), case["why"]
    for wrong in file["not_proofs"]:
        refuses(wrong, None, p.parse_proof, wrong)


def check_tree(group, members, arguments, leaf_of):
    leaves = [leaf_of(group["order"], *arguments(member)) for member in members]
    equal("root", p.root_of(leaves).hex(), group["root"])
    equal("count", len(leaves), group["count"])
    for index, (leaf, member) in enumerate(zip(leaves, members, strict=True)):
        equal("leaf", leaf.hex(), member["leaf"])
        equal("proof", p.proof_of(leaves, index), member["proof"])
        assert p.proves(group["root"], group["count"], leaf, p.parse_proof(member["proof"]))


def check_sealing(file):
    for case in file["sealed"]:
        info, plain = p.from_base64(case["info"]), p.from_base64(case["plain"])
        readers = [p.from_base64(reader["public"]) for reader in case["readers"]]
        ikm = [p.from_base64(reader["ephemeral_ikm"]) for reader in case["readers"]]
        ephemeral = [p.derive_key_pair(seed) for seed in ikm]
        stanzas, body = p.seal(readers, info, plain, p.from_base64(case["content_key"]), ephemeral)
        equal("stanzas", p.to_base64(stanzas), case["stanzas"])
        equal("body", p.to_base64(body), case["body"])
        equal("digest", p.seal_digest(stanzas, body), case["digest"])
        for reader in case["readers"]:
            equal("plain", p.unseal(private_key(reader), info, stanzas, body), plain)
    for case in file["refused"]:
        sealed = [p.from_base64(case[field]) for field in ("info", "stanzas", "body")]
        refuses(case["why"], "open", p.unseal, private_key(case), *sealed)


def check_certificates(file):
    def read(case):
        if case["kind"] == "request":
            return p.read_request(case["text"])
        return p.read_certificate(case["text"], file["authority"], file["collective"])

    for case in file["accepted"]:
        equal("certificate", read(case), case["body"])
    for case in file["refused"]:
        refuses(case["why"], None, read, case)


def check_orders(file):
    def check(case):
        now = p.moment(case["now"])
        return p.check_order(message_of(case), file["node"], file["allowed_signers"], now)

    for case in file["accepted"]:
        got = check(case)
        order, step = got["order"], got["step"]
        equal("digests", (got["digest"], got["step_digest"]), (case["order_digest"], case["step_digest"]))
        equal("order", (order["id"], order["caller"]), (case["order"], case["caller"]))
        equal("step", (got["index"], step["agent"], step["action"]), (case["step"], case["agent"], case["action"]))
    for case in file["refused"]:
        refuses(case["name"], case["reason"], check, case)


def check_receipts(file):
    for case in file["accepted"]:
        outer, sealed = p.check_receipt(message_of(case), case["expected"])
        equal("state", outer["state"], case["state"])
        equal("sealed", sealed is None, case["inner"] is None)
        if sealed is not None:
            equal("inner", p.open_receipt(outer, sealed, private_key(file["reader"])), case["inner"])
            refuses("a stranger", "open", p.open_receipt, outer, sealed, private_key(file["stranger"]))
    for case in file["refused"]:
        refuses(case["name"], case["why"], p.check_receipt, message_of(case), case["expected"])


def check_progress(file):
    reader, stranger = private_key(file["reader"]), private_key(file["stranger"])
    for case in file["accepted"]:
        progress, sealed = p.check_progress(message_of(case), case["expected"])
        equal("phase", progress["phase"], case["phase"])
        equal("sealed", sealed is not None, case["said"] != "")
        if sealed:
            said = p.open_progress(progress, sealed, reader)
            equal("said", said.get("message", ""), case["said"])
            refuses("a stranger", "open", p.open_progress, progress, sealed, stranger)
    for case in file["refused"]:
        refuses(case["name"], case["why"], p.check_progress, message_of(case), case["expected"])


def check_registrations(file):
    def check(case):
        if case["kind"] == "heartbeat":
            return p.check_heartbeat(message_of(case), file["key"])
        return p.check_registration(message_of(case), file["authority"], file["collective"])

    for case in file["accepted"]:
        said = check(case)
        equal("node", said["node"], file["node"])
        if case["kind"] == "registration":
            equal("digest", p.sha256(message_of(case)["body"]).hex(), case["digest"])
        else:
            equal("registration", said["registration"], case["registration"])
            equal("leaving", said.get("leaving", False), case["leaving"])
    for case in file["refused"]:
        refuses(case["why"], None, check, case)


def check_questions(file):
    read = {"question": p.read_question, "answer": p.read_answer}
    for case in file["accepted"]:
        said = read[case["kind"]](message_of(case))
        equal("id", said["id"], file["id"])
        kind, field = (case["ask"], "ask") if case["kind"] == "question" else (case["found"], "found")
        equal("kind", list(said[field]), [kind])
    for case in file["refused"]:
        refuses(case["why"], "malformed", read[case["kind"]], message_of(case))


CHECKS = {"names": check_names, "json": check_json, "times": check_times, "keys": check_keys,
          "signatures": check_signatures, "merkle": check_merkle, "sealing": check_sealing,
          "certificates": check_certificates, "orders": check_orders, "receipts": check_receipts,
          "progress": check_progress, "registrations": check_registrations,
          "questions": check_questions}  # fmt: skip


def vectors():
    folder = pathlib.Path(__file__).parent / "vectors"
    failed = 0
    for path in sorted(folder.glob("*.json")):
        try:
            CHECKS[path.stem](json.loads(path.read_text()))
            print(f"{path.name}: agreed")
        except (AssertionError, p.Refused) as error:
            print(f"{path.name}: {error}")
            failed += 1
    return 1 if failed else 0


# ---------------------------------------------------------------- ping


class Client:
    """An operator of one fleet, connected to its broker."""

    def __init__(self, connection, fleet, settings, key):
        self.connection, self.fleet, self.key = connection, fleet, key
        self.caller = settings["caller"]
        # A line of a .pub file has a comment, a key in the protocol has none.
        self.authority = " ".join(settings["authority"].split()[:2])

    def subject(self, *tokens):
        return p.subject(self.fleet, *tokens)

    def reply(self, name, last):
        return self.subject("reply", p.token(self.caller), name, last)

    async def send(self, subject, kind, body, reply, **headers):
        await self.connection.publish(subject, body, reply, headers={"Mco-Kind": kind} | headers)

    async def ask(self, question):
        """Asks the hub, and gathers the parts of its answer (section 10)."""
        name = secrets.token_hex(16)
        reply = self.reply(name, "=hub")
        answers = await self.connection.subscribe(reply)
        asked = {"v": 1, "id": name, "caller": self.caller, "ask": question}
        await self.send(self.subject("question"), "question", json.dumps(asked).encode(), reply)
        parts = {}
        while not parts or len(parts) < next(iter(parts.values()))["parts"]:
            message = received(await answers.next_msg(timeout=WAIT))
            assert not is_unheard(message), "no hub answers"
            answer = p.read_answer(message)
            parts[answer["part"]] = answer
        await answers.unsubscribe()
        found = {}
        for _, answer in sorted(parts.items()):
            for kind, value in answer["found"].items():
                assert kind in ("nodes", "certificates"), f"the hub refuses: {value}"
                found.setdefault(kind, []).extend(value)
        return found

    async def nodes(self):
        """The nodes that can be pinged, each with its key, proved by its certificate (section 5)."""
        found = await self.ask({"find": {"agents": ["rpcutil"]}})
        listed = [node for node in found.get("nodes", []) if not node.get("not_capable")]
        names = [node["node"] for node in listed]
        proved = {}
        for line in (await self.ask({"certificates": names})).get("certificates", []):
            certificate = p.read_certificate(line, self.authority, self.fleet)
            proved[certificate["identity"]] = certificate["sign"]
        for node in listed:
            key = proved.get(node["node"])
            assert key, f"no certificate proves the key of {node['node']}"
            assert p.key_digest(key).hex() == node["key"], f"two keys for {node['node']}"
        return listed, proved

    async def ping(self):
        """Signs one order for exactly these nodes, sends it to each, and checks each receipt."""
        listed, keys = await self.nodes()
        spoken = all(node["spoken"]["oldest"] <= 1 <= node["spoken"]["newest"] for node in listed)
        assert listed and spoken, "no node, or one that does not speak version 1"
        reader, name, names = x25519.X25519PrivateKey.generate(), secrets.token_hex(16), sorted(keys)
        leaves = [p.node_leaf(name, node, keys[node]) for node in names]
        body = self.order(name, leaves, reader)
        replies = await self.connection.subscribe(self.reply(name, "*"))
        signature = p.sign(self.key, "order.v1@marcato", body)
        for index, node in enumerate(names):
            headers = {"Mco-Signature": signature, "Mco-Proof": p.proof_of(leaves, index)}
            reply = self.reply(name, p.token(node))
            await self.send(self.subject("node", p.token(node)), "order", body, reply, **headers)
        digest = p.sha256(body).hex()
        expected = {"v": 1, "order": name, "order_digest": digest, "step": 0, "step_digest": digest}
        return await self.gather(replies, expected, keys, reader)

    def order(self, name, leaves, reader):
        """An order's bytes (section 6)."""
        now = int(time.time() * 1000)
        chosen = {"root": p.root_of(leaves).hex(), "count": len(leaves)}
        step = {"agent": "rpcutil", "action": "ping", "audience": {"set": chosen},
                "filter": {"agents": ["rpcutil"]}}  # fmt: skip
        order = {"v": 1, "id": name, "caller": self.caller, "collective": self.fleet,
                 "issued": p.written(now), "start_by": p.written(now + int(WAIT * 1000)),
                 "run_limit_ms": 10_000,
                 "readers": [p.to_base64(reader.public_key().public_bytes_raw())],
                 "step": step}  # fmt: skip
        return json.dumps(order).encode()

    async def gather(self, replies, expected, keys, reader):
        """Prints one line for each node, in the order in which they answer; whether all are ok."""
        begun, waiting, fine = time.monotonic(), set(keys), True
        while waiting:
            try:
                left = WAIT - (time.monotonic() - begun)
                message = received(await replies.next_msg(timeout=max(left, 0.001)))
            except nats.errors.TimeoutError:
                break
            node = p.last_node(message)
            if node not in waiting:
                continue
            try:
                line, state = self.answer(message, expected | {"node": node, "key": keys[node]}, reader)
            except p.Refused as refused:
                print(f"{node}: not counted: {refused}", file=sys.stderr)
                continue
            if line:
                took = (time.monotonic() - begun) * 1000
                print(f"{node}: {line} ({took:.1f} ms)")
                waiting.remove(node)
                fine = fine and state == "ok"
        for node in sorted(waiting):
            print(f"{node}: no response")
        return fine and not waiting

    def answer(self, message, expected, reader):
        """What to print of a node's answer, and its end state; nothing for progress."""
        if is_unheard(message):
            return "down", "down"
        if p.header(message, "Mco-Kind") == "progress":
            p.check_progress(message, expected)
            return None, None
        outer, sealed = p.check_receipt(message, expected)
        words = " ".join(outer[field] for field in ("state", "reason") if field in outer)
        inner = p.open_receipt(outer, sealed, reader) if sealed else {}
        return f"{words} {json.dumps(inner)}", outer["state"]


def received(message):
    """A message of nats-py's. (It keeps one of two headers of a name: a real client must not.)"""
    headers = list((message.headers or {}).items())
    return {"subject": message.subject, "headers": headers, "body": message.data}


def is_unheard(message):
    """The broker's word that nobody is there to hear what was sent."""
    return p.header(message, "Status") == "503" and not message["body"]


def read_settings(arguments):
    """The fleet's name, its table in client.toml, and the operator's key."""
    fleets = tomllib.loads(pathlib.Path(arguments.fleet_config).read_text())["fleets"]
    fleet = arguments.fleet or next(iter(fleets))
    settings = fleets[fleet]
    path = pathlib.Path(arguments.key or settings["key"]).expanduser()
    return fleet, settings, serialization.load_ssh_private_key(path.read_bytes(), password=None)


async def ping(arguments):
    fleet, settings, key = read_settings(arguments)
    connection = await nats.connect(settings["broker"], allow_reconnect=False)
    try:
        return 0 if await Client(connection, fleet, settings, key).ping() else 1
    finally:
        await connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("vectors", help="check every file of vectors/")
    pings = commands.add_parser("ping", help="ping all nodes of a fleet")
    pings.add_argument("--fleet-config", required=True, metavar="FILE", help="a client.toml")
    pings.add_argument("--fleet", metavar="NAME", help="the fleet; else the first of the file")
    pings.add_argument("--key", metavar="FILE", help="the operator's key; else the file's")
    arguments = parser.parse_args()
    try:
        sys.exit(vectors() if arguments.command == "vectors" else asyncio.run(ping(arguments)))
    except (AssertionError, OSError, KeyError, nats.errors.Error, p.Refused) as error:
        sys.exit(f"example.py: {error!r}")


if __name__ == "__main__":
    main()
