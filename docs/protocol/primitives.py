"""The protocol in Python, sections 1 to 5 of README.md: what every message is made of.

Needs Python 3.11 and the package cryptography. It was written from README.md alone, to be read.
"""

import base64
import binascii
import datetime
import fnmatch
import hashlib
import hmac
import json
import re
import struct
import unicodedata

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils


class Refused(Exception):
    """Something is not what it should be; `why` is the reason's code."""

    def __init__(self, why, text=""):
        super().__init__(f"{why}: {text}")
        self.why = why


def require(holds, why, text=""):
    if not holds:
        raise Refused(why, text)


def malformed(holds, text):
    require(holds, "malformed", text)


# ---------------------------------------------------------------- section 1: conventions

EXACT = 2**53
DEPTH = 16


def parse_json(data: bytes):
    """Reads JSON as narrowed: json.loads alone takes more than the protocol does."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=object_of,
            parse_int=lambda text: bounded(-0.0 if text == "-0" else int(text)),
            parse_float=lambda text: bounded(float(text)),
            parse_constant=lambda text: malformed(False, f"{text} is no number"),
        )
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", str(error)) from None
    check_inside(value, DEPTH)
    return value


def object_of(pairs):
    malformed(len(dict(pairs)) == len(pairs), "a key stands twice")
    reserved = any(key.startswith("$serde_json::private::") for key, _ in pairs)
    malformed(not reserved, "a reserved key")
    return dict(pairs)


def bounded(number):
    malformed(abs(number) <= EXACT, "a number beyond 2^53")
    return number


def check_inside(value, depth):
    """Depth, and texts that are no Unicode (json.loads lets halves of surrogate pairs pass)."""
    if isinstance(value, str):
        malformed(not re.search("[\ud800-\udfff]", value), "half of a surrogate pair")
    elif isinstance(value, (list, dict)):
        malformed(depth > 0, "nested too deeply")
        inside = value if isinstance(value, list) else [*value.keys(), *value.values()]
        for item in inside:
            check_inside(item, depth - 1)


def number(value):
    malformed(type(value) is int and value >= 0, "no number")
    return value


def version(value):
    malformed(number(value) < 2**32, "no version")
    return value


def boolean(value):
    malformed(type(value) is bool, "neither true nor false")
    return value


def text(value):
    malformed(type(value) is str, "no text")
    return value


def anything(value):
    malformed(type(value) is dict, "no object")
    return value


def matches(pattern):
    def check(value):
        malformed(re.fullmatch(pattern, text(value), re.ASCII), f"{value!r} is not {pattern}")
        return value

    return check


def one_of(*words):
    def check(value):
        malformed(text(value) in words, f"{value!r} is none of {words}")
        return value

    return check


def list_of(item, least=0, most=None):
    def check(value):
        malformed(type(value) is list, "no list")
        malformed(least <= len(value) <= (most or len(value)), "too few or too many")
        return [item(entry) for entry in value]

    return check


def form(required, optional=None):
    """An object with these fields; each has a check, and optional ones may be left out."""
    optional = optional or {}

    def check(value):
        fields = required | optional
        malformed(type(value) is dict, "no object")
        malformed(set(value) <= set(fields), f"unknown fields {set(value) - set(fields)}")
        malformed(set(required) <= set(value), f"missing fields {set(required) - set(value)}")
        for name, entry in value.items():
            fields[name](entry)
        return value

    return check


def fact_name(value):
    blank = any(letter.isspace() or unicodedata.category(letter) == "Cc" for letter in text(value))
    malformed(not blank and 1 <= len(value.encode()) <= 512, f"{value!r} is no fact's name")
    return value


identity = matches(r"[a-z0-9._-]{1,253}")
caller_id = matches(r"[A-Za-z0-9._\-+@=]{1,128}")
collective_name = matches(r"[a-z0-9][a-z0-9_-]{0,63}")
agent_name = matches(r"[a-z][a-z0-9_]{0,63}")
order_id = matches(r"[0-9a-f]{32}")
digest = matches(r"[0-9a-f]{64}")
NAMES = {"identity": identity, "caller": caller_id, "collective": collective_name,
         "agent": agent_name, "order_id": order_id}  # fmt: skip
EXT = {"ext": anything}


def moment(value):
    """A time as milliseconds since 1970."""
    matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")(value)
    try:
        parsed = datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as error:
        raise Refused("malformed", str(error)) from None
    ms = (parsed - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
    malformed(ms >= 0 and value <= "9999-12-30T22:00:00.999Z", "a time out of range")
    return ms


def written(ms):
    """Milliseconds since 1970 as the protocol writes a time."""
    moment_of = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return moment_of.isoformat(timespec="milliseconds") + "Z"


def from_base64(value):
    try:
        data = base64.b64decode(text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("malformed", str(error)) from None
    malformed(to_base64(data) == value, "base64 in another form than the one")
    return data


def to_base64(data):
    return base64.b64encode(data).decode()


# X25519 points of small order: every secret agreed with them is zero.
USELESS = {0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18} | {
    int.from_bytes(bytes.fromhex(point), "little")
    for point in (
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    )
}


def open_key(value):
    key = from_base64(value)
    malformed(len(key) == 32, "no X25519 key")
    malformed(int.from_bytes(key, "little") % 2**255 not in USELESS, "an X25519 key of small order")
    return value


def length_of(value):
    matches(r"0|[1-9][0-9]{0,9}")(value)
    return int(value)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# ---------------------------------------------------------------- section 2: subjects


def token(name):
    keep = b"abcdefghijklmnopqrstuvwxyz0123456789-"
    return "".join(chr(byte) if byte in keep else f"={byte:02x}" for byte in name.encode())


def name_of(written_token):
    """The name of a token; refuses tokens that are not written so."""
    try:
        raw = re.sub(rb"=(..)", lambda m: bytes.fromhex(m[1].decode()), written_token.encode(), flags=re.S)
        name = raw.decode()
    except ValueError:
        raise Refused("malformed", "no token") from None
    malformed(token(name) == written_token, "no token")
    return name


def subject(collective, *tokens):
    return ".".join(["mco", token(collective), *tokens])


def last_node(message):
    return identity(name_of(message["subject"].rsplit(".", 1)[-1]))


# ---------------------------------------------------------------- section 3: headers

HEADERS_MAX = 16 * 1024


def header(message, name):
    """A header's value; None where it is missing or stands twice."""
    values = [value for key, value in message["headers"] if key == name]
    return values[0] if len(values) == 1 else None


def check_headers(message, kind, too_large="malformed"):
    malformed(header(message, "Mco-Kind") == kind, "another kind")
    weight = sum(len(key) + len(value) + 4 for key, value in message["headers"])
    require(weight <= HEADERS_MAX, too_large, "headers")


# ---------------------------------------------------------------- section 4: signatures

CURVES = {
    "ecdsa-sha2-nistp256": (ec.SECP256R1, hashes.SHA256, 32),
    "ecdsa-sha2-nistp384": (ec.SECP384R1, hashes.SHA384, 48),
    "ecdsa-sha2-nistp521": (ec.SECP521R1, hashes.SHA512, 66),
}
P = 2**255 - 19
# The y of all Ed25519 points of small order, also as they are written beyond the field's prime.
SMALL_ORDER = {0, 1, P - 1, P, P + 1} | {
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
}


def string(data):
    return struct.pack(">I", len(data)) + data


class Reader:
    """Reads SSH's fields off the front of bytes."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        malformed(len(self.data) >= count, "cut short")
        head, self.data = self.data[:count], self.data[count:]
        return head

    def string(self):
        return self.take(struct.unpack(">I", self.take(4))[0])

    def mpint(self):
        """A positive number in its shortest form."""
        data = self.string()
        shortest = data and (data[0] != 0 or (len(data) > 1 and data[1] >= 0x80))
        malformed(shortest and data[0] < 0x80, "no positive number")
        return int.from_bytes(data, "big")

    def end(self):
        malformed(not self.data, "bytes behind the end")


def key_blob(line):
    """The binary form of a public key in JSON: one line, without a comment."""
    kind, _, encoded = text(line).partition(" ")
    blob = from_base64(encoded)
    malformed(Reader(blob).string() == kind.encode(), "the line names another kind")
    parse_key(blob)
    return blob


def key_digest(line):
    return sha256(key_blob(line))


def node_key(line):
    key_blob(line)
    malformed(line.startswith("ssh-ed25519 "), "a node signs with Ed25519")
    return line


def parse_key(blob):
    """A public key's kind and the key itself."""
    reader = Reader(blob)
    kind = reader.string().decode("ascii", "replace")
    if kind == "ssh-ed25519":
        point = reader.string()
        malformed(len(point) == 32, "no Ed25519 key")
        make = lambda: ed25519.Ed25519PublicKey.from_public_bytes(point)
    elif kind in CURVES:
        curve, _, field = CURVES[kind]
        malformed(reader.string().decode("ascii", "replace") == kind.rsplit("-", 1)[1], "another curve")
        point = reader.string()
        malformed(len(point) == 1 + 2 * field and point[0] == 4, "not uncompressed")
        make = lambda: ec.EllipticCurvePublicKey.from_encoded_point(curve(), point)
    elif kind == "ssh-rsa":
        exponent, modulus = reader.mpint(), reader.mpint()
        malformed(3072 <= modulus.bit_length() <= 8192, "too short or too long an RSA key")
        make = lambda: rsa.RSAPublicNumbers(exponent, modulus).public_key()
    else:
        raise Refused("malformed", f"a key of the kind {kind!r}")
    reader.end()
    return kind, make


def to_be_signed(namespace, data):
    hashed = hashlib.sha512(data).digest()
    return b"SSHSIG" + string(namespace.encode()) + string(b"") + string(b"sha512") + string(hashed)


def parse_signature(encoded):
    """An SSHSIG's parts: key, namespace, algorithm, raw."""
    malformed(encoded is not None, "not signed")
    reader = Reader(from_base64(encoded))
    malformed(reader.take(10) == b"SSHSIG\0\0\0\1", "no SSHSIG of version 1")
    blob, namespace = reader.string(), reader.string()
    malformed(reader.string() == b"" and reader.string() == b"sha512", "reserved field or hash")
    inner = Reader(reader.string())
    reader.end()
    algorithm, raw = inner.string(), inner.string()
    inner.end()
    parse_key(blob)
    return {"key": blob, "namespace": namespace, "algorithm": algorithm, "raw": raw}


def verify(signature, key, namespace, data):
    """Checks that this key signed these bytes for this purpose."""
    require(signature["key"] == key, "signature", "another key")
    require(signature["namespace"] == namespace.encode(), "signature", "another namespace")
    kind, make = parse_key(key)
    algorithm, raw = signature["algorithm"].decode("ascii", "replace"), signature["raw"]
    signed = to_be_signed(namespace, data)
    try:
        public = make()
        if kind == "ssh-rsa":
            hash_of = {"rsa-sha2-512": hashes.SHA512(), "rsa-sha2-256": hashes.SHA256()}[algorithm]
            public.verify(raw, signed, padding.PKCS1v15(), hash_of)
        elif kind in CURVES:
            require(algorithm == kind, "signature")
            reader = Reader(raw)
            numbers = reader.mpint(), reader.mpint()
            reader.end()
            public.verify(utils.encode_dss_signature(*numbers), signed, ec.ECDSA(CURVES[kind][1]()))
        else:
            y = int.from_bytes(key[-32:], "little") % 2**255
            require(algorithm == kind and y not in SMALL_ORDER, "signature")
            public.verify(raw, signed)
    except (InvalidSignature, KeyError, ValueError) as error:
        raise Refused("signature", str(error)) from None


def sign(private, namespace, data):
    """An SSHSIG by an Ed25519 key, in base64."""
    public = private.public_key().public_bytes_raw()
    key = string(b"ssh-ed25519") + string(public)
    raw = string(b"ssh-ed25519") + string(private.sign(to_be_signed(namespace, data)))
    parts = string(key) + string(namespace.encode()) + string(b"") + string(b"sha512")
    return to_base64(b"SSHSIG\0\0\0\1" + parts + string(raw))


ALLOWED = re.compile(
    r'(?P<names>\S+)\s+((?P<options>[a-z-]+="[^"]*"(,[a-z-]+="[^"]*")*)\s+)?(?P<kind>\S+)\s+(?P<key>\S+)'
)


def allowed_key(signers, caller, key, now):
    """Whether allowed_signers lets the key sign orders of the caller."""
    lines = [ALLOWED.match(line) for line in signers.splitlines() if line and line[0] != "#"]
    own = [line for line in lines if line and caller in line["names"].split(",")]
    require(own, "unknown-caller", caller)
    for line in own:
        options = dict(re.findall(r'([a-z-]+)="([^"]*)"', line["options"] or ""))
        patterns = options.get("namespaces", "*").split(",")
        allowed = any(fnmatch.fnmatchcase("order.v1@marcato", pattern) for pattern in patterns)
        after, before = (signer_time(options.get(name)) for name in ("valid-after", "valid-before"))
        in_time = (after or 0) <= now // 1000 <= (before or now)
        if from_base64(line["key"]) == key and allowed and in_time:
            return
    raise Refused("key-not-allowed", caller)


def signer_time(value):
    """Seconds since 1970 of YYYYMMDD[HHMM[SS]]Z."""
    if value is None:
        return None
    full = value.removesuffix("Z").ljust(14, "0")
    parsed = datetime.datetime.strptime(full, "%Y%m%d%H%M%S")
    return int(parsed.replace(tzinfo=datetime.timezone.utc).timestamp())


# ---------------------------------------------------------------- section 5: certificates

CERTIFICATE = form(
    {"v": version, "collective": collective_name, "identity": identity, "sign": node_key,
     "open": open_key, "machine": digest, "issued": moment}, EXT)  # fmt: skip


def machine_of(machine_id):
    return hmac.digest(machine_id.strip().encode(), b"marcato.machine.v1", "sha256").hex()


def read_certificate(line, authority, collective):
    """A certificate's body, if the authority (a public key's line) signed it for this fleet."""
    body, signature = signed_text(line)
    verify(signature, key_blob(authority), "join.v1@marcato", body)
    certificate = CERTIFICATE(parse_json(body))
    malformed(certificate["v"] == 1, "another version")
    malformed(certificate["collective"] == collective, "another fleet's")
    return certificate


def read_request(line):
    body, signature = signed_text(line)
    request = CERTIFICATE(parse_json(body))
    verify(signature, key_blob(request["sign"]), "join-request.v1@marcato", body)
    malformed(request["v"] == 1, "another version")
    return request


def signed_text(line):
    line = line.rstrip()
    malformed(len(line) <= 4096 and line.count(".") == 1, "no certificate")
    body, signature = line.split(".")
    return from_base64(body), parse_signature(signature)
