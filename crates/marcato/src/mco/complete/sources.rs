//! Where the values of an argument come from.

use std::any::TypeId;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Arg, ValueHint};
use marcato_core::ddl::{Ddl, Type};
use marcato_core::limits::hub::VALUE_BYTES_MAX;
use marcato_core::{ActionName, AgentName, Identity, JobId};
use marcato_protocol::question::Named;
use serde_json::Value;

use super::Candidate;
use super::place::Place;
use super::registry::Registry;
use crate::config::{self, ClientConfig, Fleet};
use crate::environment;
use crate::mco::cli::FleetArgs;
use crate::mco::declared;
use crate::mco::grammar::RESTART_STALE;

/// What divides a fact's name from its value.
const OPERATORS: [char; 5] = ['=', '!', '<', '>', '~'];

/// The values that fit an argument; nothing where it is a file.
pub fn values(argument: &Arg, place: &Place<'_>, since: Instant) -> Option<Vec<Candidate>> {
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        let help = |help: &clap::builder::StyledStr| help.to_string();
        let shown = shown.map(|value| {
            Candidate::new(value.get_name(), value.get_help().map(help).unwrap_or_default())
        });
        return Some(shown.collect());
    }
    if !matches!(argument.get_value_hint(), ValueHint::Unknown | ValueHint::Other) {
        return None;
    }
    let names = |of| plain(asked(place, since, |registry| registry.names(of, &place.begin)));
    let is = |id: TypeId| argument.get_value_parser().type_id() == id;
    Some(match argument.get_id().as_str() {
        "fleet" => fleets(place),
        "fact" => names(Named::Facts),
        "facts" => terms(place, since),
        "with" => {
            let mut found = terms(place, since);
            found.extend(names(Named::Classes));
            found
        }
        "classes" => names(Named::Classes),
        "agents" => names(Named::Agents),
        "identities" => names(Named::Nodes),
        "inputs" => inputs(place, since),
        "words" => words(place),
        "id" => jobs(place),
        _ if is(TypeId::of::<Identity>()) => names(Named::Nodes),
        _ if is(TypeId::of::<AgentName>()) => agents(place),
        _ if is(TypeId::of::<ActionName>()) => actions(place),
        _ if is(TypeId::of::<(AgentName, ActionName)>()) => rights(place),
        _ => Vec::new(),
    })
}

/// The agents that are declared here.
pub fn agents(place: &Place<'_>) -> Vec<Candidate> {
    plain(declared::names(&config::agents(config_file(place).as_deref())))
}

/// The actions of the agent that was typed.
fn actions(place: &Place<'_>) -> Vec<Candidate> {
    place
        .value("agent")
        .and_then(|agent| ddl(place, agent))
        .map(|ddl| actions_of(&ddl))
        .unwrap_or_default()
}

fn actions_of(ddl: &Ddl) -> Vec<Candidate> {
    let actions = ddl.actions.iter();
    actions.map(|(name, action)| Candidate::new(name.as_str(), &action.description)).collect()
}

/// `AGENT.ACTION`: all that is declared of the agents that fit.
fn rights(place: &Place<'_>) -> Vec<Candidate> {
    let begin = place.begin.split('.').next().unwrap_or_default();
    let agents = agents(place).into_iter().filter(|agent| agent.word.starts_with(begin));
    let declared = agents.filter_map(|agent| Some((ddl(place, &agent.word)?, agent.word)));
    declared
        .flat_map(|(ddl, agent)| {
            let dotted = move |action: Candidate| Candidate {
                word: format!("{agent}.{}", action.word),
                ..action
            };
            actions_of(&ddl).into_iter().map(dotted)
        })
        .collect()
}

/// The actions of `mco package` and `mco service`; the other word is a name that only hosts know.
fn words(place: &Place<'_>) -> Vec<Candidate> {
    let Some(ddl) = ddl(place, place.command.get_name()) else { return Vec::new() };
    let is_action = |word: &str| ddl.actions.keys().any(|action| action.as_str() == word);
    match place.value("words") {
        Some(word) if is_action(word) => Vec::new(),
        _ => {
            let mut actions = actions_of(&ddl);
            // Typed as a flag of another: `restart --stale`.
            actions.retain(|action| action.word != RESTART_STALE.1);
            actions
        }
    }
}

/// `NAME=VALUE`: the inputs of the action that was typed, and the values of those that have a list.
fn inputs(place: &Place<'_>, since: Instant) -> Vec<Candidate> {
    let typed = || {
        let ddl = ddl(place, place.value("agent")?)?;
        ddl.actions.get(&place.value("action")?.parse().ok()?).cloned()
    };
    let Some(action) = typed() else { return Vec::new() };
    let Some((name, begin)) = place.begin.split_once('=') else {
        let inputs = action.input.iter();
        return inputs
            .map(|(name, input)| Candidate::new(format!("{name}="), &input.description))
            .collect();
    };
    let Some(input) = action.input.get(name) else { return Vec::new() };
    let values = match input.kind {
        Type::Boolean => vec!["true".to_owned(), "false".to_owned()],
        Type::List => input.list.iter().map(text).collect(),
        _ if name == "fact" => asked(place, since, |hub| hub.names(Named::Facts, begin)),
        _ => Vec::new(),
    };
    values.into_iter().map(|value| Candidate::new(format!("{name}={value}"), "")).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A fact's name, and behind an operator its value.
fn terms(place: &Place<'_>, since: Instant) -> Vec<Candidate> {
    let begin = &place.begin;
    let Some(at) = begin.find(OPERATORS) else {
        let names = asked(place, since, |registry| registry.names(Named::Facts, begin));
        return names.into_iter().map(|name| Candidate::new(name + "=", "")).collect();
    };
    let (name, rest) = begin.split_at(at);
    let operator = &rest[..rest.len() - rest.trim_start_matches(OPERATORS).len()];
    if !["=", "==", "!="].contains(&operator) {
        return Vec::new();
    }
    let values = asked(place, since, |registry| registry.values(name));
    // One that fills its limit was cut.
    let whole = values.into_iter().filter(|(value, _)| value.len() < VALUE_BYTES_MAX);
    let plural = |count| if count == 1 { "node" } else { "nodes" };
    whole
        .map(|(value, count)| {
            let about = format!("{count} {}", plural(count));
            Candidate::new(format!("{name}{operator}{value}"), about)
        })
        .collect()
}

fn fleets(place: &Place<'_>) -> Vec<Candidate> {
    let file = config::locate(config_file(place).as_deref());
    let Ok(config) = file.and_then(|file| ClientConfig::read(&file)) else { return Vec::new() };
    let fleets = config.fleets.into_iter();
    fleets.map(|(name, fleet)| Candidate::new(name.as_str(), fleet.broker.as_str())).collect()
}

fn jobs(place: &Place<'_>) -> Vec<Candidate> {
    let Some(fleet) = fleet(place) else { return Vec::new() };
    let files = std::fs::read_dir(fleet.state.join("jobs")).into_iter().flatten().flatten();
    let ids = files.filter_map(|file| {
        let id = file.file_name().to_str()?.strip_suffix(".json")?.to_owned();
        id.parse::<JobId>().is_ok().then_some(id)
    });
    plain(ids.collect())
}

fn plain(words: Vec<String>) -> Vec<Candidate> {
    words.into_iter().map(|word| Candidate::new(word, "")).collect()
}

/// The registry's answer; nothing where there is none in time.
fn asked<T: Default>(
    place: &Place<'_>,
    since: Instant,
    question: impl FnOnce(&Registry<'_>) -> T,
) -> T {
    let Some(fleet) = fleet(place) else { return T::default() };
    let broker = given(place, "broker", environment::BROKER.name);
    let broker = broker.and_then(|broker| broker.parse().ok());
    let args = FleetArgs { broker, ..FleetArgs::default() };
    question(&Registry { fleet: &fleet, args: &args, since })
}

fn fleet(place: &Place<'_>) -> Option<Fleet> {
    let name = given(place, "fleet", environment::FLEET.name);
    Fleet::load(config_file(place).as_deref(), name.as_deref()).ok()
}

fn ddl(place: &Place<'_>, agent: &str) -> Option<Ddl> {
    let folder = config::agents(config_file(place).as_deref());
    declared::agent(&agent.parse().ok()?, &folder).ok()
}

fn config_file(place: &Place<'_>) -> Option<PathBuf> {
    given(place, "config", environment::CONFIG.name).map(PathBuf::from)
}

/// What the line says, else the environment.
fn given(place: &Place<'_>, id: &str, variable: &str) -> Option<String> {
    let typed = place.value(id).map(str::to_owned);
    typed.or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
}
