//! `mco job follow`: asks the nodes of a job that had not answered, and waits until all have ended.
//!
//! A node answers with the receipt that it made when it ended. So a word of the client's own is
//! replaced by the node's, and nothing else is: what a node has signed stays.
//!
//! Each question is signed, and a key may want to be touched for it. So it is asked once: a node that
//! works on the job says so of its own accord, and sends its receipt when it ends. Only who is not
//! heard for too long is asked again.

use std::collections::{BTreeMap, BTreeSet};

use marcato_agent::job;
use marcato_client::core::{
    Aim, Earlier, Job, KnownNode, NodeReport, Overheard, Report, Standing, Task, Waiting,
};
use marcato_client::shell::signer::Signer;
use marcato_client::shell::{Fleet as Connection, Live};
use marcato_core::limits::client::{
    FOLLOWED_QUIET_MAX, FOLLOWED_QUIET_MIN, FOLLOWED_SILENT_MAX, SHOWN_EVERY,
};
use marcato_core::limits::timing::READ_WAIT;
use marcato_core::{Changed, EndState, Exit, Identity, JobId, OrderId, Reason, Span, Timestamp};
use marcato_node::shell::now;
use marcato_protocol::keys::OpenKey;
use marcato_protocol::message::Message;
use serde_json::Map;
use tokio::time::Instant;

use super::{Shown, cancel, find, fleet_of, jobs, with_console};
use crate::config::Fleet;
use crate::jobs::{Jobs, Kept, Late, Stage};
use crate::mco::cli::Follow;
use crate::mco::console::Console;
use crate::mco::progress::{NAMED_MAX, Progress, in_words};
use crate::mco::which::Which;
use crate::mco::{Leave, block_on, order, sign};
use crate::words::Failure;
use crate::words::group::escape;
use crate::words::table::{Screen, names};

/// Runs the command, and says how it ended.
pub fn main(args: Follow) -> Exit {
    with_console(&args.output.clone(), |console| follow(args, console))
}

fn follow(args: Follow, console: &mut Console) -> Result<Exit, Failure> {
    let jobs = jobs(&args.fleet)?;
    let kept = match find(&jobs, args.id.as_deref())? {
        (kept, true) => block_on(until_over(&jobs, &kept.id, console))?,
        (kept, false) => kept,
    };
    let fleet_args = fleet_of(&kept, args.fleet)?;
    let shown = Shown::of(&kept, fleet_args.clone(), args.output, args.report)?;
    let mut followed = Followed::of(&kept)?;
    let fleet = Fleet::load(fleet_args.config.as_deref(), fleet_args.fleet.as_deref())?;
    let setup = order::setup(&fleet, &fleet_args);
    let asked = block_on(async {
        if followed.open.is_empty() {
            return Ok(false);
        }
        let signer = sign::open(&fleet).await?;
        let mut connection = Connection::connect(setup).await?;
        let mut leave = Leave::watch();
        let left = tokio::select! {
            biased;
            () = leave.wait() => true,
            asked = followed.ask(&mut connection, &*signer, console) => asked.map(|()| false)?,
        };
        connection.close().await?;
        Ok(left)
    });
    console.wipe();
    let (took, before) = match &kept.stage {
        Stage::Ended { took_ms, report, .. } if !followed.is_new() => {
            (*took_ms, report.interrupted)
        }
        Stage::Ended { report, .. } => (now().since(kept.what.begun), report.interrupted),
        Stage::Begun { .. } => (now().since(kept.what.begun), true),
    };
    let Followed { mut report, late, .. } = followed;
    // What is known now is kept, also where the next question found no hub. Who does not wait for the
    // rest interrupts this command and not the job.
    report.interrupted = before && !matches!(asked, Ok(false));
    keep(&jobs, kept, shown.exit(&report), (&report, &late, took), console);
    report.interrupted = asked?;
    shown.tell(&report, &late, took, console)
}

/// Waits until a job's own command has ended: it knows better than anybody how its nodes ended, and
/// may still send.
async fn until_over(jobs: &Jobs, id: &JobId, console: &mut Console) -> Result<Kept, Failure> {
    let mut leave = Leave::watch();
    while jobs.is_running(id) {
        console.progress(&format!("job {id}: its command still runs"));
        tokio::select! {
            biased;
            () = leave.wait() => {
                let text = format!("interrupted. Job {id} runs on, in its own command.");
                return Err(Failure::new(Exit::Interrupted, text));
            }
            () = tokio::time::sleep(SHOWN_EVERY.as_duration()) => {}
        }
    }
    console.wipe();
    find(jobs, Some(id.as_str())).map(|(kept, _)| kept)
}

fn keep(
    jobs: &Jobs,
    kept: Kept,
    exit: Exit,
    (report, late, took_ms): (&Report, &[Late], Span),
    console: &mut Console,
) {
    let (exit, report, late) = (exit.code(), Box::new(report.clone()), late.to_vec());
    let stage = Stage::Ended { exit, took_ms, report, late };
    if kept.stage == stage {
        return;
    }
    let kept = Kept { stage, ..kept };
    if let Err(error) = jobs.update(&kept) {
        console.warn(&format!("warning: the result of job {} is not kept: {error}", kept.id));
    }
}

/// A job whose nodes are asked.
struct Followed {
    order: OrderId,
    reader: Option<OpenKey>,
    report: Report,
    late: Vec<Late>,
    /// How many of those are older.
    late_before: usize,
    /// The nodes whose ends are not known.
    open: BTreeMap<Identity, Open>,
}

/// What stands of a node whose end is not known.
struct Open {
    /// The word that stood there when the command had ended.
    was: EndState,
    /// How often in a row it was asked in vain.
    misses: u32,
    /// Since when it was neither heard nor asked.
    quiet: Instant,
    /// When it said the last thing of its own accord, by its own clock.
    said: Option<Timestamp>,
    /// What is known of it.
    waits: Waiting,
}

impl Followed {
    fn of(kept: &Kept) -> Result<Self, Failure> {
        let (order, open) = match cancel::open(kept) {
            Ok(open) => open,
            // All have ended: then there is only the report.
            Err(failure) if matches!(kept.stage, Stage::Begun { .. }) => return Err(failure),
            Err(_) => (OrderId::from_bytes([0; 16]), BTreeSet::new()),
        };
        let (report, late) = match &kept.stage {
            Stage::Ended { report, late, .. } => ((**report).clone(), late.clone()),
            Stage::Begun { nodes, .. } => (unheard(kept, order, nodes), Vec::new()),
        };
        let was: BTreeMap<&Identity, EndState> =
            report.nodes.iter().map(|line| (&line.node, line.state)).collect();
        let open = open.into_iter().map(|node| {
            let was = was.get(&node).copied().unwrap_or(EndState::NoResponse);
            let (misses, quiet, said) = (0, Instant::now(), None);
            (node, Open { was, misses, quiet, said, waits: Waiting::Silent })
        });
        let open = open.collect();
        Ok(Self {
            order,
            reader: OpenKey::from_text(&kept.what.reader).ok(),
            report: Report { interrupted: false, ..report },
            late_before: late.len(),
            late,
            open,
        })
    }

    fn is_new(&self) -> bool {
        self.late.len() > self.late_before
    }

    /// Asks and listens until all have ended, or do not answer any more.
    async fn ask(
        &mut self,
        connection: &mut Connection,
        signer: &dyn Signer,
        console: &mut Console,
    ) -> Result<(), Failure> {
        connection.overhear(self.order);
        self.ask_once(self.open.keys().cloned().collect(), connection, signer, console).await?;
        let mut longest = FOLLOWED_QUIET_MIN;
        loop {
            self.listen(longest, connection, console).await;
            if self.open.is_empty() {
                return Ok(());
            }
            let quiet =
                self.open.iter().filter(|(_, open)| open.quiet.elapsed() >= longest.as_duration());
            let quiet = quiet.map(|(node, _)| node.clone()).collect();
            self.ask_once(quiet, connection, signer, console).await?;
            longest = (longest + longest).min(FOLLOWED_QUIET_MAX);
        }
    }

    /// Waits for what nodes say of their own accord, until all have ended or one was quiet for so long.
    async fn listen(&mut self, longest: Span, connection: &mut Connection, console: &mut Console) {
        while let Some(quiet) = self.open.values().map(|open| open.quiet).min()
            && quiet.elapsed() < longest.as_duration()
        {
            console.progress(&self.waits());
            let beat = Instant::now() + SHOWN_EVERY.as_duration();
            let until = beat.min(quiet + longest.as_duration());
            while !self.open.is_empty()
                && let Some(message) = connection.overheard(until).await
            {
                self.overheard(&message, connection);
            }
        }
    }

    /// Whom it waits for; of few also why.
    fn waits(&self) -> String {
        let start = format!("waiting for {}: ", self.open.len());
        let named = if self.open.len() <= NAMED_MAX {
            let each = self.open.iter().map(|(node, open)| in_words(node, &open.waits));
            each.collect::<Vec<_>>().join(" ")
        } else {
            names(self.open.keys(), Screen { width: Some(80), color: false, above: 0 }, start.len())
        };
        start + &named
    }

    fn overheard(&mut self, message: &Message, connection: &Connection) {
        let earlier = Earlier { order: self.order, reader: self.reader.as_ref() };
        let key = |node: &Identity| connection.directory().get(node).map(KnownNode::sign);
        let Some(Overheard { node, standing, at }) = earlier.overheard(message, key, now()) else {
            return;
        };
        let Some(open) = self.open.get_mut(&node) else { return };
        // A word that is carried once more is none.
        if open.said < Some(at) || matches!(standing, Standing::Ended(_)) {
            (open.said, open.misses, open.quiet) = (Some(at), 0, Instant::now());
            self.stands(&node, standing);
        }
    }

    async fn ask_once(
        &mut self,
        nodes: BTreeSet<Identity>,
        connection: &mut Connection,
        signer: &dyn Signer,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let which = Which::exactly(nodes.clone(), String::new());
        let task = self.task(&which)?;
        let mut choice = connection.choose(&task, signer).await?;
        which.only_listed(&mut choice.selection);
        let chosen: BTreeSet<Identity> =
            choice.selection.chosen.iter().map(|node| node.identity.clone()).collect();
        // Who cannot be asked keeps the word that stands there.
        let others: BTreeSet<&Identity> = nodes.difference(&chosen).collect();
        if !others.is_empty() {
            let start = format!("{} cannot be asked how it ended: ", others.len());
            let names = names(others.iter().copied(), console.screen, start.len());
            console.warn(&format!("{start}{names}"));
            self.open.retain(|node, _| !others.contains(&node));
        }
        if chosen.is_empty() {
            return Ok(());
        }
        let mut progress = Progress::start();
        let watch = &mut |job: &Job, live: Live<'_>| match live {
            // What the nodes answer is told below.
            Live::Moved(_) => {}
            live => progress.show(console, job, live),
        };
        let answers = connection.run(task, choice, signer, watch).await?;
        for answer in &answers.nodes {
            self.take(answer, connection, console);
        }
        Ok(())
    }

    fn task(&self, which: &Which) -> Result<Task, Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error.to_string());
        let ddl = job::DDL.ddl().map_err(|error| wrong(&error))?;
        let order = serde_json::json!(self.order);
        Ok(Task {
            agent: ddl.metadata.name.clone(),
            action: job::PROGRESS.parse().map_err(|error| wrong(&error))?,
            inputs: Map::from_iter([(job::ORDER.to_owned(), order)]),
            changes: false,
            to_read_only: false,
            filter: which.terms.clone(),
            aim: Aim::Set,
            reason: None,
            wait: READ_WAIT,
            run_limit: ddl.metadata.timeout,
        })
    }

    fn take(&mut self, answer: &NodeReport, connection: &Connection, console: &mut Console) {
        let node = &answer.node;
        let Some(open) = self.open.get_mut(node) else { return };
        open.quiet = Instant::now();
        if !answer.signed {
            open.misses += 1;
            if open.misses >= FOLLOWED_SILENT_MAX {
                self.open.remove(node);
            }
            return;
        }
        open.misses = 0;
        let earlier = Earlier { order: self.order, reader: self.reader.as_ref() };
        let known = connection.directory().get(node);
        let standing = match known.filter(|_| answer.state == EndState::Ok) {
            Some(known) => earlier.standing(node, &answer.data, known.sign(), now()),
            None => Err(answer.message.clone()),
        };
        match standing {
            Ok(standing) => self.stands(node, standing),
            Err(why) => {
                self.open.remove(node);
                console.warn(&format!("{node} does not say how it ended: {}", escape(&why)));
            }
        }
    }

    /// A node has proved how the job stands there.
    fn stands(&mut self, node: &Identity, standing: Standing) {
        match standing {
            Standing::Ended(line) => {
                if let Some(open) = self.open.remove(node) {
                    self.replace(*line, open.was);
                }
            }
            Standing::Running(said) => {
                self.notes(node, Waiting::Running(said));
                self.runs(node);
            }
            Standing::Waiting(said) => self.notes(node, Waiting::Accepted(said)),
            Standing::Unknown if self.may_come(node) => {}
            Standing::Unknown => {
                self.open.remove(node);
                if let Some(line) = self.line(node) {
                    // It may have ended so long ago that the node has forgotten it.
                    line.message = "the node knows nothing of it, or nothing any more".to_owned();
                    line.may_start_until = None;
                }
            }
        }
    }

    fn line(&mut self, node: &Identity) -> Option<&mut NodeReport> {
        // What a node has signed stays.
        self.report.nodes.iter_mut().find(|line| line.node == *node && !line.signed)
    }

    /// Whether the order may still be on its way to a node that does not know it.
    fn may_come(&mut self, node: &Identity) -> bool {
        self.line(node).and_then(|line| line.may_start_until).is_some_and(|until| now() <= until)
    }

    fn replace(&mut self, line: NodeReport, was: EndState) {
        let node = line.node.clone();
        let Some(old) = self.line(&node) else { return };
        *old = line;
        self.late.push(Late { node, was, at: now() });
    }

    fn notes(&mut self, node: &Identity, waits: Waiting) {
        if let Some(open) = self.open.get_mut(node) {
            open.waits = waits;
        }
    }

    fn runs(&mut self, node: &Identity) {
        if let Some(line) = self.line(node) {
            (line.state, line.reason) = (EndState::TimedOut, Some(Reason::StillRunning));
            line.may_start_until = None;
        }
    }
}

/// The report of a job whose command ended before it had one: nobody was heard.
fn unheard(kept: &Kept, order: OrderId, nodes: &[Identity]) -> Report {
    let what = &kept.what;
    let changed = if what.changes { Changed::Unknown } else { Changed::False };
    let line = |node: &Identity| {
        NodeReport::new(node.clone(), EndState::NoResponse, Some(Reason::Silent), changed)
    };
    Report {
        collective: what.fleet.clone(),
        caller: what.caller.clone(),
        agent: what.agent.clone(),
        action: what.action.clone(),
        orders: vec![order],
        issued: what.begun,
        ended: Some(now()),
        expected: Some(nodes.len()),
        complete: true,
        hub_since: None,
        nodes: nodes.iter().map(line).collect(),
        unexpected: Vec::new(),
        agents: Vec::new(),
        not_capable: Vec::new(),
        read_only: Vec::new(),
        gone: Vec::new(),
        vanished: Vec::new(),
        unknown_names: Vec::new(),
        refused: Vec::new(),
        interrupted: false,
        stopped: None,
        not_signed: None,
    }
}
