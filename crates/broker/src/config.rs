//! What a broker is told at its start, and where it refuses to listen.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use marcato_core::limits::broker as limits;

use crate::auth::{Anyone, Authorizer};
use crate::gate::AcceptRate;
use crate::session::SessionLimits;

/// Everything a broker needs to know.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where plaintext beyond this host is allowed; nowhere unless the operator says so.
    pub insecure_plaintext_on: InsecurePlaintext,
    /// The broker's name for people, in INFO.
    pub server_name: String,
    /// Who may come in.
    pub authorizer: Arc<dyn Authorizer>,
    /// What clients are granted.
    pub limits: Limits,
}

impl Config {
    /// Listens on `listen`, takes anyone, with the limits of [`marcato_core::limits::broker`].
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            insecure_plaintext_on: InsecurePlaintext::default(),
            server_name: "marcato".to_owned(),
            authorizer: Arc::new(Anyone),
            limits: Limits::default(),
        }
    }

    /// Refuses an address that others can reach, as long as nothing protects what they would find.
    ///
    /// # Errors
    /// [`BindError`], with what to do instead.
    pub fn check_address(&self) -> Result<(), BindError> {
        let ip = self.listen.ip();
        let allowed = match self.insecure_plaintext_on {
            InsecurePlaintext::Nowhere => ip.is_loopback(),
            InsecurePlaintext::Address(allowed) => ip.is_loopback() || ip == allowed,
            InsecurePlaintext::AnyAddress => true,
        };
        if allowed { Ok(()) } else { Err(BindError::Plaintext { listen: self.listen }) }
    }
}

/// Limits that a test, or one day an operator, may move.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What one session may do.
    pub session: SessionLimits,
    /// How many bytes may wait for one client.
    pub pending_bytes: usize,
    /// How long a client may take nothing off a full socket.
    pub write_deadline: Duration,
    /// How many clients at once.
    pub connections: usize,
    /// How many subscriptions one client may hold.
    pub subscriptions: usize,
    /// How fast one address may open connections.
    pub accept_rate: AcceptRate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session: SessionLimits::default(),
            pending_bytes: limits::PENDING_BYTES_MAX,
            write_deadline: limits::WRITE_DEADLINE,
            connections: limits::CONNECTIONS_MAX,
            subscriptions: limits::SUBSCRIPTIONS_MAX,
            accept_rate: AcceptRate::default(),
        }
    }
}

/// Where the operator allows plaintext beyond this host: the value of `insecure_plaintext_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InsecurePlaintext {
    /// On loopback alone.
    #[default]
    Nowhere,
    /// On this address.
    Address(IpAddr),
    /// On whatever address is configured: `any address`.
    AnyAddress,
}

const ANY_ADDRESS: &str = "any address";

impl FromStr for InsecurePlaintext {
    type Err = InsecurePlaintextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == ANY_ADDRESS {
            return Ok(Self::AnyAddress);
        }
        let address =
            text.parse().map_err(|_| InsecurePlaintextError { value: text.to_owned() })?;
        Ok(Self::Address(address))
    }
}

/// The value of `insecure_plaintext_on` is neither an address nor `any address`.
#[derive(Debug, thiserror::Error)]
#[error(
    "insecure_plaintext_on = {value:?} is neither an IP address nor \"any address\"; name the \
     address that the broker listens on, or leave the line out"
)]
pub struct InsecurePlaintextError {
    value: String,
}

/// Why a broker did not start to listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach the address, and nothing would protect what they find there.
    #[error("{}", PlaintextAdvice(*.listen))]
    Plaintext {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The system refused the address.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

struct PlaintextAdvice(SocketAddr);

impl fmt::Display for PlaintextAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listen = self.0;
        let port = listen.port();
        let host =
            if listen.ip().is_unspecified() { "HUB".to_owned() } else { listen.ip().to_string() };
        write!(
            f,
            "the broker does not listen on {listen}: it speaks plaintext and asks nobody for a \
             login, so whoever reaches that address could read, send and drop everything.\n\
             Let it listen on 127.0.0.1:{port}, and on each machine that needs it type\n\
             \n    ssh -N -L {port}:127.0.0.1:{port} {host}\n\n\
             and connect to nats://127.0.0.1:{port} there. Only where nobody else can reach that \
             network: insecure_plaintext_on = \"{}\"",
            listen.ip()
        )
    }
}
