//! What happens at the broker's limits: slow consumers, floods of connections, a quiet end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::servers::{self, Server};
use marcato_broker::gate::AcceptRate;
use marcato_broker::{BindError, Broker, Config, InsecurePlaintext};
use tracing::subscriber::NoSubscriber;
use tracing::{Level, Metadata, Subscriber, span};

const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: &str = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    assert!(line(&mut stream).starts_with("INFO "));
    stream
}

fn say(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

/// Says `text` and waits until the broker has done it.
fn say_and_settle(stream: &mut BufReader<TcpStream>, text: &str) {
    say(stream, &format!("{text}PING\r\n"));
    assert_eq!(line(stream), "PONG\r\n");
}

/// Publishes `len` bytes to `slow`; whether somebody took them.
fn is_heard(publisher: &mut BufReader<TcpStream>, len: usize) -> bool {
    say(publisher, &format!("PUB slow me {len}\r\n{}\r\nPING\r\n", "x".repeat(len)));
    match line(publisher).as_str() {
        "PONG\r\n" => true,
        "HMSG me 1 16 16\r\n" => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_slow_consumer_is_evicted_and_told() {
    let mut config = servers::config("default");
    config.limits.pending_bytes = 256 * 1024;
    let server = Server::with(config);
    let mut slow = connect(server.address());
    say_and_settle(&mut slow, &format!("{CONNECT}SUB slow 9\r\n"));
    let mut other = connect(server.address());
    say_and_settle(&mut other, &format!("{CONNECT}SUB other 9\r\n"));
    let mut publisher = connect(server.address());
    say_and_settle(&mut publisher, &format!("{CONNECT}SUB me 1\r\n"));
    // The sockets' own buffers take some megabytes first.
    assert!((0..2000).any(|_| !is_heard(&mut publisher, 60_000)), "nobody is evicted");
    // What was under way arrives whole, then the reason, then the end.
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    let words = b"-ERR 'Slow Consumer'\r\n";
    assert!(rest.ends_with(words), "{}", rest[rest.len().saturating_sub(80)..].escape_ascii());
    let message = "MSG slow 9 me 60000\r\n".len() + 60_002;
    assert_eq!((rest.len() - words.len()) % message, 0, "half a message");
    say(&mut publisher, "PUB other 2\r\nhi\r\n");
    assert_eq!(line(&mut other), "MSG other 9 2\r\n");
}

#[test]
fn a_client_that_takes_nothing_is_evicted_in_time() {
    let mut config = servers::config("default");
    config.limits.write_deadline = Duration::from_millis(200);
    let pending = config.limits.pending_bytes;
    let server = Server::with(config);
    let mut slow = connect(server.address());
    say_and_settle(&mut slow, &format!("{CONNECT}SUB slow 9\r\n"));
    let mut publisher = connect(server.address());
    say_and_settle(&mut publisher, &format!("{CONNECT}SUB me 1\r\n"));
    // More than the sockets' buffers take, then a little at a time: never as much as may wait.
    let (large, small) = (400, 200_000);
    assert!(large * 60_100 + small * 100 < pending);
    let mut unheard = |times, len| (0..times).any(|_| !is_heard(&mut publisher, len));
    assert!(unheard(large, 60_000) || unheard(small, 1), "nobody is evicted");
}

#[test]
fn whoever_takes_everything_is_never_slow() {
    let mut config = servers::config("default");
    config.limits.pending_bytes = 64 * 1024;
    // On one thread nobody publishes between a write and its count.
    let server = Server::with_log(config, NoSubscriber::default());
    let mut quick = connect(server.address());
    say_and_settle(&mut quick, &format!("{CONNECT}SUB slow 9\r\n"));
    let mut publisher = connect(server.address());
    say_and_settle(&mut publisher, &format!("{CONNECT}SUB me 1\r\n"));
    for _ in 0..20 {
        assert!(is_heard(&mut publisher, 60_000));
        assert_eq!(line(&mut quick), "MSG slow 9 me 60000\r\n");
        assert_eq!(line(&mut quick).len(), 60_002);
    }
}

/// Counts the lines that would be logged.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn strangers_do_not_fill_the_log() {
    const STRANGERS: usize = 200;
    let lines = Lines::default();
    let server = Server::with_log(servers::config("default"), lines.clone());
    for _ in 0..STRANGERS {
        let mut stranger = connect(server.address());
        // A refusal after which the connection goes on, and one that ends it.
        say(&mut stranger, "SUB a..b 1\r\nX\r\n");
        assert_eq!(line(&mut stranger), "-ERR 'Invalid Subject'\r\n");
        assert_eq!(line(&mut stranger), "-ERR 'Unknown Protocol Operation'\r\n");
        assert_eq!(line(&mut stranger), "");
    }
    drop(server);
    let lines = lines.0.load(Ordering::Relaxed);
    assert!((2..STRANGERS).contains(&lines), "{lines} lines");
}

#[test]
fn connections_that_come_too_fast_are_turned_away() {
    let mut config = servers::config("default");
    config.limits.accept_rate = AcceptRate { burst: 3, per_second: 1, addresses: 16 };
    let server = Server::with(config);
    let mut early: Vec<_> = (0..3).map(|_| connect(server.address())).collect();
    let mut late = connect(server.address());
    assert_eq!(line(&mut late), "-ERR 'maximum connection rate exceeded'\r\n");
    assert_eq!(line(&mut late), "");
    for stream in &mut early {
        say_and_settle(stream, CONNECT);
    }
}

#[test]
fn the_end_is_announced_and_clean() {
    let server = Server::ours("default");
    let mut client = connect(server.address());
    say_and_settle(&mut client, CONNECT);
    drop(server);
    let info = line(&mut client);
    assert!(info.starts_with("INFO ") && info.contains("\"ldm\":true"), "{info}");
    assert_eq!(line(&mut client), "");
}

#[tokio::test]
async fn a_broker_without_clients_ends_at_once() {
    let broker = Broker::bind(Config::new(servers::own_address(2))).unwrap();
    let address = broker.local_addr();
    let run = tokio::spawn(broker.run(std::future::ready(())));
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
    let again = Config::new(address);
    assert!(Broker::bind(again).is_ok(), "the port is free again");
}

#[tokio::test]
async fn plaintext_stays_on_loopback() {
    let check = |listen: &str, allowed: &str| {
        let mut config = Config::new(listen.parse().unwrap());
        if !allowed.is_empty() {
            config.insecure_plaintext_on = allowed.parse().unwrap();
        }
        Broker::bind(config)
    };
    assert!(check("127.0.0.1:0", "").is_ok());
    assert!(check("[::1]:0", "").is_ok());
    assert!(check("127.0.0.5:0", "").is_ok());
    assert!(check("0.0.0.0:0", "any address").is_ok());
    assert!(matches!(check("0.0.0.0:4222", ""), Err(BindError::Plaintext { .. })));
    assert!(matches!(check("0.0.0.0:4222", "10.0.0.1"), Err(BindError::Plaintext { .. })));
    assert!(matches!(check("10.0.0.2:4222", "10.0.0.1"), Err(BindError::Plaintext { .. })));
    // The right address passes the check; that this machine does not have it is the next error.
    assert!(matches!(check("192.0.2.1:4222", "192.0.2.1"), Err(BindError::Listen { .. })));
    let words = check("10.0.0.2:4222", "").err().unwrap().to_string();
    assert!(words.contains("\n    ssh -N -L 4222:127.0.0.1:4222 10.0.0.2\n"), "{words}");
    assert!(words.contains("insecure_plaintext_on = \"10.0.0.2\""), "{words}");
    let wrong = "yes".parse::<InsecurePlaintext>().unwrap_err().to_string();
    assert!(wrong.contains("\"any address\""), "{wrong}");
}
