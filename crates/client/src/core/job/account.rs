//! The account of one node: what it was sent, what it said, how it ended.

use marcato_core::limits::timing::{LOST_AFTER, SKEW};
use marcato_core::{Changed, EndState, Identity, Reason, Span, Timestamp};
use marcato_protocol::Verified;
use marcato_protocol::progress::{Heard, Phase, Progress};

use crate::core::check::Proved;
use crate::core::{NodeReport, Skew};

/// One node's account.
#[derive(Debug)]
pub(super) struct Account {
    /// Since when the registry calls it down.
    pub down: Option<Timestamp>,
    /// Whether the registry says that it takes no changes.
    pub read_only: bool,
    /// Whether it may be sent the order: where a pace is kept, only once it is its turn.
    pub released: bool,
    /// Which of the job's orders it is asked to carry out.
    pub round: usize,
    /// How many copies of that order were handed to the broker.
    pub copies: u32,
    /// When the first copy was, or it ran the order without one: where a pace is kept, its wait counts
    /// from here.
    pub since: Option<Timestamp>,
    /// When the last copy was.
    pub sent: Option<Timestamp>,
    /// Whether a second copy was sent because the first brought no answer.
    pub resent: bool,
    /// Whether the last copy could not be handed over.
    pub unpublished: bool,
    /// Its last word before an end, whatever became of the account since.
    pub last: Option<Running>,
    /// The same as it came, where something is sealed in it: it is opened for who wants to see it.
    pub said: Option<Box<Verified<Heard>>>,
    /// When to look at it again, where it has a time of its own.
    pub due: Option<Timestamp>,
    /// How far it is.
    pub stage: Stage,
}

/// How far a node is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Never heard.
    Waiting,
    /// Accepted, and not ended.
    Running(Running),
    /// Ended; the client's own word may still be replaced.
    Ended(Box<NodeReport>),
}

/// What is known of a node that has accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    /// When it first said that it runs.
    pub began: Option<Timestamp>,
    /// When it was heard last.
    pub heard: Timestamp,
    /// When it said that, by its own clock.
    pub said: Timestamp,
}

impl Account {
    pub const fn new(down: Option<Timestamp>) -> Self {
        Self {
            down,
            read_only: false,
            released: true,
            round: 0,
            copies: 0,
            since: None,
            sent: None,
            resent: false,
            unpublished: false,
            last: None,
            said: None,
            due: None,
            stage: Stage::Waiting,
        }
    }

    pub const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }

    /// Whether the node itself signed how it ended: then nothing changes it any more.
    pub fn is_signed(&self) -> bool {
        matches!(&self.stage, Stage::Ended(report) if report.signed)
    }

    pub const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// Whether it is not its turn yet.
    pub const fn is_held(&self) -> bool {
        !self.released && self.is_waiting()
    }
}

impl Running {
    /// What is known once the node has said that it is this far. `None` where it said that before,
    /// or something later: whoever carries messages may carry one twice, and late.
    pub fn heard(before: Option<Self>, word: &Progress, now: Timestamp) -> Option<Self> {
        if before.is_some_and(|before| word.at <= before.said) {
            return None;
        }
        let began = before.and_then(|before| before.began);
        let began = began.or((word.phase == Phase::Running).then_some(now));
        Some(Self { began, heard: now, said: word.at })
    }

    /// When its time is up. It counts from its beginning; while the order only waits on the node,
    /// from its last word, but never from later than nodes may start it: words that were held back,
    /// or a node that says for ever that the order waits, must not keep a job open.
    pub fn limit(&self, start_by: Timestamp, run_limit: Span) -> Timestamp {
        // The node's clock may be late by the skew, and it allows another to the client's.
        let latest = start_by + SKEW + SKEW;
        self.began.unwrap_or(self.heard).min(latest) + run_limit + LOST_AFTER
    }

    /// When its silence is longer than that of a node that works.
    pub fn silent_at(&self) -> Timestamp {
        self.heard + LOST_AFTER
    }
}

/// What the client's own words depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub changes: bool,
    /// Until when a node may start the order.
    pub start_by: Timestamp,
}

impl Words {
    /// An account that the client closes by its own word.
    pub fn say(self, node: &Identity, state: EndState, reason: Reason) -> NodeReport {
        let may_have_run =
            matches!(state, EndState::NoResponse | EndState::Lost | EndState::TimedOut);
        let changed = if self.changes && may_have_run { Changed::Unknown } else { Changed::False };
        let may_start = self.changes && state == EndState::NoResponse;
        NodeReport {
            may_start_until: may_start.then(|| self.start_by + SKEW),
            ..NodeReport::new(node.clone(), state, Some(reason), changed)
        }
    }

    /// How the account of a node ends that has accepted, when nobody waits for it any longer.
    pub fn end_of_run(self, node: &Identity, running: &Running, now: Timestamp) -> NodeReport {
        if now >= running.silent_at() {
            self.say(node, EndState::Lost, Reason::WentSilent)
        } else {
            self.say(node, EndState::TimedOut, Reason::StillRunning)
        }
    }

    /// How an account ends that is still open when the wait is over.
    pub fn end_of_wait(self, node: &Identity, account: &Account, now: Timestamp) -> NodeReport {
        match &account.stage {
            Stage::Running(running) => self.end_of_run(node, running, now),
            _ if account.copies == 0 => self.say(node, EndState::Skipped, Reason::NotSent),
            _ => self.say(node, EndState::NoResponse, Reason::Silent),
        }
    }
}

/// What a receipt says, as a line of the report.
pub(in crate::core) fn signed(
    proved: Proved,
    sent: Option<Timestamp>,
    now: Timestamp,
) -> NodeReport {
    let Proved { outer, inner, .. } = proved;
    let (inner, unreadable) = match inner {
        Ok(inner) => (inner, None),
        Err(why) => (Default::default(), Some(why)),
    };
    let about_clocks = matches!(outer.reason, Some(Reason::Clock | Reason::Expired));
    let clock = sent.filter(|_| about_clocks).map(|sent| skew(sent, now, outer.finished));
    NodeReport {
        signed: true,
        data: inner.data,
        message: unreadable.unwrap_or(inner.message),
        truncated: inner.truncated,
        received: Some(outer.received),
        started: outer.started,
        finished: Some(outer.finished),
        answered: Some(now),
        clock,
        ..NodeReport::new(outer.node, outer.state, outer.reason, outer.changed)
    }
}

/// How far the node's clock was off when it read `theirs` at some time between `sent` and `now`.
fn skew(sent: Timestamp, now: Timestamp, theirs: Timestamp) -> Skew {
    let half = now.since(sent).as_ms() / 2;
    let middle = sent + Span::from_ms(half);
    let ahead = i64::try_from(theirs.since(middle).as_ms()).unwrap_or(i64::MAX);
    let behind = i64::try_from(middle.since(theirs).as_ms()).unwrap_or(i64::MAX);
    Skew { ahead_ms: ahead - behind, within_ms: half }
}
