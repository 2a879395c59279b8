//! How far a hub's list covers the fleet: a hub that has just started does not know every node yet,
//! and a name that is typed may be nobody's. Either would leave a host out in silence.

use std::collections::BTreeSet;

use marcato_core::limits::client::NEAREST_NAMES_MAX;
use marcato_core::limits::timing::HUB_GATHERS;
use marcato_core::{Identity, Span, Terms, Timestamp};
use marcato_filter::{Filter, suggest};
use serde::{Deserialize, Serialize};

use super::Directory;

/// A name that was typed in full, and that nobody is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// The node that is most likely meant.
    pub nearest: Option<Identity>,
}

impl UnknownName {
    /// One of which it is not known who is meant.
    #[must_use]
    pub const fn of(name: String) -> Self {
        Self { name, nearest: None }
    }
}

/// What is known of a hub's list beside its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Since when the hub gathers registrations; none where there is no hub.
    pub since: Option<Timestamp>,
    /// The hub's age where it is too young to know every node, and its list is not borne out by the
    /// nodes that are known here. Only where it lists them all and no other does it pass for whole:
    /// a client that knows a part of the fleet, or nobody, cannot tell what is missing.
    pub gathering: Option<Span>,
    /// Known nodes that the hub did not name though it was asked for them.
    pub vanished: Vec<Identity>,
    /// Names typed in full that nobody is called.
    pub unknown_names: Vec<UnknownName>,
}

/// A hub's age where it may not have heard of every node yet.
pub(super) fn young(since: Timestamp, now: Timestamp) -> Option<Span> {
    Some(now.since(since)).filter(|age| *age < HUB_GATHERS)
}

/// The names that a filter gives in full, each once.
pub(super) fn names(terms: &Terms) -> BTreeSet<String> {
    let filter = Filter::parse(terms).ok();
    let names = filter.iter().flat_map(Filter::named_identities);
    names.map(str::to_owned).collect()
}

/// A hub's word, held against what else is known.
#[derive(Debug)]
pub(super) struct Census<'a> {
    pub since: Timestamp,
    /// The hub's age where it may not have heard of every node.
    pub young: Option<Span>,
    /// Whether every node was asked for.
    pub whole: bool,
    /// Names typed in full.
    pub names: &'a BTreeSet<String>,
    /// Every name of the registry where that is needed: where every node was asked for, the hub is
    /// young, or a name that was typed is not among those that match. Else the names that match.
    pub registered: BTreeSet<&'a Identity>,
    pub known: &'a Directory,
}

impl Census<'_> {
    pub fn coverage(&self) -> Coverage {
        let is_there =
            |name: &str| name.parse::<Identity>().is_ok_and(|name| self.registered.contains(&name));
        let unknown = |(at, name): (usize, &String)| {
            let all = self.registered.iter().map(|node| node.as_str());
            let near = (at < NEAREST_NAMES_MAX).then(|| suggest::identity(name, all)).flatten();
            let nearest = near.and_then(|near| near.parse().ok());
            UnknownName { name: name.clone(), nearest }
        };
        let unknown_names = self.names.iter().filter(|name| !is_there(name)).enumerate();
        let asked = |node: &&Identity| {
            self.whole || self.young.is_some() || self.names.contains(node.as_str())
        };
        let known = self.known.names();
        let vanished = known.clone().filter(asked).filter(|node| !self.registered.contains(node));
        let borne_out = !self.known.is_empty() && known.clone().eq(self.registered.iter().copied());
        Coverage {
            since: Some(self.since),
            gathering: self.young.filter(|_| !borne_out),
            vanished: vanished.cloned().collect(),
            unknown_names: unknown_names.map(unknown).collect(),
        }
    }
}
