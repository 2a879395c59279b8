//! Measures 1 -> N -> 1: one publish, answered by N connections of this one process.
//!
//! `cargo run --release -p marcato-broker --example fanout -- [URL] [N] [ROUNDS] [BYTES]`, by
//! default 1,000 connections, 20 rounds and 512 bytes. Without a URL, or with `ours`, it starts
//! the broker in a process of its own. Prints one line of JSON.
#![expect(clippy::print_stdout, reason = "a measuring program's output is its purpose")]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use marcato_broker::{Broker, Config, raise_open_files};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    raise_open_files()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| args.get(index).map_or(Ok(default), |a| a.parse());
    let url = args.first().map_or("ours", String::as_str);
    if url == "serve" {
        return serve().await;
    }
    let (connections, rounds, bytes) = (number(1, 1000)?, number(2, 20)?, number(3, 512)?);
    let own = if url == "ours" { Some(Own::start()?) } else { None };
    let url = own.as_ref().map_or(url, |own| &own.url);
    let mut figures = measure(url, connections, rounds, bytes).await?;
    figures.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        r#"{{"url":"{url}","connections":{connections},"bytes":{bytes},"rounds":{rounds},"min_ms":{:.2},"median_ms":{:.2},"max_ms":{:.2}}}"#,
        ms(figures[0]),
        ms(figures[figures.len() / 2]),
        ms(figures[figures.len() - 1]),
    );
    Ok(())
}

async fn measure(
    url: &str,
    connections: usize,
    rounds: usize,
    bytes: usize,
) -> Outcome<Vec<Duration>> {
    let mut responders = Vec::new();
    for _ in 0..connections {
        let client = async_nats::connect(url).await?;
        let mut orders = client.subscribe("fanout.order").await?;
        // The connection's operations are done in order, so once this one's own message is back,
        // the broker has the subscription.
        let inbox = client.new_inbox();
        let mut barrier = client.subscribe(inbox.clone()).await?;
        client.publish(inbox, "".into()).await?;
        barrier.next().await.ok_or("the connection ended")?;
        let body = bytes::Bytes::from(vec![b'x'; bytes]);
        responders.push(tokio::spawn(async move {
            while let Some(order) = orders.next().await {
                if let Some(reply) = order.reply {
                    client.publish(reply, body.clone()).await.ok();
                }
            }
        }));
    }
    let client = async_nats::connect(url).await?;
    let body = bytes::Bytes::from(vec![b'o'; bytes]);
    let mut figures = Vec::new();
    // Two rounds warm up and show that every responder is there.
    for round in 0..rounds + 2 {
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(inbox.clone()).await?;
        let start = Instant::now();
        client.publish_with_reply("fanout.order", inbox, body.clone()).await?;
        for _ in 0..connections {
            let reply = tokio::time::timeout(Duration::from_secs(20), replies.next()).await?;
            reply.ok_or("the connection ended")?;
        }
        if round >= 2 {
            figures.push(start.elapsed());
        }
    }
    for responder in responders {
        responder.abort();
    }
    Ok(figures)
}

/// The broker in a process of its own, as nats-server is.
struct Own {
    child: Child,
    url: String,
}

impl Own {
    fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

async fn serve() -> Outcome<()> {
    let broker = Broker::bind(Config::new(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    println!("nats://{}", broker.local_addr());
    let (ended, input_ends) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        ended.send(()).ok();
    });
    broker
        .run(async {
            input_ends.await.ok();
        })
        .await;
    Ok(())
}
