//! How a link connects: where to, for how long it tries, and its limits.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::str::FromStr;
use std::time::Duration;

use marcato_core::Span;
use marcato_core::limits::link as limits;
use serde::{Deserialize, Deserializer};

use crate::LinkError;

/// Where a broker listens: `nats://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

/// A text that is not the address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a broker's address: write nats://HOST:PORT, such as nats://127.0.0.1:4222")]
pub struct ServerError(String);

impl ServerUrl {
    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port.
    #[must_use]
    pub fn host_port(&self) -> &str {
        self.0.trim_start_matches("nats://")
    }
}

impl FromStr for ServerUrl {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let wrong = || ServerError(text.chars().take(80).collect());
        let (host, port) = text
            .strip_prefix("nats://")
            .and_then(|rest| rest.rsplit_once(':'))
            .ok_or_else(wrong)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(plain) || port.parse::<u16>().unwrap_or(0) == 0 {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// For how long a link tries to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For so long: somebody waits for an answer.
    For(Span),
    /// For ever: a daemon.
    Forever,
}

/// How a link connects.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The brokers, tried in turn; at least one.
    pub servers: Vec<ServerUrl>,
    /// The name that the broker shows for this connection.
    pub name: String,
    /// For how long it tries.
    pub patience: Patience,
    /// How many messages may wait to be read before the client throws them away.
    pub pending_messages_max: usize,
    /// The read buffer, in bytes.
    pub read_buffer_bytes: u16,
}

impl LinkConfig {
    /// A daemon on a managed host: few messages, little memory, never gives up.
    #[must_use]
    pub fn node(servers: Vec<ServerUrl>, name: String) -> Self {
        Self {
            servers,
            name,
            patience: Patience::Forever,
            pending_messages_max: limits::NODE_PENDING_MESSAGES_MAX,
            read_buffer_bytes: limits::NODE_READ_BYTES_MAX,
        }
    }

    /// A hub: a burst of the whole fleet's registrations, never gives up.
    #[must_use]
    pub fn hub(servers: Vec<ServerUrl>, name: String) -> Self {
        Self {
            servers,
            name,
            patience: Patience::Forever,
            pending_messages_max: limits::FLEET_PENDING_MESSAGES_MAX,
            read_buffer_bytes: limits::FLEET_READ_BYTES_MAX,
        }
    }

    /// A command: a burst of the whole fleet's receipts; gives up after `patience`.
    #[must_use]
    pub fn client(servers: Vec<ServerUrl>, name: String, patience: Span) -> Self {
        Self {
            servers,
            name,
            patience: Patience::For(patience),
            pending_messages_max: limits::FLEET_PENDING_MESSAGES_MAX,
            read_buffer_bytes: limits::FLEET_READ_BYTES_MAX,
        }
    }

    pub(crate) fn last_server(&self) -> String {
        self.servers.last().map_or_else(String::new, |server| server.host_port().to_owned())
    }

    pub(crate) fn unreachable(&self, why: &str) -> LinkError {
        let tried_s = match self.patience {
            Patience::For(span) => span.as_ms() / 1000,
            Patience::Forever => 0,
        };
        LinkError::Unreachable { server: self.last_server(), why: why.to_owned(), tried_s }
    }
}

/// Full jitter below a ceiling that doubles: the client's own delays are the same on every node.
pub(crate) fn reconnect_delay(attempts: usize, patience: Patience) -> Duration {
    let doublings = u32::try_from(attempts.min(16)).unwrap_or(16);
    let ceiling = limits::RECONNECT_DELAY_BASE.saturating_mul(1 << doublings);
    let ceiling = ceiling.min(match patience {
        Patience::Forever => limits::RECONNECT_DELAY_MAX,
        Patience::For(_) => limits::CLIENT_RECONNECT_DELAY_MAX,
    });
    // The standard library seeds each hasher from the system's randomness.
    let random = std::hash::RandomState::new().build_hasher().finish();
    let ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(random % ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check =
            |text: &str, good: bool| assert_eq!(text.parse::<ServerUrl>().is_ok(), good, "{text}");
        check("nats://127.0.0.1:4222", true);
        check("nats://hub1.example.com:4222", true);
        check("nats://[::1]:4222", true);
        check("127.0.0.1:4222", false);
        check("tls://hub:4222", false);
        check("nats://:4222", false);
        check("nats://hub:0", false);
        check("nats://hub:99999", false);
        check("nats://user:secret@hub:4222", false);
    }

    #[test]
    fn delays_stay_below_their_ceiling() {
        for attempts in [0, 1, 5, 100, usize::MAX] {
            let delay = |patience| reconnect_delay(attempts, patience);
            assert!(delay(Patience::Forever) < limits::RECONNECT_DELAY_MAX);
            let patience = Patience::For(Span::from_secs(5));
            assert!(delay(patience) < limits::CLIENT_RECONNECT_DELAY_MAX);
        }
    }
}
