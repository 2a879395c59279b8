//! The subjects of the wire, all under `mco.<collective>.`, derived from names and never taken from
//! a message's reply-to.
//!
//! | subject | who publishes | what |
//! | --- | --- | --- |
//! | `order` | operators | orders for every node that matches |
//! | `node.<node>` | operators, hub | orders for one node; an empty message asks whether it is connected |
//! | `reply.<operator>.<order>.<node>` | that node | progress and receipts |
//! | `reply.<operator>.<question>.=hub` | the hub | answers |
//! | `registry.<node>` | that node | registrations and heartbeats |
//! | `registry.=hub.<node>` | the broker | to the hub: that node is not connected |
//! | `question` | operators | questions to the hub |

use std::fmt::Write as _;

use marcato_core::{CallerId, Collective, Identity, OrderId};

/// The last token of the hub's answers. No name encodes to it: `=hu` is not hexadecimal.
pub const HUB: &str = "=hub";

/// One token of a subject for any name: every byte outside `[a-z0-9-]` becomes `=hh`.
#[must_use]
pub fn token(name: &str) -> String {
    let mut token = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => token.push(char::from(byte)),
            _ => {
                let _ = write!(token, "={byte:02x}");
            }
        }
    }
    token
}

/// The name that a token stands for; `None` where it is not a token that [`token`] writes.
#[must_use]
pub fn name_of(token_text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token_text.len());
    let mut rest = token_text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'=' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    let name = String::from_utf8(bytes).ok()?;
    (token(&name) == token_text).then_some(name)
}

/// The subjects of one fleet.
#[derive(Debug, Clone)]
pub struct Subjects {
    prefix: String,
}

impl Subjects {
    /// The subjects of `collective`.
    #[must_use]
    pub fn of(collective: &Collective) -> Self {
        Self { prefix: format!("mco.{}", token(collective.as_str())) }
    }

    /// Orders for every node that matches.
    #[must_use]
    pub fn orders(&self) -> String {
        format!("{}.order", self.prefix)
    }

    /// What is for one node alone.
    #[must_use]
    pub fn node(&self, node: &Identity) -> String {
        format!("{}.node.{}", self.prefix, token(node.as_str()))
    }

    /// A node's answers to one order.
    #[must_use]
    pub fn reply(&self, operator: &CallerId, order: OrderId, node: &Identity) -> String {
        self.reply_token(operator, order, &token(node.as_str()))
    }

    /// The hub's answers to one question.
    #[must_use]
    pub fn answer(&self, operator: &CallerId, question: OrderId) -> String {
        self.reply_token(operator, question, HUB)
    }

    /// Everything that answers one order, or the question of the same id.
    #[must_use]
    pub fn replies(&self, operator: &CallerId, order: OrderId) -> String {
        self.reply_token(operator, order, "*")
    }

    fn reply_token(&self, operator: &CallerId, order: OrderId, last: &str) -> String {
        format!("{}.reply.{}.{order}.{last}", self.prefix, token(operator.as_str()))
    }

    /// A node's registrations and heartbeats.
    #[must_use]
    pub fn registry(&self, node: &Identity) -> String {
        format!("{}.registry.{}", self.prefix, token(node.as_str()))
    }

    /// All registrations and heartbeats.
    #[must_use]
    pub fn registries(&self) -> String {
        format!("{}.registry.*", self.prefix)
    }

    /// Where a broker tells the hub that a node which it asked is not connected.
    #[must_use]
    pub fn hub_probe(&self, node: &Identity) -> String {
        format!("{}.registry.{HUB}.{}", self.prefix, token(node.as_str()))
    }

    /// All of a broker's words that a node is not connected.
    #[must_use]
    pub fn hub_probes(&self) -> String {
        format!("{}.registry.{HUB}.*", self.prefix)
    }

    /// Questions to the hub.
    #[must_use]
    pub fn questions(&self) -> String {
        format!("{}.question", self.prefix)
    }

    /// The node that a subject's last token names.
    #[must_use]
    pub fn last_identity(subject: &str) -> Option<Identity> {
        name_of(subject.rsplit('.').next()?)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_names_are_one_to_one() {
        let check = |name: &str, want: &str| {
            assert_eq!(token(name), want);
            assert_eq!(name_of(want).as_deref(), Some(name));
        };
        check("web1.example.com", "web1=2eexample=2ecom");
        check("a_b-c", "a=5fb-c");
        check("Ops@x", "=4fps=40x");
        for wrong in ["=", "=2", "=zz", "=61", "a.b", "A", "=hub", "=2E"] {
            assert_eq!(name_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn subjects_name_their_owner_last() {
        let subjects = Subjects::of(&"lab".parse().unwrap());
        let node: Identity = "web1.example.com".parse().unwrap();
        let order = OrderId::from_bytes([1; 16]);
        let reply = subjects.reply(&"ops@x".parse().unwrap(), order, &node);
        assert_eq!(reply, format!("mco.lab.reply.ops=40x.{order}.web1=2eexample=2ecom"));
        assert_eq!(Subjects::last_identity(&reply), Some(node));
        let answer = subjects.answer(&"ops@x".parse().unwrap(), order);
        assert_eq!(Subjects::last_identity(&answer), None);
    }
}
