//! The brokers that tests run on: ours always, and each nats-server that `MARCATO_NATS_SERVER`
//! names.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use marcato_broker::{Broker, Config};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Which program.
#[derive(Debug, Clone)]
pub enum Kind {
    Ours,
    Nats(PathBuf),
}

/// All that are there.
pub fn kinds() -> Vec<Kind> {
    let named = std::env::var_os("MARCATO_NATS_SERVER").unwrap_or_default();
    let paths = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once(Kind::Ours).chain(paths.map(Kind::Nats)).collect()
}

/// A broker that runs; it ends with the value.
pub struct Server {
    address: SocketAddr,
    running: Running,
}

enum Running {
    Ours { stop: Option<oneshot::Sender<()>>, work: JoinHandle<()> },
    Nats(Child),
}

impl Server {
    pub fn start(kind: &Kind) -> Self {
        match kind {
            Kind::Ours => Self::ours(),
            Kind::Nats(program) => Self::nats(program),
        }
    }

    fn ours() -> Self {
        let broker = Broker::bind(Config::new(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let address = broker.local_addr();
        let (stop, stopped) = oneshot::channel();
        let work = tokio::spawn(broker.run(async {
            // An error is a sender that is gone, which is the end too.
            let _ = stopped.await;
        }));
        Self { address, running: Running::Ours { stop: Some(stop), work } }
    }

    fn nats(program: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", "-1"])
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
        Self { address, running: Running::Nats(child) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and waits until its connections are closed.
    pub async fn stop(mut self) {
        match &mut self.running {
            Running::Ours { stop, work } => {
                drop(stop.take());
                super::soon(work).await.unwrap();
            }
            Running::Nats(child) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Running::Nats(child) = &mut self.running {
            // One that was stopped is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
