//! What can be typed next, on the nodes that were meant.

use std::path::Path;

use marcato_client::core::{NodeReport, Report};
use marcato_core::ddl::Action;
use marcato_core::{Collective, EndState, JobId};

use super::cli::{FilterArgs, FleetArgs, NodesArgs, Part};
use super::declared;
use super::grammar::RESTART_STALE;
use super::job::{again, cancel::is_open};
use super::order::Intent;
use crate::config::Fleet;
use crate::environment;
use crate::words::change;

/// Up to so many names are typed again, those that fold together counted as one.
const NAMED_MAX: usize = 10;

/// Commands for what is left to do; only such as the program has.
#[must_use]
pub fn commands(
    intent: &Intent,
    (action, item): (&Action, Option<&str>),
    (report, job): (&Report, Option<&JobId>),
) -> Vec<String> {
    let mut commands = Vec::new();
    if let Some(item) = item
        && change::still_uses(&report.nodes)
        && has(RESTART_STALE)
        && let Some(flags) = flags(&intent.order.filter, &intent.order.nodes)
    {
        let fleet = fleet(&intent.order.fleet, &report.collective);
        commands.push(format!("mco service restart --stale {}{flags}{fleet}", quoted(item)));
    }
    match (job, &intent.earlier) {
        (Some(job), _) if action.changes() => {
            if report.nodes.iter().any(is_open) {
                commands.push(format!("mco job follow {job}"));
            }
            commands.extend(again(report, job));
        }
        // What was cancelled has its ends there.
        (None, Some(earlier)) => commands.push(format!("mco job follow {}", earlier.job)),
        _ => {}
    }
    // Where nobody at all answers it is rarely the hosts: nodes do not answer all that a stranger asks,
    // and whoever signs with a wrong name or key is one.
    let is_silent = |node: &NodeReport| node.state == EndState::NoResponse;
    if report.nodes.iter().any(is_silent) && !report.nodes.iter().any(|node| node.signed) {
        commands.push("mco doctor".to_owned());
    }
    commands
}

/// The same once more, where it did not come about.
fn again<'a>(report: &'a Report, job: &'a JobId) -> impl Iterator<Item = String> + 'a {
    let parts = [
        (Part { failed: true, ..Part::default() }, "--failed"),
        (Part { down: true, ..Part::default() }, "--down"),
        (Part { untouched: true, ..Part::default() }, "--untouched"),
    ];
    let has = |part: Part| report.nodes.iter().any(|node| again::is_meant(part, node));
    let wanted = parts.into_iter().filter(move |(part, _)| has(*part));
    wanted.map(move |(_, flag)| format!("mco again {job} {flag}"))
}

fn has((agent, action): (&str, &str)) -> bool {
    let ddl = declared::shipped(agent).and_then(Result::ok);
    ddl.is_some_and(|ddl| ddl.actions.keys().any(|name| name.as_str() == action))
}

/// The flag that names the fleet, where the same words without it would mean another, or none.
fn fleet(args: &FleetArgs, fleet: &Collective) -> String {
    let unnamed = std::env::var(environment::FLEET.name).ok();
    match Fleet::load(args.config.as_deref(), unnamed.as_deref()) {
        Ok(meant) if meant.name == *fleet => String::new(),
        _ => format!(" --fleet {fleet}"),
    }
}

/// The flags that mean the same nodes again; none where their names came from standard input, or are too
/// many to be typed.
fn flags(filter: &FilterArgs, nodes: &NodesArgs) -> Option<String> {
    let is_read = nodes.nodes.as_deref() == Some(Path::new("-"));
    if is_read || filter.identities.len() > NAMED_MAX {
        return None;
    }
    let kinds = [
        ("-W", &filter.with),
        ("-S", &filter.expressions),
        ("-F", &filter.facts),
        ("-C", &filter.classes),
        ("-A", &filter.agents),
        ("-I", &filter.identities),
    ];
    let mut flags = String::new();
    let mut add = |flag: &str, value: &str| {
        flags.push_str(&format!(" {flag} {}", quoted(value)));
    };
    kinds.iter().for_each(|(flag, values)| values.iter().for_each(|value| add(flag, value)));
    if let Some(file) = &nodes.nodes {
        add("--nodes", &file.display().to_string());
    }
    if let Some(limit) = nodes.limit {
        add("--limit", &limit.to_string());
    }
    if let Some(seed) = nodes.limit_seed {
        add("--limit-seed", &seed.to_string());
    }
    if nodes.one {
        flags.push_str(" --one");
    }
    Some(flags)
}

/// A word as a shell takes it: in quotes where it would be more than itself.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_nodes_again() {
        let own = |text: &str| vec![text.to_owned()];
        let filter = FilterArgs {
            with: own("hagroup=c common"),
            identities: own("web[01-17].x"),
            expressions: own("a='b'"),
            ..FilterArgs::default()
        };
        let nodes = NodesArgs { limit: Some("10%".parse().unwrap()), ..NodesArgs::default() };
        let want = " -W 'hagroup=c common' -S 'a='\\''b'\\''' -I 'web[01-17].x' --limit 10%";
        assert_eq!(flags(&filter, &nodes).as_deref(), Some(want));
        let nodes = NodesArgs { nodes: Some("-".into()), ..NodesArgs::default() };
        assert_eq!(flags(&FilterArgs::default(), &nodes), None);
        let identities = (0..=NAMED_MAX).map(|number| format!("{number}.x")).collect();
        let many = FilterArgs { identities, ..FilterArgs::default() };
        assert_eq!(flags(&many, &NodesArgs::default()), None);
        assert_eq!(flags(&FilterArgs::default(), &NodesArgs::default()).as_deref(), Some(""));
    }
}
