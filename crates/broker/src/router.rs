//! Who gets a message: every subscription in one tree, a level for each token of a subject.
//!
//! A message walks only the branches that can match, and each node of the tree at most once, so a
//! client cannot make a publish cost more than what it has subscribed. Every removal is constant
//! work, so a thousand clients that leave at once cost a thousand steps. Generic over what stands
//! for a client; randomness comes in with the message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use slab::Slab;

use crate::refusal::Refusal;
use crate::subject::{ANY_ONE, ANY_REST};

/// The number of a connection; never given twice.
pub type ClientId = u64;

/// The number of a subscription; given again once it is free.
type SubId = usize;
type NodeId = usize;

/// The top of the tree; it stands for no token.
const ROOT: NodeId = 0;

/// `Sub::max` of a subscription without an end.
const FOREVER: u64 = u64::MAX;

/// One subscription, as a message finds it.
#[derive(Debug)]
pub struct Sub<C> {
    /// What stands for the client.
    pub target: C,
    /// The connection.
    pub client: ClientId,
    /// The client's own name for it.
    pub sid: Box<str>,
    /// How many messages it has got since its start.
    delivered: AtomicU64,
    /// After how many messages it ends.
    max: AtomicU64,
    node: NodeId,
    /// Its queue group.
    queue: Option<Box<str>>,
    /// Its place in the node's, or the group's, list.
    place: usize,
}

impl<C> Sub<C> {
    /// Counts a delivery before it is made, so that two publishers at once cannot both make the
    /// last one. `None` if the last one was made; else whether this is it.
    fn count(&self) -> Option<bool> {
        let max = self.max.load(Ordering::Relaxed);
        let number = self.delivered.fetch_add(1, Ordering::Relaxed) + 1;
        (number <= max).then_some(number == max)
    }

    /// Whether it has had its last message.
    fn is_over(&self) -> bool {
        self.delivered.load(Ordering::Relaxed) >= self.max.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, NodeId>,
    any_one: Option<NodeId>,
    any_rest: Option<NodeId>,
    plain: Vec<SubId>,
    /// Queue groups by name; an empty one is taken out.
    groups: HashMap<Box<str>, Vec<SubId>>,
    parent: NodeId,
    token: Box<str>,
}

impl Node {
    fn is_unused(&self) -> bool {
        self.children.is_empty()
            && self.any_one.is_none()
            && self.any_rest.is_none()
            && self.plain.is_empty()
            && self.groups.is_empty()
    }
}

/// Subscriptions that had their last message and wait for [`Router::remove_finished`].
pub type Finished = Vec<(ClientId, Box<str>)>;

/// All subscriptions of all clients.
#[derive(Debug)]
pub struct Router<C> {
    nodes: Slab<Node>,
    subs: Slab<Sub<C>>,
    clients: HashMap<ClientId, HashMap<Box<str>, SubId>>,
    subs_per_client: usize,
}

impl<C> Router<C> {
    /// An empty router that lets a client hold `subs_per_client` subscriptions.
    pub fn new(subs_per_client: usize) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self { nodes, subs: Slab::new(), clients: HashMap::new(), subs_per_client }
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.subs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subs.is_empty()
    }

    /// How many nodes the tree has, its root included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Enters a subscription to `pattern`, which must be a valid one. A `sid` that the client uses
    /// already stays as it is, as with nats-server; one that has had its last message is free, also
    /// while it waits for [`Router::remove_finished`]. Errs with [`Refusal::Subscriptions`] at the
    /// limit.
    pub fn subscribe(
        &mut self,
        target: C,
        client: ClientId,
        sid: &str,
        pattern: &str,
        queue: Option<&str>,
    ) -> Result<(), Refusal> {
        if let Some(id) = self.find(client, sid) {
            if !self.subs[id].is_over() {
                return Ok(());
            }
            self.remove(client, sid);
        }
        if self.clients.get(&client).is_some_and(|sids| sids.len() >= self.subs_per_client) {
            return Err(Refusal::Subscriptions);
        }
        let node_id = self.node_for(pattern);
        let id = self.subs.vacant_key();
        let node = &mut self.nodes[node_id];
        let queue = queue.map(Box::<str>::from);
        let list = match &queue {
            Some(name) => node.groups.entry(name.clone()).or_default(),
            None => &mut node.plain,
        };
        let place = list.len();
        list.push(id);
        self.subs.insert(Sub {
            target,
            client,
            sid: sid.into(),
            delivered: AtomicU64::new(0),
            max: AtomicU64::new(FOREVER),
            node: node_id,
            queue,
            place,
        });
        self.clients.entry(client).or_default().insert(sid.into(), id);
        Ok(())
    }

    /// Ends a subscription, at once or once it has got `max` messages since its start.
    pub fn unsubscribe(&mut self, client: ClientId, sid: &str, max: Option<u64>) {
        let Some(id) = self.find(client, sid) else { return };
        let sub = &self.subs[id];
        match max {
            Some(max) if !sub.is_over() && sub.delivered.load(Ordering::Relaxed) < max => {
                sub.max.store(max, Ordering::Relaxed);
            }
            _ => self.remove(client, sid),
        }
    }

    /// Takes out what [`Router::deliver`] reported as finished.
    pub fn remove_finished(&mut self, finished: Finished) {
        for (client, sid) in finished {
            // The client may have ended it and begun anew with the same sid in the meantime.
            if self.find(client, &sid).is_some_and(|id| self.subs[id].is_over()) {
                self.remove(client, &sid);
            }
        }
    }

    /// Ends all subscriptions of a client that is gone.
    pub fn remove_client(&mut self, client: ClientId) {
        for id in self.clients.remove(&client).into_iter().flatten().map(|(_, id)| id) {
            self.detach(id);
        }
    }

    fn find(&self, client: ClientId, sid: &str) -> Option<SubId> {
        self.clients.get(&client)?.get(sid).copied()
    }

    fn remove(&mut self, client: ClientId, sid: &str) {
        let Some(sids) = self.clients.get_mut(&client) else { return };
        let Some(id) = sids.remove(sid) else { return };
        if sids.is_empty() {
            self.clients.remove(&client);
        }
        self.detach(id);
    }

    fn detach(&mut self, id: SubId) {
        let sub = self.subs.remove(id);
        let node = &mut self.nodes[sub.node];
        let list = match &sub.queue {
            Some(name) => node.groups.entry(name.clone()).or_default(),
            None => &mut node.plain,
        };
        list.swap_remove(sub.place);
        if let Some(moved) = list.get(sub.place) {
            self.subs[*moved].place = sub.place;
        }
        if let (Some(name), true) = (&sub.queue, list.is_empty()) {
            node.groups.remove(name);
        }
        self.prune(sub.node);
    }

    /// Takes out a node that nothing needs any more, and what is above it likewise.
    fn prune(&mut self, mut id: NodeId) {
        while id != ROOT && self.nodes[id].is_unused() {
            let node = self.nodes.remove(id);
            let parent = &mut self.nodes[node.parent];
            match &*node.token {
                ANY_ONE => parent.any_one = None,
                ANY_REST => parent.any_rest = None,
                token => {
                    parent.children.remove(token);
                    // A level that thousands of names passed through must not stay that large.
                    if parent.children.capacity() > 4 * (parent.children.len() + 16) {
                        parent.children.shrink_to_fit();
                    }
                }
            }
            id = node.parent;
        }
    }

    fn node_for(&mut self, pattern: &str) -> NodeId {
        pattern.split('.').fold(ROOT, |at, token| {
            let known = match token {
                ANY_ONE => self.nodes[at].any_one,
                ANY_REST => self.nodes[at].any_rest,
                token => self.nodes[at].children.get(token).copied(),
            };
            known.unwrap_or_else(|| {
                let node = Node { parent: at, token: token.into(), ..Node::default() };
                let id = self.nodes.insert(node);
                let parent = &mut self.nodes[at];
                match token {
                    ANY_ONE => parent.any_one = Some(id),
                    ANY_REST => parent.any_rest = Some(id),
                    token => {
                        parent.children.insert(token.into(), id);
                    }
                }
                id
            })
        })
    }

    /// Delivers a message for `subject` to every plain subscription that matches and to one member
    /// of each queue group, beginning at a random one; never to `but_not`, a publisher that wants
    /// no echo. `take` says whether the client is still there to take it. Returns how many took it.
    pub fn deliver(
        &self,
        subject: &str,
        but_not: Option<ClientId>,
        random: u64,
        finished: &mut Finished,
        mut take: impl FnMut(&Sub<C>) -> bool,
    ) -> usize {
        let mut taken = 0;
        let mut offer = |id: SubId| {
            let sub = &self.subs[id];
            if but_not == Some(sub.client) {
                return false;
            }
            let Some(last) = sub.count() else { return false };
            if last {
                finished.push((sub.client, sub.sid.clone()));
            }
            let took = take(sub);
            taken += usize::from(took);
            took
        };
        self.walk(subject, |node| {
            for id in &node.plain {
                offer(*id);
            }
            for members in node.groups.values() {
                let (before, from) = members.split_at(random as usize % members.len().max(1));
                let _taker = from.iter().chain(before).find(|id| offer(**id));
            }
        });
        taken
    }

    /// The sid under which `client` itself listens on `subject`, if it does; as with nats-server,
    /// listening in a queue group does not count.
    pub fn own_sid(&self, client: ClientId, subject: &str) -> Option<&str> {
        let mut found = None;
        self.walk(subject, |node| {
            let mut own = node.plain.iter().map(|id| &self.subs[*id]);
            if found.is_none() {
                found = own.find(|sub| sub.client == client).map(|sub| &*sub.sid);
            }
        });
        found
    }

    /// Calls `visit` for each node whose pattern covers `subject`.
    fn walk<'a>(&'a self, subject: &str, mut visit: impl FnMut(&'a Node)) {
        // Each entry: a node, and what of the subject is left for the levels below it.
        let mut open = vec![(&self.nodes[ROOT], Some(subject))];
        while let Some((node, rest)) = open.pop() {
            let Some(rest) = rest else {
                visit(node);
                continue;
            };
            let (token, rest) = match rest.split_once('.') {
                Some((token, rest)) => (token, Some(rest)),
                None => (rest, None),
            };
            if let Some(id) = node.any_rest {
                visit(&self.nodes[id]);
            }
            if let Some(id) = node.any_one {
                open.push((&self.nodes[id], rest));
            }
            if let Some(id) = node.children.get(token) {
                open.push((&self.nodes[*id], rest));
            }
        }
    }
}
