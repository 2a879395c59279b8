//! `mco filter`: a filter tried on a host that there need not be, in words, and the page on all of it.

use std::path::Path;

use marcato_core::{Exit, Facts, Identity};
use marcato_filter::{Filter, Host, Line};
use marcato_node::shell::facts::{FactError, read_classes, read_facts};

use super::cli::{FilterArgs, FilterCommand, HostArgs};
use super::which::Which;
use crate::words::group::escape;
use crate::words::{self, Failure};

/// The page on how filters are written.
const REFERENCE: &str = include_str!("../../../../docs/reference/filters.md");

/// Runs the command, and says how it ended.
pub fn main(command: &FilterCommand) -> Exit {
    let said = match command {
        FilterCommand::Check { filter, host } => check(filter, host),
        FilterCommand::Explain { filter } => explain(filter).map(|text| (text, Exit::Ok)),
        FilterCommand::Reference => Ok((REFERENCE.to_owned(), Exit::Ok)),
    };
    match said {
        Ok((text, exit)) => words::answer(&text, exit),
        Err(failure) => words::tell(&failure),
    }
}

fn check(filter: &FilterArgs, args: &HostArgs) -> Result<(String, Exit), Failure> {
    let which = Which::filtered(filter)?;
    let filter = Filter::parse(&which.terms)?;
    let facts = there(&args.facts_file, read_facts(&args.facts_file))?;
    let classes = match &args.classes_file {
        Some(path) => there(path, read_classes(path))?,
        None => Vec::new(),
    };
    let identity = match &args.identity {
        Some(identity) => identity.clone(),
        None => named(&facts)?,
    };
    let host =
        Host { identity: &identity, facts: &facts, classes: &classes, agents: &args.has_agents };
    let matches = filter.matches(&host) && which.lists(&identity);
    let (word, exit) = if matches { ("match", Exit::Ok) } else { ("no match", Exit::Nothing) };
    let mut text = format!("{word}\n");
    for line in filter.verdict(&host) {
        text.push_str(&written(&line));
    }
    if let Some(line) = listed(&which, Some(&identity)) {
        text.push_str(&written(&line));
    }
    Ok((text, exit))
}

/// What was read, or that nothing is there.
fn there<T>(path: &Path, read: Result<Option<T>, FactError>) -> Result<T, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, escape(&why));
    read.map_err(|error| wrong(error.to_string()))?
        .ok_or_else(|| wrong(format!("{}: there is no such file", path.display())))
}

/// The host's name as its facts have it.
fn named(facts: &Facts) -> Result<Identity, Failure> {
    let fact = |name: &str| facts.get(name).and_then(|value| value.as_str());
    let name = fact("fqdn").or_else(|| fact("hostname")).unwrap_or("localhost");
    name.to_ascii_lowercase()
        .parse()
        .map_err(|error| Failure::new(Exit::Usage, error).hint("name the host: --identity NAME"))
}

fn explain(filter: &FilterArgs) -> Result<String, Failure> {
    let which = Which::filtered(filter)?;
    let lines = Filter::parse(&which.terms)?.in_words();
    if which.is_everything() {
        return Ok("every node is meant: there is no filter\n".to_owned());
    }
    let mut text = "a node is meant if all of this holds:\n".to_owned();
    for line in lines {
        text.push_str(&written(&line));
    }
    if let Some(line) = listed(&which, None) {
        text.push_str(&written(&line));
    }
    Ok(text)
}

/// What more names than a filter has room for ask.
fn listed(which: &Which, identity: Option<&Identity>) -> Option<Line> {
    let names = which.list.as_ref()?.len();
    Some(Line {
        depth: 0,
        words: format!("it is called one of {names} names"),
        holds: identity.map(|identity| which.lists(identity)),
        has: identity.map(|identity| format!("it is called {identity}")).unwrap_or_default(),
    })
}

/// A line of the filter; its answer, where there is one, stands before it.
fn written(line: &Line) -> String {
    let answer = match line.holds {
        Some(true) => "  yes",
        Some(false) => "  no ",
        None => "",
    };
    let has = if line.has.is_empty() { String::new() } else { format!(": {}", line.has) };
    format!("{answer}  {:indent$}{}{has}\n", "", line.words, indent = 2 * line.depth)
}
