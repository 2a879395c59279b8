//! `mco job`: earlier commands, listed, shown, followed and cancelled.

pub mod again;
pub mod cancel;
mod follow;

use std::time::Instant;

use clap::Parser as _;
use marcato_client::core::Report;
use marcato_core::ddl::{Action, Ddl};
use marcato_core::nearest::nearest;
use marcato_core::{Exit, JobId, Span};
use serde_json::{Value, json};

use super::cli::{
    Cli, FleetArgs, JobCommand, List, NodesArgs, OrderArgs, OutputArgs, ReportArgs, Show,
};
use super::console::Console;
use super::order::Intent;
use super::tell::{self, Ended, Lines};
use super::{commands, declared, early, next};
use crate::config;
use crate::jobs::{Jobs, Kept, Late, Stage};
use crate::words::Failure;
use crate::words::group::escape;
use crate::words::jobs::{Row, hidden, list};
use crate::words::{node_count, tally};

/// The version of the list's JSON form.
pub const SCHEMA: &str = "marcato.jobs.v1";

/// Runs the command, and says how it ended.
pub fn main(command: JobCommand, started: Instant) -> Exit {
    match command {
        JobCommand::List(args) => with_console(&args.output, |console| list_jobs(&args, console)),
        JobCommand::Show(args) => with_console(&args.output.clone(), |console| show(args, console)),
        JobCommand::Follow(args) => follow::main(args),
        JobCommand::Cancel(args) => cancel::main(args, started),
    }
}

fn with_console(
    output: &OutputArgs,
    run: impl FnOnce(&mut Console) -> Result<Exit, Failure>,
) -> Exit {
    let mut console = Console::new(output);
    let exit = run(&mut console).unwrap_or_else(|failure| {
        console.fail(&failure);
        failure.exit
    });
    console.end(exit)
}

fn unread(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Io, format!("the results of earlier jobs: {error}"))
}

fn jobs(args: &FleetArgs) -> Result<Jobs, Failure> {
    Jobs::open(&config::state(args.config.as_deref())?).map_err(|error| unread(&error))
}

/// The job of this id, else the last; and whether its command still runs.
fn find(jobs: &Jobs, id: Option<&str>) -> Result<(Kept, bool), Failure> {
    let ids = jobs.ids().map_err(|error| unread(&error))?;
    let id = match id {
        None => {
            let last = ids.last().cloned();
            last.ok_or_else(|| Failure::new(Exit::Nothing, "no job is kept here"))?
        }
        Some(id) => {
            let called = id.to_ascii_uppercase();
            let known = ids.iter().find(|known| known.as_str() == called).cloned();
            known.ok_or_else(|| unknown(id, &ids))?
        }
    };
    let is_running = jobs.is_running(&id);
    let kept = jobs.read(&id).map_err(|error| {
        Failure::new(Exit::Io, format!("the result of job {id} cannot be read: {error}"))
    })?;
    Ok((kept, is_running))
}

fn unknown(id: &str, ids: &[JobId]) -> Failure {
    let nearest = match nearest(id, ids.iter().map(JobId::as_str)) {
        Some(near) => format!("; nearest: {near}"),
        None => String::new(),
    };
    let text = format!("no job {} is kept here{nearest}", escape(id));
    Failure::new(Exit::Nothing, text).hint("mco job list --all")
}

/// The flags of a job's own fleet.
///
/// # Errors
/// Another one was named.
fn fleet_of(kept: &Kept, args: FleetArgs) -> Result<FleetArgs, Failure> {
    let own = kept.what.fleet.as_str();
    match args.fleet.as_deref() {
        Some(named) if named != own => {
            let text = format!("job {} is of fleet {own}, not of {}", kept.id, escape(named));
            Err(Failure::new(Exit::Usage, text))
        }
        _ => Ok(FleetArgs { fleet: Some(own.to_owned()), ..args }),
    }
}

/// The command as somebody would type it again.
fn typed(kept: &Kept) -> String {
    let words: Vec<String> = kept.what.command.iter().map(|word| next::quoted(word)).collect();
    let again = kept.what.again.as_ref().map(|job| format!(" (again {job})")).unwrap_or_default();
    format!("mco {}{again}", words.join(" "))
}

fn list_jobs(args: &List, console: &mut Console) -> Result<Exit, Failure> {
    let jobs = jobs(&args.fleet)?;
    let ids = jobs.ids().map_err(|error| unread(&error))?;
    let hidden = if args.all || args.output.json { 0 } else { hidden(ids.len()) };
    let mut kept = Vec::new();
    for id in &ids[hidden..] {
        let is_running = jobs.is_running(id);
        match jobs.read(id) {
            Ok(job) => kept.push((job, is_running)),
            Err(error) => console.warn(&format!("{id}: cannot be read: {error}")),
        }
    }
    if args.output.json {
        let jobs: Vec<Value> =
            kept.iter().map(|(kept, is_running)| in_json(kept, *is_running)).collect();
        tell::say(&json!({ "schema": SCHEMA, "jobs": jobs }), console);
        return Ok(Exit::Ok);
    }
    let rows: Vec<Row> = kept.iter().map(|(kept, is_running)| row(kept, *is_running)).collect();
    if hidden > 0 {
        console.note(&format!("… and {hidden} before them: --all"));
    }
    for line in list(&rows, console.screen) {
        console.say(&line);
    }
    if ids.is_empty() {
        return Err(Failure::new(Exit::Nothing, "no job is kept here"));
    }
    Ok(Exit::Ok)
}

/// Why a job has no result whose command does not run any more.
const KILLED: &str = "its command ended before its nodes did";

fn row(kept: &Kept, is_running: bool) -> Row {
    let result = match &kept.stage {
        Stage::Begun { nodes, .. } if is_running => format!("{} · runs", node_count(nodes.len())),
        Stage::Begun { nodes, .. } => format!("0 / {} · has no result", nodes.len()),
        Stage::Ended { exit, report, .. } => tally::short(report, kept.what.changes, *exit),
    };
    let (begun, caller) = (kept.what.begun, kept.what.caller.clone());
    Row { id: kept.id.clone(), begun, caller, command: typed(kept), result }
}

fn in_json(kept: &Kept, is_running: bool) -> Value {
    let what = &kept.what;
    let exit = match &kept.stage {
        Stage::Begun { .. } => None,
        Stage::Ended { exit, .. } => Some(*exit),
    };
    json!({
        "job": kept.id, "begun": what.begun, "fleet": what.fleet, "caller": what.caller,
        "command": what.command, "again": what.again, "exit": exit,
        "running": is_running,
    })
}

fn show(args: Show, console: &mut Console) -> Result<Exit, Failure> {
    let jobs = jobs(&args.fleet)?;
    let (kept, is_running) = find(&jobs, args.id.as_deref())?;
    let Stage::Ended { exit, took_ms, report, late } = &kept.stage else {
        let id = &kept.id;
        let why = if is_running { "its command still runs" } else { KILLED };
        let text = format!("job {id} has no result: {why}");
        return Err(Failure::new(Exit::Nothing, text).hint(format!("mco job follow {id}")));
    };
    let report_args = ReportArgs { all: args.all, ..args.report };
    let fleet = fleet_of(&kept, args.fleet)?;
    let shown = Shown::of(&kept, fleet, args.output, report_args)?;
    shown.tell(report, late, *took_ms, console)?;
    Ok(known_exit(*exit))
}

fn known_exit(code: u8) -> Exit {
    Exit::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Unavailable)
}

/// A job's report as its own command would show it.
struct Shown {
    id: JobId,
    intent: Intent,
    ddl: Ddl,
}

impl Shown {
    fn of(
        kept: &Kept,
        fleet: FleetArgs,
        output: OutputArgs,
        report: ReportArgs,
    ) -> Result<Self, Failure> {
        let agents = config::agents(fleet.config.as_deref());
        let ddl = declared::agent(&kept.what.agent, &agents)?;
        // What was typed says what of the answers is asked for; another release may not know it.
        let typed = intent(kept).ok();
        let (look, words, typed) =
            typed.map_or_else(Default::default, |intent| (intent.look, intent.words, intent.order));
        let order = match &kept.stage {
            Stage::Ended { report, .. } if kept.what.again.is_some() => {
                let filter = again::named(report.nodes.iter().map(|line| &line.node));
                OrderArgs { filter, nodes: NodesArgs::default(), ..typed }
            }
            _ => typed,
        };
        let order = OrderArgs { fleet, output, report, ..order };
        let (agent, action) = (kept.what.agent.clone(), kept.what.action.clone());
        let intent = Intent { agent, action, ddl: None, words, order, look, earlier: None };
        Ok(Self { id: kept.id.clone(), intent, ddl })
    }

    fn action(&self) -> Result<&Action, Failure> {
        declared::action(&self.ddl, &self.intent.action)
    }

    /// How its command ends with this report.
    fn exit(&self, report: &Report) -> Exit {
        tell::exit(report, self.intent.order.allow_down)
    }

    fn tell(
        &self,
        report: &Report,
        late: &[Late],
        took: Span,
        console: &mut Console,
    ) -> Result<Exit, Failure> {
        let (intent, action, id) = (&self.intent, self.action()?, Some(&self.id));
        Ok(Ended { intent, action, report, late, id, took }.tell(Lines::default(), console))
    }
}

/// What the command of a job asks for.
///
/// # Errors
/// It cannot be read any more.
fn intent(kept: &Kept) -> Result<Intent, Failure> {
    let wrong = |why: &str| {
        let text = format!("the command of job {} cannot be read: {why}", kept.id);
        Failure::new(Exit::Usage, text).hint("type it again")
    };
    let words = std::iter::once("mco".to_owned()).chain(kept.what.command.iter().cloned());
    let words = early::words(words.map(Into::into).collect());
    let cli = Cli::try_parse_from(words);
    let cli = cli.map_err(|error| wrong(error.to_string().lines().next().unwrap_or_default()))?;
    commands::order(cli.command).map_err(|_| wrong("it sends no order"))?
}
