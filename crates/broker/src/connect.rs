//! The two JSON objects of the protocol: what the broker says of itself (INFO) and what a client
//! says of itself (CONNECT).

use serde::{Deserialize, Serialize};

/// The first line on every connection. Every field that an official client reads is always there:
/// without `max_payload` the Rust client takes 0 and refuses every publish.
#[derive(Debug, Clone, Serialize)]
pub struct Info<'a> {
    /// A random name of this run of the broker.
    pub server_id: &'a str,
    /// The broker's name for people.
    pub server_name: &'a str,
    /// The broker's version, semver.
    pub version: &'a str,
    /// Version of the protocol: 1 means that INFO may come again at any time.
    pub proto: u8,
    /// The address the broker listens on.
    pub host: &'a str,
    /// The port the broker listens on.
    pub port: u16,
    /// Whether headers are understood.
    pub headers: bool,
    /// The longest message, in bytes.
    pub max_payload: usize,
    /// The number of this connection.
    pub client_id: u64,
    /// The address that the client comes from.
    pub client_ip: &'a str,
    /// Whether CONNECT must carry a login.
    pub auth_required: bool,
    /// Whether TLS must follow this line.
    pub tls_required: bool,
    /// Whether the client must show a certificate.
    pub tls_verify: bool,
    /// Whether streams are kept here; never.
    pub jetstream: bool,
    /// Whether the broker is about to end ("lame duck mode").
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ldm: bool,
    /// What a login has to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}

impl Info<'_> {
    /// The whole line, ready for the wire.
    pub fn line(&self) -> Vec<u8> {
        let mut line = b"INFO ".to_vec();
        // A struct of strings and numbers cannot fail to serialize into memory; were it ever to,
        // clients would refuse the half line and say so.
        let _infallible = serde_json::to_writer(&mut line, self);
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// The newest protocol version that a client may ask for.
const PROTOCOL_MAX: i64 = 1;

/// What CONNECT says. Absent and null both mean nats-server's default for the field. Not `Debug`,
/// because it holds passwords.
#[derive(Default, Clone, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    verbose: Option<bool>,
    echo: Option<bool>,
    headers: Option<bool>,
    no_responders: Option<bool>,
    protocol: Option<i64>,
    /// The client's name for itself, for logs.
    pub name: Option<String>,
    /// The language of the client's library, for logs.
    pub lang: Option<String>,
    /// The version of the client's library, for logs.
    pub version: Option<String>,
    /// Login: a user's name.
    pub user: Option<String>,
    /// Login: a password.
    pub pass: Option<String>,
    /// Login: a token.
    pub auth_token: Option<String>,
    /// Login: a user JWT.
    pub jwt: Option<String>,
    /// Login: a public key.
    pub nkey: Option<String>,
    /// Login: the signature over INFO's nonce.
    pub sig: Option<String>,
}

impl ConnectOptions {
    /// Whether the client asked for a protocol version that exists.
    pub fn protocol_exists(&self) -> bool {
        (0..=PROTOCOL_MAX).contains(&self.protocol.unwrap_or(0))
    }

    /// Whether each operation is answered `+OK`.
    pub fn verbose(&self) -> bool {
        self.verbose.unwrap_or(true)
    }

    /// Whether the client gets what it publishes itself.
    pub fn echo(&self) -> bool {
        self.echo.unwrap_or(true)
    }

    /// Whether the client understands headers.
    pub fn headers(&self) -> bool {
        self.headers.unwrap_or(false)
    }

    /// Whether the client wants a 503 when nobody listens.
    pub fn no_responders(&self) -> bool {
        self.no_responders.unwrap_or(false)
    }
}
