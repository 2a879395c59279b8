//! Which nodes an order is for, and which that were found are left out and why.

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::limits::timing::GONE_AFTER;
use marcato_core::{Identity, Reason, Timestamp};
use marcato_protocol::question::Listed;
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::version::Spoken;

use super::{Coverage, Directory, NodeReport, Pick, Report};

/// A node that an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub identity: Identity,
    /// Its sign key, proved by a certificate.
    pub key: PublicKey,
    /// The versions that it speaks.
    pub spoken: Spoken,
    /// Since when the registry calls it down; it is sent the order all the same.
    pub down: Option<Timestamp>,
    /// Whether the registry says that it takes no changes; then the order is a read.
    pub read_only: bool,
}

/// A node that matches and is not sent the order. It is expected: it counts as `skipped`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub identity: Identity,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub text: String,
    /// Since when the registry calls it down.
    pub down: Option<Timestamp>,
}

impl LeftOut {
    /// A node that cannot be sent a change, for what became of the read before it.
    #[must_use]
    pub fn of(node: &NodeReport) -> Self {
        Self {
            identity: node.node.clone(),
            reason: node.reason.unwrap_or(Reason::NoCertificate),
            text: node.message.clone(),
            down: node.down_since,
        }
    }
}

/// Which nodes are meant. Each name stands in one of the lists at most; all are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The nodes that the order is for.
    pub chosen: Vec<Chosen>,
    /// Nodes that match and cannot be sent it.
    pub left_out: Vec<LeftOut>,
    /// Nodes that match but lack an agent; not expected.
    pub not_capable: Vec<Identity>,
    /// Nodes that take no changes, where the order is one; not expected.
    pub read_only: Vec<Identity>,
    /// Nodes unheard for so long that they are not expected any more.
    pub gone: Vec<Identity>,
    /// The protocol's version to sign; the newest that all chosen nodes speak.
    pub version: u32,
    /// Whether a hub said which nodes there are. Without one nobody knows whom to expect.
    pub complete: bool,
    /// What there is to say of that hub's list as a whole.
    pub coverage: Coverage,
    /// Of how many nodes a limit took the chosen ones.
    pub limited_from: Option<usize>,
}

/// What a selection is made for.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether the order may change hosts.
    pub changes: bool,
    /// The versions that the client speaks.
    pub spoken: Spoken,
    /// The client's clock.
    pub now: Timestamp,
}

/// What all lines of an answer together say of one name. A hub may list a name twice: what makes
/// more of the node counts, so that a second line can take no node out of the accounts.
#[derive(Debug)]
struct Line {
    keys: Vec<marcato_protocol::digest::Digest>,
    spoken: Spoken,
    down: Option<Timestamp>,
    read_only: bool,
    not_capable: bool,
}

impl Line {
    fn of(listed: Listed) -> (Identity, Self) {
        let Listed { node, key, spoken, down, read_only, not_capable } = listed;
        (node, Self { keys: vec![key], spoken, down, read_only, not_capable })
    }

    fn merge(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.down = self.down.and(other.down);
        self.read_only &= other.read_only;
        self.not_capable &= other.not_capable;
    }
}

impl Selection {
    /// Sorts what a hub listed. `proved` gives the key of a node that a certificate proved.
    #[must_use]
    pub fn choose<'a>(
        listed: impl IntoIterator<Item = Listed>,
        proved: impl Fn(&Identity) -> Option<&'a PublicKey>,
        wish: Wish,
    ) -> Self {
        let mut lines: BTreeMap<Identity, Line> = BTreeMap::new();
        for (node, line) in listed.into_iter().map(Line::of) {
            match lines.get_mut(&node) {
                Some(known) => known.merge(line),
                None => {
                    lines.insert(node, line);
                }
            }
        }
        let mut selection = Self { complete: true, ..Self::default() };
        for (identity, line) in lines {
            selection.place(identity, &line, &proved, wish);
        }
        selection.settle_version(wish.spoken);
        selection
    }

    fn place<'a>(
        &mut self,
        identity: Identity,
        line: &Line,
        proved: impl Fn(&Identity) -> Option<&'a PublicKey>,
        wish: Wish,
    ) {
        let down = line.down;
        if down.is_some_and(|since| wish.now.since(since) > GONE_AFTER) {
            return self.gone.push(identity);
        }
        if line.not_capable {
            return self.not_capable.push(identity);
        }
        if line.read_only && wish.changes {
            return self.read_only.push(identity);
        }
        let (reason, text) = match proved(&identity) {
            None => (Reason::NoCertificate, "the hub has no valid certificate for it".to_owned()),
            Some(key) if line.keys.iter().any(|listed| *listed != key.digest()) => {
                (Reason::KeyChanged, format!("known with the key {}", key.fingerprint()))
            }
            Some(key) => {
                let (key, spoken) = (key.clone(), line.spoken);
                let read_only = line.read_only;
                return self.chosen.push(Chosen { identity, key, spoken, down, read_only });
            }
        };
        self.left_out.push(LeftOut { identity, reason, text, down });
    }

    /// Settles on the newest version that most nodes speak, which is all of them unless somebody is
    /// more than one release behind; who does not speak it is left out by name.
    fn settle_version(&mut self, own: Spoken) {
        let speakers =
            |version| self.chosen.iter().filter(|node| node.spoken.speaks(version)).count();
        let versions = own.oldest..=own.newest;
        // Of equals `max_by_key` takes the last, which is the newest.
        self.version = versions.max_by_key(|version| speakers(*version)).unwrap_or(own.newest);
        let version = self.version;
        let (chosen, others) =
            self.chosen.drain(..).partition(|node: &Chosen| node.spoken.speaks(version));
        self.chosen = chosen;
        self.left_out.extend(others.into_iter().map(|node: Chosen| LeftOut {
            identity: node.identity,
            reason: Reason::Version,
            text: format!(
                "it speaks versions {} to {} of the protocol; the order has version {version}",
                node.spoken.oldest, node.spoken.newest
            ),
            down: node.down,
        }));
        self.left_out.sort_by(|a, b| a.identity.cmp(&b.identity));
    }

    /// The selection where no hub can be asked: whoever matches is meant, whoever that may be.
    #[must_use]
    pub fn unknown(own: Spoken) -> Self {
        Self { version: own.newest, ..Self::default() }
    }

    /// The nodes that answered a first read where no hub can be asked, as the set of what follows.
    /// Those that refused it are left out, by name and for their own reason.
    #[must_use]
    pub fn of_answered(report: &Report, directory: &Directory, own: Spoken) -> Self {
        let version = own.newest;
        let spoken = Spoken { oldest: version, newest: version };
        let unknown_names = report.unknown_names.clone();
        let coverage = Coverage { unknown_names, ..Coverage::default() };
        let mut selection = Self { version, coverage, ..Self::default() };
        for node in &report.nodes {
            match directory.get(&node.node).filter(|_| node.is_there()) {
                Some(known) => selection.chosen.push(Chosen {
                    identity: node.node.clone(),
                    key: known.sign().clone(),
                    spoken,
                    down: None,
                    read_only: false,
                }),
                None => selection.left_out.push(LeftOut::of(node)),
            }
        }
        selection
    }

    /// Keeps the nodes of a list alone.
    pub fn only(&mut self, names: &BTreeSet<Identity>) {
        self.chosen.retain(|node| names.contains(&node.identity));
        self.left_out.retain(|node| names.contains(&node.identity));
        let lists = [
            &mut self.not_capable,
            &mut self.read_only,
            &mut self.gone,
            &mut self.coverage.vanished,
        ];
        for list in lists {
            list.retain(|node| names.contains(node));
        }
    }

    /// The names of a list that stand nowhere in the selection.
    #[must_use]
    pub fn lacks(&self, names: &BTreeSet<Identity>) -> BTreeSet<Identity> {
        let sent = self.chosen.iter().map(|node| &node.identity);
        let known = sent.chain(self.left_out.iter().map(|node| &node.identity));
        let aside = self.not_capable.iter().chain(&self.read_only).chain(&self.gone);
        let known: BTreeSet<&Identity> = known.chain(aside).collect();
        names.iter().filter(|name| !known.contains(name)).cloned().collect()
    }

    /// Expects nodes that no hub knows: whoever names a node is told what became of it.
    pub fn expect_unknown(&mut self, names: impl IntoIterator<Item = Identity>) {
        self.left_out.extend(names.into_iter().map(|identity| LeftOut {
            identity,
            reason: Reason::NotRegistered,
            text: "no node of this name has registered".to_owned(),
            down: None,
        }));
        self.left_out.sort_by(|a, b| a.identity.cmp(&b.identity));
    }

    /// Expects those too who are left aside for what they are by now: what they were sent before may
    /// still begin, and whoever wants to prevent that must know where he could not.
    pub fn expect_aside(&mut self) {
        let lists = [
            (Reason::UnknownAgent, "it does not have the agent", &mut self.not_capable),
            (Reason::NotConnected, "unheard for seven days", &mut self.gone),
        ];
        for (reason, why, nodes) in lists {
            let text = format!("{why}: not asked, and what waits there may still begin");
            let left_out = |identity| LeftOut { identity, reason, text: text.clone(), down: None };
            self.left_out.extend(nodes.drain(..).map(left_out));
        }
        self.left_out.sort_by(|a, b| a.identity.cmp(&b.identity));
    }

    /// Takes some of the chosen nodes. Who could not have been sent the order is not expected then,
    /// but for a name that is nobody's. A limit that leaves nobody out is none.
    pub fn limit(&mut self, pick: Pick) {
        let all = self.chosen.len();
        self.limited_from = Some(all);
        let chosen = std::mem::take(&mut self.chosen);
        self.chosen = pick.from(chosen, |node| (&node.identity, node.down.is_some()));
        if self.chosen.len() < all {
            self.left_out.retain(|node| node.reason == Reason::NotRegistered);
        }
    }

    /// How many nodes are expected: all that match and are not left aside for what they are.
    #[must_use]
    pub const fn expected(&self) -> usize {
        self.chosen.len() + self.left_out.len()
    }
}
