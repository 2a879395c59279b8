//! `mco job cancel`: nothing more of a job begins. It asks nobody, for it changes no host.

use std::collections::BTreeSet;
use std::time::Instant;

use marcato_agent::job;
use marcato_client::core::NodeReport;
use marcato_core::{EndState, Exit, Identity, OrderId};

use super::{find, fleet_of, jobs};
use crate::jobs::{Kept, Stage};
use crate::mco::cli::{Cancel, OrderArgs};
use crate::mco::order::{self, Earlier, Intent};
use crate::words::Failure;
use crate::words::tally::Look;

/// Runs the command, and says how it ended.
pub fn main(args: Cancel, started: Instant) -> Exit {
    order::main(cancel(args), started)
}

fn cancel(args: Cancel) -> Result<Intent, Failure> {
    let (kept, _) = find(&jobs(&args.fleet)?, args.id.as_deref())?;
    let (order, nodes) = open(&kept)?;
    let fleet = fleet_of(&kept, args.fleet)?;
    let name = |error| Failure::new(Exit::Usage, error);
    let (output, report, reason) = (args.output, args.report, args.reason);
    Ok(Intent {
        agent: job::NAME.parse().map_err(name)?,
        action: job::CANCEL.parse().map_err(name)?,
        ddl: None,
        words: vec![(job::ORDER.to_owned(), order.to_string())],
        order: OrderArgs { fleet, output, report, reason, yes: true, ..OrderArgs::default() },
        look: Look::Outputs,
        earlier: Some(Earlier { job: kept.id, nodes, command: None }),
    })
}

/// Whether it is not known how a node ended, or whether it began. What was not sent, or found nobody, is
/// nowhere.
pub fn is_open(node: &NodeReport) -> bool {
    !node.signed && !matches!(node.state, EndState::Down | EndState::Skipped)
}

/// A job's order, and the nodes of which it is not known how they ended, or whether they began.
///
/// # Errors
/// There are none.
pub fn open(kept: &Kept) -> Result<(OrderId, BTreeSet<Identity>), Failure> {
    let (order, nodes): (Option<OrderId>, BTreeSet<Identity>) = match &kept.stage {
        Stage::Begun { order, nodes } => (Some(*order), nodes.iter().cloned().collect()),
        Stage::Ended { report, .. } => {
            let open = report.nodes.iter().filter(|node| is_open(node));
            // Of a read that was signed anew the last one is the one that is not answered.
            (report.orders.last().copied(), open.map(|node| node.node.clone()).collect())
        }
    };
    let order = order.filter(|_| !nodes.is_empty());
    let nothing = || {
        let text = format!("job {} has no node of which it is not known how it ended", kept.id);
        Failure::new(Exit::Nothing, text).hint(format!("mco job show {}", kept.id))
    };
    Ok((order.ok_or_else(nothing)?, nodes))
}
