//! One node as a daemon of its own: signals, and the certificate that it needs first.

use marcato_link::LinkError;
use tokio::signal::unix::{SignalKind, signal};

use super::config::{NodeConfig, Places};
use super::disk::Disk;
use super::node::{NodeShell, Start, now};
use super::rules::Agents;
use super::state::{State, StateError};

/// Why a daemon ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The node's own files keep it from starting.
    #[error(transparent)]
    State(#[from] StateError),
    /// The broker does not admit it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The system gives no thread or takes no signal handler.
    #[error("the system does not let the daemon start: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the node that `start` describes, with the agents that `agents` finds, until SIGTERM or
/// SIGINT; SIGHUP reads its files again and looks for agents anew.
///
/// # Errors
/// [`DaemonError`]; [`StateError::is_passing`] says whether to try again.
pub async fn daemon(
    start: impl FnOnce(Agents) -> Start,
    agents: impl AsyncFn() -> Agents,
) -> Result<(), DaemonError> {
    // Before anything that takes time: a signal for which nobody waits ends the process. A SIGHUP
    // that comes too early waits here until the node works.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let found = tokio::select! {
        biased;
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
        found = agents() => found,
    };
    let disk = Disk::start(1)?;
    let (node, handle) = NodeShell::open(start(found), &disk)?;
    let mut work = std::pin::pin!(node.run());
    loop {
        tokio::select! {
            ended = &mut work => return Ok(ended?),
            _ = terminate.recv() => handle.stop(),
            _ = interrupt.recv() => handle.stop(),
            _ = reload.recv() => {
                // The node works on, and can be ended, while its agents are looked for.
                let mut found = std::pin::pin!(agents());
                loop {
                    tokio::select! {
                        ended = &mut work => return Ok(ended?),
                        _ = terminate.recv() => handle.stop(),
                        _ = interrupt.recv() => handle.stop(),
                        found = &mut found => break handle.reload(Some(found)),
                    }
                }
            }
        }
    }
}

/// What the authority is to sign for this node: one line. Makes the node's name and keys, if they
/// are not there.
///
/// # Errors
/// [`StateError`].
pub fn request_certificate(config: &NodeConfig, places: &Places) -> Result<String, StateError> {
    Ok(State::open(config, places)?.request(config, now()))
}

/// Checks the certificate that came back, and keeps it.
///
/// # Errors
/// [`StateError`], where it is not for this node, this machine and this fleet.
pub fn install_certificate(
    config: &NodeConfig,
    places: &Places,
    text: &str,
) -> Result<(), StateError> {
    State::open(config, places)?.install(config, text)
}
