//! Vectors of certificates, registrations, heartbeats, questions and answers.

use marcato_core::limits::protocol::CERTIFICATE_BYTES_MAX;
use marcato_core::{OrderId, Terms};
use marcato_protocol::certificate::Certificate;
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::message::{KIND, Message, SIGNATURE};
use marcato_protocol::question::{Answer, Ask, Beginning, Found, Listed, Named, Question, Values};
use marcato_protocol::registration::{AgentInfo, Heartbeat, Registration};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use serde_json::{Map, Value, json};

use super::world::{
    CALLER, FLEET, ISSUED, NODE, NOW, authority, base64, certificate, certified, changed, fleet,
    node, node_key, operator, order_id, other_kind, replace, set, shown, stranger, time, twice,
    without,
};

pub fn certificates() -> Value {
    let body = certificate().to_bytes();
    let authority = authority();
    let text = certified(body.clone(), &authority, Namespace::Join);
    let request = certified(body.clone(), &node_key(), Namespace::JoinRequest);
    json!({
        "about": "Certificates as a client takes them, and requests as an authority does (section 5).",
        "authority": authority.public(), "collective": FLEET,
        "accepted": [
            { "kind": "certificate", "text": text, "body": certificate() },
            { "kind": "request", "text": request, "body": certificate() },
        ],
        "refused": refused_certificates(&body, &text, &request),
    })
}

fn refused_certificates(body: &[u8], text: &str, request: &str) -> Vec<Value> {
    let edited = |from: &str, to: &str, by: &NodeSignKey, namespace| {
        let mut body = body.to_vec();
        replace(&mut body, from, to);
        certified(body, by, namespace)
    };
    let joined = |from: &str, to: &str| edited(from, to, &authority(), Namespace::Join);
    let (_, signature) = text.split_once('.').unwrap();
    let mut forged = body.to_vec();
    replace(&mut forged, NODE, "web2.example.com");
    let rsa = other_kind("rsa3072");
    let open = certificate().open.to_string();
    let of_rsa = Certificate { sign: rsa.public().clone(), ..certificate() }.to_bytes();
    let someone = edited("\"v\":1", "\"v\": 1", &stranger(), Namespace::JoinRequest);
    let certificates = [
        ("forged: signed by somebody else", certified(body.to_vec(), &stranger(), Namespace::Join)),
        ("signed by the node itself", certified(body.to_vec(), &node_key(), Namespace::Join)),
        ("a request in a certificate's place", request.to_owned()),
        ("forged: another name under the signature", format!("{}.{signature}", base64(&forged))),
        ("another fleet's", joined("\"lab\"", "\"prod\"")),
        ("a version of tomorrow", joined("\"v\":1", "\"v\":2")),
        ("a field that is not known", joined("\"v\":1", "\"w\":1,\"v\":1")),
        ("an open key of small order", joined(&open, &format!("{}=", "A".repeat(43)))),
        ("a sign key of another kind", certified(of_rsa, &authority(), Namespace::Join)),
        ("no signature", base64(body)),
        ("an empty signature", format!("{}.", base64(body))),
        ("something behind it", format!("{text}.x")),
        ("a blank in it", text.replacen('.', ". ", 1)),
        ("too long", "A".repeat(CERTIFICATE_BYTES_MAX + 1)),
        ("nothing", String::new()),
    ];
    let requests = [
        ("a request for somebody else's key", someone),
        ("a certificate in a request's place", text.to_owned()),
    ];
    let shown = |kind: &'static str| move |(why, text): (&str, String)| json!({ "kind": kind, "why": why, "text": text });
    let certificates = certificates.into_iter().map(shown("certificate"));
    certificates.chain(requests.into_iter().map(shown("request"))).collect()
}

fn subject() -> String {
    Subjects::of(&fleet()).registry(&node())
}

fn registration() -> Registration {
    let facts = json!({ "hagroup": "c", "os": { "name": "Debian", "release": { "major": "12" } } });
    Registration {
        v: 1,
        node: node(),
        certificate: certified(certificate().to_bytes(), &authority(), Namespace::Join),
        at: time(ISSUED),
        spoken: Spoken { oldest: 1, newest: 1 },
        facts: serde_json::from_value(facts).unwrap(),
        classes: vec!["web".into()],
        agents: vec![AgentInfo { name: "rpcutil".parse().unwrap(), version: "1.0.0".into() }],
        read_only: true,
        health: vec!["facts.yaml: line 3".into()],
        ext: Map::new(),
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        v: 1,
        node: node(),
        at: time(NOW),
        registration: Digest::of(&registration().to_bytes()),
        leaving: false,
        ext: Map::new(),
    }
}

pub fn registrations() -> Value {
    let leaving = Heartbeat { leaving: true, ..heartbeat() };
    let registered = registration().message(subject(), &node_key());
    let bare = Registration {
        facts: marcato_core::Facts::new(),
        classes: Vec::new(),
        agents: Vec::new(),
        read_only: false,
        health: Vec::new(),
        ..registration()
    };
    json!({
        "about": "Registrations and heartbeats as they come to a hub (section 9). Heartbeats are checked with the node's key.",
        "authority": authority().public(), "collective": FLEET, "node": NODE,
        "key": node_key().public(),
        "accepted": [
            { "kind": "registration", "message": shown(&registered), "digest": Digest::of(&registered.body) },
            { "kind": "registration", "message": shown(&bare.message(subject(), &node_key())),
              "digest": Digest::of(&bare.to_bytes()) },
            { "kind": "heartbeat", "message": shown(&heartbeat().message(subject(), &node_key())),
              "registration": heartbeat().registration, "leaving": false },
            { "kind": "heartbeat", "message": shown(&leaving.message(subject(), &node_key())),
              "registration": heartbeat().registration, "leaving": true },
        ],
        "refused": refused_registrations(&registered),
    })
}

fn refused_registrations(good: &Message) -> Vec<Value> {
    let other_name = "mco.lab.registry.db1=2eexample=2ecom";
    let with = |change: fn(&mut Registration)| {
        let mut registration = registration();
        change(&mut registration);
        registration.message(subject(), &node_key())
    };
    let certificate_of = |by: &NodeSignKey, change: fn(&mut Certificate)| {
        let mut certificate = certificate();
        change(&mut certificate);
        let certificate = certified(certificate.to_bytes(), by, Namespace::Join);
        Registration { certificate, ..registration() }.message(subject(), &node_key())
    };
    let beat = heartbeat().message(subject(), &node_key());
    let as_beat = node_key().sign(Namespace::Heartbeat, &good.body).to_base64();
    let registrations = [
        ("signed by somebody else", registration().message(subject(), &stranger())),
        ("signed as a heartbeat", changed(good, |headers, _| set(headers, SIGNATURE, as_beat))),
        ("a fact was changed", changed(good, |_, body| replace(body, "Debian", "Ubuntu"))),
        ("on another node's subject", Message { subject: other_name.into(), ..good.clone() }),
        ("of another node", with(|said| said.node = "db1.example.com".parse().unwrap())),
        (
            "another node's certificate",
            certificate_of(&authority(), |of| of.identity = "db1.example.com".parse().unwrap()),
        ),
        (
            "another fleet's certificate",
            certificate_of(&authority(), |of| of.collective = "prod".parse().unwrap()),
        ),
        (
            "another key's certificate",
            certificate_of(&authority(), |of| of.sign = operator().public().clone()),
        ),
        ("a forged certificate", certificate_of(&stranger(), |_| {})),
        ("a node that certifies itself", certificate_of(&node_key(), |_| {})),
        ("not signed", changed(good, |headers, _| without(headers, SIGNATURE))),
        ("two signatures", changed(good, |headers, _| twice(headers, SIGNATURE))),
        ("another kind", changed(good, |headers, _| set(headers, KIND, "heartbeat"))),
        ("bytes behind it", changed(good, |_, body| body.push(b'x'))),
        ("a version that the node does not speak", with(|said| said.v = 2)),
    ];
    let heartbeats = [
        ("signed by somebody else", heartbeat().message(subject(), &stranger())),
        ("on another node's subject", Message { subject: other_name.into(), ..beat.clone() }),
        (
            "leaving, which was not signed",
            changed(&beat, |_, body| replace(body, "}", ",\"leaving\":true}")),
        ),
        ("not signed", changed(&beat, |headers, _| without(headers, SIGNATURE))),
        ("another kind", changed(&beat, |headers, _| set(headers, KIND, "registration"))),
        (
            "a registration in its place",
            changed(good, |headers, _| set(headers, KIND, "heartbeat")),
        ),
    ];
    let shown = |kind: &'static str| move |(why, message): (&str, Message)| json!({ "kind": kind, "why": why, "message": shown(&message) });
    let registrations = registrations.into_iter().map(shown("registration"));
    registrations.chain(heartbeats.into_iter().map(shown("heartbeat"))).collect()
}

pub fn questions() -> Value {
    let id: OrderId = order_id(1);
    let terms = Terms {
        facts: vec!["hagroup=c".into()],
        agents: vec!["service".into()],
        ..Terms::default()
    };
    let asked = [
        ("find", Ask::Find(terms)),
        ("find", Ask::Find(Terms { expressions: vec!["a or b".into()], ..Terms::default() })),
        ("find", Ask::Find(Terms::default())),
        ("certificates", Ask::Certificates(vec![node()])),
        ("values", Ask::Values("hagroup".parse().unwrap())),
        ("values", Ask::Values("ü".repeat(256).parse().unwrap())),
        ("names", Ask::Names(Beginning { of: Named::Facts, begin: "os.re".into() })),
        ("names", Ask::Names(Beginning { of: Named::Nodes, begin: String::new() })),
    ]
    .map(|(kind, ask)| {
        let question = Question { v: 1, id, caller: CALLER.parse().unwrap(), ask };
        let message = question.message("mco.lab.question".into(), String::new());
        json!({ "kind": "question", "ask": kind, "message": shown(&message) })
    });
    let found = found();
    let answered: Vec<_> = found
        .iter()
        .map(|(kind, found)| {
            let message = answer(found.clone());
            json!({ "kind": "answer", "found": kind, "message": shown(&message) })
        })
        .collect();
    json!({
        "about": "Questions to a hub and its answers (section 10).",
        "id": id,
        "accepted": asked.into_iter().chain(answered).collect::<Vec<_>>(),
        "refused": refused_answers(),
    })
}

fn answer(found: Found) -> Message {
    let id = order_id(1);
    let answer = Answer { v: 1, id, part: 0, parts: 1, since: time(ISSUED), found };
    answer.message(Subjects::of(&fleet()).answer(&CALLER.parse().unwrap(), id))
}

fn found() -> Vec<(&'static str, Found)> {
    let listed = Listed {
        node: node(),
        key: node_key().public().digest(),
        spoken: Spoken { oldest: 1, newest: 1 },
        down: None,
        read_only: false,
        not_capable: false,
    };
    let away =
        Listed { down: Some(time(NOW)), read_only: true, not_capable: true, ..listed.clone() };
    let text = certified(certificate().to_bytes(), &authority(), Namespace::Join);
    let values = Values {
        values: [("c".to_owned(), 3)].into(),
        without: 1,
        nearest: vec!["hagroup".parse().unwrap()],
    };
    vec![
        ("nodes", Found::Nodes(vec![listed, away])),
        ("certificates", Found::Certificates(vec![text])),
        ("values", Found::Values(values)),
        ("names", Found::Names(vec!["os.release".into()])),
        ("refused", Found::Refused("no such thing".into())),
    ]
}

fn refused_answers() -> Vec<Value> {
    let good = answer(Found::Nodes(Vec::new()));
    let edited = |from: &str, to: &str| changed(&good, |_, body| replace(body, from, to));
    let ask = Question {
        v: 1,
        id: order_id(1),
        caller: CALLER.parse().unwrap(),
        ask: Ask::Find(Terms::default()),
    };
    let ask = ask.message("mco.lab.question".into(), String::new());
    let asked = |from: &str, to: &str| changed(&ask, |_, body| replace(body, from, to));
    let values = |name: &str| asked("{\"find\":{}}", &format!("{{\"values\":\"{name}\"}}"));
    let cases = [
        ("answer", "a part behind the last", edited("\"part\":0", "\"part\":1")),
        ("answer", "no parts", edited("\"parts\":1", "\"parts\":0")),
        ("answer", "more parts than may be", edited("\"parts\":1", "\"parts\":1025")),
        ("answer", "two things found", edited("\"found\":{", "\"found\":{\"refused\":\"x\",")),
        ("answer", "nothing found", edited("{\"nodes\":[]}", "{}")),
        ("answer", "a word for an object", edited("{\"nodes\":[]}", "\"nodes\"")),
        ("answer", "another kind", changed(&good, |headers, _| set(headers, KIND, "question"))),
        ("answer", "two kinds", changed(&good, |headers, _| twice(headers, KIND))),
        ("question", "two things asked", asked("\"ask\":{", "\"ask\":{\"values\":\"a\",")),
        ("question", "something unknown asked", asked("\"find\"", "\"drop\"")),
        ("question", "a term that is unknown", asked("\"find\":{", "\"find\":{\"any\":[]")),
        ("question", "too long a fact's name", values(&"ü".repeat(257))),
        ("question", "a fact's name with a blank", values("a\u{a0}b")),
        ("question", "a fact's name with a control character", values("a\\u0085b")),
        ("question", "no fact's name", values("")),
        (
            "question",
            "names of something unknown",
            asked("{\"find\":{}}", "{\"names\":{\"of\":\"keys\",\"begin\":\"\"}}"),
        ),
        ("question", "no id", asked("\"id\":", "\"name\":")),
        ("question", "an answer", good.clone()),
    ];
    cases
        .into_iter()
        .map(|(kind, why, message)| json!({ "kind": kind, "why": why, "message": shown(&message) }))
        .collect()
}
