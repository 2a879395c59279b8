//! The kinds of fault that a run can have.

/// Declares the kinds with their names, once.
macro_rules! kinds {
    ($($kind:ident = $name:literal, $doc:literal;)+) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Its name in the table of what occurred.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

kinds! {
    Drop = "drop", "Messages are lost.";
    Delay = "delay", "Messages take seconds.";
    Duplicate = "duplicate", "Messages arrive twice.";
    Reorder = "reorder", "Messages overtake each other.";
    Partition = "partition", "Some nodes' links carry nothing, until both ends notice.";
    OneWay = "one-way partition", "Some nodes' links carry messages in one direction alone.";
    CutLink = "cut link", "Some nodes' connections are closed, again and again.";
    BrokerRestart = "broker restart", "The broker forgets all connections.";
    NodeCrash = "node crash", "A node's daemon dies between two effects.";
    HostCrash = "host crash", "A host loses power between two effects: what was not synced is gone.";
    NodeStop = "node stop", "A node's daemon is stopped in order and started again.";
    HubCrash = "hub crash", "The hub dies between two effects and forgets everything.";
    NoHub = "no hub", "No hub is there for a while.";
    ClientCrash = "client crash", "An operator's command dies between two effects.";
    Interrupt = "interrupt", "An operator interrupts his command.";
    RunnerKilled = "runner killed", "The process of a change is killed.";
    JournalFull = "journal full", "A node's disk takes no more records.";
    JournalDamage = "journal damage", "A record of a node's journal is found damaged.";
    SkewedClock = "skewed clock", "Clocks differ, some by more than is tolerated.";
    SteppedClock = "stepped clock", "A node's clock jumps, ahead or back.";
    SlowAction = "slow action", "Actions take longer than usual.";
    Overrun = "overrun", "Changes do not end at their limit.";
    HungRead = "hung read", "Reads do not end at their limit.";
    FailingAction = "failing action", "Actions fail.";
    BrokenAgent = "broken agent", "Agents crash.";
    SlowSigning = "slow signing", "The operator's key waits for a touch.";
    NoSigning = "no signing", "The operator's key does not sign.";
    NewRules = "new rules", "Nodes' files change while orders are on their way.";
    OtherVersion = "other version", "Some nodes are a release behind or ahead.";
    Rebuilt = "rebuilt host", "A host is built anew under its old name.";
    Replay = "replay", "The broker sends old messages again.";
    Misdeliver = "misdelivery", "The broker delivers orders to other nodes.";
    Alter = "altered bytes", "The broker alters messages.";
    Swap = "swapped receipts", "The broker passes one node's receipt off as another's.";
    Forge = "forgery", "Somebody without a key answers in a node's name.";
    FalseSilence = "false silence", "The broker says that nobody is there, and delivers all the same.";
    Hold = "held order", "The broker holds an order back until a later one has passed.";
    FalseAnswers = "false answers", "The hub's answers are altered.";
    OddOrders = "odd orders", "An operator's own program sends what no client would.";
    Burst = "burst", "One node gets more changes at once than it queues.";
}

impl Kind {
    /// Whether it is about links between programs and broker.
    #[must_use]
    pub const fn is_of_links(self) -> bool {
        matches!(
            self,
            Self::Drop
                | Self::Delay
                | Self::Duplicate
                | Self::Reorder
                | Self::Partition
                | Self::OneWay
                | Self::CutLink
        )
    }

    /// Whether it is at work all the time from its beginning to its end, rather than at some moments.
    #[must_use]
    pub const fn lasts(self) -> bool {
        !matches!(
            self,
            Self::CutLink
                | Self::BrokerRestart
                | Self::NodeCrash
                | Self::HostCrash
                | Self::NodeStop
                | Self::HubCrash
                | Self::ClientCrash
                | Self::Interrupt
                | Self::JournalDamage
                | Self::SteppedClock
                | Self::NewRules
                | Self::OtherVersion
                | Self::Rebuilt
                | Self::OddOrders
                | Self::Burst
        )
    }
}

/// A fault of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// From when, in milliseconds of the run.
    pub from: u64,
    /// Until when.
    pub until: u64,
    /// To which nodes.
    pub nodes: Vec<usize>,
    /// Whether to the hub's link, where it is about links.
    pub hub: bool,
    /// To which commands' links, where it is about links.
    pub commands: Vec<usize>,
    /// How often, in thousandths, where that can be said.
    pub per_mille: u64,
}

impl Fault {
    /// Whether it is at work now.
    #[must_use]
    pub const fn is_active(&self, now: u64) -> bool {
        self.from <= now && now < self.until
    }
}
