//! `node.toml`: what a node is told, and where its files lie.

use std::fmt;
use std::path::{Path, PathBuf};

use marcato_core::config::ConfigError;
use marcato_core::limits::facts::{FILES_MAX, FOLDERS_MAX};
use marcato_core::{Collective, Identity, config};
use marcato_link::ServerUrl;
use marcato_protocol::sshsig::PublicKey;
use serde::Deserialize as _;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::facts::Private;

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
        /// Facts, as YAML or JSON; of a fact that several files give, the last one's value holds. A
        /// file that is named must exist.
        #[key("file, or a list of them", default = "`facts.yaml` beside it, where there is one")]
        #[serde(default, deserialize_with = "files")]
        pub facts: Option<Vec<PathBuf>>,
        /// Folders of external facts in Facter's form; of a fact that several give, the first one's
        /// value holds.
        #[key("folder, or a list of them", default = "Facter's own, see facts.md")]
        #[serde(default, deserialize_with = "folders")]
        pub facts_d: Option<Vec<PathBuf>>,
        /// Whether `facter` is run where it is installed, for what it finds beyond the node.
        #[key("`true` or `false`", default = "`true`")]
        #[serde(default = "yes")]
        pub facter: bool,
        /// Facts that never leave the host, with what lies inside of them; a `*` at a name's end stands
        /// for all that begin so.
        #[key("list of names", default = "none")]
        #[serde(default)]
        pub private_facts: Private,
        /// The node's classes, one on each line.
        #[key("file", default = "no classes")]
        #[serde(default)]
        pub classes: Option<PathBuf>,
    }
}

fn agents_dir() -> PathBuf {
    "/usr/share/marcato/agents".into()
}

const fn yes() -> bool {
    true
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
            facts_d,
            facter,
            private_facts,
            classes,
        } = self;
        let differs = [
            ("collective", *collective != other.collective),
            ("broker", *broker != other.broker),
            ("authority", *authority != other.authority),
            ("identity", *identity != other.identity),
            ("agents_dir", *agents_dir != other.agents_dir),
            ("facts", *facts != other.facts),
            ("facts_d", *facts_d != other.facts_d),
            ("facter", *facter != other.facter),
            ("private_facts", *private_facts != other.private_facts),
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
    let servers: Vec<ServerUrl> = from.deserialize_any(OneOrMore {
        what: "the address of a broker, or a list of them",
        read: |text| text.parse::<ServerUrl>().map_err(|error| error.to_string()),
    })?;
    if servers.is_empty() {
        return Err(de::Error::custom("at least one broker is needed"));
    }
    Ok(servers)
}

fn files<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    paths(from, "a file, or a list of them", FILES_MAX).map(Some)
}

fn folders<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    paths(from, "a folder, or a list of them", FOLDERS_MAX).map(Some)
}

fn paths<'de, D: Deserializer<'de>>(
    from: D,
    what: &'static str,
    most: usize,
) -> Result<Vec<PathBuf>, D::Error> {
    let read = |text: &str| Ok(text.into());
    let paths: Vec<PathBuf> = from.deserialize_any(OneOrMore { what, read })?;
    if paths.len() > most {
        return Err(de::Error::custom(format!(
            "{} are named, at most {most} are taken",
            paths.len()
        )));
    }
    Ok(paths)
}

/// Reads one text or a list of them.
struct OneOrMore<T> {
    what: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<'de, T> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        (self.read)(text).map(|one| vec![one]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            all.push((self.read)(&text).map_err(de::Error::custom)?);
        }
        Ok(all)
    }
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
             identity = 'web1.example.com'\nread_only = true\nfacts = '/x/facts.yaml'\n\
             facts_d = ['/a', '/b']\nfacter = false\nprivate_facts = ['uuid', 'ssh*']\n"
        );
        let config = NodeConfig::parse("node.toml", &text).unwrap();
        assert_eq!(config.broker.len(), 2);
        assert_eq!(config.identity.unwrap().as_str(), "web1.example.com");
        assert!(config.read_only);
        assert_eq!(config.agents_dir, Path::new("/usr/share/marcato/agents"));
        assert_eq!(config.classes, None);
        assert_eq!(config.facts.unwrap(), [Path::new("/x/facts.yaml")]);
        assert_eq!(config.facts_d.unwrap().len(), 2);
        assert!(!config.facter && config.private_facts != Private::default());
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
        check(
            &format!("{start}private_facts = ['a*b']\n"),
            "4: \"a*b\" names no fact: write its name, with a * at the end for all that begin so",
        );
        check(
            &format!("{start}facts = 7\n"),
            "4: invalid type: integer `7`, expected a file, or a list of them",
        );
        check("collective = 'lab'\nbroker = 'nats://a:4222'\n", "1: missing field `authority`");
        let error = NodeConfig::parse("f", &start.replace("ssh-ed25519", "ssh-rot13")).unwrap_err();
        assert_eq!(error.line, 3, "{error}");
    }
}
