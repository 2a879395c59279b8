//! The official Rust client against the broker, and against real nats-servers as the judge of what
//! it may expect.

use std::net::SocketAddr;
use std::time::Duration;

use crate::servers::{self, Server};
use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use bytes::Bytes;
use futures_util::StreamExt as _;
use marcato_broker::Config;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `test` on the broker and on every nats-server that the environment names.
async fn on_each<F: Future<Output = ()>>(test: impl Fn(SocketAddr) -> F) {
    let ours = Server::ours("default");
    timeout(PATIENCE, test(ours.address())).await.expect("on ours");
    for (version, path) in servers::nats_servers() {
        let nats = Server::nats(&path, "default");
        timeout(PATIENCE, test(nats.address())).await.unwrap_or_else(|_| panic!("on {version}"));
    }
}

async fn client(address: SocketAddr) -> Client {
    async_nats::connect(address.to_string()).await.unwrap()
}

/// Returns once the server has done all that `client` has asked for: operations of a connection
/// are done in order.
async fn settle(client: &Client) {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, Bytes::new()).await.unwrap();
    echo.next().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_and_subscribe() {
    on_each(|address| async move {
        let (a, b) = (client(address).await, client(address).await);
        let mut exact = a.subscribe("a.b").await.unwrap();
        let mut wild = a.subscribe("a.>").await.unwrap();
        settle(&a).await;
        for number in 0..1000 {
            b.publish("a.b", number.to_string().into()).await.unwrap();
        }
        for number in 0..1000 {
            assert_eq!(exact.next().await.unwrap().payload, number.to_string());
            assert_eq!(wild.next().await.unwrap().payload, number.to_string());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_and_reply() {
    on_each(|address| async move {
        let (a, b) = (client(address).await, client(address).await);
        let mut orders = a.subscribe("order").await.unwrap();
        settle(&a).await;
        tokio::spawn(async move {
            while let Some(order) = orders.next().await {
                a.publish(order.reply.unwrap(), order.payload).await.unwrap();
            }
        });
        for number in 0..100 {
            let reply = b.request("order", number.to_string().into()).await.unwrap();
            assert_eq!(reply.payload, number.to_string());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_group_shares_the_work() {
    on_each(|address| async move {
        const MESSAGES: usize = 400;
        let publisher = client(address).await;
        let (done, mut counts) = mpsc::channel(MESSAGES);
        for member in 0..4 {
            let a = client(address).await;
            let mut work = a.queue_subscribe("work", "crew".to_owned()).await.unwrap();
            settle(&a).await;
            let done = done.clone();
            tokio::spawn(async move {
                // The client's end would be the subscription's.
                let _a = a;
                while work.next().await.is_some() {
                    done.send(member).await.unwrap();
                }
            });
        }
        for _ in 0..MESSAGES {
            publisher.publish("work", Bytes::new()).await.unwrap();
        }
        settle(&publisher).await;
        let mut shares = [0; 4];
        for _ in 0..MESSAGES {
            shares[counts.recv().await.unwrap()] += 1;
        }
        // Below a quarter of a fair share is once in 10^20 runs.
        assert!(shares.iter().all(|share| *share > MESSAGES / 16), "{shares:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_arrive() {
    on_each(|address| async move {
        let a = client(address).await;
        let mut messages = a.subscribe("head").await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("Marcato-Proof", "a:b, c");
        headers.append("Marcato-Proof", "second");
        headers.insert("Empty", "");
        a.publish_with_headers("head", headers.clone(), "body".into()).await.unwrap();
        let message = messages.next().await.unwrap();
        assert_eq!(message.headers, Some(headers));
        assert_eq!(message.payload, "body");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_503_at_once() {
    on_each(|address| async move {
        let a = client(address).await;
        let error = a.request("nobody", Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
        let b = client(address).await;
        let node = b.subscribe("node").await.unwrap();
        settle(&b).await;
        drop(b);
        drop(node);
        // The server notices the end of a connection in its own time, but it does.
        loop {
            match timeout(Duration::from_millis(100), a.request("node", Bytes::new())).await {
                Ok(Err(e)) if e.kind() == async_nats::RequestErrorKind::NoResponders => break,
                _ => {}
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsubscribe_after_some() {
    on_each(|address| async move {
        let a = client(address).await;
        let mut messages = a.subscribe("some").await.unwrap();
        messages.unsubscribe_after(3).await.unwrap();
        for number in 0..10 {
            a.publish("some", number.to_string().into()).await.unwrap();
        }
        let mut got = Vec::new();
        while let Some(message) = messages.next().await {
            got.push(message.payload);
        }
        assert_eq!(got, ["0", "1", "2"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads() {
    on_each(|address| async move {
        let (a, b) = (client(address).await, client(address).await);
        let mut first = a.subscribe("large").await.unwrap();
        let mut second = b.subscribe("large").await.unwrap();
        settle(&a).await;
        settle(&b).await;
        let most = a.server_info().max_payload;
        for size in [4000, 4096, 5000, 65_536, most] {
            let body = Bytes::from(vec![size as u8; size]);
            a.publish("large", body.clone()).await.unwrap();
            assert_eq!(first.next().await.unwrap().payload, body);
            assert_eq!(second.next().await.unwrap().payload, body);
        }
        let error = a.publish("large", vec![0; most + 1].into()).await.unwrap_err();
        assert_eq!(error.kind(), async_nats::PublishErrorKind::MaxPayloadExceeded);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_delivers_what_has_come() {
    on_each(|address| async move {
        let (a, b) = (client(address).await, client(address).await);
        let mut messages = a.subscribe("drain").await.unwrap();
        settle(&a).await;
        for _ in 0..100 {
            b.publish("drain", Bytes::new()).await.unwrap();
        }
        settle(&b).await;
        // The client ends a drained subscription without waiting for what the server still holds.
        settle(&a).await;
        messages.drain().await.unwrap();
        let mut count = 0;
        while messages.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_back_after_a_restart() {
    let (events, mut seen) = mpsc::channel(64);
    let first = Server::with(Config::new(servers::own_address(3)));
    let address = first.address();
    let options = ConnectOptions::new()
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .event_callback(move |event| {
            let events = events.clone();
            async move { events.send(event).await.unwrap() }
        });
    let a = options.connect(address.to_string()).await.unwrap();
    let mut messages = a.subscribe("after").await.unwrap();
    settle(&a).await;
    drop(first);
    let _second = Server::with(Config::new(address));
    let mut told = Vec::new();
    while told.iter().filter(|event| **event == Event::Connected).count() < 2 {
        told.push(timeout(PATIENCE, seen.recv()).await.unwrap().unwrap());
    }
    assert!(told.contains(&Event::LameDuckMode), "{told:?}");
    // The subscription was entered anew without our doing.
    a.publish("after", "restart".into()).await.unwrap();
    assert_eq!(messages.next().await.unwrap().payload, "restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_a_thousand_answers() {
    const NODES: usize = 1000;
    marcato_broker::raise_open_files().unwrap();
    let server = Server::ours("default");
    let address = server.address();
    for _ in 0..NODES {
        let node = client(address).await;
        let mut orders = node.subscribe("order").await.unwrap();
        settle(&node).await;
        tokio::spawn(async move {
            while let Some(order) = orders.next().await {
                node.publish(order.reply.unwrap(), order.payload).await.unwrap();
            }
        });
    }
    let operator = client(address).await;
    for round in 0..3 {
        let inbox = operator.new_inbox();
        let mut replies = operator.subscribe(inbox.clone()).await.unwrap();
        let body = Bytes::from(format!("round {round}"));
        operator.publish_with_reply("order", inbox, body.clone()).await.unwrap();
        for _ in 0..NODES {
            let reply = timeout(PATIENCE, replies.next()).await.unwrap().unwrap();
            assert_eq!(reply.payload, body);
        }
    }
}
