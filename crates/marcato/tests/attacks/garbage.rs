//! What is no message at all: to nodes, the hub and the client. Nobody falls over it, and whoever
//! speaks properly is served as before.

use marcato_core::Exit;
use marcato_protocol::message::{Headers, KIND, Kind, Message, SIGNATURE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::forge::Forge;
use crate::support::middle::raw_publication;
use crate::support::wire::Wire;
use crate::support::*;

const KINDS: [&str; 9] = [
    "order",
    "receipt",
    "progress",
    "registration",
    "heartbeat",
    "wanted",
    "question",
    "answer",
    "nonsense",
];

/// What counts as a large body.
const LARGE: usize = 100_000;

/// Bodies that are not what any of them should be.
fn bodies(true_order: &[u8]) -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat();
    let mut bodies: Vec<Vec<u8>> = vec![
        b"".into(),
        b"\0\0\0\0".into(),
        b"\xff\xfe{\"v\":1}".into(),
        b"null".into(),
        b"[]".into(),
        b"{}".into(),
        b"{\"v\":NaN}".into(),
        b"{\"v\":1e999}".into(),
        b"{\"v\":99999999999999999999999}".into(),
        b"{\"v\":1,\"v\":1}".into(),
        b"{\"v\":-1,\"id\":\"../../x\"}".into(),
        b"{\"ext\":{\"a\":{\"b\":1,\"b\":2}}}".into(),
        deep("[", "]").into(),
        deep("{\"a\":", "}").into(),
        vec![b'{'; 300 * 1024],
        vec![0xff; 900 * 1024],
    ];
    // Halves of a true one, and more than one.
    bodies.extend([1, 2, 3].map(|quarter| true_order[..true_order.len() * quarter / 4].to_vec()));
    bodies.push([true_order, true_order].concat());
    bodies
}

fn garbage(subject: &str, true_order: &Message) -> Vec<Message> {
    let mut messages = Vec::new();
    let signature = true_order.headers.get(SIGNATURE).unwrap();
    for body in bodies(&true_order.body) {
        for kind in KINDS {
            let headers: Headers = [(KIND, kind), (SIGNATURE, signature), ("Mco-Outer", "7")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
            let subject = subject.to_owned();
            messages.push(Message { subject, reply: None, headers, body: body.clone() });
        }
        let bare = Headers::default();
        messages.push(Message { subject: subject.to_owned(), reply: None, headers: bare, body });
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_nodes_and_the_hub() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let order = Forge::new(&fleet, "service restart service=nginx", &["web1"]).to("web1");
    let subjects = [
        "mco.lab.order",
        "mco.lab.node.web1",
        "mco.lab.registry.web1",
        "mco.lab.registry.=hub",
        "mco.lab.registry.=hub.web1",
        "mco.lab.registry.web=zz",
        "mco.lab.question",
    ];
    for subject in subjects {
        for message in garbage(subject, &order) {
            wire.send(&message).await;
        }
    }
    // Headers that no client library writes.
    let node = "mco.lab.node.web1";
    for head in [
        "NATS/1.0\r\n\r\n",
        "NATS/1.0\r\nMco-Kind\r\n\r\n",
        "NATS/1.0\r\n: \r\n\r\n",
        "NATS/1.0 503\r\n\r\n",
        "NATS/1.0 999 x\r\nMco-Kind: order\r\n\r\n",
        "NATS/9.9\r\nMco-Kind: order\r\n\r\n",
        "\r\n\r\n",
    ] {
        wire.send_bytes(&raw_publication(node, None, head.as_bytes(), &order.body)).await;
    }
    let many = format!("NATS/1.0\r\n{}\r\n", "Mco-Kind: order\r\n".repeat(2000));
    wire.send_bytes(&raw_publication(node, None, many.as_bytes(), &order.body)).await;
    super::assert_nginx_untouched(&fleet, &mut wire, "web1").await;
    fleet.introduce("operator");
    let report = fleet.run("service restart service=nginx", "").await;
    assert_eq!((line(&report).as_str(), report.exit()), ("web1 Ok, web2 Ok", Exit::Ok));
}

/// Half messages and oversized ones on the socket itself: where nothing good can follow, that
/// connection ends; the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_brokers_socket() {
    for kind in brokers::kinds() {
        let fleet = Fleet::start(Plan { broker: kind, hub: true, nodes: &["web1", "web2"] }).await;
        let hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\n";
        let pieces: [(&[u8], bool); 8] = [
            (b"", false),
            (b"\r\n\r\n\r\n", true),
            (b"PUB mco.lab.node.web1 100\r\nhalf", false),
            (b"PUB mco.lab.node.web1 99999999999999999999\r\n", true),
            (b"PUB mco.lab.node.web1 2000000\r\n", true),
            (b"HPUB mco.lab.node.web1 50 10\r\nNATS/1.0\r\n\r\n", true),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            (&[0xff; 8192], true),
        ];
        let mut unfinished = Vec::new();
        for (piece, ends) in pieces {
            let mut stream = TcpStream::connect(fleet.broker_address()).await.unwrap();
            stream.write_all(hello.as_bytes()).await.unwrap();
            // The broker may have closed it by now.
            let _ = stream.write_all(piece).await;
            if ends {
                // With input unread it resets the connection, which is an end too.
                let _ = soon(stream.read_to_end(&mut Vec::new())).await;
            } else {
                unfinished.push(stream);
            }
        }
        let report = fleet.run("rpcutil ping", "").await;
        assert_eq!(line(&report), "web1 Ok, web2 Ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_the_client() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    fleet.introduce("operator");
    fleet.middle.rule(|message| {
        let mut messages = Vec::new();
        if message.headers.kind() == Some(Kind::Order) {
            let (start, _) = message.reply.as_deref().unwrap().rsplit_once('.').unwrap();
            for last in ["web1", "web9", "=hub", "=zz", "x=2ey"] {
                let mut more = garbage(&format!("{start}.{last}"), &message);
                // All of the large ones would be more than a broker keeps for a client: that one
                // who floods can have him cut off is the broker's own test.
                more.retain(|message| last == "web1" || message.body.len() < LARGE);
                messages.extend(more);
            }
        }
        messages.push(message);
        messages
    });
    for words in ["rpcutil ping", "service restart service=nginx"] {
        let report = fleet.run(words, "").await;
        assert_eq!((line(&report).as_str(), report.exit()), ("web1 Ok, web2 Ok", Exit::Ok));
        assert!(!report.refused.is_empty(), "it is named");
    }
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
}
