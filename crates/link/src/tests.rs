//! The link against brokers that no real one is: hostile, or of few bytes at a time.

use std::io;

use marcato_core::Span;
use marcato_protocol::message::Headers;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn listen() -> Result<(TcpListener, LinkConfig), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = format!("nats://{}", listener.local_addr()?).parse()?;
    Ok((listener, LinkConfig::client(vec![server], "test".into(), Span::from_secs(5))))
}

/// Takes a client in and answers it until it has said `word`.
async fn welcome(listener: &TcpListener, word: &[u8]) -> io::Result<TcpStream> {
    let (mut stream, _) = listener.accept().await?;
    let info = "INFO {\"server_id\":\"x\",\"server_name\":\"x\",\"version\":\"2.10.0\",\
        \"proto\":1,\"host\":\"h\",\"port\":1,\"headers\":true,\"max_payload\":1048576}\r\n";
    stream.write_all(info.as_bytes()).await?;
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while !said.windows(word.len()).any(|part| part == word) {
        let read = stream.read(&mut buffer).await?;
        said.extend_from_slice(&buffer[..read]);
        stream.write_all(b"PONG\r\n").await?;
    }
    Ok(stream)
}

#[tokio::test]
async fn a_link_says_that_its_library_has_ended() -> Outcome {
    let (listener, config) = listen().await?;
    let broker = tokio::spawn(async move {
        let mut stream = welcome(&listener, b"SUB ").await?;
        stream.write_all(b"MSG a 1 18446744073709551615\r\nx\r\n").await?;
        std::future::pending::<io::Result<()>>().await
    });
    let mut link = Link::connect(&config).await?;
    link.subscribe("a".into()).await?;
    let ended = async { while link.recv().await != Event::Ended {} };
    tokio::time::timeout(PATIENCE, ended).await?;
    broker.abort();
    Ok(())
}

/// A program that does not read while it is flooded learns of the break, of the new connection, and
/// once of what was thrown away.
#[tokio::test]
async fn a_flood_hides_no_connection() -> Outcome {
    let (listener, mut config) = listen().await?;
    config.pending_messages_max = 4;
    let (back, came_back) = oneshot::channel();
    let broker = tokio::spawn(async move {
        let mut stream = welcome(&listener, b"SUB ").await?;
        stream.write_all(&b"MSG a 1 1\r\nx\r\n".repeat(10_000)).await?;
        stream.shutdown().await?;
        let stream = welcome(&listener, b"SUB ").await?;
        // Nobody waits for it where the test has failed already.
        let _ = back.send(stream);
        io::Result::Ok(())
    });
    let mut link = Link::connect(&config).await?;
    assert_eq!(link.recv().await, Event::Connected);
    link.subscribe("a".into()).await?;
    let stream = tokio::time::timeout(PATIENCE, came_back).await??;
    let mut heard = Vec::new();
    let all = async {
        while heard.iter().filter(|event| matches!(event, Event::Message(_))).count() < 4
            || !heard.contains(&Event::Connected)
        {
            heard.push(link.recv().await);
        }
    };
    tokio::time::timeout(PATIENCE, all).await?;
    let complaints = heard.iter().filter(|event| **event == Event::Dropped).count();
    assert_eq!(complaints, 1, "{heard:?}");
    drop(stream);
    broker.await??;
    Ok(())
}

/// More than the sockets hold, all of it handed over before the library had a turn.
#[tokio::test]
async fn closing_sends_what_waits() -> Outcome {
    const BODY: usize = 1024 * 1024;
    const MESSAGES: usize = 14;
    let (listener, config) = listen().await?;
    let broker = tokio::spawn(async move {
        let mut stream = welcome(&listener, b"PING").await?;
        let mut buffer = vec![0; BODY];
        let mut arrived = 0;
        while arrived < MESSAGES * BODY {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            arrived += buffer[..read].iter().filter(|byte| **byte == b'x').count();
        }
        // A client that drains asks last whether all has arrived.
        stream.write_all(b"PONG\r\n").await?;
        io::Result::Ok(arrived)
    });
    let link = Link::connect(&config).await?;
    let body = vec![b'x'; BODY];
    for _ in 0..MESSAGES {
        let headers = Headers::default();
        let message = Message { subject: "a".into(), reply: None, headers, body: body.clone() };
        link.publish(message).await?;
    }
    link.close(PATIENCE).await;
    assert_eq!(broker.await??, MESSAGES * BODY);
    Ok(())
}
