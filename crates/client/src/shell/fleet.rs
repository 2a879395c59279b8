//! A connection to one fleet, and the core's machines run over it.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use marcato_core::limits::client::{CONNECT_WAIT, OVERHEARD_MAX, SHOWN_EVERY};
use marcato_core::{CallerId, Collective, Exit, FactName, Identity, NameError, OrderId, Timestamp};
use marcato_link::{Event as LinkEvent, Link, LinkConfig, LinkError, ServerUrl};
use marcato_protocol::message::Message;
use marcato_protocol::question::{Beginning, Values};
use marcato_protocol::sshsig::{PublicKey, Signature};
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use tokio::sync::{Notify, oneshot};

use super::choice::Choice;
use super::clock::Clock;
use super::known_nodes::{self, KnownNodesError};
use super::pool::Pool;
use super::signer::{Signer, SignerError};
use crate::core::{
    Directory, Effect, Event, Inquiry, InquirySetup, Job, JobSetup, KnownNode, Machine, Outcome,
    Purpose, Report, Task, TaskError,
};

/// What a connection to a fleet needs.
#[derive(Debug, Clone)]
pub struct ClientSetup {
    /// The fleet.
    pub collective: Collective,
    /// The public key of its authority.
    pub authority: PublicKey,
    /// Who signs.
    pub caller: CallerId,
    /// The brokers, tried in turn.
    pub servers: Vec<ServerUrl>,
    /// The file of known nodes.
    pub known_nodes: PathBuf,
    /// The versions to speak: [`Spoken::RELEASE`], but for tests of other versions.
    pub spoken: Spoken,
}

/// Why no node was asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no connection to the broker.
    #[error("hub {0}. Nothing was sent.")]
    Link(#[from] LinkError),
    /// A hub is there and does not answer.
    #[error("the hub at {0} did not answer in time. Nothing was sent.")]
    NoAnswer(String),
    /// The hub does not understand.
    #[error("the hub at {server} refused the question: {why}. Nothing was sent.")]
    Refused {
        /// Where it is.
        server: String,
        /// Its words.
        why: String,
    },
    /// No hub is there to be asked what only a hub knows.
    #[error("no hub is connected to the broker at {0}. Nothing was sent.")]
    NoHub(String),
    /// The file of known nodes is not as it should be.
    #[error(transparent)]
    KnownNodes(#[from] KnownNodesError),
    /// The key did not sign.
    #[error("{0}. Nothing was sent.")]
    Signer(#[from] SignerError),
    /// The task cannot be an order.
    #[error("{0}. Nothing was sent.")]
    Task(#[from] TaskError),
    /// The operator went before anything was sent.
    #[error("interrupted. Nothing was sent.")]
    Interrupted,
    /// The system gave no random numbers.
    #[error("no random numbers: {0}. Nothing was sent.")]
    Random(getrandom::Error),
    /// A name that is compiled in is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FleetError {
    /// The exit code of a command that ends with this.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Link(LinkError::NotAdmitted { .. }) | Self::Signer(_) => Exit::NoPermission,
            Self::Link(_)
            | Self::NoAnswer(_)
            | Self::Refused { .. }
            | Self::NoHub(_)
            | Self::Random(_) => Exit::Unavailable,
            Self::KnownNodes(_) | Self::Name(_) => Exit::Config,
            Self::Task(_) => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// What happens while a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live<'a> {
    /// The operator's key is asked to sign; it may want to be touched.
    Signing,
    /// It has signed.
    Signed,
    /// This node's account was opened, moved or closed.
    Moved(&'a Identity),
    /// Some time has passed.
    Beat,
    /// The connection is lost; it is being made again.
    Away,
    /// The connection stands again.
    Back,
}

/// Ends what a fleet is doing, from elsewhere.
#[derive(Debug, Clone)]
pub struct Interrupter(Arc<Notify>);

impl Interrupter {
    /// Stops sending and has the accounts closed. What runs on nodes goes on.
    pub fn interrupt(&self) {
        self.0.notify_one();
    }
}

/// A connection to one fleet.
#[derive(Debug)]
pub struct Fleet {
    pub(super) setup: ClientSetup,
    link: Link,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    subscribed: BTreeSet<String>,
    interrupt: Arc<Notify>,
    overheard: Option<EarlierOrder>,
    saving: Vec<oneshot::Receiver<Result<(), KnownNodesError>>>,
    is_away: bool,
    /// What became of the connection and was not told yet.
    link_news: Option<Live<'static>>,
}

/// Answers to an earlier order that come of their own accord.
#[derive(Debug)]
struct EarlierOrder {
    /// The subjects on which they come.
    subjects: String,
    /// Those that came while something else was waited for.
    messages: VecDeque<Message>,
}

impl EarlierOrder {
    /// Keeps the message if it answers that order; gives any other back.
    fn others(&mut self, message: Message) -> Option<Message> {
        if !message.subject.starts_with(self.subjects.trim_end_matches('*')) {
            return Some(message);
        }
        if self.messages.len() < OVERHEARD_MAX {
            self.messages.push_back(message);
        }
        None
    }
}

/// What is left of a machine's effects once they are carried out.
#[derive(Debug, Default)]
struct Left {
    wake: Option<Timestamp>,
    sign: Option<Vec<u8>>,
    learned: Vec<KnownNode>,
    moved: Vec<Identity>,
    /// What went wrong on the way, for the machine.
    events: VecDeque<Event>,
}

impl Fleet {
    /// Connects, and reads the file of known nodes meanwhile. Open the operator's key at the same
    /// time, with `tokio::join!`.
    ///
    /// # Errors
    /// [`FleetError::Link`] after at most five seconds; [`FleetError::KnownNodes`].
    pub async fn connect(setup: ClientSetup) -> Result<Self, FleetError> {
        let name = format!("mco {}", setup.caller);
        let config = LinkConfig::client(setup.servers.clone(), name, CONNECT_WAIT);
        let (sender, loaded) = oneshot::channel();
        let path = setup.known_nodes.clone();
        let load = move || {
            // Nobody takes it where the connection failed first.
            let _ = sender.send(known_nodes::load(&path));
        };
        let io = |error| KnownNodesError::Io { path: setup.known_nodes.clone(), error };
        thread::Builder::new().name("known_nodes".into()).spawn(load).map_err(io)?;
        let link = async { Ok::<_, FleetError>(Link::connect(&config).await?) };
        let known = async {
            let gone = || io(std::io::Error::other("its reader ended"));
            Ok::<_, FleetError>(loaded.await.map_err(|_| gone())??)
        };
        let (link, directory) = tokio::try_join!(link, known)?;
        Ok(Self {
            setup,
            link,
            clock: Clock::start(),
            directory: Arc::new(directory),
            subscribed: BTreeSet::new(),
            interrupt: Arc::new(Notify::new()),
            overheard: None,
            saving: Vec::new(),
            is_away: false,
            link_news: None,
        })
    }

    /// Whether the connection is lost and not made again yet.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.is_away
    }

    /// The nodes that are known.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What ends a running job or question from elsewhere, as for Ctrl-C.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Arc::clone(&self.interrupt))
    }

    /// Asks the hub for the values of a fact over the fleet.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn values(&mut self, fact: FactName) -> Result<Values, FleetError> {
        let (_, inquiry) = self.inquire(Purpose::Values(fact)).await?;
        match inquiry.outcome() {
            Some(Outcome::Values(values)) => Ok(values.clone()),
            Some(Outcome::NoHub) => Err(FleetError::NoHub(self.server())),
            _ => Err(FleetError::NoAnswer(self.server())),
        }
    }

    /// Asks the hub for names that begin with some letters.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn names(&mut self, beginning: Beginning) -> Result<Vec<String>, FleetError> {
        let (_, inquiry) = self.inquire(Purpose::Names(beginning)).await?;
        match inquiry.outcome() {
            Some(Outcome::Names(names)) => Ok(names.clone()),
            Some(Outcome::NoHub) => Err(FleetError::NoHub(self.server())),
            _ => Err(FleetError::NoAnswer(self.server())),
        }
    }

    /// From now on also takes what nodes say of an earlier order of the operator's without being asked
    /// for it: that they work on it, and their receipts. Nothing is signed for that.
    pub fn overhear(&mut self, order: OrderId) {
        let subjects = Subjects::of(&self.setup.collective).replies(&self.setup.caller, order);
        self.overheard = Some(EarlierOrder { subjects, messages: VecDeque::new() });
    }

    /// The next such message; nothing where none comes until then.
    pub async fn overheard(&mut self, until: tokio::time::Instant) -> Option<Message> {
        loop {
            let kept = self.overheard.as_mut()?.messages.pop_front();
            if kept.is_some() {
                return kept;
            }
            tokio::select! {
                event = self.link.recv() => drop(self.link_event(event)),
                () = tokio::time::sleep_until(until) => return None,
            }
        }
    }

    /// Signs the order, sends it, and accounts for each node. `watch` is told what happens.
    ///
    /// # Errors
    /// [`FleetError`] where nothing was sent; everything else is in the report.
    pub async fn run(
        &mut self,
        task: Task,
        choice: Choice,
        signer: &dyn Signer,
        watch: &mut dyn FnMut(&Job, Live<'_>),
    ) -> Result<Report, FleetError> {
        self.run_with(Job::new, task, choice, signer, watch).await
    }

    /// The same with a machine that decides how it goes.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_with<M: Machine>(
        &mut self,
        begin: impl FnOnce(JobSetup, Timestamp) -> Result<(M, Vec<Effect>), TaskError>,
        task: Task,
        choice: Choice,
        signer: &dyn Signer,
        watch: &mut dyn FnMut(&Job, Live<'_>),
    ) -> Result<Report, FleetError> {
        let known = choice.selection.complete;
        let messages = if known { choice.selection.chosen.len() } else { usize::MAX };
        let setup = JobSetup {
            id: choice.id,
            seed: random()?,
            reader: choice.reader,
            collective: self.setup.collective.clone(),
            authority: self.setup.authority.clone(),
            caller: self.setup.caller.clone(),
            spoken: self.setup.spoken,
            directory: Arc::clone(&self.directory),
            task,
            selection: choice.selection,
            paced: None,
        };
        // What came before the order concerns nobody, unless it still is so.
        self.link_news = self.is_away.then_some(Live::Away);
        let (mut machine, effects) = begin(setup, self.clock.now())?;
        let learned = self.drive(&mut machine, effects, Pool::new(messages), signer, watch).await?;
        let report = machine.job().report();
        drop(machine);
        self.keep(learned);
        Ok(report)
    }

    async fn drive(
        &mut self,
        machine: &mut dyn Machine,
        effects: Vec<Effect>,
        mut pool: Pool,
        signer: &dyn Signer,
        watch: &mut dyn FnMut(&Job, Live<'_>),
    ) -> Result<Vec<KnownNode>, FleetError> {
        let mut learned = Vec::new();
        let mut refused = None;
        let mut signing: Option<BoxedSigning<'_>> = None;
        let mut left = self.perform(effects).await;
        let mut beat = tokio::time::Instant::now() + SHOWN_EVERY.as_duration();
        let interrupt = Arc::clone(&self.interrupt);
        loop {
            learned.append(&mut left.learned);
            self.link_news.take().into_iter().for_each(|news| watch(machine.job(), news));
            for node in left.moved.drain(..) {
                watch(machine.job(), Live::Moved(&node));
            }
            if let Some(bytes) = left.sign.take() {
                watch(machine.job(), Live::Signing);
                signing = Some(Box::pin(async move { signer.sign(&bytes).await }));
            }
            if machine.job().is_done() && left.events.is_empty() {
                break;
            }
            let wake = left.wake.map_or(beat, |at| self.clock.instant(at));
            let event = match left.events.pop_front() {
                Some(event) => event,
                None => tokio::select! {
                    event = self.link.recv() => match self.link_event(event) {
                        Some(Event::Message(message)) => {
                            match pool.check(machine.job().checker(), message) {
                                Some(checked) => Event::Checked(checked),
                                None => continue,
                            }
                        }
                        Some(event) => event,
                        None => continue,
                    },
                    Some(checked) = pool.recv() => Event::Checked(checked),
                    signed = until_signed(&mut signing) => {
                        watch(machine.job(), Live::Signed);
                        signed.unwrap_or_else(|error| {
                            let why = error.to_string();
                            refused = Some(error);
                            Event::NotSigned(why)
                        })
                    }
                    () = interrupt.notified() => Event::Interrupted,
                    () = tokio::time::sleep_until(wake.min(beat)) => {
                        let now = tokio::time::Instant::now();
                        if now >= beat {
                            watch(machine.job(), Live::Beat);
                            beat = now + SHOWN_EVERY.as_duration();
                        }
                        Event::Tick
                    }
                },
            };
            let waiting = std::mem::take(&mut left.events);
            left = self.perform(machine.step(event, self.clock.now())).await;
            left.events.extend(waiting);
        }
        match refused {
            Some(error) if machine.job().orders().next().is_none() => Err(error.into()),
            _ => Ok(learned),
        }
    }

    pub(super) async fn inquire(
        &mut self,
        purpose: Purpose,
    ) -> Result<(OrderId, Inquiry), FleetError> {
        // What was waited for before is over: a broker grants no connection endless subscriptions.
        self.link.unsubscribe_all();
        self.subscribed.clear();
        // Before anything is asked: what ends after the answer is heard.
        if let Some(overheard) = &self.overheard {
            let subscribe = Effect::Subscribe(overheard.subjects.clone());
            self.perform(vec![subscribe]).await;
        }
        let id = OrderId::from_bytes(random()?);
        let setup = InquirySetup {
            id,
            seed: random()?,
            collective: self.setup.collective.clone(),
            authority: self.setup.authority.clone(),
            caller: self.setup.caller.clone(),
            spoken: self.setup.spoken,
            directory: Arc::clone(&self.directory),
            purpose,
        };
        let (mut inquiry, effects) = Inquiry::new(setup, self.clock.now());
        let mut left = self.perform(effects).await;
        let mut learned = std::mem::take(&mut left.learned);
        let interrupt = Arc::clone(&self.interrupt);
        while inquiry.outcome().is_none() {
            let wake = left.wake.unwrap_or_else(|| self.clock.now() + CONNECT_WAIT);
            let event = match left.events.pop_front() {
                Some(event) => event,
                None => tokio::select! {
                    event = self.link.recv() => match self.link_event(event) {
                        Some(event) => event,
                        None => continue,
                    },
                    () = interrupt.notified() => Event::Interrupted,
                    () = tokio::time::sleep_until(self.clock.instant(wake)) => Event::Tick,
                },
            };
            left = self.perform(inquiry.step(event, self.clock.now())).await;
            learned.append(&mut left.learned);
        }
        let server = || self.server();
        match inquiry.outcome() {
            Some(Outcome::NoAnswer) => return Err(FleetError::NoAnswer(server())),
            Some(Outcome::Refused(why)) => {
                return Err(FleetError::Refused { server: server(), why: why.clone() });
            }
            Some(Outcome::Interrupted) => return Err(FleetError::Interrupted),
            Some(Outcome::Found | Outcome::Values(_) | Outcome::Names(_) | Outcome::NoHub)
            | None => {}
        }
        self.keep(learned);
        Ok((id, inquiry))
    }

    /// Carries effects out, in their order.
    async fn perform(&mut self, effects: Vec<Effect>) -> Left {
        let mut left = Left::default();
        for effect in effects {
            match effect {
                Effect::Subscribe(subject) => {
                    if self.subscribed.insert(subject.clone())
                        && let Err(error) = self.link.subscribe(subject).await
                    {
                        tracing::warn!(%error, "not subscribed");
                    }
                }
                Effect::Publish(message) => {
                    let subject = message.subject.clone();
                    if let Err(error) = self.link.publish(message).await {
                        tracing::debug!(%error, "not published");
                        left.events.push_back(Event::NotPublished(subject));
                    }
                }
                Effect::Probe(message) => {
                    if let Err(error) = self.link.publish(message).await {
                        tracing::debug!(%error, "not asked");
                    }
                }
                Effect::Sign(bytes) => left.sign = Some(bytes),
                Effect::WakeAt(at) => left.wake = Some(at),
                Effect::Learned(node) => left.learned.push(node),
                Effect::Moved(node) => left.moved.push(node),
                Effect::Done => {}
            }
        }
        left
    }

    /// What the link tells, as an event of the core's.
    fn link_event(&mut self, event: LinkEvent) -> Option<Event> {
        match event {
            LinkEvent::Message(message) => match &mut self.overheard {
                Some(earlier) => earlier.others(message).map(Event::Message),
                None => Some(Event::Message(message)),
            },
            LinkEvent::NoResponders { subject } => Some(Event::NoResponders(subject)),
            LinkEvent::Connected => {
                let was_away = std::mem::take(&mut self.is_away);
                self.link_news = was_away.then_some(Live::Back);
                Some(Event::Connected)
            }
            // What was thrown away is asked for once more, as after a break.
            LinkEvent::Dropped => Some(Event::Connected),
            // The accounts are closed by their own clock.
            LinkEvent::Disconnected | LinkEvent::Ended => {
                let was_away = std::mem::replace(&mut self.is_away, true);
                self.link_news = (!was_away).then_some(Live::Away);
                None
            }
            LinkEvent::Refused(why) => {
                tracing::warn!(server = self.server(), %why, "the broker refused");
                None
            }
        }
    }

    /// Keeps what was learnt, here and, meanwhile, in the file.
    fn keep(&mut self, learned: Vec<KnownNode>) {
        if learned.is_empty() {
            return;
        }
        let directory = Arc::make_mut(&mut self.directory);
        for node in &learned {
            if let Err(changed) = directory.keep(node.clone()) {
                tracing::warn!(%changed, "a changed key is refused");
            }
        }
        let path = self.setup.known_nodes.clone();
        let (sender, saved) = oneshot::channel();
        // Who has left needs it no more.
        let save = move || drop(sender.send(known_nodes::save(&path, learned)));
        let spawned = thread::Builder::new().name("known_nodes".into()).spawn(save);
        match spawned {
            Ok(_) => self.saving.push(saved),
            Err(error) => tracing::warn!(%error, "known nodes are not written down"),
        }
    }

    /// The broker, as it is to be named to a person.
    #[must_use]
    pub fn server(&self) -> String {
        let server = self.setup.servers.last();
        server.map(|server| server.host_port().to_owned()).unwrap_or_default()
    }

    /// Hands over what was sent, and waits until what was learnt is written down.
    ///
    /// # Errors
    /// [`FleetError::KnownNodes`] where it could not be written.
    pub async fn close(mut self) -> Result<(), FleetError> {
        if let Err(error) = self.link.flush().await {
            tracing::debug!(%error, "the connection was gone at the end");
        }
        for saved in self.saving.drain(..) {
            let failed = |_| KnownNodesError::Io {
                path: self.setup.known_nodes.clone(),
                error: std::io::Error::other("its writer ended"),
            };
            saved.await.map_err(failed)??;
        }
        Ok(())
    }
}

type BoxedSigning<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Signature, SignerError>> + 'a>>;

/// Waits for the key; for ever where it is not asked.
async fn until_signed(signing: &mut Option<BoxedSigning<'_>>) -> Result<Event, SignerError> {
    let Some(waiting) = signing else { return std::future::pending().await };
    let signed = waiting.await;
    *signing = None;
    signed.map(Event::Signed)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], FleetError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(FleetError::Random)?;
    Ok(bytes)
}
