//! `mco again`: a job's command once more, for some of its nodes and no others.

use std::collections::BTreeSet;
use std::time::Instant;

use marcato_client::core::NodeReport;
use marcato_core::{EndState, Exit, Identity};

use super::{find, intent, jobs};
use crate::jobs::{Kept, Stage};
use crate::mco::cli::{Again, FilterArgs, NodesArgs, OrderArgs, Part};
use crate::mco::order::{self, Earlier, Intent};
use crate::words::Failure;
use crate::words::fold::fold;

/// Runs the command, and says how it ended.
pub fn main(args: Again, started: Instant) -> Exit {
    order::main(again(args), started)
}

fn again(args: Again) -> Result<Intent, Failure> {
    let (kept, is_running) = find(&jobs(&args.fleet)?, args.id.as_deref())?;
    if is_running {
        let text = format!("job {}: its command still runs. Nothing was sent.", kept.id);
        return Err(Failure::new(Exit::Nothing, text).hint(format!("mco job follow {}", kept.id)));
    }
    let nodes = nodes(&kept, args.which);
    if nodes.is_empty() {
        let text =
            format!("no node of job {} {}. Nothing was sent.", kept.id, in_words(args.which));
        return Err(Failure::new(Exit::Nothing, text).hint(format!("mco job show {}", kept.id)));
    }
    let intent = intent(&kept)?;
    let fleet = super::fleet_of(&kept, args.fleet)?;
    let order = OrderArgs {
        fleet,
        // The names alone say which nodes are meant.
        filter: named(&nodes),
        nodes: NodesArgs::default(),
        all: false,
        expect: None,
        output: args.output,
        report: args.report,
        reason: args.reason.or(intent.order.reason),
        yes: args.yes,
        ..intent.order
    };
    let earlier = Earlier { job: kept.id, nodes, command: Some(kept.what.command) };
    Ok(Intent { order, earlier: Some(earlier), ..intent })
}

/// The filter that means these nodes.
pub fn named<'a>(nodes: impl IntoIterator<Item = &'a Identity>) -> FilterArgs {
    let identities = fold(nodes.into_iter().map(Identity::as_str));
    FilterArgs { identities, ..FilterArgs::default() }
}

fn nodes(kept: &Kept, part: Part) -> BTreeSet<Identity> {
    match &kept.stage {
        // Nothing is known of any.
        Stage::Begun { nodes, .. } if part.silent => nodes.iter().cloned().collect(),
        Stage::Begun { .. } => BTreeSet::new(),
        Stage::Ended { report, .. } => {
            let meant = report.nodes.iter().filter(|node| is_meant(part, node));
            meant.map(|node| node.node.clone()).collect()
        }
    }
}

/// How the nodes ended that are meant.
fn in_words(part: Part) -> String {
    let words = [
        (part.failed, "failed"),
        (part.silent, "was silent"),
        (part.down, "was down"),
        (part.untouched, "was left untouched"),
    ];
    let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, words)| *words).collect();
    words.join(" or ")
}

/// Whether a node ended so that it is meant.
pub fn is_meant(part: Part, node: &NodeReport) -> bool {
    match node.state {
        EndState::Ok => false,
        EndState::Cancelled | EndState::Skipped => part.untouched,
        EndState::Down => part.down,
        EndState::NoResponse | EndState::Lost => part.silent,
        _ if !node.signed => part.silent,
        _ => part.failed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_of_a_job() {
        let check = |state: &str, signed: bool, want: &str| {
            let node =
                json!({ "node": "web1", "state": state, "changed": "false", "signed": signed });
            let node: NodeReport = serde_json::from_value(node).unwrap();
            let parts = [
                ("failed", Part { failed: true, ..Part::default() }),
                ("silent", Part { silent: true, ..Part::default() }),
                ("down", Part { down: true, ..Part::default() }),
                ("untouched", Part { untouched: true, ..Part::default() }),
            ];
            let meant = parts.into_iter().filter(|(_, part)| is_meant(*part, &node));
            assert_eq!(meant.map(|(name, _)| name).collect::<Vec<_>>().join(" "), want, "{state}");
        };
        check("ok", true, "");
        check("failed", true, "failed");
        check("denied", true, "failed");
        check("rejected", true, "failed");
        check("interrupted", true, "failed");
        check("timed_out", true, "failed");
        check("timed_out", false, "silent");
        check("cancelled", true, "untouched");
        check("no_response", false, "silent");
        check("lost", false, "silent");
        check("down", false, "down");
        check("skipped", false, "untouched");
    }
}
