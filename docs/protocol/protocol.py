"""The protocol in Python, sections 6 to 10 of README.md: orders, receipts, and what else is said.

Like primitives.py it was written from README.md alone, to be read.
"""

import hmac
import pathlib
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from primitives import *  # noqa: F403: both files together are the protocol

# ---------------------------------------------------------------- section 6: orders

SKEW, DAY = 30_000, 24 * 3600 * 1000
ORDER_MAX = 256 * 1024


def set_form(most):
    def check(value):
        form({"root": digest, "count": number})(value)
        malformed(1 <= value["count"] <= most, "an impossible count")
        return value

    return check


def audience(value):
    if value != "matching":
        form({"set": set_form(1_000_000)})(value)


FILTER = form({}, {name: list_of(text) for name in
                   ("facts", "classes", "identities", "agents", "expressions")})  # fmt: skip
STEP = form(
    {"agent": agent_name, "action": agent_name, "audience": audience},
    {"inputs": anything, "filter": FILTER} | EXT)  # fmt: skip
ORDER = form(
    {"v": version, "id": order_id, "caller": caller_id, "collective": collective_name,
     "issued": moment, "start_by": moment, "run_limit_ms": number,
     "readers": list_of(open_key, 1, 4)},
    {"certificates": boolean, "reason": text, "step": STEP, "steps": set_form(100_000)} | EXT)  # fmt: skip


def node_leaf(order, node, key):
    return sha256(b"\0", bytes.fromhex(order), node.encode(), key_digest(key))


def step_leaf(order, step):
    return sha256(b"\2", bytes.fromhex(order), step)


def root_of(leaves):
    """The root of RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", root_of(leaves[:half]), root_of(leaves[half:]))


def path_of(leaves, index):
    """The neighbours' hashes from the leaf up (RFC 6962, section 2.1.1)."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return path_of(leaves[:half], index) + [root_of(leaves[half:])]
    return path_of(leaves[half:], index - half) + [root_of(leaves[:half])]


def proof_of(leaves, index):
    return to_base64(struct.pack(">Q", index) + b"".join(path_of(leaves, index)))


def parse_proof(encoded):
    data = from_base64(encoded)
    malformed(len(data) % 32 == 8 and len(data) <= 8 + 32 * 32, "no proof")
    path = [data[place : place + 32] for place in range(8, len(data), 32)]
    return struct.unpack(">Q", data[:8])[0], path


def proves(root, count, leaf, proof):
    """RFC 9162, section 2.1.3.2."""
    index, path = proof
    if index >= count:
        return False
    place, last, value = index, count - 1, leaf
    for neighbour in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = sha256(b"\1", neighbour, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = sha256(b"\1", value, neighbour)
        place, last = place >> 1, last >> 1
    return last == 0 and value.hex() == root


def check_version(order, spoken):
    """Of an order in another version only what all versions share is looked at (section 11)."""
    malformed(type(order) is dict, "no object")
    if spoken["oldest"] <= version(order.get("v")) <= spoken["newest"]:
        return
    order_id(order.get("id")), caller_id(order.get("caller")), moment(order.get("start_by"))
    boolean(order.get("certificates", False))
    raise Refused("version", str(order["v"]))


def read_order(message, spoken):
    """An order's message, read but not verified."""
    body = message["body"]
    check_headers(message, "order", "too-large")
    require(len(body) <= ORDER_MAX, "too-large", "body")
    place, length = header(message, "Mco-Step"), len(body)
    if place is not None:
        malformed(place.count(" ") == 1, "no step's place")
        length, place = length_of(place.split(" ")[0]), parse_proof(place.split(" ")[1])
        malformed(length <= len(body), "the body is too short")
    order_bytes, step_bytes = body[:length], body[length:]
    order = parse_json(order_bytes)
    check_version(order, spoken)
    ORDER(order)
    require(len(order.get("reason", "").encode()) <= 1024, "too-large", "reason")
    malformed(moment(order["start_by"]) >= moment(order["issued"]), "ends before it begins")
    malformed(("step" in order) != ("steps" in order), "one step or several")
    malformed(("steps" in order) == (place is not None), "the step's header does not fit")
    proof = header(message, "Mco-Proof")
    return {
        "order": order,
        "bytes": order_bytes,
        "digest": sha256(order_bytes).hex(),
        "step": order["step"] if place is None else STEP(parse_json(step_bytes)),
        "step_bytes": step_bytes,
        "step_digest": sha256(order_bytes if place is None else step_bytes).hex(),
        "place": place,
        "index": 0 if place is None else place[0],
        "proof": None if proof is None else parse_proof(proof),
        "signature": parse_signature(header(message, "Mco-Signature")),
    }


def check_order(message, node, signers, now):
    """What a node checks, up to the signature; gives the order that was read."""
    received = read_order(message, node["spoken"])
    order, step = received["order"], received["step"]
    require(order["collective"] == node["collective"], "collective")
    issued, start_by = moment(order["issued"]), moment(order["start_by"])
    malformed(start_by - issued <= 30 * DAY and order["run_limit_ms"] <= DAY, "too long")
    require(issued <= now + SKEW, "clock")
    require(now <= start_by + SKEW, "expired")
    if received["place"] is not None:
        leaf = step_leaf(order["id"], received["step_bytes"])
        steps = order["steps"]
        malformed(proves(steps["root"], steps["count"], leaf, received["place"]), "no step of it")
    if step["audience"] != "matching":
        chosen, proof = step["audience"]["set"], received["proof"]
        leaf = node_leaf(order["id"], node["identity"], node["key"])
        inside = proof is not None and proves(chosen["root"], chosen["count"], leaf, proof)
        require(inside, "outside-set")
    signature = received["signature"]
    allowed_key(signers, order["caller"], signature["key"], now)
    verify(signature, signature["key"], "order.v1@marcato", received["bytes"])
    return received


# ---------------------------------------------------------------- section 7: receipts

STATES = ["ok", "failed", "denied", "rejected", "interrupted", "timed_out", "cancelled"]
OUTCOMES = pathlib.Path(__file__).parent.parent / "reference" / "outcomes.md"
REASONS = OUTCOMES.read_text().split("## Reason codes")[1].split("\n## ")[0]
reason_code = one_of(*re.findall(r"^\| `([a-z-]+)` \|", REASONS, re.MULTILINE))
ANSWER_TO = {"v": version, "order": order_id, "order_digest": digest, "step": number,
             "step_digest": digest, "node": identity}  # fmt: skip
OUTER = form(
    ANSWER_TO | {"state": one_of(*STATES), "changed": one_of("true", "false", "unknown"),
                 "received": moment, "finished": moment},
    {"reason": reason_code, "started": moment, "sealed": digest} | EXT)  # fmt: skip
INNER = form({}, {"data": anything, "message": text, "truncated": boolean})
OUTER_MAX, INNER_MAX, STANZA = 8 * 1024, 256 * 1024, 80

KEM_SUITE = b"KEM" + bytes.fromhex("0020")
HPKE_SUITE = b"HPKE" + bytes.fromhex("0020" "0001" "0003")


def extract(suite, salt, label, ikm):
    """LabeledExtract of RFC 9180, section 4."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, length):
    """LabeledExpand of RFC 9180, section 4, for up to 32 bytes: one round of HKDF."""
    labeled = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\1", "sha256")[:length]


def derive_key_pair(ikm):
    """DeriveKeyPair of RFC 9180, section 7.1.3, for X25519."""
    prk = extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    return x25519.X25519PrivateKey.from_private_bytes(expand(KEM_SUITE, prk, b"sk", b"", 32))


def hpke_cipher(own, other, enc, reader, info):
    """Cipher and nonce in base mode; `enc` and `reader` are the two public keys."""
    shared = own.exchange(x25519.X25519PublicKey.from_public_bytes(other))
    prk = extract(KEM_SUITE, b"", b"eae_prk", shared)
    secret = expand(KEM_SUITE, prk, b"shared_secret", enc + reader, 32)
    hashed = extract(HPKE_SUITE, b"", b"psk_id_hash", b"") + extract(HPKE_SUITE, b"", b"info_hash", info)
    prk = extract(HPKE_SUITE, secret, b"secret", b"")
    key = expand(HPKE_SUITE, prk, b"key", b"\0" + hashed, 32)
    return ChaCha20Poly1305(key), expand(HPKE_SUITE, prk, b"base_nonce", b"\0" + hashed, 12)


def seal(readers, info, plain, content_key, ephemeral):
    """Stanzas and sealed bytes for the readers' public keys."""
    stanzas = b""
    for reader, own in zip(readers, ephemeral, strict=True):
        enc = own.public_key().public_bytes_raw()
        cipher, nonce = hpke_cipher(own, reader, enc, reader, info)
        stanzas += enc + cipher.encrypt(nonce, content_key, b"")
    sealed = ChaCha20Poly1305(content_key).encrypt(bytes(12), plain, b"")
    return stanzas, sha256(b"marcato seal v1 content key", content_key) + sealed


def unseal(own, info, stanzas, body):
    """What is sealed to a reader's private key."""
    reader = own.public_key().public_bytes_raw()
    for place in range(0, len(stanzas), STANZA):
        enc, sealed = stanzas[place : place + 32], stanzas[place + 32 : place + STANZA]
        try:
            cipher, nonce = hpke_cipher(own, enc, enc, reader, info)
            content_key = cipher.decrypt(nonce, sealed, b"")
        except (InvalidTag, ValueError):
            continue
        fits = body[:32] == sha256(b"marcato seal v1 content key", content_key)
        require(fits, "open", "another content key")
        try:
            return ChaCha20Poly1305(content_key).decrypt(bytes(12), body[32:], b"")
        except InvalidTag:
            raise Refused("open", "damaged") from None
    raise Refused("open", "not sealed to this key")


def seal_digest(stanzas, body):
    return sha256(bytes([len(stanzas) // STANZA]), stanzas, body).hex()


def check_answer(said, expected):
    """Whether an answer is about what was sent."""
    same = lambda *fields: all(said[field] == expected[field] for field in fields)
    require(same("order", "order_digest"), "other-order")
    require(same("step", "step_digest"), "other-step")
    require(same("node"), "other-node")
    malformed(same("v"), "another version than the order's")


def split_answer(message, length, inner_max):
    """The outer part's bytes, and what is sealed: None, or stanzas and sealed bytes."""
    malformed(length <= min(OUTER_MAX, len(message["body"])), "an impossible length")
    signed, body = message["body"][:length], message["body"][length:]
    malformed(len(body) <= inner_max + 48, "too long")
    stanzas = header(message, "Mco-Seal")
    malformed(stanzas is not None or not body, "something behind the outer part")
    if stanzas is None:
        return signed, None
    stanzas = from_base64(stanzas)
    malformed(len(stanzas) in [STANZA * count for count in (1, 2, 3, 4)], "no stanzas")
    return signed, (stanzas, body)


def check_sealed(outer, sealed):
    """Whether what is sealed is what was signed."""
    require(outer.get("sealed") == (None if sealed is None else seal_digest(*sealed)), "sealed")


def open_sealed(kind, outer, sealed, own):
    """What is sealed in an answer, opened with a reader's private key."""
    digests = bytes.fromhex(outer["order_digest"]) + bytes.fromhex(outer["step_digest"])
    return parse_json(unseal(own, kind + digests + outer["node"].encode(), *sealed))


def check_receipt(message, expected):
    check_headers(message, "receipt")
    length = length_of(header(message, "Mco-Outer") or "")
    signed, sealed = split_answer(message, length, INNER_MAX)
    signature = parse_signature(header(message, "Mco-Signature"))
    outer = OUTER(parse_json(signed))
    malformed("reason" in outer or outer["state"] == "ok", "no reason")
    check_answer(outer, expected)
    check_sealed(outer, sealed)
    verify(signature, key_blob(expected["key"]), "receipt.v1@marcato", signed)
    return outer, sealed


def open_receipt(outer, sealed, own):
    return INNER(open_sealed(b"marcato.receipt.v1", outer, sealed, own))


# ---------------------------------------------------------------- section 8: progress

PROGRESS = form(
    ANSWER_TO | {"phase": one_of("accepted", "running"), "at": moment}, {"sealed": digest} | EXT)  # fmt: skip
SAID = form({}, {"message": text})
SAID_MAX = 2 * 1024


def check_progress(message, expected):
    check_headers(message, "progress")
    length = header(message, "Mco-Outer")
    length = len(message["body"]) if length is None else length_of(length)
    signed, sealed = split_answer(message, length, SAID_MAX)
    signature = parse_signature(header(message, "Mco-Signature"))
    progress = PROGRESS(parse_json(signed))
    check_answer(progress, expected)
    check_sealed(progress, sealed)
    verify(signature, key_blob(expected["key"]), "progress.v1@marcato", signed)
    return progress, sealed


def open_progress(progress, sealed, own):
    return SAID(open_sealed(b"marcato.progress.v1", progress, sealed, own))


# ---------------------------------------------------------------- section 9: registrations

SPOKEN = form({"oldest": version, "newest": version})
REGISTRATION = form(
    {"v": version, "node": identity, "certificate": text, "at": moment, "spoken": SPOKEN,
     "facts": anything, "agents": list_of(form({"name": agent_name, "version": text}))},
    {"classes": list_of(text), "read_only": boolean, "health": list_of(text)} | EXT)  # fmt: skip
HEARTBEAT = form(
    {"v": version, "node": identity, "at": moment, "registration": digest},
    {"leaving": boolean} | EXT)  # fmt: skip


def check_registration(message, authority, collective):
    check_headers(message, "registration")
    malformed(len(message["body"]) <= 256 * 1024, "too long")
    signature = parse_signature(header(message, "Mco-Signature"))
    said = REGISTRATION(parse_json(message["body"]))
    certificate = read_certificate(said["certificate"], authority, collective)
    malformed(said["node"] == certificate["identity"] == last_node(message), "another node's")
    spoken = said["spoken"]
    malformed(spoken["oldest"] <= said["v"] <= spoken["newest"], "a version that it does not speak")
    verify(signature, key_blob(certificate["sign"]), "registration.v1@marcato", message["body"])
    return said


def check_heartbeat(message, key):
    check_headers(message, "heartbeat")
    malformed(len(message["body"]) <= OUTER_MAX, "too long")
    signature = parse_signature(header(message, "Mco-Signature"))
    said = HEARTBEAT(parse_json(message["body"]))
    malformed(said["node"] == last_node(message), "another node's")
    verify(signature, key_blob(key), "heartbeat.v1@marcato", message["body"])
    return said


# ---------------------------------------------------------------- section 10: questions

NODE = form(
    {"node": identity, "key": digest, "spoken": SPOKEN},
    {"down": moment, "read_only": boolean, "not_capable": boolean})  # fmt: skip
NAMES_WANTED = form({"of": one_of("agents", "classes", "facts", "nodes"), "begin": text})
VALUES = form({"values": anything, "without": number}, {"nearest": list_of(fact_name)})


def exactly_one(forms):
    def check(value):
        malformed(type(value) is dict and len(value) == 1, "not exactly one of them")
        return form({}, forms)(value)

    return check


QUESTION = form(
    {"v": version, "id": order_id, "caller": caller_id,
     "ask": exactly_one({"find": FILTER, "certificates": list_of(identity), "values": fact_name,
                         "names": NAMES_WANTED})})  # fmt: skip
ANSWER = form(
    {"v": version, "id": order_id, "part": number, "parts": number, "since": moment,
     "found": exactly_one({"nodes": list_of(NODE), "certificates": list_of(text),
                           "values": VALUES, "names": list_of(text), "refused": text})})  # fmt: skip


def read_question(message):
    check_headers(message, "question")
    malformed(len(message["body"]) <= 256 * 1024, "too long")
    return QUESTION(parse_json(message["body"]))


def read_answer(message):
    check_headers(message, "answer")
    malformed(len(message["body"]) <= 1024 * 1024, "too long")
    answer = ANSWER(parse_json(message["body"]))
    malformed(answer["part"] < answer["parts"] <= 1024, "an impossible number of parts")
    return answer
