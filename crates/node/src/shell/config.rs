//! `node.toml`: what a node is told, and where its files lie.

use std::fmt;
use std::path::{Path, PathBuf};

use marcato_core::config::ConfigError;
use marcato_core::{Collective, Identity, config};
use marcato_link::ServerUrl;
use marcato_protocol::sshsig::PublicKey;
use serde::Deserialize as _;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

marcato_core::config_file! {
    /// The settings of a node.
    #[derive(Debug, Clone)]
    pub struct NodeConfig {
        /// The fleet's name; orders of another one are rejected.
        #[key("name")]
        pub collective: Collective,
        /// Where the broker listens; several are tried in turn.
        #[key("`nats://HOST:PORT`, or a list of them")]
        #[serde(deserialize_with = "servers")]
        pub broker: Vec<ServerUrl>,
        /// The public key of the fleet's authority.
        #[key("a line of OpenSSH's form")]
        #[serde(deserialize_with = "public_key")]
        pub authority: PublicKey,
        /// The node's name; the host's own is taken at the first start and kept from then on.
        #[key("name", default = "the host's full name")]
        #[serde(default)]
        pub identity: Option<Identity>,
        /// Whether changes are refused.
        #[key("`true` or `false`", default = "`false`")]
        #[serde(default)]
        pub read_only: bool,
        /// Where external agents lie: an executable and its declaration `NAME.json` each.
        #[key("folder", default = "`/usr/share/marcato/agents`")]
        #[serde(default = "agents_dir")]
        pub agents_dir: PathBuf,
        /// Facts, as YAML or JSON; a file that is named must exist.
        #[key("file", default = "`facts.yaml` beside it, where there is one")]
        #[serde(default)]
        pub facts: Option<PathBuf>,
        /// The node's classes, one on each line.
        #[key("file", default = "no classes")]
        #[serde(default)]
        pub classes: Option<PathBuf>,
    }
}

fn agents_dir() -> PathBuf {
    "/usr/share/marcato/agents".into()
}

impl NodeConfig {
    /// Reads the text of a `node.toml`; `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(file, text)
    }

    /// In what `other` differs that a node takes at its start alone.
    #[must_use]
    pub fn fixed_changes(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            collective,
            broker,
            authority,
            identity,
            read_only: _,
            agents_dir,
            facts,
            classes,
        } = self;
        let differs = [
            ("collective", *collective != other.collective),
            ("broker", *broker != other.broker),
            ("authority", *authority != other.authority),
            ("identity", *identity != other.identity),
            ("agents_dir", *agents_dir != other.agents_dir),
            ("facts", *facts != other.facts),
            ("classes", *classes != other.classes),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// Where a node's files lie.
#[derive(Debug, Clone)]
pub struct Places {
    /// The configuration file, where there is one to be read again.
    pub config: Option<PathBuf>,
    /// Who may sign.
    pub signers: PathBuf,
    /// The folder of the policy's files.
    pub policy: PathBuf,
    /// The facts file where the configuration names none.
    pub facts: PathBuf,
    /// The node's own folder.
    pub state: PathBuf,
    /// What tells this machine from its clones.
    pub machine_id: PathBuf,
    /// Under what folder the host's own files lie, for native facts.
    pub root: PathBuf,
}

impl Places {
    /// The places of a real host.
    #[must_use]
    pub fn system() -> Self {
        Self::beside(Path::new("/etc/marcato/node.toml"), Path::new("/var/lib/marcato"))
    }

    /// Beside this configuration file, with this folder for the node's own files.
    #[must_use]
    pub fn beside(config: &Path, state: &Path) -> Self {
        let dir = config.parent().unwrap_or(Path::new("/"));
        Self {
            config: Some(config.to_owned()),
            signers: dir.join("allowed_signers"),
            policy: dir.join("policy.d"),
            facts: dir.join("facts.yaml"),
            state: state.to_owned(),
            machine_id: "/etc/machine-id".into(),
            root: "/".into(),
        }
    }
}

fn public_key<'de, D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
    let line = String::deserialize(from)?;
    PublicKey::parse_line(&line).map(|(key, _)| key).map_err(de::Error::custom)
}

fn servers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ServerUrl>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<ServerUrl>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the address of a broker, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(|server| vec![server]).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut servers = Vec::new();
            while let Some(server) = items.next_element()? {
                servers.push(server);
            }
            if servers.is_empty() {
                return Err(de::Error::custom("at least one broker is needed"));
            }
            Ok(servers)
        }
    }

    from.deserialize_any(OneOrMore)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ fleet";

    #[test]
    fn a_whole_file() {
        let text = format!(
            "collective = 'lab'\nbroker = ['nats://a:4222', 'nats://b:4222']\nauthority = '{KEY}'\n\
             identity = 'web1.example.com'\nread_only = true\nfacts = '/x/facts.yaml'\n"
        );
        let config = NodeConfig::parse("node.toml", &text).unwrap();
        assert_eq!(config.broker.len(), 2);
        assert_eq!(config.identity.unwrap().as_str(), "web1.example.com");
        assert!(config.read_only);
        assert_eq!(config.agents_dir, Path::new("/usr/share/marcato/agents"));
        assert_eq!(config.classes, None);
    }

    #[test]
    fn errors_name_their_line() {
        let check = |lines: &str, want: &str| {
            let error = NodeConfig::parse("/etc/marcato/node.toml", lines).unwrap_err();
            assert_eq!(error.to_string(), format!("/etc/marcato/node.toml:{want}"));
        };
        let start = format!("collective = 'lab'\nbroker = 'nats://a:4222'\nauthority = '{KEY}'\n");
        check(
            &format!("{start}redonly = true\n"),
            "4: unknown key \"redonly\"; did you mean \"read_only\"?",
        );
        check(
            &start.replace("'lab'", "'Lab'"),
            "1: collective \"Lab\" is not valid: 1 to 64 of a-z 0-9 - _, a letter or digit first",
        );
        check(
            &start.replace("nats://a:4222", "a:4222"),
            "2: \"a:4222\" is not a broker's address: write nats://HOST:PORT, such as nats://127.0.0.1:4222",
        );
        check(&start.replace("'nats://a:4222'", "[]"), "2: at least one broker is needed");
        check(
            &start.replace("'nats://a:4222'", "7"),
            "2: invalid type: integer `7`, expected the address of a broker, or a list of them",
        );
        check("collective = 'lab'\nbroker = 'nats://a:4222'\n", "1: missing field `authority`");
        let error = NodeConfig::parse("f", &start.replace("ssh-ed25519", "ssh-rot13")).unwrap_err();
        assert_eq!(error.line, 3, "{error}");
    }
}
