//! Does what the core approved: reads here, changes in processes of their own, each of them
//! watched until its end.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marcato_agent::runner::{self, Launch, RunState};
use marcato_agent::{Call, Catalog, Outcome};
use marcato_core::{Changed, Reason};
use tokio::task::{Id, JoinError, JoinSet};

use super::disk::Writer;
use super::files::{FileError, at};
use crate::core::{Approved, Event, JournalRecord, Recovered, RunKey};

/// How the folder of a run ends that is not needed any more and may still be written in.
const LEFT: &str = "left";

/// What runs.
#[derive(Debug)]
pub(super) struct Runs {
    dir: PathBuf,
    launch: Arc<Launch>,
    writer: Writer,
    tasks: JoinSet<Event>,
    /// Whose task it is, in case that it panics.
    keys: HashMap<Id, RunKey>,
}

impl Runs {
    pub(super) fn new(dir: PathBuf, launch: Arc<Launch>, writer: Writer) -> Self {
        Self { dir, launch, writer, tasks: JoinSet::new(), keys: HashMap::new() }
    }

    /// Begins to run an action.
    pub(super) fn start(&mut self, approved: Approved, catalog: &Catalog) {
        let key = approved.key();
        let task = if approved.changes() {
            let dir = self.dir(key);
            let (launch, writer) = (self.launch.clone(), self.writer.clone());
            self.tasks.spawn(change(key, dir, approved.into_call(), launch, writer))
        } else {
            let agent = catalog.get(&approved.call().agent).cloned();
            let mut one = Catalog::new();
            agent.map(|agent| one.insert(agent));
            let call = approved.into_call();
            self.tasks.spawn(async move { Event::Ended(key, one.call(&call).await) })
        };
        self.keys.insert(task.id(), key);
    }

    /// Waits for the next end; never returns while nothing runs.
    pub(super) async fn next(&mut self) -> Event {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, event))) => {
                self.keys.remove(&id);
                event
            }
            Some(Err(error)) => self.panicked(&error),
            None => std::future::pending().await,
        }
    }

    fn panicked(&mut self, error: &JoinError) -> Event {
        let message = "the agent's code went wrong (it panicked); see the node's log";
        tracing::error!(%error, "an agent panicked");
        match self.keys.remove(&error.id()) {
            Some(key) => {
                let outcome = Outcome::failed(Reason::Agent, Changed::Unknown, message);
                Event::Ended(key, outcome)
            }
            None => Event::Tick,
        }
    }

    /// How the runs stand of which the journal has no end; removes what is left of others. A folder
    /// that cannot be used says nothing about its run, and keeps no node from its start.
    pub(super) fn recover(
        &mut self,
        journal: &[JournalRecord],
    ) -> Result<Vec<(RunKey, Recovered)>, FileError> {
        let mut open = HashMap::new();
        for record in journal {
            match record {
                JournalRecord::Accepted { about, .. } => open.insert(about.key, true),
                JournalRecord::Ended { about, .. } => open.insert(about.key, false),
                JournalRecord::Barred { .. } | JournalRecord::Damaged { .. } => None,
            };
        }
        let mut runs = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(at(&self.dir))? {
            let path = entry.map_err(at(&self.dir))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(key) = name.and_then(|name| name.parse::<RunKey>().ok()) else {
                if path.extension().is_some_and(|extension| extension == LEFT) {
                    let _ = std::fs::remove_dir_all(&path);
                }
                continue;
            };
            match open.get(&key) {
                Some(true) => {
                    let recovered = self.recover_one(key, &path).unwrap_or_else(|error| {
                        tracing::error!(run = %key, %error, "what is left of it cannot be used");
                        Recovered::Gone
                    });
                    runs.push((key, recovered));
                }
                // What stays behind is removed at the next start.
                Some(false) => drop(std::fs::remove_dir_all(&path)),
                // The journal was damaged. What runs there may be the last word on a change.
                None => tracing::warn!(run = %key, "a run that the journal does not know"),
            }
        }
        Ok(runs)
    }

    fn recover_one(&mut self, key: RunKey, dir: &Path) -> io::Result<Recovered> {
        Ok(match runner::state(dir)? {
            RunState::Finished(outcome) => Recovered::Finished(outcome),
            RunState::Gone { began: false } => {
                // A process that comes too late may be writing in there.
                let left = dir.with_extension(LEFT);
                let _ = std::fs::remove_dir_all(&left);
                std::fs::rename(dir, &left)?;
                let _ = std::fs::remove_dir_all(&left);
                Recovered::NeverStarted
            }
            // One whose process is gone too: what its agent left behind must be ended first.
            RunState::Running | RunState::Gone { began: true } => {
                let dir = dir.to_owned();
                let task = self.tasks.spawn(async move { watch(key, &dir).await });
                self.keys.insert(task.id(), key);
                Recovered::Running
            }
        })
    }

    /// Where a run's files lie.
    pub(super) fn dir(&self, key: RunKey) -> PathBuf {
        self.dir.join(key.to_string())
    }
}

/// The whole life of a change, seen from here.
async fn change(
    key: RunKey,
    dir: PathBuf,
    call: Call,
    launch: Arc<Launch>,
    writer: Writer,
) -> Event {
    let failed = |reason, error: io::Error| {
        let message = format!("it could not be started: {error}");
        Event::Ended(key, Outcome::failed(reason, Changed::False, message))
    };
    let prepared = {
        let dir = dir.clone();
        writer.run(move || runner::prepare(&dir, &call)).await
    };
    match prepared {
        Ok(()) => {}
        // It was begun before, and the journal knew nothing of it: it is told how that goes.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return watch(key, &dir).await;
        }
        Err(error) => return failed(Reason::Journal, error),
    }
    let mut running = match launch.spawn(&dir) {
        Ok(running) => running,
        Err(error) => return failed(Reason::Agent, error),
    };
    match running.finished().await {
        Ok(RunState::Finished(outcome)) => Event::Ended(key, outcome),
        Ok(RunState::Gone { began }) => ended_without_outcome(key, began),
        // Another process has it, or it cannot be seen from here how it stands.
        Ok(RunState::Running) | Err(_) => watch(key, &dir).await,
    }
}

/// Waits for a run that is not a child of this process.
async fn watch(key: RunKey, dir: &Path) -> Event {
    match runner::watch(dir).await {
        Ok(RunState::Finished(outcome)) => Event::Ended(key, outcome),
        Ok(RunState::Gone { began }) => ended_without_outcome(key, began),
        Ok(RunState::Running) => Event::Gone(key),
        Err(error) => {
            tracing::error!(run = %key, %error, "the run cannot be watched");
            Event::Gone(key)
        }
    }
}

fn ended_without_outcome(key: RunKey, began: bool) -> Event {
    if began {
        return Event::Gone(key);
    }
    let message = "its process ended before it began; see the node's log";
    Event::Ended(key, Outcome::failed(Reason::Agent, Changed::False, message))
}
