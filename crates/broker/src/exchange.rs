//! What all connections share: who is connected, who listens where, and the delivery of a message.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use marcato_core::limits::broker::SHARED_BYTES_MIN;

use crate::mailbox::{End, Mailbox};
use crate::quiet::Quiet;
use crate::refusal::Refusal;
use crate::router::{ClientId, Finished, Router};
use crate::session::Publish;

/// All clients and subscriptions. Locks are taken in the order router, then mailbox.
pub struct Exchange {
    router: RwLock<Router<Arc<Mailbox>>>,
    clients: Mutex<HashMap<ClientId, Arc<Mailbox>>>,
    next_id: AtomicU64,
    connections_max: usize,
    pending_max: usize,
    /// Which refusals may be logged.
    pub refusals: Quiet,
}

impl Exchange {
    /// Without clients; the limits are those of [`crate::Limits`].
    pub fn new(connections_max: usize, subscriptions_max: usize, pending_max: usize) -> Self {
        Self {
            router: RwLock::new(Router::new(subscriptions_max)),
            clients: Mutex::default(),
            next_id: AtomicU64::new(1),
            connections_max,
            pending_max,
            refusals: Quiet::default(),
        }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<Mailbox>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a connection that is about to come or to be refused.
    pub fn next_id(&self) -> ClientId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a client, unless there are too many.
    pub fn enter(&self, id: ClientId, peer: SocketAddr) -> Result<Arc<Mailbox>, Refusal> {
        let mut clients = self.clients();
        if clients.len() >= self.connections_max {
            return Err(Refusal::Connections);
        }
        let mailbox = Arc::new(Mailbox::new(id, peer, self.pending_max));
        clients.insert(id, mailbox.clone());
        Ok(mailbox)
    }

    /// Forgets a client and its subscriptions.
    pub fn leave(&self, id: ClientId) {
        self.router.write().unwrap_or_else(PoisonError::into_inner).remove_client(id);
        self.clients().remove(&id);
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        self.clients().len()
    }

    fn everybody(&self) -> Vec<Arc<Mailbox>> {
        self.clients().values().cloned().collect()
    }

    /// Says something to every client.
    pub fn tell_all(&self, line: impl Fn(&Mailbox) -> Vec<u8>) {
        for mailbox in self.everybody() {
            let line = line(&mailbox);
            mailbox.post(line.len(), |out| out.copy(&line));
        }
    }

    /// Ends all connections once what waits is written.
    pub fn end_all(&self, end: End) {
        for mailbox in self.everybody() {
            mailbox.end(end);
        }
    }

    /// Enters a subscription of `mailbox`'s client.
    pub fn subscribe(
        &self,
        mailbox: &Arc<Mailbox>,
        sid: &str,
        pattern: &str,
        queue: Option<&str>,
    ) -> Result<(), Refusal> {
        let mut router = self.router.write().unwrap_or_else(PoisonError::into_inner);
        router.subscribe(mailbox.clone(), mailbox.id, sid, pattern, queue)
    }

    /// Ends a subscription, at once or after `max` messages.
    pub fn unsubscribe(&self, id: ClientId, sid: &str, max: Option<u64>) {
        let mut router = self.router.write().unwrap_or_else(PoisonError::into_inner);
        router.unsubscribe(id, sid, max);
    }

    /// Delivers a message of `from`'s client; `random` chooses within queue groups.
    pub fn publish(&self, from: &Mailbox, message: Publish<'_>, random: u64) {
        let mut finished = Finished::new();
        let frame = Frame::new(&message);
        // Made only if somebody cannot read headers.
        let bare = OnceCell::new();
        let but_not = (!message.echo).then_some(from.id);
        let router = self.router.read().unwrap_or_else(PoisonError::into_inner);
        let taken = router.deliver(message.subject, but_not, random, &mut finished, |sub| {
            let to = &sub.target;
            let frame = match message.headers {
                Some(_) if !to.headers() => bare.get_or_init(|| Frame::new(&message.bare())),
                _ => &frame,
            };
            frame.post(to, &sub.sid)
        });
        let unheard = taken == 0 && message.no_responders;
        let reply = message.reply.filter(|_| unheard);
        if let Some(sid) = reply.and_then(|reply| router.own_sid(from.id, reply)) {
            let reply = reply.unwrap_or_default();
            let line = format!("HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
            from.post(line.len(), |out| out.copy(line.as_bytes()));
        }
        drop(router);
        if !finished.is_empty() {
            let mut router = self.router.write().unwrap_or_else(PoisonError::into_inner);
            router.remove_finished(finished);
        }
    }
}

/// A message as the wire has it. Receivers differ in the sid alone.
struct Frame {
    /// Up to the sid.
    head: Vec<u8>,
    /// From the sid on.
    rest: Rest,
}

enum Rest {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Frame {
    fn new(message: &Publish<'_>) -> Self {
        let Publish { subject, reply, headers, body, .. } = *message;
        let verb: &[u8] = if headers.is_some() { b"HMSG " } else { b"MSG " };
        let head = [verb, subject.as_bytes(), b" "].concat();
        let mut rest = Vec::with_capacity(reply.map_or(0, str::len) + body.len() + 48);
        if let Some(reply) = reply {
            rest.push(b' ');
            rest.extend_from_slice(reply.as_bytes());
        }
        // Writing into memory cannot fail.
        let _infallible = match headers {
            Some(headers) => write!(rest, " {headers} {}\r\n", body.len()),
            None => write!(rest, " {}\r\n", body.len()),
        };
        rest.extend_from_slice(body);
        rest.extend_from_slice(b"\r\n");
        let rest = if rest.len() < SHARED_BYTES_MIN {
            Rest::Copied(rest)
        } else {
            Rest::Shared(Bytes::from(rest))
        };
        Self { head, rest }
    }

    fn post(&self, to: &Mailbox, sid: &str) -> bool {
        let rest = match &self.rest {
            Rest::Copied(bytes) => bytes.len(),
            Rest::Shared(bytes) => bytes.len(),
        };
        to.post(self.head.len() + sid.len() + rest, |out| {
            out.copy(&self.head);
            out.copy(sid.as_bytes());
            match &self.rest {
                Rest::Copied(bytes) => out.copy(bytes),
                Rest::Shared(bytes) => out.share(bytes.clone()),
            }
        })
    }
}
