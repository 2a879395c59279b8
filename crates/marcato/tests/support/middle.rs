//! A broker in the middle: stands between everybody and the true broker, reads the lines of the
//! NATS client protocol, and can keep, drop, alter, multiply, redirect and hold what is published.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marcato_protocol::message::{Headers, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::soon;

/// What becomes of a message that somebody publishes.
pub type Rule = Box<dyn FnMut(Message) -> Vec<Message> + Send>;

/// The proxy.
pub struct Middle {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    broker: Mutex<SocketAddr>,
    rule: Mutex<Rule>,
    /// Everything that was published, as it came from its sender.
    seen: Mutex<Vec<Message>>,
    /// Every byte of both directions.
    bytes: Mutex<Vec<u8>>,
    /// Names of connections whose packets are lost.
    cut: Mutex<BTreeSet<String>>,
    changed: watch::Sender<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Middle {
    pub async fn before(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            broker: Mutex::new(broker),
            rule: Mutex::new(Box::new(|message| vec![message])),
            seen: Mutex::default(),
            bytes: Mutex::default(),
            cut: Mutex::default(),
            changed: watch::channel(0).0,
        });
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let broker = *lock(&accepting.broker);
                // A broker that is away looks like one: the connection ends.
                let Ok(server) = TcpStream::connect(broker).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let name = watch::channel(String::new());
                tokio::spawn(down(accepting.clone(), from_server, to_client, name.1));
                tokio::spawn(up(accepting.clone(), from_client, to_server, name.0));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections from now on lead to another broker.
    pub fn lead_to(&self, broker: SocketAddr) {
        *lock(&self.shared.broker) = broker;
    }

    /// From now on this becomes of what is published.
    pub fn rule(&self, rule: impl FnMut(Message) -> Vec<Message> + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// From now on everything passes.
    pub fn pass(&self) {
        self.rule(|message| vec![message]);
    }

    /// Loses all packets of the connections with this name, which stay open.
    pub fn cut(&self, name: &str) {
        lock(&self.shared.cut).insert(name.to_owned());
    }

    /// What was published and is so.
    pub fn seen(&self, so: impl Fn(&Message) -> bool) -> Vec<Message> {
        lock(&self.shared.seen).iter().filter(|message| so(message)).cloned().collect()
    }

    /// Waits until as many messages were published that are so.
    pub async fn until_seen(&self, count: usize, so: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut changed = self.shared.changed.subscribe();
        soon(async {
            loop {
                changed.borrow_and_update();
                let seen = self.seen(&so);
                if seen.len() >= count {
                    return seen;
                }
                changed.changed().await.unwrap();
            }
        })
        .await
    }

    /// Whether this text stood anywhere in what went either way.
    pub fn carried(&self, text: &[u8]) -> bool {
        lock(&self.shared.bytes).windows(text.len()).any(|window| window == text)
    }
}

impl Shared {
    fn is_cut(&self, name: &str) -> bool {
        lock(&self.cut).contains(name)
    }

    /// A message's bytes after the rule was applied.
    fn pass_on(&self, message: Message) -> Vec<u8> {
        lock(&self.seen).push(message.clone());
        let passed = lock(&self.rule)(message);
        self.changed.send_modify(|count| *count += 1);
        passed.iter().flat_map(publication).collect()
    }
}

/// From the broker to a client: every byte as it is.
async fn down(
    shared: Arc<Shared>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    name: watch::Receiver<String>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if shared.is_cut(&name.borrow()) {
            continue;
        }
        lock(&shared.bytes).extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

/// From a client to the broker: what it publishes by the rule, all else as it is.
async fn up(
    shared: Arc<Shared>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    name: watch::Sender<String>,
) {
    let (mut waiting, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        lock(&shared.bytes).extend_from_slice(&buffer[..length]);
        waiting.extend_from_slice(&buffer[..length]);
        let mut out = Vec::new();
        let mut taken = 0;
        while let Some((length, operation)) = operation(&waiting[taken..]) {
            let raw = &waiting[taken..taken + length];
            taken += length;
            match operation {
                Operation::Publish(message) if !shared.is_cut(&name.borrow()) => {
                    out.extend(shared.pass_on(message));
                }
                Operation::Connect(own) => {
                    name.send_replace(own);
                    out.extend_from_slice(raw);
                }
                Operation::Publish(_) => {}
                Operation::Other => out.extend_from_slice(raw),
            }
        }
        waiting.drain(..taken);
        if !shared.is_cut(&name.borrow()) && to.write_all(&out).await.is_err() {
            break;
        }
    }
}

enum Operation {
    Connect(String),
    Publish(Message),
    Other,
}

/// The first operation of a client and its length; `None` while it is not whole.
fn operation(bytes: &[u8]) -> Option<(usize, Operation)> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")? + 2;
    let line = std::str::from_utf8(&bytes[..end]).unwrap().trim_end();
    let mut words = line.split(' ');
    let with_headers = match words.next().unwrap() {
        "PUB" => false,
        "HPUB" => true,
        "CONNECT" => {
            let told: serde_json::Value = serde_json::from_str(&line["CONNECT ".len()..]).unwrap();
            let name = told["name"].as_str().unwrap_or_default().to_owned();
            return Some((end, Operation::Connect(name)));
        }
        _ => return Some((end, Operation::Other)),
    };
    let words: Vec<&str> = words.collect();
    let (sizes, names) = if with_headers { (2, words.len() - 2) } else { (1, words.len() - 1) };
    let size = |back: usize| words[words.len() - back].parse::<usize>().unwrap();
    let (head, total) = (if sizes == 2 { size(2) } else { 0 }, size(1));
    let payload = bytes.get(end..end + total + 2)?;
    let message = Message {
        subject: words[0].to_owned(),
        reply: (names == 2).then(|| words[1].to_owned()),
        headers: headers(&payload[..head]),
        body: payload[head..total].to_vec(),
    };
    Some((end + total + 2, Operation::Publish(message)))
}

fn headers(bytes: &[u8]) -> Headers {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim_start().to_owned())).collect()
}

/// The bytes of headers, as `HPUB` has them.
pub fn header_bytes(headers: &Headers) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("NATS/1.0\r\n{}\r\n", lines.collect::<String>()).into_bytes()
}

/// The bytes with which a client publishes a message.
pub fn publication(message: &Message) -> Vec<u8> {
    let has_headers = message.headers.iter().next().is_some();
    let head = if has_headers { header_bytes(&message.headers) } else { Vec::new() };
    raw_publication(&message.subject, message.reply.as_deref(), &head, &message.body)
}

/// The same with headers of whatever bytes.
pub fn raw_publication(subject: &str, reply: Option<&str>, head: &[u8], body: &[u8]) -> Vec<u8> {
    let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
    let total = head.len() + body.len();
    let line = if head.is_empty() {
        format!("PUB {subject} {reply}{total}\r\n")
    } else {
        format!("HPUB {subject} {reply}{} {total}\r\n", head.len())
    };
    [line.as_bytes(), head, body, b"\r\n"].concat()
}
