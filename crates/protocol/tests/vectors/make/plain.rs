//! Vectors of what is read before anything is verified: names, JSON, times, keys.

use marcato_core::json;
use marcato_core::limits::protocol::JSON_DEPTH_MAX;
use marcato_protocol::certificate::machine_digest;
use marcato_protocol::digest::Digest;
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::{Subjects, token};
use serde_json::{Value, json};

use super::world::{
    CALLER, FLEET, ISSUED, base64, fleet, node, node_key, operator, order_id, other_kind, time,
};

pub fn names() -> Value {
    let tokens = [FLEET, "web1.example.com", "a_b-c", "=", CALLER, "Choria=rip", "0", "UPPER"];
    let tokens: Vec<_> = tokens.iter().map(|n| json!({ "name": n, "token": token(n) })).collect();
    let (subjects, caller, id) = (Subjects::of(&fleet()), CALLER.parse().unwrap(), order_id(1));
    let long = "a".repeat(254);
    json!({
        "about": "Names, and the subjects made of them (sections 1 and 2).",
        "tokens": tokens,
        "not_tokens": ["=", "=2", "=zz", "=61", "a.b", "A", "=hub", "=2E", "=c3=28", "web1 "],
        "subjects": {
            "collective": FLEET, "caller": CALLER, "node": node(), "id": id,
            "order": subjects.orders(),
            "to_node": subjects.node(&node()),
            "reply": subjects.reply(&caller, id, &node()),
            "answer": subjects.answer(&caller, id),
            "registry": subjects.registry(&node()),
            "question": subjects.questions(),
        },
        "names": {
            "identity": {
                "accepted": ["web1.example.com", "a", "x_y-z", "-", &long[..253]],
                "refused": ["", "Web1", "a b", "ü", "a*", "a>", "a\n", long],
            },
            "caller": {
                "accepted": [CALLER, "Choria=rip", "a+b", &long[..128]],
                "refused": ["", "a b", "a,b", "*", "a!", "ü", &long[..129]],
            },
            "collective": {
                "accepted": ["lab", "prod-1", "0_a", &long[..64]],
                "refused": ["", "-lab", "_lab", "Prod", "a.b", &long[..65]],
            },
            "agent": {
                "accepted": ["package", "my_agent2"],
                "refused": ["", "Package", "2nd", "_a", "../x", "a-b", &long[..65]],
            },
            "order_id": {
                "accepted": ["0".repeat(32), "0123456789abcdef".repeat(2)],
                "refused": ["", "0F".repeat(16), "0".repeat(31), "0".repeat(33), "g".repeat(32)],
            },
        },
    })
}

pub fn json() -> Value {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let accepted = [
        "{}",
        " {\"a\" : [1, {\"b\": null}] } \n",
        r#"{"a":{"a":1},"b":{"a":2}}"#,
        r#"{"a":1,"A":2,"":3}"#,
        r#"{"$serde_json":1,"private::":2}"#,
        r#""\u00e9\ud83d\ude00\/""#,
        "[true,false,null,-1,0.5,1e2,1E-2]",
        "9007199254740992",
        "-9007199254740992",
        "9.0e15",
        &deep(JSON_DEPTH_MAX),
        &format!("[{}]", vec![deep(JSON_DEPTH_MAX - 1); 2].join(",")),
    ]
    .map(str::as_bytes)
    .map(shown);
    let refused: Vec<Value> = [
        ("a key twice", r#"{"a":1,"a":1}"#.as_bytes()),
        ("a key twice, once escaped", r#"{"x":[{"a":1,"\u0061":2}]}"#.as_bytes()),
        ("a reserved key", br#"{"$serde_json::private::RawValue":"{}"}"#),
        ("such a key, escaped", br#"[{"a":1,"\u0024serde_json::private::":1}]"#),
        ("too deep", deep(JSON_DEPTH_MAX + 1).as_bytes()),
        ("far too deep", &[b'['; 5000]),
        ("beyond 2^53", b"9007199254740993"),
        ("beyond -2^53", b"-9007199254740993"),
        ("more than 64 bits", b"18446744073709551616"),
        ("beyond 2^53 with an exponent", b"[1e16]"),
        ("no finite number", b"1e400"),
        ("no number", b"NaN"),
        ("no number", b"[Infinity]"),
        ("no number", b"[-Infinity]"),
        ("a leading zero", b"01"),
        ("a plus", b"+1"),
        ("no digit behind the point", b"1."),
        ("something behind the value", b"{} {}"),
        ("a zero byte behind the value", b"{}\0"),
        ("nothing", b""),
        ("a comma too many", b"[1,]"),
        ("a comma too many", br#"{"a":1,}"#),
        ("a comment", b"[1] // one"),
        ("single quotes", b"{'a':1}"),
        ("a key without quotes", b"{a:1}"),
        ("a control character", b"\"\x01\""),
        ("a line break in a text", b"\"a\nb\""),
        ("an unknown escape", br#""\x41""#),
        ("half of a pair", br#""\ud800""#),
        ("the halves in the wrong order", br#""\udc00\ud800""#),
        ("not UTF-8", b"\"\xff\""),
        ("UTF-8 that is longer than needed", b"\"\xc0\xaf\""),
        ("half of a pair in UTF-8", b"\"\xed\xa0\x80\""),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("cut short", br#"{"a":"#),
    ]
    .iter()
    .map(|(why, bytes)| {
        assert!(json::parse(bytes, JSON_DEPTH_MAX).is_err(), "{why}");
        let mut case = shown(bytes);
        case["why"] = json!(why);
        case
    })
    .collect();
    json!({ "about": "JSON (section 1).", "accepted": accepted, "refused": refused })
}

fn shown(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes)
        .map_or_else(|_| json!({ "base64": base64(bytes) }), |text| json!({ "text": text }))
}

pub fn times() -> Value {
    let accepted = [
        "1970-01-01T00:00:00.000Z",
        "1972-02-29T23:59:59.999Z",
        ISSUED,
        "9999-12-30T22:00:00.999Z",
    ];
    let accepted: Vec<_> =
        accepted.iter().map(|text| json!({ "text": text, "ms": time(text).as_ms() })).collect();
    json!({
        "about": "Times, and their milliseconds since 1970 (section 1).",
        "accepted": accepted,
        "refused": [
            "", "2026-11-23", "2026-11-23T03:46:15Z", "2026-11-23T03:46:15.12Z",
            "2026-11-23T03:46:15.1230Z", "2026-11-23T03:46:15.123", "2026-11-23 03:46:15.123Z",
            "2026-11-23T03:46:15.123+00:00", "2026-11-23T03:46:15.123z", "2026-11-23t03:46:15.123Z",
            "2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-11-23T24:00:00.000Z",
            "2026-12-31T23:59:60.000Z", "1969-12-31T23:59:59.999Z", "9999-12-30T22:00:01.000Z",
            "+002026-11-23T03:46:15.123Z", " 2026-11-23T03:46:15.123Z", "2026-11-23T03:46:15,123Z",
        ],
    })
}

pub fn keys() -> Value {
    let kinds = ["ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"];
    let other = kinds.map(|name| other_kind(name).public().clone());
    let own = [operator().public().clone(), node_key().public().clone()];
    let keys: Vec<_> = own
        .iter()
        .chain(&other)
        .map(|key| json!({ "key": key, "digest": key.digest(), "fingerprint": key.fingerprint() }))
        .collect();
    let texts = ["", "abc"];
    let digests: Vec<_> = texts
        .iter()
        .map(|text| json!({ "text": text, "sha256": Digest::of(text.as_bytes()) }))
        .collect();
    json!({
        "about": "Digests, public keys and their digests, machines (sections 1, 4 and 5).",
        "digests": digests,
        "keys": keys,
        "refused_keys": refused_keys(&own[0]),
        "machines": [
            { "machine_id": "8a1f4b2c9d3e4f5061728394a5b6c7d8\n",
              "machine": machine_digest("8a1f4b2c9d3e4f5061728394a5b6c7d8") },
        ],
    })
}

fn refused_keys(good: &PublicKey) -> Vec<Value> {
    let blob = good.blob();
    let line = |kind: &str, blob: &[u8]| format!("{kind} {}", base64(blob));
    let mut other_name = blob.to_vec();
    other_name[14] = b'8';
    let cases = [
        ("bytes behind the key", line("ssh-ed25519", &[blob, b"\0"].concat())),
        ("cut short", line("ssh-ed25519", &blob[..blob.len() - 1])),
        ("the line and the key differ", line("ssh-rsa", blob)),
        ("an unknown kind", line("ssh-ed25518", &other_name)),
        ("no key", "ssh-ed25519".to_owned()),
        ("damaged base64", format!("{}=", good)),
        ("a comment", format!("{good} somebody")),
    ];
    cases.iter().map(|(why, line)| json!({ "why": why, "key": line })).collect()
}
