//! `mcod hub`: the fleet's broker and its registry in one process. The registry connects to the
//! broker over loopback like any other client.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use marcato_broker::{BindError, Broker, Config, InsecurePlaintext};
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
    let (config, broker) = read(&file)?;
    if args.check {
        return Ok(Exit::Ok);
    }
    // A descriptor for each client; what the system refuses shows when they are used up.
    let _ = marcato_broker::raise_open_files();
    // A broker serves many at once; all the cores are its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Unavailable, error))?;
    runtime.block_on(serve(&file, config, broker, &args.places.state))
}

/// Reads the file as a start does: what it says, and what the broker in this process is told.
fn read(file: &Path) -> Result<(HubConfig, Option<Config>), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| super::unread(file, &error))?;
    let config = HubConfig::parse(&file.display().to_string(), &text)
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let broker = broker_config(&config)?;
    Ok((config, broker))
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
    broker.check_address().map_err(|error| Failure::new(Exit::Config, error))?;
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
    let watcher = tokio::spawn(signals.watch(file.to_owned(), config.clone(), ending.clone()));
    let setup = config.setup();
    let registry = match broker {
        Some(broker) => {
            let broker = Broker::bind(broker).map_err(|error| bind_failure(&error))?;
            let address = broker.local_addr();
            keep_address(state, address)?;
            let registry = shell::run(setup, vec![own_broker(address)?], ended(end));
            with_registry(broker, registry, ending).await
        }
        None => shell::run(setup, config.broker, ended(end)).await,
    };
    watcher.abort();
    registry.map_err(|error| Failure::new(Exit::NoPermission, error))?;
    Ok(Exit::Ok)
}

/// Resolves when the hub is to end.
async fn ended(mut end: watch::Receiver<bool>) {
    // The sender is gone only when the process ends anyway.
    let _ = end.wait_for(|ended| *ended).await;
}

/// Runs the broker for as long as its registry works: without one, the fleet cannot be asked, and
/// whoever starts daemons is to start both anew.
async fn with_registry<E>(
    broker: Broker,
    registry: impl Future<Output = Result<(), E>>,
    ending: watch::Sender<bool>,
) -> Result<(), E> {
    let registry = async {
        let ended = registry.await;
        ending.send_replace(true);
        ended
    };
    tokio::join!(broker.run(ended(ending.subscribe())), registry).1
}

/// An address that is taken, or not there yet, may be free at the next try.
fn bind_failure(error: &BindError) -> Failure {
    let exit = match error {
        BindError::Plaintext { .. } => Exit::Config,
        BindError::Listen { .. } => Exit::Unavailable,
    };
    Failure::new(exit, error)
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
        Failure::new(Exit::Unavailable, format_args!("{}: {error}", state.display()))
    })
}

/// What a start would make of the file now, beside what this hub works with.
fn look_again(file: &Path, config: &HubConfig) -> Result<String, Failure> {
    let (now, _) = read(file)?;
    let changes = config.changes(&now);
    if changes.is_empty() {
        return Ok("hub.toml is valid and says what this hub works with".to_owned());
    }
    Ok(format!("hub.toml is valid; changed, for the next start only: {}", changes.join(", ")))
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
    async fn watch(mut self, file: PathBuf, config: HubConfig, ending: watch::Sender<bool>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.reload.recv() => match look_again(&file, &config) {
                    Ok(said) => tracing::info!("{said}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "collective = 'lab'\nlisten = '127.0.0.1:0'\nauthority = \
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ'\n";

    #[test]
    fn a_reload_is_told_what_a_start_would_say() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hub.toml");
        std::fs::write(&file, CONFIG).unwrap();
        let (config, _) = read(&file).unwrap();
        let check = |text: &str, want: Result<&str, &str>| {
            std::fs::write(&file, text).unwrap();
            match (look_again(&file, &config), want) {
                (Ok(said), Ok(part)) => assert!(said.ends_with(part), "{said}"),
                (Err(failure), Err(part)) => {
                    assert!(failure.text.contains(part), "{failure:?}");
                    assert_eq!(failure.exit, Exit::Config);
                    assert_eq!(read(&file).err(), Some(failure), "a start says the same");
                }
                (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
            }
        };
        check(CONFIG, Ok("valid and says what this hub works with"));
        let port = CONFIG.replace(":0", ":4333");
        check(&port, Ok("for the next start only: listen"));
        let elsewhere = CONFIG.replace("'lab'", "'prod'") + "broker = 'nats://a:4222'\n";
        check(&elsewhere, Ok("for the next start only: collective, broker"));
        let open = CONFIG.replace("127.0.0.1", "0.0.0.0");
        check(&open, Err("the broker does not listen on 0.0.0.0:0"));
        check(&format!("{open}insecure_plaintext_on = 'x'\n"), Err("neither an IP address nor"));
        let allowed = format!("{open}insecure_plaintext_on = 'any address'\n");
        check(&allowed, Ok("for the next start only: listen, insecure_plaintext_on"));
        check("collective = 'lab'\n", Err("missing field `authority`"));
    }

    #[tokio::test]
    async fn a_registry_that_fails_ends_the_broker_too() {
        let broker = Broker::bind(Config::new(([127, 0, 0, 1], 0).into())).unwrap();
        let (ending, _) = watch::channel(false);
        let ended = with_registry(broker, async { Err("it has failed") }, ending);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), ended).await;
        assert_eq!(ended.expect("the broker goes on alone"), Err("it has failed"));
    }

    #[test]
    fn only_what_somebody_must_mend_is_a_matter_of_configuration() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bind = |address: SocketAddr| {
            let runtime = super::super::runtime().unwrap();
            let _guard = runtime.enter();
            bind_failure(&Broker::bind(Config::new(address)).err().unwrap()).exit
        };
        assert_eq!(bind(taken.local_addr().unwrap()), Exit::Unavailable);
        assert_eq!(bind(([0, 0, 0, 0], 0).into()), Exit::Config);
        let dir = tempfile::tempdir().unwrap();
        let exit = |path: &Path| read(path).err().unwrap().exit;
        assert_eq!(exit(&dir.path().join("hub.toml")), Exit::Config, "there is none");
        std::fs::write(dir.path().join("bytes"), b"\xff").unwrap();
        assert_eq!(exit(&dir.path().join("bytes")), Exit::Config);
        let long = "x".repeat(5000);
        assert_eq!(exit(Path::new(&long)), Exit::Unavailable, "the system refuses");
        let full = keep_address(Path::new("/dev/null/state"), ([127, 0, 0, 1], 1).into());
        assert_eq!(full.unwrap_err().exit, Exit::Unavailable);
    }
}
