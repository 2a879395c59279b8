//! Names, JSON, times, keys.

use marcato_core::limits::protocol::JSON_DEPTH_MAX;
use marcato_core::{
    AgentName, CallerId, Collective, Identity, OrderId, Timestamp, json as strict_json,
};
use marcato_protocol::certificate::machine_digest;
use marcato_protocol::digest::Digest;
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::{Subjects, name_of, token};

use super::{content, list, parse, public_key, text};
use crate::read;

#[test]
fn names() {
    let file = read("names.json");
    for case in list(&file, "tokens") {
        assert_eq!(token(text(case, "name")), text(case, "token"));
        assert_eq!(name_of(text(case, "token")).as_deref(), Some(text(case, "name")));
    }
    for wrong in list(&file, "not_tokens") {
        assert_eq!(name_of(wrong.as_str().unwrap()), None, "{wrong}");
    }
    let of = |kind: &str, holds: &dyn Fn(&str) -> bool| {
        for (field, want) in [("accepted", true), ("refused", false)] {
            for name in list(&file["names"][kind], field) {
                assert_eq!(holds(name.as_str().unwrap()), want, "{kind} {name}");
            }
        }
    };
    of("identity", &|name| name.parse::<Identity>().is_ok());
    of("caller", &|name| name.parse::<CallerId>().is_ok());
    of("collective", &|name| name.parse::<Collective>().is_ok());
    of("agent", &|name| name.parse::<AgentName>().is_ok());
    of("order_id", &|name| name.parse::<OrderId>().is_ok());
}

#[test]
fn subjects() {
    let file = read("names.json");
    let case = &file["subjects"];
    let subjects = Subjects::of(&parse(case, "collective"));
    let (caller, node, id) = (parse(case, "caller"), parse(case, "node"), parse(case, "id"));
    let check = |field: &str, got: String| assert_eq!(got, text(case, field));
    check("order", subjects.orders());
    check("to_node", subjects.node(&node));
    check("reply", subjects.reply(&caller, id, &node));
    check("answer", subjects.answer(&caller, id));
    check("registry", subjects.registry(&node));
    check("question", subjects.questions());
}

#[test]
fn json() {
    let file = read("json.json");
    for (field, want) in [("accepted", true), ("refused", false)] {
        for case in list(&file, field) {
            let got = strict_json::parse(&content(case), JSON_DEPTH_MAX);
            assert_eq!(got.is_ok(), want, "{case}: {got:?}");
        }
    }
}

#[test]
fn times() {
    let file = read("times.json");
    for case in list(&file, "accepted") {
        let time: Timestamp = parse(case, "text");
        assert_eq!(
            (Some(time.as_ms()), &*time.to_string()),
            (case["ms"].as_u64(), text(case, "text"))
        );
    }
    for wrong in list(&file, "refused") {
        assert!(wrong.as_str().unwrap().parse::<Timestamp>().is_err(), "{wrong}");
    }
}

#[test]
fn keys() {
    let file = read("keys.json");
    for case in list(&file, "digests") {
        assert_eq!(Digest::of(text(case, "text").as_bytes()), parse(case, "sha256"));
    }
    for case in list(&file, "keys") {
        let key = public_key(case, "key");
        assert_eq!(key.digest(), parse(case, "digest"));
        assert_eq!(key.fingerprint(), text(case, "fingerprint"));
    }
    for case in list(&file, "refused_keys") {
        let key = case["key"].clone();
        assert!(serde_json::from_value::<PublicKey>(key).is_err(), "{case}");
    }
    for case in list(&file, "machines") {
        assert_eq!(machine_digest(text(case, "machine_id")), parse(case, "machine"));
    }
}
