//! Servers to talk to: the broker in this process, or a real nats-server as a child.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use marcato_broker::auth::{Authorizer, Grant};
use marcato_broker::connect::ConnectOptions;
use marcato_broker::{Broker, Config, subject};

/// What runs behind an address; it ends with the value.
pub enum Server {
    Ours {
        address: SocketAddr,
        stop: Option<tokio::sync::oneshot::Sender<()>>,
        thread: Option<std::thread::JoinHandle<()>>,
    },
    Nats {
        address: SocketAddr,
        child: Child,
        _folder: tempfile::TempDir,
    },
}

/// What serves until the end.
type Serve = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A loopback address for one test alone, with any port: no other test's sockets can take that port
/// while nobody listens there.
pub fn own_address(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, number], 0))
}

/// The nats-servers that `MARCATO_NATS_SERVER` names, with their versions.
pub fn nats_servers() -> Vec<(String, PathBuf)> {
    let named = std::env::var_os("MARCATO_NATS_SERVER").unwrap_or_default();
    let paths = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    paths.map(|path| (version(&path), path)).collect()
}

fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("--version").output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.trim().rsplit('v').next().unwrap().to_owned()
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Ours { address, .. } | Self::Nats { address, .. } => *address,
        }
    }

    /// The broker, with the limits of `profile`.
    pub fn ours(profile: &str) -> Self {
        Self::with(config(profile))
    }

    /// The broker with this configuration, on threads of its own.
    pub fn with(config: Config) -> Self {
        Self::start(config, |serve| {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(2).enable_all().build().unwrap().block_on(serve);
        })
    }

    /// The same on one thread alone, which is where `log` hears it.
    pub fn with_log(config: Config, log: impl tracing::Subscriber + Send + Sync) -> Self {
        Self::start(config, |serve| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            tracing::subscriber::with_default(log, || runtime.block_on(serve));
        })
    }

    fn start(config: Config, run: impl FnOnce(Serve) + Send + 'static) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let serve = Box::pin(async move {
            let broker = Broker::bind(config).unwrap();
            tell.send(broker.local_addr()).unwrap();
            let stopped = async {
                stopped.await.ok();
            };
            broker.run(stopped).await;
        });
        let thread = std::thread::spawn(move || run(serve));
        let address = told.recv().unwrap();
        Self::Ours { address, stop: Some(stop), thread: Some(thread) }
    }

    /// A real nats-server, with the limits of `profile`.
    pub fn nats(binary: &Path, profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nats.conf");
        std::fs::write(&file, nats_config(profile)).unwrap();
        let mut child = Command::new(binary)
            .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "nats-server ended:\n{seen}");
            if let Some((_, address)) = line.split_once("client connections on ") {
                break address.trim().parse().unwrap();
            }
            seen.push_str(&line);
        };
        // Its log must be read on, or it blocks once the pipe is full.
        std::thread::spawn(move || for _ in log.lines() {});
        Self::Nats { address, child, _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self {
            Self::Ours { stop, thread, .. } => {
                stop.take().map(|stop| stop.send(()));
                // A broker that panicked has said so already.
                thread.take().map(std::thread::JoinHandle::join);
            }
            Self::Nats { child, .. } => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
}

pub const PROFILES: [&str; 8] =
    ["default", "small", "few", "one", "pings", "login", "late", "silent"];

/// The limits of a profile for our broker; `nats_config` says the same to nats-server.
pub fn config(profile: &str) -> Config {
    let mut config = Config::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    let limits = &mut config.limits;
    match profile {
        "default" => {}
        "small" => {
            limits.session.parser.payload = 32;
            limits.session.parser.control_line = 128;
        }
        "few" => limits.subscriptions = 2,
        "one" => limits.connections = 1,
        "pings" => {
            limits.session.ping_interval = Duration::from_millis(1200);
            limits.session.stale_after = Duration::from_millis(3600);
        }
        "login" => config.authorizer = Arc::new(OneUser),
        "late" => {
            config.authorizer = Arc::new(OneUser);
            limits.session.connect_timeout = Duration::from_millis(200);
        }
        "silent" => limits.session.connect_timeout = Duration::from_millis(200),
        other => panic!("no profile {other}"),
    }
    config
}

fn nats_config(profile: &str) -> &'static str {
    match profile {
        "default" | "silent" => "",
        "small" => "max_payload: 32\nmax_control_line: 128\n",
        "few" => "max_subscriptions: 2\n",
        "one" => "max_connections: 1\n",
        "pings" => "ping_interval: \"1200ms\"\nping_max: 2\n",
        "login" => {
            "authorization { timeout: 10, users: [ { user: ann, password: secret, permissions: {
                publish: [\"ok.>\", \"_INBOX.>\"], subscribe: [\"ok.>\"] } } ] }\n"
        }
        "late" => "authorization { timeout: 0.2, user: ann, password: secret }\n",
        other => panic!("no profile {other}"),
    }
}

/// Admits `ann` with her password, to subjects below `ok`.
struct OneUser;

impl Authorizer for OneUser {
    fn login_required(&self) -> bool {
        true
    }

    fn admit(&self, login: &ConnectOptions, _: &str, _: SocketAddr) -> Option<Arc<dyn Grant>> {
        let known = (Some("ann"), Some("secret"));
        ((login.user.as_deref(), login.pass.as_deref()) == known).then(|| Arc::new(Self) as _)
    }
}

impl Grant for OneUser {
    fn may_publish(&self, subject: &str) -> bool {
        subject::covers("ok.>", subject) || subject::covers("_INBOX.>", subject)
    }

    fn may_subscribe(&self, pattern: &str, _: Option<&str>) -> bool {
        subject::covers("ok.>", pattern)
    }
}
