//! The nodes that the client knows: which key a name has, proved once by a certificate.
//!
//! As with ssh's `known_hosts`, what was proved once is kept and not proved again: the file is the
//! operator's own, and whoever can write it can replace the authority's key beside it. A name keeps
//! its key until its line is taken out; a certificate with another key is refused, by name.
//!
//! One line for each node: `identity issued type key open-key`, as in
//! `web1.example.com 2026-11-23T03:46:15.123Z ssh-ed25519 AAAA… 9f3k…=`. Empty lines and lines that
//! begin with `#` are skipped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use marcato_core::{Identity, Timestamp};
use marcato_protocol::Verified;
use marcato_protocol::certificate::Certificate;
use marcato_protocol::seal::OpenPublicKey;
use marcato_protocol::sshsig::PublicKey;

/// What the client keeps of a node. Made of a certificate that the authority signed, or of a line
/// of the operator's own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNode {
    identity: Identity,
    issued: Timestamp,
    sign: PublicKey,
    open: OpenPublicKey,
}

impl KnownNode {
    /// What a certificate proves.
    #[must_use]
    pub fn of(certificate: &Verified<Certificate>) -> Self {
        Self {
            identity: certificate.identity.clone(),
            issued: certificate.issued,
            sign: certificate.sign.clone(),
            open: certificate.open,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When the authority signed its certificate.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// The key that signs what it says.
    #[must_use]
    pub const fn sign(&self) -> &PublicKey {
        &self.sign
    }

    /// The key to which secrets for it are sealed.
    #[must_use]
    pub const fn open(&self) -> &OpenPublicKey {
        &self.open
    }

    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let mut word = |what| words.next().ok_or_else(|| format!("the {what} is missing"));
        let identity: Identity = word("name")?.parse().map_err(text)?;
        let issued = word("time of the certificate")?.parse().map_err(text)?;
        let key = [word("kind of key")?, word("key")?].join(" ");
        let (sign, _) = PublicKey::parse_line(&key).map_err(text)?;
        let open = word("key for secrets")?.parse().map_err(text)?;
        match words.next() {
            None => Ok(Self { identity, issued, sign, open }),
            Some(_) => Err("something stands behind the keys".into()),
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// A line of the file that is no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct DirectoryError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A node's name is known with another key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node} is known with the key {known} and now shows {shown}")]
pub struct KeyChanged {
    /// The name.
    pub node: Identity,
    /// The fingerprint of the key that is known.
    pub known: String,
    /// The fingerprint of the key that was shown.
    pub shown: String,
}

/// The nodes that the client knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    nodes: BTreeMap<Identity, KnownNode>,
}

impl Directory {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Names the first line that is damaged, or that names a node a second time.
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        let mut nodes = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why| DirectoryError { line: index + 1, why };
            let node = KnownNode::parse(line).map_err(wrong)?;
            if let Some(twice) = nodes.insert(node.identity.clone(), node) {
                return Err(wrong(format!("{} stands there twice", twice.identity)));
            }
        }
        Ok(Self { nodes })
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.nodes.len() * 200);
        for KnownNode { identity, issued, sign, open } in self.nodes.values() {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{identity} {issued} {sign} {open}");
        }
        out
    }

    /// What is known of a node.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<&KnownNode> {
        self.nodes.get(identity)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &Identity> + Clone {
        self.nodes.keys()
    }

    /// How many nodes are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Keeps a node. Says whether there is anything new to write down.
    ///
    /// # Errors
    /// [`KeyChanged`] where its name is known with another key; that key stays.
    pub fn keep(&mut self, node: KnownNode) -> Result<bool, KeyChanged> {
        match self.nodes.get(&node.identity) {
            Some(known) if known.sign != node.sign => Err(KeyChanged {
                node: node.identity,
                known: known.sign.fingerprint(),
                shown: node.sign.fingerprint(),
            }),
            Some(known) if known.issued >= node.issued => Ok(false),
            _ => {
                self.nodes.insert(node.identity.clone(), node);
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6K7m0d4R9k8t9tT3x0b3S1mQ0mQ2s1pJz2m8b9c0dE";
    const OPEN: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const TIME: &str = "2026-11-23T03:46:15.123Z";

    fn check(text: &str, want: Result<usize, &str>) {
        match (Directory::parse(text), want) {
            (Ok(directory), Ok(nodes)) => {
                assert_eq!(directory.len(), nodes);
                assert_eq!(Directory::parse(&directory.to_text()).unwrap(), directory);
            }
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn a_damaged_line_is_named() {
        let good = format!("web1 {TIME} {KEY} {OPEN}\n");
        check("", Ok(0));
        check(&format!("# mine\n\n{good}"), Ok(1));
        check(&format!("{good}web2 {TIME} {KEY} {OPEN}"), Ok(2));
        check(&format!("{good}{good}"), Err("line 2: web1 stands there twice"));
        check(&format!("{good}web2"), Err("line 2: the time of the certificate is missing"));
        check(&format!("{good}\nWeb2 {TIME} {KEY} {OPEN}"), Err("line 3: identity \"Web2\""));
        check(&format!("web1 yesterday {KEY} {OPEN}"), Err("line 1: \"yesterday\""));
        check(&format!("web1 {TIME} {} {OPEN}", &KEY[..60]), Err("line 1: "));
        check(&format!("web1 {TIME} {KEY} {}", &OPEN[1..]), Err("line 1: a reader key"));
        check(&format!("web1 {TIME} {KEY} {OPEN} x"), Err("line 1: something stands behind"));
    }
}
