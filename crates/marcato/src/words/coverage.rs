//! What to say where a list of nodes may lack some that were meant.

use marcato_client::core::{Coverage, UnknownName};
use marcato_core::limits::client::NEAREST_NAMES_MAX;
use marcato_core::{Identity, Span};

use super::fold::fold;
use super::group::escape;
use super::time::about;

/// All there is to say of a hub's list, in lines.
#[must_use]
pub fn lines(coverage: &Coverage, is_hub: bool) -> Vec<String> {
    let mut lines = unknown(&coverage.unknown_names, &coverage.vanished, is_hub);
    lines.extend(coverage.gathering.map(incomplete));
    lines
}

/// Names that were typed in full and that nobody is called. One that is known here is told of with
/// the others that the hub does not name.
#[must_use]
pub fn unknown(names: &[UnknownName], known: &[Identity], is_hub: bool) -> Vec<String> {
    let is_known = |unknown: &UnknownName| known.iter().any(|node| node.as_str() == unknown.name);
    let names: Vec<&UnknownName> = names.iter().filter(|name| !is_known(name)).collect();
    let list = |names: &[&UnknownName]| {
        let names: Vec<String> = names.iter().map(|unknown| escape(&unknown.name)).collect();
        fold(names.iter().map(String::as_str)).join(" ")
    };
    if !is_hub {
        let silent = (!names.is_empty()).then(|| format!("no answer from {}", list(&names)));
        return silent.into_iter().collect();
    }
    let (first, others) = names.split_at(names.len().min(NEAREST_NAMES_MAX));
    let line = |unknown: &&UnknownName| {
        let nearest = unknown.nearest.as_ref().map(|near| format!("; nearest: {near}"));
        format!("no node is called {}{}", escape(&unknown.name), nearest.unwrap_or_default())
    };
    let mut lines: Vec<String> = first.iter().map(line).collect();
    if !others.is_empty() {
        lines.push(format!("nor is any called {}", list(others)));
    }
    lines
}

/// A hub of that age may not know every node.
#[must_use]
pub fn incomplete(age: Span) -> String {
    format!("expected set incomplete: hub is {} old", about(age))
}
