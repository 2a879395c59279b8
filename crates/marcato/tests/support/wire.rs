//! Somebody with a connection to the broker: hears everything, and sends what it likes.

use marcato_core::{Identity, OrderId};
use marcato_link::{Event, Link, LinkConfig};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::order::Received;
use marcato_protocol::receipt::{Expected, Outer, ReceivedReceipt};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::Subjects;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::middle::publication;
use super::{Fleet, soon};

/// The connection.
pub struct Wire {
    link: Link,
    to_broker: tokio::net::tcp::OwnedWriteHalf,
    /// Heard while another message was looked for.
    aside: Vec<Message>,
    fleet: Vec<(Identity, PublicKey)>,
}

impl Wire {
    /// Connects to the true broker and listens to everything of the fleet.
    pub async fn tap(fleet: &Fleet) -> Self {
        let server = fleet.broker_url();
        let config = LinkConfig::client(vec![server], "wire".into(), super::secs(10));
        let mut link = Link::connect(&config).await.unwrap();
        link.subscribe("mco.>".into()).await.unwrap();
        link.flush().await.unwrap();
        let mut stream = TcpStream::connect(fleet.broker_address()).await.unwrap();
        let hello = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";
        stream.write_all(hello.as_bytes()).await.unwrap();
        let (mut from_broker, to_broker) = stream.into_split();
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(1..) = from_broker.read(&mut buffer).await {}
        });
        let fleet = fleet.names().map(|name| (name.parse().unwrap(), fleet.sign_key(name)));
        Self { link, to_broker, aside: Vec::new(), fleet: fleet.collect() }
    }

    /// Publishes a message as it is.
    pub async fn send(&mut self, message: &Message) {
        self.send_bytes(&publication(message)).await;
    }

    /// Writes bytes into the connection.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.to_broker.write_all(bytes).await.unwrap();
    }

    /// The first message that is so, of those that were not taken yet.
    pub async fn hear(&mut self, so: impl Fn(&Message) -> bool) -> Message {
        if let Some(place) = self.aside.iter().position(&so) {
            return self.aside.remove(place);
        }
        soon(async {
            loop {
                match self.link.recv().await {
                    Event::Message(message) if so(&message) => return message,
                    Event::Message(message) => self.aside.push(message),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The next message of this kind.
    pub async fn hear_kind(&mut self, kind: Kind) -> Message {
        self.hear(|message| message.headers.kind() == Some(kind)).await
    }

    /// The next receipt for an order's message by the node that it was sent to, checked as far as
    /// whoever has not the readers' keys can.
    pub async fn receipt(&mut self, sent: &Message) -> Outer {
        let node = Subjects::last_identity(&sent.subject).unwrap();
        self.receipt_of(sent, &node).await.1
    }

    /// The same of a named node, and the message.
    pub async fn receipt_of(&mut self, sent: &Message, node: &Identity) -> (Message, Outer) {
        let order = Received::parse(sent).unwrap();
        let is_it = |message: &Message| {
            message.headers.kind() == Some(Kind::Receipt) && is_reply(message, order.order.id, node)
        };
        let message = self.hear(is_it).await;
        let outer = self.check(&message, &order, node);
        (message, outer)
    }

    fn check(&self, message: &Message, order: &Received, node: &Identity) -> Outer {
        let (_, key) = self.fleet.iter().find(|(name, _)| name == node).unwrap();
        let expected = Expected {
            v: order.order.v,
            order: order.order.id,
            order_digest: order.order_digest,
            step: order.step_index,
            step_digest: order.step_digest,
            node,
            key,
        };
        let receipt = ReceivedReceipt::parse(message).unwrap().verify(&expected).unwrap();
        receipt.outer.clone()
    }
}

/// Whether a message came in on a node's reply subject for an order.
pub fn is_reply(message: &Message, order: OrderId, node: &Identity) -> bool {
    let parts: Vec<&str> = message.subject.split('.').collect();
    parts.get(2) == Some(&"reply")
        && parts.get(4) == Some(&order.to_string().as_str())
        && Subjects::last_identity(&message.subject).as_ref() == Some(node)
}
