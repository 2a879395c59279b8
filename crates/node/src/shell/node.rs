//! A node at work: events from the link, the disk and the runs go into the core, its effects are
//! done. Many of them can share a process and a runtime.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_agent::runner::{self, Launch};
use marcato_core::limits::facts::FIRST_RUN_LIMIT;
use marcato_core::limits::node::{CLOSE_LIMIT, EVENTS_WAITING_MAX, FACTS_READ_EVERY};
use marcato_core::{Identity, Span, Timestamp};
use marcato_link::{Link, LinkConfig, LinkError};
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_core::Rng as _;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::config::{NodeConfig, Places};
use super::disk::{Disk, Writer};
use super::facts::{self, Printed, Programs};
use super::files::write_private;
use super::journal::{Found, Journal};
use super::rules::{Agents, Sourced};
use super::runs::Runs;
use super::state::{State, StateError, clock_high, random, seed};
use crate::core::{
    Approved, Effect, Entry, Event, JournalKey, JournalRecord, Level, MayStand, Node, RunKey, Setup,
};

/// What a node starts with.
pub struct Start {
    /// Its settings.
    pub config: NodeConfig,
    /// Where its files lie.
    pub places: Places,
    /// Its agents.
    pub agents: Agents,
    /// Where agents look for its classes; the node keeps them up to date.
    pub classes: Arc<RwLock<Vec<String>>>,
    /// Where they look for what is wrong with it; kept up to date, too.
    pub health: Arc<RwLock<Vec<String>>>,
    /// How changes are started.
    pub launch: Arc<Launch>,
    /// The versions of the protocol that it speaks; [`Spoken::RELEASE`] but for tests.
    pub spoken: Spoken,
}

/// A node that is ready to run.
pub struct NodeShell {
    identity: Identity,
    state: State,
    core: Node,
    /// What the core asked for before it ran.
    first: Vec<Effect>,
    sourced: Sourced,
    /// What the core says is wrong, for agents.
    health: Arc<RwLock<Vec<String>>>,
    journal: Arc<Mutex<Journal>>,
    runs: Runs,
    writer: Writer,
    /// What the disk has done, and read.
    written: mpsc::Receiver<Event>,
    to_written: mpsc::Sender<Event>,
    reload: mpsc::Receiver<Option<Agents>>,
    stop: Arc<Notify>,
    wake: Option<Pin<Box<Sleep>>>,
    facts_at: Instant,
    programs: Programs,
    /// By how much its clock is behind the system's, in milliseconds.
    behind_ms: Arc<AtomicU64>,
    /// Whether the link has ended by itself.
    lost: bool,
}

/// Tells a running node to reload or to end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    reload: mpsc::Sender<Option<Agents>>,
    stop: Arc<Notify>,
    behind_ms: Arc<AtomicU64>,
}

impl Handle {
    /// Lets the node read its files again, with other agents if some are given. Of `node.toml` it
    /// takes `read_only`; the rest is for the next start. Nothing happens when it has ended; when
    /// it has not come to do it for the last time yet, it does it once.
    pub fn reload(&self, agents: Option<Agents>) {
        // Full: it is about to read them. Closed: it has ended.
        let _ = self.reload.try_send(agents);
    }

    /// Lets the node end: it says so to the hub and gives reads a moment to finish. Changes go on
    /// in their own processes.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Sets the node's clock behind the system's: for a lab, to see what comes of that.
    pub fn set_clock_behind(&self, behind: Span) {
        self.behind_ms.store(behind.as_ms(), Ordering::Relaxed);
    }
}

/// The time that the system's clock shows.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl NodeShell {
    /// Opens the node's folder and takes up what is in it: call it inside the runtime on which the
    /// node will run. At the first start it makes the node's name and keys.
    ///
    /// # Errors
    /// [`StateError`], which says what to do; without a certificate [`StateError::NoCertificate`].
    pub fn open(start: Start, disk: &Disk) -> Result<(Self, Handle), StateError> {
        let Start { config, places, agents, classes, health, launch, spoken } = start;
        let now = now();
        let state = State::open(&config, &places)?;
        let certificate = state.certificate(&config)?;
        let (journal, found) = Journal::open(&state.dir.join("journal"), now)?;
        let identity = state.own.identity.clone();
        log_found(&identity, &found);
        let writer = disk.writer();
        let mut runs = Runs::new(state.dir.join("runs"), launch, writer.clone());
        let recovered = runs.recover(&found.records)?;
        let sourced = Sourced::read(config, places, agents, classes);
        let setup = Setup {
            seed: seed()?,
            identity: identity.clone(),
            collective: sourced.config().collective.clone(),
            spoken,
            key: state.own.key.clone(),
            certificate,
            rules: sourced.rules(),
            started: now,
            clock_high: clock_high(&state.dir)?,
            journal: found.records,
            runs: recovered,
        };
        let (core, first) = Node::new(setup, now);
        let (to_written, written) = mpsc::channel(EVENTS_WAITING_MAX);
        let (to_reload, reload) = mpsc::channel(1);
        let stop = Arc::new(Notify::new());
        let behind_ms = Arc::new(AtomicU64::new(0));
        let handle = Handle { reload: to_reload, stop: stop.clone(), behind_ms: behind_ms.clone() };
        let mut shell = Self {
            identity,
            state,
            core,
            first,
            sourced,
            health,
            journal: Arc::new(Mutex::new(journal)),
            runs,
            writer,
            written,
            to_written,
            reload,
            stop,
            wake: None,
            facts_at: Instant::now() + first_look()?.as_duration(),
            programs: Programs::default(),
            behind_ms,
            lost: false,
        };
        shell.log_broken();
        shell.share_health();
        shell.keep_facts();
        Ok((shell, handle))
    }

    /// The time that the node's clock shows.
    fn now(&self) -> Timestamp {
        now() - Span::from_ms(self.behind_ms.load(Ordering::Relaxed))
    }

    /// The node's name.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Works until it is told to end.
    ///
    /// # Errors
    /// [`LinkError`] where the broker does not admit the node, or what it sent ended the connection's
    /// own task: the process must be started anew then.
    pub async fn run(mut self) -> Result<(), LinkError> {
        let name = format!("node {}", self.identity);
        let NodeConfig { broker, collective, .. } = self.sourced.config().clone();
        self.first_facts().await;
        let mut link = Link::connect(&LinkConfig::node(broker, name)).await?;
        let subjects = Subjects::of(&collective);
        link.subscribe(subjects.orders()).await?;
        link.subscribe(subjects.node(&self.identity)).await?;
        tracing::info!(node = %self.identity, %collective, "started");
        let first = std::mem::take(&mut self.first);
        let mut ended = self.perform(first, &link).await;
        while !ended {
            let event = self.next(&mut link).await;
            let Some(event) = event else { continue };
            let now = self.now();
            let effects = self.core.step(event, now);
            self.share_health();
            ended = self.perform(effects, &link).await;
        }
        link.close(CLOSE_LIMIT.as_duration()).await;
        // What was given to the disk before is done then.
        let last = self.writer.run(|| Ok(()));
        if !matches!(timeout(CLOSE_LIMIT.as_duration(), last).await, Ok(Ok(()))) {
            tracing::warn!(node = %self.identity, "the disk is slow: something may not be written");
        }
        tracing::info!(node = %self.identity, "ended");
        if self.lost { Err(LinkError::NotConnected) } else { Ok(()) }
    }

    /// Waits a while for what programs tell of the host, so that it is known as what it is. Its
    /// end must not wait.
    async fn first_facts(&mut self) {
        self.start_programs(false);
        let mut late = pin!(sleep(FIRST_RUN_LIMIT.as_duration()));
        while self.programs.is_running() {
            tokio::select! {
                () = self.stop.notified() => return self.stop.notify_one(),
                () = &mut late => {
                    tracing::warn!(node = %self.identity, "programs that give facts are slow; the node begins without some of theirs");
                    return;
                }
                printed = self.programs.next() => {
                    if let Some(event) = self.take(printed) {
                        let now = self.now();
                        let effects = self.core.step(event, now);
                        self.share_health();
                        self.first.extend(effects);
                    }
                }
            }
        }
    }

    fn start_programs(&mut self, told: bool) {
        if let Some(at) = self.programs.start(self.sourced.programs(), told, Instant::now()) {
            self.facts_at = self.facts_at.min(at);
        }
    }

    fn take(&mut self, printed: Option<Printed>) -> Option<Event> {
        let is_new = self.sourced.take(printed);
        self.keep_facts();
        is_new.then(|| self.reloaded())
    }

    fn facts_again(&mut self) -> Option<Event> {
        let is_new = self.sourced.read_facts_again();
        self.keep_facts();
        self.facts_at = Instant::now() + FACTS_READ_EVERY.as_duration();
        self.start_programs(false);
        is_new.then(|| self.reloaded())
    }

    /// What happens next, if it is something for the core.
    async fn next(&mut self, link: &mut Link) -> Option<Event> {
        let wake = async {
            match &mut self.wake {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.notified() => Some(Event::Stopping),
            Some(event) = self.written.recv() => Some(event),
            Some(agents) = self.reload.recv() => Some(self.read_again(agents)),
            event = self.runs.next() => Some(event),
            () = wake => {
                self.wake = None;
                Some(Event::Tick)
            }
            printed = self.programs.next() => self.take(printed),
            () = sleep_until(self.facts_at) => self.facts_again(),
            event = link.recv() => self.of_link(event),
        }
    }

    fn of_link(&mut self, event: marcato_link::Event) -> Option<Event> {
        use marcato_link::Event as Heard;
        let node = &self.identity;
        match event {
            Heard::Connected => {
                tracing::info!(%node, "connected");
                Some(Event::Connected)
            }
            Heard::Disconnected => {
                tracing::warn!(%node, "disconnected; it is being made again");
                Some(Event::Disconnected)
            }
            Heard::Message(message) => Some(Event::Message(message)),
            // A node's answers are wanted or not.
            Heard::NoResponders { .. } => None,
            Heard::Ended => {
                tracing::error!(%node, "the connection's task has died; the node ends, to be started anew");
                self.lost = true;
                Some(Event::Stopping)
            }
            Heard::Dropped => {
                tracing::error!(%node, "messages came faster than they could be read; some are lost");
                None
            }
            Heard::Refused(why) => {
                tracing::error!(%node, %why, "the broker refused something");
                None
            }
        }
    }

    fn read_again(&mut self, agents: Option<Agents>) -> Event {
        self.sourced.read_again(agents);
        self.keep_facts();
        tracing::info!(node = %self.identity, "files read again");
        let fixed = self.sourced.fixed_changes();
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            tracing::warn!(node = %self.identity, keys, "changed in node.toml, for the next start only");
        }
        self.log_broken();
        self.start_programs(true);
        self.reloaded()
    }

    fn reloaded(&self) -> Event {
        Event::Reloaded(Box::new(self.sourced.rules()))
    }

    fn share_health(&self) {
        let health = self.core.health();
        let mut shared = self.health.write().unwrap_or_else(PoisonError::into_inner);
        *shared = health;
    }

    fn log_broken(&self) {
        for what in self.sourced.broken() {
            tracing::error!(node = %self.identity, reason = "configuration", "{what}");
        }
    }

    /// Does what the core wants, in its order; whether the node is to end.
    async fn perform(&mut self, effects: Vec<Effect>, link: &Link) -> bool {
        let mut ended = false;
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Publish(message) => {
                    if let Err(error) = link.publish(message).await {
                        tracing::warn!(node = %self.identity, %error, "a message was not sent");
                    }
                }
                Effect::Write(record, key) => self.write(record, key),
                Effect::Measure(message) => {
                    let event = Event::Measured(message, self.sourced.measured());
                    let now = self.now();
                    effects.extend(self.core.step(event, now));
                }
                Effect::Run(approved) => self.start(*approved),
                Effect::Listen(key) => self.listen(key),
                Effect::WakeAt(at) => {
                    let at = Instant::now() + at.since(self.now()).as_duration();
                    match &mut self.wake {
                        Some(sleep) => sleep.as_mut().reset(at),
                        None => self.wake = Some(Box::pin(sleep_until(at))),
                    }
                }
                Effect::KeepClock(high) => self.keep_clock(high),
                Effect::Log(entry) => self.log(&entry),
                Effect::Stop => ended = true,
            }
        }
        ended
    }

    fn start(&mut self, approved: Approved) {
        let (catalog, call) = (self.sourced.catalog(), approved.call());
        let reads = catalog.get(&call.agent).is_some_and(|agent| agent.reads_facts(&call.action));
        let facts = reads.then(|| self.sourced.measured());
        let approved = match facts {
            Some(facts) => approved.knowing(facts),
            None => approved,
        };
        self.runs.start(approved, catalog);
    }

    /// Writes a record behind the loop's back; its event follows.
    fn write(&self, record: Box<JournalRecord>, key: JournalKey) {
        let (journal, written) = (self.journal.clone(), self.to_written.clone());
        let begun = match record.as_ref() {
            JournalRecord::Ended { about, began: true, .. } => Some(self.runs.dir(about.key)),
            _ => None,
        };
        let now = self.now();
        let append = move || {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let event = match journal.append(&record, now) {
                Ok(()) => {
                    // What stays behind is removed at the next start.
                    begun.map(std::fs::remove_dir_all);
                    Event::Written(key)
                }
                Err(error) => Event::NotWritten(key, error.to_string(), MayStand(error.may_stand)),
            };
            // A node that has ended finds the record at its next start.
            let _ = written.blocking_send(event);
        };
        if let Err(error) = self.writer.post(append) {
            self.not_written(key, &error);
        }
    }

    /// Looks what a run says of itself, behind the loop's back; its event follows.
    fn listen(&self, key: RunKey) {
        let (dir, heard) = (self.runs.dir(key), self.to_written.clone());
        let look = move || {
            // Nobody asks any more where the node has ended.
            let _ = heard.blocking_send(Event::Said(key, runner::said(&dir).ok()));
        };
        if self.writer.post(look).is_err() {
            // Full: the core hears of nothing, and says what it knows.
            let _ = self.to_written.try_send(Event::Said(key, None));
        }
    }

    fn not_written(&self, key: JournalKey, error: &io::Error) {
        let event = Event::NotWritten(key, error.to_string(), MayStand(false));
        if self.to_written.try_send(event).is_err() {
            tracing::error!(node = %self.identity, reason = "journal", %error, "a record was lost");
        }
    }

    fn keep_clock(&self, high: Timestamp) {
        let path = self.state.dir.join("clock");
        let node = self.identity.clone();
        let kept = self.writer.post(move || {
            if let Err(error) = write_private(&path, &format!("{high}\n")) {
                tracing::warn!(%node, %error, "the verified time is not kept");
            }
        });
        if let Err(error) = kept {
            tracing::warn!(node = %self.identity, %error, "the verified time is not kept");
        }
    }

    fn keep_facts(&mut self) {
        let Some(text) = self.sourced.unkept() else { return };
        let path = self.state.dir.join(facts::KEPT);
        let node = self.identity.clone();
        let kept = self.writer.post(move || {
            if let Err(error) = facts::keep(&path, &text) {
                tracing::warn!(%node, %error, "the last good facts are not kept");
            }
        });
        if let Err(error) = kept {
            tracing::warn!(node = %self.identity, %error, "the last good facts are not kept");
        }
    }

    fn log(&self, entry: &Entry) {
        let node = &self.identity;
        let order = entry.order.map(tracing::field::display);
        let caller = entry.caller.as_ref().map(tracing::field::display);
        let reason = entry.reason.map(tracing::field::display);
        let what = entry.what.word();
        let text = entry.text.escape_debug();
        match entry.level {
            Level::Info => tracing::info!(%node, order, caller, reason, "{what}: {text}"),
            Level::Warn => tracing::warn!(%node, order, caller, reason, "{what}: {text}"),
            Level::Error => tracing::error!(%node, order, caller, reason, "{what}: {text}"),
        }
    }
}

/// Says what is odd about a journal.
fn log_found(node: &Identity, found: &Found) {
    if found.torn > 0 {
        tracing::warn!(%node, bytes = found.torn, "the journal's last record was not finished and is cut off");
    }
    if !found.damaged.is_empty() {
        tracing::error!(%node, reason = "journal", lines = ?found.damaged, "the journal is damaged; changes issued before now are refused; the file is kept as journal.damaged");
    } else if found.lost {
        tracing::error!(%node, reason = "journal", "the journal of this node is gone or emptied; changes issued before now are refused");
    }
    if let Some(error) = &found.kept {
        tracing::warn!(%node, %error, "the journal cannot be rewritten and is taken as it is");
    }
}

/// When facts are read again for the first time: nodes of one process must not do it together.
fn first_look() -> Result<Span, StateError> {
    Ok(Span::from_ms(random()?.next_u64() % FACTS_READ_EVERY.as_ms()))
}
