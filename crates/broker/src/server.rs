//! The broker itself: listens, accepts, and ends in order.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use marcato_core::limits::broker as limits;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::config::{BindError, Config};
use crate::connect::Info;
use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::gate::Gate;
use crate::mailbox::End;
use crate::refusal::Refusal;
use crate::router::ClientId;
use crate::session::Session;

/// A broker that listens; it serves once it [runs](Broker::run).
pub struct Broker {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    exchange: Arc<Exchange>,
    address: SocketAddr,
    host: String,
    server_id: String,
}

impl Broker {
    /// Listens where `config` says. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError::Plaintext`] for an address that is not loopback, unless the configuration
    /// allows it by name; [`BindError::Listen`] for what the system refuses.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        config.check_address()?;
        let listen = config.listen;
        let listener = open(listen).map_err(|source| BindError::Listen { listen, source })?;
        let address =
            listener.local_addr().map_err(|source| BindError::Listen { listen, source })?;
        let exchange = Exchange::new(
            config.limits.connections,
            config.limits.subscriptions,
            config.limits.pending_bytes,
        );
        let shared = Shared {
            config,
            exchange: Arc::new(exchange),
            address,
            host: address.ip().to_string(),
            server_id: format!("{:016X}{:016X}", random(), random()),
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// The address that clients connect to, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Serves until `shutdown` resolves. Then it accepts nobody, tells all clients ("lame duck"),
    /// lets answers under way arrive, writes what waits and closes: at most
    /// [`limits::LAME_DUCK`] and [`limits::SHUTDOWN_FLUSH`] later it returns.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, shared } = self;
        let mut tasks = JoinSet::new();
        let mut gate = Gate::new(shared.config.limits.accept_rate);
        let mut shutdown = pin!(shutdown);
        tracing::info!(address = %shared.address, "broker listens");
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let admitted = gate.admit(peer.ip(), Instant::now());
                        shared.clone().welcome(stream, peer, admitted, &mut tasks);
                    }
                    Err(error) => rest_after(error).await,
                },
            }
        }
        drop(listener);
        shared.wind_up(tasks).await;
    }
}

/// A failed accept is the connection's fault, or the system has no descriptor left: then accepting
/// again at once would only spin.
async fn rest_after(error: io::Error) {
    let harmless = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !harmless.contains(&error.kind()) {
        tracing::error!(reason = "accept", %error, "cannot accept connections");
        tokio::time::sleep(limits::ACCEPT_BACKOFF).await;
    }
}

impl Shared {
    /// Takes a new connection in, or turns it away with a word.
    ///
    /// The first byte that a client sends would be looked at here: 0x16 begins a TLS handshake,
    /// and such a client must not have been sent INFO before.
    fn welcome(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        admitted: bool,
        tasks: &mut JoinSet<()>,
    ) {
        let id = self.exchange.next_id();
        let nonce = self.nonce();
        let info = self.info(id, peer.ip(), nonce.as_deref(), false);
        let entered =
            if admitted { self.exchange.enter(id, peer) } else { Err(Refusal::AcceptRate) };
        let mailbox = match entered {
            Ok(mailbox) => mailbox,
            Err(refusal) => {
                turn_away(&stream, info, refusal);
                if let Some(unlogged) = self.exchange.refusals.admit(refusal, Instant::now()) {
                    tracing::warn!(%peer, reason = %refusal, unlogged, "connection refused");
                }
                return;
            }
        };
        mailbox.post(info.len(), |out| out.copy(&info));
        // Messages are gathered here already; waiting in the kernel would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(client = id, %peer, %error, "cannot switch Nagle's algorithm off");
        }
        let limits = self.config.limits;
        let session = Session::new(
            limits.session,
            self.config.authorizer.clone(),
            nonce.unwrap_or_default(),
            peer,
            Instant::now(),
        );
        let exchange = self.exchange.clone();
        let connection =
            Connection::new(stream, session, exchange, mailbox, limits.write_deadline, random());
        tasks.spawn(async move {
            let end = connection.run().await;
            self.log_end(id, peer, end);
        });
    }

    fn log_end(&self, client: ClientId, peer: SocketAddr, end: End) {
        let End::Refused(reason) = end else {
            tracing::debug!(client, %peer, ?end, "client disconnected");
            return;
        };
        if let Some(unlogged) = self.exchange.refusals.admit(reason, Instant::now()) {
            tracing::warn!(client, %peer, %reason, unlogged, "client disconnected");
        }
    }

    fn nonce(&self) -> Option<String> {
        self.config
            .authorizer
            .login_required()
            .then(|| format!("{:016x}{:016x}", random(), random()))
    }

    fn info(&self, id: ClientId, peer: IpAddr, nonce: Option<&str>, ldm: bool) -> Vec<u8> {
        let info = Info {
            server_id: &self.server_id,
            server_name: &self.config.server_name,
            version: env!("CARGO_PKG_VERSION"),
            proto: 1,
            host: &self.host,
            port: self.address.port(),
            headers: true,
            max_payload: self.config.limits.session.parser.payload,
            client_id: id,
            client_ip: &peer.to_string(),
            auth_required: self.config.authorizer.login_required(),
            tls_required: false,
            tls_verify: false,
            jetstream: false,
            ldm,
            nonce,
        };
        info.line()
    }

    async fn wind_up(&self, mut tasks: JoinSet<()>) {
        tracing::info!(clients = self.exchange.connected(), "broker ends");
        self.exchange.tell_all(|to| self.info(to.id, to.peer.ip(), None, true));
        let served = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::LAME_DUCK, served).await.is_ok() {
            return;
        }
        self.exchange.end_all(End::Shutdown);
        let flushed = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::SHUTDOWN_FLUSH, flushed).await.is_err() {
            tracing::warn!(clients = tasks.len(), "clients did not take their last messages");
        }
        // What is left ends with the set of tasks.
    }
}

fn open(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A broker that starts again must not wait for the old connections' last packets.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(limits::ACCEPT_BACKLOG)
}

/// Says why, as far as an empty socket takes it at once; nobody waits for a stranger.
fn turn_away(stream: &TcpStream, mut info: Vec<u8>, refusal: Refusal) {
    refusal.write_line(None, &mut info);
    if let Err(error) = stream.try_write(&info) {
        tracing::debug!(reason = %refusal, %error, "cannot say why");
    }
}

/// 64 random bits that nobody outside can foretell: SipHash under keys that the standard library
/// drew from the system for its hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
