//! `mcod facts`: what a node would say of this host.

use marcato_core::nearest::nearest;
use marcato_core::{Exit, Facts};
use marcato_filter::look_up;
use marcato_node::shell::{self, Places};
use serde_json::{Map, Value};

use super::cli::FactsArgs;
use super::node::read_config;
use crate::words::{self, Failure};

/// Runs `mcod facts`.
///
/// # Errors
/// What is wrong with `node.toml`, or that a fact is not there.
pub fn main(args: &FactsArgs) -> Result<Exit, Failure> {
    let file = args.places.config.join("node.toml");
    // A host may be looked at before it is a node.
    let config = if file.exists() { Some(read_config(&file)?) } else { None };
    let places = Places::beside(&file, &args.places.state);
    let runtime = super::runtime()?;
    let source = runtime.block_on(shell::look_at(config.as_ref(), &places));
    for what in source.health() {
        tracing::warn!("{what}");
    }
    let facts = source.measured();
    let mut found = Map::new();
    for name in &args.names {
        found.insert(name.clone(), value(&facts, name)?);
    }
    if args.names.is_empty() {
        found = facts.into_iter().collect();
    }
    Ok(words::answer(&shown(&found, args), Exit::Ok))
}

fn value(facts: &Facts, name: &str) -> Result<Value, Failure> {
    if let Some(value) = look_up(facts, name) {
        return Ok(value.clone());
    }
    let failure = Failure::new(Exit::Nothing, format_args!("this host has no fact {name:?}"));
    Err(match nearest(name, facts.keys().map(String::as_str)) {
        Some(near) => failure.hint(format_args!("nearest: {near}")),
        None => failure,
    })
}

/// The facts as Facter shows them: a single one by its value alone.
fn shown(facts: &Map<String, Value>, args: &FactsArgs) -> String {
    if args.json {
        return format!("{:#}\n", Value::Object(facts.clone()));
    }
    let plain = |value: &Value| match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Array(_) | Value::Object(_) => format!("{value:#}"),
        other => other.to_string(),
    };
    match &args.names[..] {
        [alone] => format!("{}\n", facts.get(alone).map(plain).unwrap_or_default()),
        _ => facts.iter().map(|(name, value)| format!("{name} => {}\n", plain(value))).collect(),
    }
}
