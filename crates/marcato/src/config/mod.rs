//! The client's configuration: `~/.config/marcato/client.toml`.

mod home;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use marcato_core::config::{self, ConfigError};
use marcato_core::{CallerId, Collective, nearest};
use marcato_link::ServerUrl;
use marcato_protocol::sshsig::PublicKey;
use serde::{Deserialize as _, Deserializer};

pub use home::Home;

/// Where the declarations of external agents are, unless the configuration says otherwise: where a
/// node has them too.
pub const AGENTS: &str = "/usr/share/marcato/agents";

/// Where the nodes of a fleet are kept that this operator knows.
#[must_use]
pub fn known_nodes(state: &Path, fleet: &str) -> PathBuf {
    state.join(format!("known_nodes.{fleet}"))
}

marcato_core::config_file! {
    /// The file as it is written.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ClientConfig {
        /// Where `known_nodes.FLEET` and the last 200 results are kept.
        #[key("folder", default = "`~/.local/state/marcato`")]
        #[serde(default)]
        pub state: Option<PathBuf>,
        /// Declarations (`NAME.json`) of agents that do not ship with Marcato.
        #[key("folder", default = "`/usr/share/marcato/agents`")]
        #[serde(default)]
        pub agents: Option<PathBuf>,
        /// A table `[fleets.NAME]` for each fleet; a single one is the one that is meant where none
        /// is named.
        #[key("tables", default = "no fleet")]
        #[serde(default)]
        pub fleets: BTreeMap<Collective, FleetConfig>,
    }
}

marcato_core::config_file! {
    /// One fleet; its name is the collective.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FleetConfig {
        /// The broker; `--broker` and `MARCATO_BROKER` beat it.
        #[key("`nats://HOST:PORT`")]
        pub broker: ServerUrl,
        /// The public key of the fleet's authority.
        #[key("a line of OpenSSH's form")]
        #[serde(deserialize_with = "public_key")]
        pub authority: PublicKey,
        /// The name under which you sign, as the nodes' `allowed_signers` has it.
        #[key("name")]
        pub caller: CallerId,
        /// Your private key: its file, or the fingerprint (`SHA256:…`) of a key in the ssh-agent.
        #[key("file or fingerprint", default = "the only key in the ssh-agent")]
        #[serde(default)]
        pub key: Option<String>,
    }
}

/// Reads a public key as its file has it: the comment behind it is allowed, and dropped.
fn public_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let line = String::deserialize(deserializer)?;
    let (key, _) = PublicKey::parse_line(line.trim()).map_err(serde::de::Error::custom)?;
    Ok(key)
}

/// A file, one of its fleets, and where everything that belongs to it lies.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The fleet's name.
    pub name: Collective,
    /// What the file says of it.
    pub config: FleetConfig,
    /// The operator's state folder.
    pub state: PathBuf,
    /// The declarations of external agents.
    pub agents: PathBuf,
    /// What the file's relative names begin from.
    pub home: Home,
}

/// Why there is no fleet to talk to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// There is no such file.
    #[error("{0}: there is no such file, and so no fleet")]
    Missing(String),
    /// The file cannot be read.
    #[error("{file}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// Neither a file was named nor a home directory is known.
    #[error("{0} is not set, so there is no place for {1}")]
    NoHome(&'static str, &'static str),
    /// No fleet is configured.
    #[error("{0}: no fleet is configured")]
    None(String),
    /// Several fleets, and none named.
    #[error("several fleets are configured ({0}); none was named")]
    Several(String),
    /// No fleet of that name.
    #[error("no fleet is called {name:?}; {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The nearest one where there is one, else all, in words.
        known: String,
    },
}

impl FleetError {
    /// Whether the command line is at fault rather than the file.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Several(_) | Self::Unknown { .. })
    }
}

impl Fleet {
    /// Reads the file and picks a fleet: the named one, else the only one.
    ///
    /// # Errors
    /// Says what is wrong, with the line.
    pub fn load(file: Option<&Path>, name: Option<&str>) -> Result<Self, FleetError> {
        let file = locate(file)?;
        let home = Home::of(&file);
        let config = ClientConfig::read(&file)?;
        let (name, fleet) = config.fleet(&file, name)?;
        let state = config.state(&home)?;
        let agents = config.agents(&home);
        Ok(Self { name: name.clone(), config: fleet.clone(), state, agents, home })
    }
}

/// The file that was named, else the one in its usual place.
///
/// # Errors
/// [`FleetError::NoHome`].
pub fn locate(file: Option<&Path>) -> Result<PathBuf, FleetError> {
    match file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(Home::config()?.join("client.toml")),
    }
}

/// Where results are kept: of all fleets in one place.
///
/// # Errors
/// As [`Fleet::load`], where no fleet need be named.
pub fn state(file: Option<&Path>) -> Result<PathBuf, FleetError> {
    let file = locate(file)?;
    let config = ClientConfig::read(&file)?;
    config.state(&Home::of(&file))
}

/// Where the declarations of external agents are, as far as the file can be read.
#[must_use]
pub fn agents(file: Option<&Path>) -> PathBuf {
    let read = || {
        let file = locate(file)?;
        Ok::<_, FleetError>(ClientConfig::read(&file)?.agents(&Home::of(&file)))
    };
    read().unwrap_or_else(|_| PathBuf::from(AGENTS))
}

impl ClientConfig {
    fn state(&self, home: &Home) -> Result<PathBuf, FleetError> {
        match &self.state {
            Some(state) => Ok(home.resolve(state)),
            None => Home::state(),
        }
    }

    fn agents(&self, home: &Home) -> PathBuf {
        home.resolve(self.agents.as_deref().unwrap_or(Path::new(AGENTS)))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Says what is wrong, with the line.
    pub fn read(path: &Path) -> Result<Self, FleetError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(config::parse(&file, &text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(FleetError::Missing(file)),
            Err(error) => Err(FleetError::Unreadable { file, why: error.to_string() }),
        }
    }

    /// The fleet of that name; without a name the only one.
    ///
    /// # Errors
    /// Where there is none, or more than one and none named.
    pub fn fleet(
        &self,
        file: &Path,
        name: Option<&str>,
    ) -> Result<(&Collective, &FleetConfig), FleetError> {
        let all = || self.fleets.keys().map(Collective::as_str);
        let joined = || all().collect::<Vec<_>>().join(", ");
        if self.fleets.is_empty() {
            return Err(FleetError::None(file.display().to_string()));
        }
        let Some(name) = name else {
            let mut fleets = self.fleets.iter();
            return match (fleets.next(), fleets.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(FleetError::Several(joined())),
            };
        };
        let found = self.fleets.iter().find(|(fleet, _)| fleet.as_str() == name);
        found.ok_or_else(|| FleetError::Unknown {
            name: name.chars().take(80).collect(),
            known: match nearest::nearest(name, all()) {
                Some(near) => format!("nearest: {near}"),
                None => format!("configured: {}", joined()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6K7m0d4R9k8t9tT3x0b3S1mQ0mQ2s1pJz2m8b9c0dE";

    fn config(fleets: &[&str]) -> ClientConfig {
        let one = |name: &&str| {
            format!(
                "[fleets.{name}]\nbroker = 'nats://h:1'\nauthority = '{KEY} me@laptop'\ncaller = 'ops'\n"
            )
        };
        let text: String = fleets.iter().map(one).collect();
        config::parse("client.toml", &text).unwrap()
    }

    #[test]
    fn the_fleet_is_the_only_one_or_the_named_one() {
        let check = |fleets: &[&str], name: Option<&str>, want: Result<&str, &str>| {
            let config = config(fleets);
            let got = config.fleet(Path::new("client.toml"), name);
            let got = got.map(|(name, _)| name.to_string()).map_err(|error| error.to_string());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned));
        };
        check(&["prod"], None, Ok("prod"));
        check(&["prod", "test"], Some("test"), Ok("test"));
        check(&[], None, Err("client.toml: no fleet is configured"));
        check(&[], Some("prod"), Err("client.toml: no fleet is configured"));
        check(&["a", "b"], None, Err("several fleets are configured (a, b); none was named"));
        check(&["prod", "x"], Some("prd"), Err("no fleet is called \"prd\"; nearest: prod"));
        check(
            &["prod", "test"],
            Some("lab"),
            Err("no fleet is called \"lab\"; configured: prod, test"),
        );
    }
}
