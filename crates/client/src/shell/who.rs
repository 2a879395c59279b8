//! Which nodes are meant: asked of the hub, and of the nodes themselves where no hub can know.

use std::collections::BTreeSet;

use marcato_core::limits::timing::READ_WAIT;
use marcato_core::{Identity, OrderId, Reason, Terms, Timestamp};
use marcato_filter::Filter;

use super::choice::Choice;
use super::fleet::{Fleet, FleetError, random};
use super::signer::Signer;
use crate::core::{Aim, Coverage, LeftOut, NodeReport, Outcome, Purpose, Report, Selection, Task};

/// The nodes that match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The names that match, sorted, each with the time since which it is not connected.
    pub nodes: Vec<(Identity, Option<Timestamp>)>,
    /// Whether a hub said so. Otherwise these are the nodes that answered, and there may be others.
    pub complete: bool,
    /// What there is to say of the hub's list as a whole.
    pub coverage: Coverage,
    /// Where the nodes were asked themselves: those that did not say whether they match.
    pub left_out: Vec<LeftOut>,
}

impl Fleet {
    /// Asks the hub which nodes match; nothing is signed. Where no hub is, or the filter asks for
    /// facts that no hub knows, the nodes are asked themselves, with an order that `signer` signs.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn find(&mut self, terms: Terms, signer: &dyn Signer) -> Result<Found, FleetError> {
        let purpose = match registered(&terms) {
            Some(terms) => Purpose::Order { terms, changes: false },
            None => Purpose::Find(terms.clone()),
        };
        let is_known = matches!(purpose, Purpose::Find(_));
        let (_, inquiry) = self.inquire(purpose).await?;
        let selection = inquiry.selection(self.clock.now());
        if inquiry.outcome() != Some(&Outcome::NoHub) && is_known {
            let nodes = inquiry.found().into_iter().map(|(node, down)| (node.clone(), down));
            let (nodes, coverage) = (nodes.collect(), inquiry.coverage());
            return Ok(Found { nodes, complete: true, coverage, left_out: Vec::new() });
        }
        let (complete, coverage) = (selection.complete, selection.coverage.clone());
        if complete && selection.chosen.is_empty() {
            let left_out = selection.left_out;
            return Ok(Found { nodes: Vec::new(), complete, coverage, left_out });
        }
        let report = self.ping(terms, selection, signer).await?;
        let unknown_names = report.unknown_names;
        let (there, others): (Vec<_>, Vec<_>) =
            report.nodes.into_iter().partition(NodeReport::is_there);
        let others = others.iter().filter(|node| node.reason != Some(Reason::NotMatching));
        Ok(Found {
            nodes: there.into_iter().map(|node| (node.node, None)).collect(),
            complete,
            coverage: Coverage { unknown_names, ..coverage },
            left_out: others.map(LeftOut::of).collect(),
        })
    }

    /// Asks the hub for whom a task is. Where no hub is, a read is for whoever answers; for a
    /// change the nodes are asked first, with an order that `signer` signs. So they are where the
    /// filter asks for facts that no hub knows: those that say they are not meant are left away.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn choose(&mut self, task: &Task, signer: &dyn Signer) -> Result<Choice, FleetError> {
        let (terms, changes) = (task.terms(), task.changes && !task.to_read_only);
        let known = registered(&terms);
        let is_known = known.is_none();
        let purpose = Purpose::Order { terms: known.unwrap_or_else(|| terms.clone()), changes };
        let (id, inquiry) = self.inquire(purpose).await?;
        let mut selection = inquiry.selection(self.clock.now());
        if inquiry.outcome() == Some(&Outcome::NoHub) && !task.is_matching() {
            let selection = Selection::unknown(self.setup.spoken);
            let report = self.ping(terms, selection, signer).await?;
            let selection = Selection::of_answered(&report, &self.directory, self.setup.spoken);
            return Choice::new(id, selection);
        }
        if !is_known && !selection.chosen.is_empty() {
            let report = self.ping(terms, selection.clone(), signer).await?;
            let others =
                report.nodes.iter().filter(|node| node.reason == Some(Reason::NotMatching));
            let others: BTreeSet<&Identity> = others.map(|node| &node.node).collect();
            // Who is silent now decides when the order itself comes.
            selection.chosen.retain(|node| !others.contains(&node.identity));
        }
        Choice::new(id, selection)
    }

    /// Has every node that may be meant say whether it is: those of the selection, or whoever
    /// answers where no hub said which there are.
    async fn ping(
        &mut self,
        terms: Terms,
        selection: Selection,
        signer: &dyn Signer,
    ) -> Result<Report, FleetError> {
        let task = Task {
            agent: "rpcutil".parse()?,
            action: "ping".parse()?,
            inputs: serde_json::Map::new(),
            changes: false,
            to_read_only: false,
            filter: terms,
            aim: if selection.complete { Aim::Set } else { Aim::Matching },
            reason: None,
            wait: READ_WAIT,
            run_limit: READ_WAIT,
        };
        let id = OrderId::from_bytes(random()?);
        let choice = Choice::new(id, selection)?;
        let report = self.run(task, choice, signer, &mut |_, _| ()).await?;
        if report.interrupted { Err(FleetError::Interrupted) } else { Ok(report) }
    }
}

/// What of a filter a hub can decide, if that is not all of it: facts that change all the time are in
/// no registration.
fn registered(terms: &Terms) -> Option<Terms> {
    // What is not understood is refused by whoever is asked.
    Filter::parse(terms).ok()?.registered()
}
