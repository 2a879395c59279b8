//! `mco job follow`: asks the nodes of a job that had not answered until all have ended.
//!
//! A node answers with the receipt that it made when it ended. So a word of the client's own is
//! replaced by the node's, and nothing else is: what a node has signed stays.

use std::collections::{BTreeMap, BTreeSet};

use marcato_agent::job;
use marcato_client::core::{Aim, Earlier, NodeReport, Report, Standing, Task};
use marcato_client::shell::Fleet as Connection;
use marcato_client::shell::signer::Signer;
use marcato_core::limits::client::{FOLLOWED_EVERY_MAX, FOLLOWED_EVERY_MIN, FOLLOWED_SILENT_MAX};
use marcato_core::limits::timing::READ_WAIT;
use marcato_core::{Changed, EndState, Exit, Identity, OrderId, Reason, Span};
use marcato_node::shell::now;
use marcato_protocol::keys::OpenKey;
use serde_json::Map;

use super::{Shown, cancel, find, fleet_of, jobs, with_console};
use crate::config::Fleet;
use crate::jobs::{Jobs, Kept, Late, Stage};
use crate::mco::cli::Follow;
use crate::mco::console::Console;
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
    let kept = find(&jobs, args.id.as_deref())?;
    let fleet_args = fleet_of(&kept, args.fleet)?;
    let shown = Shown::of(&kept, fleet_args.clone(), args.output, args.report)?;
    let mut followed = Followed::of(&kept)?;
    let fleet = Fleet::load(fleet_args.config.as_deref(), fleet_args.fleet.as_deref())?;
    let setup = order::setup(&fleet, &fleet_args);
    let asked = block_on(async {
        if followed.open.is_empty() {
            return Ok(());
        }
        let signer = sign::open(&fleet).await?;
        let mut connection = Connection::connect(setup).await?;
        let mut leave = Leave::watch();
        followed.report.interrupted = tokio::select! {
            biased;
            () = leave.wait() => true,
            asked = followed.ask(&mut connection, &*signer, console) => asked.map(|()| false)?,
        };
        Ok(connection.close().await?)
    });
    console.wipe();
    let is_new = followed.is_new();
    let Followed { report, late, .. } = followed;
    let took = match &kept.stage {
        Stage::Ended { took_ms, .. } if !is_new => *took_ms,
        _ => now().since(kept.what.begun),
    };
    // What is known now is kept, also where the next question found no hub.
    keep(&jobs, kept, &report, (&late, took), console);
    asked?;
    shown.tell(&report, &late, took, console)
}

fn keep(
    jobs: &Jobs,
    kept: Kept,
    report: &Report,
    (late, took_ms): (&[Late], Span),
    console: &mut Console,
) {
    let (exit, report, late) = (report.exit().code(), Box::new(report.clone()), late.to_vec());
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
            (node, Open { was, misses: 0 })
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

    /// Asks until all have ended, or do not answer any more.
    async fn ask(
        &mut self,
        connection: &mut Connection,
        signer: &dyn Signer,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let mut pause = FOLLOWED_EVERY_MIN;
        loop {
            self.ask_once(connection, signer, console).await?;
            if self.open.is_empty() {
                return Ok(());
            }
            let start = format!("waiting for {}: ", self.open.len());
            let screen = Screen { width: Some(80), color: false };
            console.progress(&format!("{start}{}", names(self.open.keys(), screen, start.len())));
            tokio::time::sleep(pause.as_duration()).await;
            pause = (pause + pause).min(FOLLOWED_EVERY_MAX);
        }
    }

    async fn ask_once(
        &mut self,
        connection: &mut Connection,
        signer: &dyn Signer,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let names: BTreeSet<Identity> = self.open.keys().cloned().collect();
        let which = Which::exactly(names, String::new());
        let task = self.task(&which)?;
        let mut choice = connection.choose(&task, signer).await?;
        which.only_listed(&mut choice.selection);
        let chosen: BTreeSet<Identity> =
            choice.selection.chosen.iter().map(|node| node.identity.clone()).collect();
        // Who cannot be asked keeps the word that stands there.
        self.open.retain(|node, _| chosen.contains(node));
        if chosen.is_empty() {
            return Ok(());
        }
        let answers = connection.run(task, choice, signer, &mut |_, _| ()).await?;
        for answer in &answers.nodes {
            self.take(answer, connection, console);
        }
        Ok(())
    }

    fn task(&self, which: &Which) -> Result<Task, Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error.to_string());
        let ddl = job::ddl().map_err(|error| wrong(&error))?;
        let order = serde_json::json!(self.order);
        Ok(Task {
            agent: ddl.metadata.name.clone(),
            action: job::PROGRESS.parse().map_err(|error| wrong(&error))?,
            inputs: Map::from_iter([(job::ORDER.to_owned(), order)]),
            changes: false,
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
            Ok(Standing::Ended(line)) => {
                if let Some(open) = self.open.remove(node) {
                    self.replace(*line, open.was);
                }
            }
            Ok(Standing::Running) => self.runs(node),
            Ok(Standing::Waiting) => {}
            Ok(Standing::Unknown) if self.may_come(node) => {}
            Ok(Standing::Unknown) => {
                self.open.remove(node);
            }
            Err(why) => {
                self.open.remove(node);
                console.warn(&format!("{node} does not say how it ended: {}", escape(&why)));
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
    let line = |node: &Identity| NodeReport {
        node: node.clone(),
        state: EndState::NoResponse,
        reason: Some(Reason::Silent),
        changed: if what.changes { Changed::Unknown } else { Changed::False },
        signed: false,
        data: Map::new(),
        message: String::new(),
        truncated: false,
        received: None,
        started: None,
        finished: None,
        answered: None,
        down_since: None,
        read_only: false,
        may_start_until: None,
        clock: None,
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
