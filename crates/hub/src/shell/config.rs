//! The hub's file, `hub.toml`.

use std::net::SocketAddr;

use marcato_core::Collective;
use marcato_core::config::{self, ConfigError};
use marcato_link::ServerUrl;
use marcato_protocol::sshsig::PublicKey;
use serde::{Deserialize as _, Deserializer};

use crate::core::Setup;

marcato_core::config_file! {
    /// What `hub.toml` says.
    #[derive(Debug, Clone)]
    pub struct HubConfig {
        /// The fleet's name.
        #[key("name")]
        pub collective: Collective,
        /// The public key of the fleet's authority.
        #[key("a line of OpenSSH's form")]
        #[serde(deserialize_with = "key_line")]
        pub authority: PublicKey,
        /// Where the broker in this process listens; port 0 is a free one.
        #[key("`ADDRESS:PORT`", default = "`127.0.0.1:4222`")]
        #[serde(default = "default_listen")]
        pub listen: SocketAddr,
        /// Beyond loopback the broker listens only where this repeats the address, for nothing on
        /// the wire is protected.
        #[key("address", default = "loopback alone")]
        #[serde(default)]
        pub insecure_plaintext_on: Option<String>,
        /// NATS servers elsewhere to attach to; then no broker runs in this process.
        #[key("`nats://HOST:PORT`, or a list of them", default = "the broker in this process")]
        #[serde(default, deserialize_with = "one_or_more")]
        pub broker: Vec<ServerUrl>,
    }
}

impl HubConfig {
    /// Reads the file's text; `file` is its name, for errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(file, text)
    }

    /// In what `other` differs.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        let Self { collective, authority, listen, insecure_plaintext_on, broker } = self;
        let differs = [
            ("collective", *collective != other.collective),
            ("authority", *authority != other.authority),
            ("listen", *listen != other.listen),
            ("insecure_plaintext_on", *insecure_plaintext_on != other.insecure_plaintext_on),
            ("broker", *broker != other.broker),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    /// What the registry needs of it.
    #[must_use]
    pub fn setup(&self) -> Setup {
        Setup { collective: self.collective.clone(), authority: self.authority.clone() }
    }
}

/// Loopback, at the port that NATS clients know.
fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4222))
}

fn key_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let line = String::deserialize(deserializer)?;
    let (key, _) = PublicKey::parse_line(&line).map_err(serde::de::Error::custom)?;
    Ok(key)
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerUrl>, D::Error> {
    struct Servers;

    impl<'de> serde::de::Visitor<'de> for Servers {
        type Value = Vec<ServerUrl>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a broker's address or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.parse().map_err(E::custom)?])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut items: A,
        ) -> Result<Self::Value, A::Error> {
            let mut servers = Vec::new();
            while let Some(server) = items.next_element()? {
                servers.push(server);
            }
            Ok(servers)
        }
    }

    deserializer.deserialize_any(Servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6K7m0d4R9k8t9tT3x0b3S1mQ0mQ2s1pJz2m8b9c0dE";

    fn check(text: &str, want: Result<(), &str>) {
        let text = text.replace("KEY", KEY);
        match (HubConfig::parse("hub.toml", &text), want) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let both = "collective = 'prod'\nauthority = 'KEY me@laptop'\n";
        check(both, Ok(()));
        check(&format!("{both}listen = '127.0.0.1:4333'\n"), Ok(()));
        check(&format!("{both}broker = 'nats://127.0.0.1:4222'\n"), Ok(()));
        check(&format!("{both}broker = ['nats://a:4222', 'nats://b:4222']\n"), Ok(()));
        check(&format!("{both}insecure_plaintext_on = '10.0.0.1'\n"), Ok(()));
        check("", Err("hub.toml:1: missing field `collective`"));
        check("collective = 'Prod'\n", Err("hub.toml:1: collective \"Prod\" is not valid"));
        check("collective = 'prod'\nauthority = 'x'\n", Err("hub.toml:2: "));
        check("\ncolective = 'prod'\n", Err("hub.toml:2: unknown key \"colective\"; did you mean"));
        check(&format!("{both}listen = 'here'\n"), Err("hub.toml:3: invalid socket address"));
        check(&format!("{both}broker = 'hub1'\n"), Err("hub.toml:3: \"hub1\" is not a broker"));
        check(&format!("{both}broker = 1\n"), Err("hub.toml:3: "));
    }
}
