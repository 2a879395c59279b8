//! `mcod hub`: the fleet's broker and its registry in one process. The registry connects to the
//! broker over loopback like any other client.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use marcato_broker::{Broker, Config, InsecurePlaintext};
use marcato_core::Exit;
use marcato_hub::shell::{self, HubConfig};
use marcato_link::ServerUrl;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::cli::HubArgs;
use crate::words::Failure;

/// Runs `mcod hub`.
///
/// # Errors
/// What keeps it from starting, in words.
pub fn main(args: HubArgs) -> Result<Exit, Failure> {
    let file = args.places.config.join("hub.toml");
    let config = read(&file)?;
    let broker = broker_config(&config)?;
    if args.check {
        let checked = broker.as_ref().map_or(Ok(()), Config::check_address);
        checked.map_err(|error| Failure::new(Exit::Config, error))?;
        return Ok(Exit::Ok);
    }
    // A descriptor for each client; what the system refuses shows when they are used up.
    let _ = marcato_broker::raise_open_files();
    // A broker serves many at once; all the cores are its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Unavailable, error))?;
    runtime.block_on(serve(&file, config, broker, &args.places.state))
}

fn read(file: &Path) -> Result<HubConfig, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Exit::Config, format_args!("{name}: {error}")))?;
    HubConfig::parse(&name, &text).map_err(|error| Failure::new(Exit::Config, error))
}

/// What the broker in this process is told; none where brokers elsewhere are named.
fn broker_config(config: &HubConfig) -> Result<Option<Config>, Failure> {
    if !config.broker.is_empty() {
        return Ok(None);
    }
    let mut broker = Config::new(config.listen);
    if let Some(text) = &config.insecure_plaintext_on {
        let parsed = text.parse::<InsecurePlaintext>();
        broker.insecure_plaintext_on = parsed.map_err(|error| Failure::new(Exit::Config, error))?;
    }
    Ok(Some(broker))
}

async fn serve(
    file: &Path,
    config: HubConfig,
    broker: Option<Config>,
    state: &Path,
) -> Result<Exit, Failure> {
    let (ending, end) = watch::channel(false);
    let signals = Signals::listen().map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let watcher = tokio::spawn(signals.watch(file.to_owned(), ending));
    let ended = |mut end: watch::Receiver<bool>| async move {
        // The sender is gone only when the process ends anyway.
        let _ = end.wait_for(|ended| *ended).await;
    };
    let setup = config.setup();
    let registry = match broker {
        Some(broker) => {
            let broker = Broker::bind(broker).map_err(|error| Failure::new(Exit::Config, error))?;
            let address = broker.local_addr();
            keep_address(state, address)?;
            let registry = shell::run(setup, vec![own_broker(address)?], ended(end.clone()));
            tokio::join!(broker.run(ended(end)), registry).1
        }
        None => shell::run(setup, config.broker, ended(end)).await,
    };
    watcher.abort();
    registry.map_err(|error| Failure::new(Exit::NoPermission, error))?;
    Ok(Exit::Ok)
}

/// The broker of this process as its registry reaches it.
fn own_broker(address: SocketAddr) -> Result<ServerUrl, Failure> {
    let mut reached = address;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        reached.set_ip(loopback);
    }
    format!("nats://{reached}").parse().map_err(|error| Failure::new(Exit::Config, error))
}

/// Writes down where the broker listens: with port 0 in the configuration nobody else knows.
fn keep_address(state: &Path, address: SocketAddr) -> Result<(), Failure> {
    let keep = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
        let fresh = state.join("address.new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{address}")?;
        std::fs::rename(fresh, state.join("address"))
    };
    keep().map_err(|error: std::io::Error| {
        Failure::new(Exit::Config, format_args!("{}: {error}", state.display()))
    })
}

/// The signals that a hub heeds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the end. SIGHUP reads the file again and says whether a start would take it: what
    /// it holds (the address, the fleet, its authority) is fixed while connections stand.
    async fn watch(mut self, file: PathBuf, ending: watch::Sender<bool>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.reload.recv() => match read(&file) {
                    Ok(_) => {
                        tracing::info!("hub.toml is read and valid; it takes effect at the next start");
                    }
                    Err(failure) => {
                        tracing::error!(reason = "configuration", "{failure}; the old one holds");
                    }
                },
            }
        }
        tracing::info!("told to end");
        // Nobody listens any more when the hub has ended by itself.
        let _ = ending.send(true);
    }
}
