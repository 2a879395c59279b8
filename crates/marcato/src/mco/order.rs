//! The common way of every command that sends an order: check what was typed, ask the hub for whom
//! it is, ask the operator where hosts are changed, send it, account for each node, keep the result.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use marcato_agent::job;
use marcato_client::core::{Aim, Job, JobSetup, Report, Selection, Task, UnknownName};
use marcato_client::shell::signer::Signer;
use marcato_client::shell::{Choice, ClientSetup, Fleet as Connection, FleetError, Live};
use marcato_core::ddl::{Action, Ddl};
use marcato_core::limits::timing::{CHANGE_WAIT, READ_WAIT};
use marcato_core::{ActionName, AgentName, Exit, Identity, JobId, Span, Terms, Timestamp};
use marcato_node::shell::now;
use marcato_protocol::version::Spoken;
use marcato_rollout::{Plan, Rollout};

use super::cli::{FleetArgs, OrderArgs};
use super::confirm::Meant;
use super::console::Console;
use super::grammar::RESTART_STALE;
use super::guard::Consent;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::tell::{Ended, Lines};
use super::which::{Which, check_target};
use super::{block_on, confirm, declared, guard, nothing, pace, sign, systems, tell};
use crate::config::{self, Fleet};
use crate::jobs::{Begun, Jobs, What};
use crate::words::Failure;
use crate::words::group::escape;
use crate::words::table;
use crate::words::tally::Look;

/// What a command wants done.
#[derive(Debug)]
pub struct Intent {
    /// The agent.
    pub agent: AgentName,
    /// The action.
    pub action: ActionName,
    /// The agent's declaration, where it was read already.
    pub ddl: Option<Ddl>,
    /// The inputs, as typed.
    pub words: Vec<(String, String)>,
    /// What every order takes.
    pub order: OrderArgs,
    /// What of the answers is asked for.
    pub look: Look,
    /// The earlier job to which it goes back.
    pub earlier: Option<Earlier>,
}

/// The job to which a command goes back.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its id.
    pub job: JobId,
    /// The nodes of it that are meant, and no others.
    pub nodes: BTreeSet<Identity>,
    /// What was typed then, where that is done again. What is only about the job is none of its own.
    pub command: Option<Vec<String>>,
}

impl Intent {
    /// What was typed for an input.
    pub fn input(&self, name: &str) -> Option<&str> {
        self.words.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Which nodes are meant.
    fn which(&self) -> Result<Which, Failure> {
        match &self.earlier {
            Some(Earlier { job, nodes, .. }) => {
                Ok(Which::exactly(nodes.clone(), format!("job {job}")))
            }
            None => Which::of(&self.order.filter, &self.order.nodes),
        }
    }

    /// Who agrees to it, where it is a change.
    fn consent(&self, everything: bool) -> Consent {
        let OrderArgs { yes, all, .. } = self.order;
        Consent { yes, all, everything, terminal: confirm::is_terminal() }
    }

    /// What is to be done, for the question before a change.
    fn in_words(&self) -> String {
        let (agent, action) = (self.agent.as_str(), self.action.as_str());
        let rest = |skip: usize| -> String {
            let words = self.words.iter().skip(skip);
            words.map(|(name, value)| format!(" {name}={value}")).collect()
        };
        let text = match self.words.first() {
            // `restart service nginx` rather than `service restart service=nginx`.
            Some((name, value)) if name == agent => format!("{action} {agent} {value}{}", rest(1)),
            Some((_, library)) if (agent, action) == RESTART_STALE => {
                format!("restart the services that use an old {library}")
            }
            _ => format!("{agent} {action}{}", rest(0)),
        };
        escape(&text)
    }
}

/// Runs the command, and says how it ended.
pub fn main(intent: Result<Intent, Failure>, started: Instant) -> Exit {
    let intent = match intent {
        Ok(intent) => intent,
        Err(failure) => return crate::words::tell(&failure),
    };
    let mut console = Console::new(&intent.order.output);
    let exit = match run(&intent, &mut console, started) {
        Ok(exit) => exit,
        Err(failure) => {
            console.fail(&failure);
            failure.exit
        }
    };
    console.end(exit)
}

fn run(intent: &Intent, console: &mut Console, started: Instant) -> Result<Exit, Failure> {
    let which = intent.which()?;
    let args = &intent.order.fleet;
    let fleet = Fleet::load(args.config.as_deref(), args.fleet.as_deref())?;
    check_target(&intent.order.filter, &fleet.name)?;
    let ddl = match &intent.ddl {
        Some(ddl) => ddl,
        None => &declared::agent(&intent.agent, &fleet.agents)?,
    };
    let action = declared::action(ddl, &intent.action)?;
    let inputs = action.inputs_from_words(&intent.words)?;
    let everything = which.is_everything();
    guard::check_all(intent.order.all, everything)?;
    let consent = action.changes().then(|| intent.consent(everything));
    // Whoever is refused in any case need not wait for a hub.
    consent.map(Consent::is_asked).transpose()?;
    if let Some(why) = which.is_nothing() {
        tell::nothing(intent, &fleet.name, &Selection::default(), &[why], console);
        return Ok(Exit::Nothing);
    }
    let default = if action.changes() { CHANGE_WAIT } else { READ_WAIT };
    let is_set = action.changes() || which.is_set() || intent.order.pace.is_given();
    let task = Task {
        agent: intent.agent.clone(),
        action: intent.action.clone(),
        inputs,
        changes: action.changes(),
        to_read_only: intent.agent.as_str() == job::NAME,
        filter: which.terms.clone(),
        aim: if is_set { Aim::Set } else { Aim::Matching },
        reason: intent.order.reason.clone(),
        wait: intent.order.timeout.unwrap_or(default),
        run_limit: intent.order.run_limit.unwrap_or(ddl.metadata.timeout),
    };
    let interrupt = Interrupt::default();
    let setup = setup(&fleet, args);
    let done = block_on(interrupt.guard(async {
        // Not at the same time: while a passphrase is typed, nobody would look after the connection.
        let signer = sign::open(&fleet).await?;
        let mut errand = Errand {
            intent,
            which,
            task,
            action,
            fleet: &fleet,
            signer,
            connection: Connection::connect(setup).await?,
            consent,
            asked: Duration::ZERO,
        };
        let done = errand.work(console, &interrupt).await;
        if let Err(error) = errand.connection.close().await {
            console.warn(&format!("warning: {error}"));
        }
        done.map(|report| (report, errand.asked))
    }))?;
    let (Done::Report { report, job, lines, words }, asked) = done else {
        return Ok(Exit::Nothing);
    };
    let took = started.elapsed().saturating_sub(asked);
    let took = Span::from_ms(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let id = job.as_deref().map(Begun::id);
    let ended = Ended { intent, action, report: &report, late: &[], id, took };
    let exit = ended.tell(lines, console);
    keep(job, (exit, took, *report), console);
    if let Some(line) = words {
        console.warn(&line);
    }
    Ok(exit)
}

/// What an operator is to know when the hub went away in the middle.
fn away(server: &str, change: Option<&Begun>) -> String {
    let line = format!("hub {server}: the connection was lost, and not made again");
    match change {
        Some(job) => format!(
            "{line}. Nodes finish what they began and keep their receipts: mco job follow {}",
            job.id()
        ),
        None => line,
    }
}

/// Leaves those names alone that no node has: who is there is only not meant.
pub async fn only_nobodys(
    names: &mut BTreeSet<Identity>,
    connection: &mut Connection,
    signer: &dyn Signer,
) -> Result<(), FleetError> {
    if !names.is_empty() {
        for (node, _) in connection.find(Terms::default(), signer).await?.nodes {
            names.remove(&node);
        }
    }
    Ok(())
}

/// Writes the result down.
fn keep(
    job: Option<Box<Begun>>,
    (exit, took, report): (Exit, Span, Report),
    console: &mut Console,
) {
    let Some(job) = job else { return };
    let id = job.id().clone();
    if let Err(error) = job.finish(exit, took, report) {
        console.warn(&format!("warning: the result of job {id} is not kept: {error}"));
    }
}

/// What a connection to the fleet needs.
pub fn setup(fleet: &Fleet, args: &FleetArgs) -> ClientSetup {
    let broker = args.broker.clone().unwrap_or_else(|| fleet.config.broker.clone());
    ClientSetup {
        collective: fleet.name.clone(),
        authority: fleet.config.authority.clone(),
        caller: fleet.config.caller.clone(),
        servers: vec![broker],
        known_nodes: config::known_nodes(&fleet.state, fleet.name.as_str()),
        spoken: Spoken::RELEASE,
    }
}

/// How an errand ended.
enum Done {
    /// No node was meant, and it was said why.
    Nothing,
    /// The order was sent.
    Report {
        /// What became of it.
        report: Box<Report>,
        /// Where it is to be kept.
        job: Option<Box<Begun>>,
        /// Which nodes have had a line of their own.
        lines: Lines,
        /// What there is to say where no node has what was asked for.
        words: Option<String>,
    },
}

/// One order on its way.
struct Errand<'a> {
    intent: &'a Intent,
    which: Which,
    task: Task,
    action: &'a Action,
    fleet: &'a Fleet,
    signer: Box<dyn Signer>,
    connection: Connection,
    /// Who agrees, where it is a change.
    consent: Option<Consent>,
    /// For how long he was.
    asked: Duration,
}

impl Errand<'_> {
    async fn work(
        &mut self,
        console: &mut Console,
        interrupt: &Interrupt,
    ) -> Result<Done, Failure> {
        let mut choice = self.connection.choose(&self.task, &*self.signer).await?;
        self.narrow(&mut choice.selection, console).await?;
        let selection = &choice.selection;
        if selection.complete && selection.expected() == 0 {
            let meant = (&self.task, &self.which);
            let words = nothing::matched(&mut self.connection, meant, selection).await;
            tell::nothing(self.intent, &self.fleet.name, selection, &words, console);
            return Ok(Done::Nothing);
        }
        if let Some(expect) = self.intent.order.expect {
            expect.check(selection)?;
        }
        let asks = !selection.chosen.is_empty() && self.is_asked(selection)?;
        let pace = pace::of(&self.intent.order.pace, &self.task);
        let plan = Plan::new(&pace, &self.task, selection.chosen.len());
        plan.map(|plan| pace::check(&plan, &self.task)).transpose()?;
        if asks {
            let (begun, what) = (Instant::now(), self.intent.in_words());
            let systems = self.systems(&choice.selection).await;
            let selection = &choice.selection;
            let meant = Meant { which: &self.which, selection, systems, plan: plan.as_ref() };
            confirm::ask(console, &self.fleet.name, &what, meant).await?;
            self.asked = begun.elapsed();
        } else if let Some(plan) = &plan {
            console.note(&pace::in_words(plan));
        }
        let job = self.begin(&choice, console);
        interrupt.job(self.connection.interrupter(), job.as_deref().map(Begun::id).cloned());
        let (mut progress, mut lines) = (Progress::start(), Lines::default());
        let (intent, each) = (self.intent, self.intent.order.report.jsonl);
        let watch = &mut |job: &Job, live: Live<'_>| match live {
            Live::Moved(node) if each => {
                // What the client itself says of a node may still change.
                if let Some(node) = job.node(node).filter(|node| node.signed) {
                    lines.tell(intent, node, console);
                    console.flush();
                }
            }
            live => progress.show(console, job, live),
        };
        let run = self.send(choice, plan, watch).await;
        console.wipe();
        let report = match run {
            Ok(report) => report,
            Err(error) => {
                if let Some(job) = job {
                    job.forget();
                }
                return Err(error.into());
            }
        };
        let words = if self.connection.is_away() {
            Some(away(&self.connection.server(), job.as_deref().filter(|_| self.task.changes)))
        } else {
            let meant = (&self.task, self.action);
            nothing::there(&mut self.connection, meant, &self.which, &report).await
        };
        Ok(Done::Report { report: Box::new(report), job, lines, words })
    }

    /// Whether the operator is to be asked before a change. Only now it is known whom a limit leaves
    /// out; where that is nobody, it is a change of every node.
    fn is_asked(&self, selection: &Selection) -> Result<bool, Failure> {
        let Some(consent) = self.consent else { return Ok(false) };
        let everything = self.which.comes_to_everything(selection);
        Consent { everything, ..consent }.is_asked().map_err(|failure| match self.which.pick {
            Some(_) => failure.hint("the limit leaves nobody out: --all takes its place"),
            None => failure,
        })
    }

    /// What the question says of many nodes, where a hub knows it.
    async fn systems(&mut self, selection: &Selection) -> Option<String> {
        let Selection { chosen, complete, .. } = selection;
        if !complete || chosen.len() <= confirm::NAMED_MAX {
            return None;
        }
        let terms = &self.which.terms;
        systems::in_words(&mut self.connection, &*self.signer, terms, chosen).await
    }

    /// Sends the order, to all of its nodes at once or as they have their turns.
    async fn send(
        &mut self,
        choice: Choice,
        plan: Option<Plan>,
        watch: &mut dyn FnMut(&Job, Live<'_>),
    ) -> Result<Report, FleetError> {
        let (task, signer) = (self.task.clone(), &*self.signer);
        let Some(plan) = plan else {
            return self.connection.run(task, choice, signer, watch).await;
        };
        let begin = |setup: JobSetup, now: Timestamp| Rollout::new(plan, setup, now);
        self.connection.run_with(begin, task, choice, signer, watch).await
    }

    /// Writes down what is about to be sent: whatever becomes of this command, it can be looked up
    /// what may run and where.
    fn begin(&self, choice: &Choice, console: &mut Console) -> Option<Box<Begun>> {
        let earlier = self.intent.earlier.as_ref();
        let command = match earlier {
            Some(Earlier { command, .. }) => command.clone()?,
            None => std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect(),
        };
        let what = What {
            command,
            again: earlier.map(|earlier| earlier.job.clone()),
            fleet: self.fleet.name.clone(),
            caller: self.fleet.config.caller.clone(),
            agent: self.task.agent.clone(),
            action: self.task.action.clone(),
            changes: self.task.changes,
            begun: now(),
            reader: choice.reader().to_text().trim_end().to_owned(),
        };
        let nodes = choice.selection.chosen.iter().map(|node| node.identity.clone()).collect();
        let jobs = Jobs::open(&self.fleet.state);
        match jobs.and_then(|jobs| jobs.begin(what, choice.order(), nodes)) {
            Ok(begun) => Some(Box::new(begun)),
            Err(error) => {
                let state = self.fleet.state.display();
                console.warn(&format!("warning: the result is not kept: {state}: {error}"));
                None
            }
        }
    }

    /// Names whom a list has and the filter beside it does not mean.
    fn tell_unmatched(&self, unmatched: &BTreeSet<Identity>, console: &mut Console) {
        let Some(list) = self.which.listed_in.as_ref().filter(|_| !unmatched.is_empty()) else {
            return;
        };
        let (count, list) = (unmatched.len(), escape(list));
        let what = if count == 1 { "name" } else { "names" };
        let start = format!("{count} {what} of {list} left out, not matching: ");
        let names = table::names(unmatched.iter(), console.screen, start.chars().count());
        console.note_above(&format!("{start}{names}"));
    }

    /// Leaves of what matches the nodes of a list, and of those as many as are wanted. Nobody is missed
    /// in silence: a name of a list that no node has is expected all the same, one that was typed is told.
    async fn narrow(
        &mut self,
        selection: &mut Selection,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let mut missing = self.which.only_listed(selection);
        if selection.complete && self.which.is_filtered() {
            let mut unmatched = missing.clone();
            only_nobodys(&mut missing, &mut self.connection, &*self.signer).await?;
            unmatched.retain(|name| !missing.contains(name));
            self.tell_unmatched(&unmatched, console);
        }
        let unknown_names = &mut selection.coverage.unknown_names;
        unknown_names.retain(|unknown| !selection.complete || !self.which.expects(&unknown.name));
        match (selection.complete, self.which.listed_in.is_some()) {
            (true, true) => selection.expect_unknown(missing),
            // Without a hub nobody knows who is only not meant; names that are terms are told already.
            (false, _) if self.which.is_filtered() || !self.which.terms.is_empty() => {}
            _ => {
                unknown_names.extend(missing.iter().map(|name| UnknownName::of(name.to_string())));
            }
        }
        if self.intent.agent.as_str() == job::NAME {
            selection.expect_aside();
        }
        if let Some(pick) = self.which.pick {
            selection.limit(pick);
            let (some, all) = (selection.chosen.len(), selection.limited_from.unwrap_or_default());
            if some < all {
                console.note_above(&format!("{some} of {all} nodes: the limit is {}", pick.limit));
            }
        }
        Ok(())
    }
}
