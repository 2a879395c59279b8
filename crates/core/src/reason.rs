//! The one table of reason codes: why an end state is what it is, and what to do about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares the codes once: name, code, meaning, what to do.
macro_rules! reasons {
    ($($name:ident = $code:literal, $meaning:literal, $hint:literal;)+) => {
        /// Why an order ended as it did; `[a-z-]+` in JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)+
        }

        impl Reason {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code, as it stands in JSON.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, as one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What an operator can do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }
        }
    };
}

reasons! {
    Absent = "absent",
        "The service or package is not on this host and nothing was done.",
        "Nothing, unless the name was mistyped.";
    Unchanged = "unchanged",
        "It was so already.",
        "Nothing.";
    NotRunning = "not-running",
        "The service that was asked about does not run; of failed, some service has failed.",
        "mco service NAME start, if it should run; mco service failed shows the log of what has failed.";
    Action = "action",
        "The agent ran and said that it failed.",
        "Read the node's message.";
    Agent = "agent",
        "The agent itself went wrong: it could not be started, crashed, or answered with something that is no answer.",
        "Look at the node's log; mend or reinstall the plugin.";
    Held = "held",
        "The package manager holds the package at its version; nothing was changed.",
        "apt-mark unhold on the host, if the hold is no longer wanted.";
    NoSpace = "no-space",
        "There is too little free space on a filesystem of the host.",
        "Make room on the filesystem that the message names; where something was changed, mco package repair ends it.";
    Locked = "locked",
        "Another process changes packages: it held the lock until the end of the wait, or this would break it off; nothing was changed.",
        "Wait until the process that the message names is done, then run the command again.";
    Lists = "lists",
        "The package lists could not be refreshed; nothing was installed.",
        "Look at the mirror that the message names; --refresh never takes the lists as they are.";
    InterruptedDpkg = "interrupted-dpkg",
        "An earlier run of dpkg was broken off; nothing was changed. Beside ok: the package is half done.",
        "mco package repair on that host ends what was begun.";
    WouldRemove = "would-remove",
        "It would remove other packages; nothing was changed.",
        "Look at the packages that the message names; on the host, decide by hand.";
    NoCandidate = "no-candidate",
        "No source of the host offers the package or the version asked for; nothing was changed.",
        "Check name, version and the host's package sources.";
    Download = "download",
        "The packages could not be fetched; nothing was changed.",
        "Look at the mirror that the message names.";
    Precheck = "precheck",
        "The service's configuration did not pass its check; the running one was not touched.",
        "Mend the configuration by what the message says.";
    Unsettled = "unsettled",
        "The service came up and did not stay up.",
        "Look at the unit's log on the host.";
    Masked = "masked",
        "The unit is masked, so that nothing can start it.",
        "systemctl unmask on the host, if it should run.";
    NoValue = "no-value",
        "The node has no such fact.",
        "Check the fact's name.";
    Policy = "policy",
        "No rule of the node's policy allows it, or a rule forbids it.",
        "Add a rule to /etc/marcato/policy.d on the node, if this caller should be allowed.";
    Malformed = "malformed",
        "The message is not an order as the protocol defines it.",
        "Check that something between you and the node does not alter messages.";
    TooLarge = "too-large",
        "The message exceeds a limit of the protocol.",
        "Send smaller inputs.";
    Signature = "signature",
        "The signature does not fit the bytes.",
        "Check that something between you and the node does not alter messages.";
    UnknownCaller = "unknown-caller",
        "The node does not know this caller.",
        "Add a line for the caller to /etc/marcato/allowed_signers on the node.";
    KeyNotAllowed = "key-not-allowed",
        "The caller is known, but may not sign with this key, at this time, for this purpose.",
        "Sign with a key that allowed_signers lists for the caller.";
    Version = "version",
        "The two sides speak no common version of the protocol.",
        "Upgrade the older side.";
    Collective = "collective",
        "The order is for another fleet.",
        "Check which fleet the client is configured for.";
    Audience = "audience",
        "An action that changes hosts was sent to whoever matches instead of a chosen set.",
        "Use a client that follows the protocol.";
    OutsideSet = "outside-set",
        "The node is not in the set that was signed.",
        "Nothing was done. Somebody may have sent the order further than its signer meant.";
    NotMatching = "not-matching",
        "The filter does not match this node.",
        "Look the node's facts up again.";
    Expired = "expired",
        "It arrived after the time until which it might start.",
        "Run the command again; compare the clocks of both sides.";
    Clock = "clock",
        "It was issued in this node's future, or before the last time that the node has verified.",
        "Set the node's clock.";
    Restarted = "restarted",
        "A read that was issued before the node's start.",
        "The client signs it anew by itself.";
    Superseded = "superseded",
        "A later change of the same thing has already run on this node.",
        "Run the command again if it is still wanted.";
    Full = "full",
        "The node remembers as many orders of this caller as it may.",
        "Wait until earlier orders have expired.";
    UnknownAgent = "unknown-agent",
        "The node does not have this agent.",
        "Install the plugin on the node.";
    UnknownAction = "unknown-action",
        "The agent does not have this action.",
        "Install the same version of the plugin everywhere.";
    Inputs = "inputs",
        "The inputs are not what the agent declares.",
        "Compare them with the agent's declaration.";
    ReadOnly = "read-only",
        "The node takes no changes.",
        "Nothing, unless it should: see read_only in its node.toml.";
    Journal = "journal",
        "The node could not write the order down before starting it, so it did not start.",
        "Look at the disk of /var/lib/marcato on the node: whether it is full, or slow.";
    RunnerGone = "runner-gone",
        "The process that ran the action vanished before it said how it ended.",
        "Look at the host; then run the command again.";
    RunLimit = "run-limit",
        "The time limit of the action passed; it was ended, unless the message says that it goes on.",
        "Look at the host; give it more time with --run-limit, an external agent in its declaration.";
    StillRunning = "still-running",
        "It runs and is not ended: the time limit passed, or it had begun when it was cancelled.",
        "Wait for its receipt.";
    Operator = "operator",
        "An operator cancelled it before it began.",
        "Run it again where it is wanted after all.";
    Silent = "silent",
        "Nothing was heard from the node until the end of the wait.",
        "Look at the host and its network.";
    WentSilent = "went-silent",
        "The node took the order and was not heard again.",
        "Look at the host; its receipt may still come.";
    NotConnected = "not-connected",
        "The node was not connected to the broker.",
        "Look at the host.";
    NotSent = "not-sent",
        "The command ended before the order was sent to this node.",
        "Run the command again for the nodes that are left.";
    KeyChanged = "key-changed",
        "A host of this name answered with another key than the one known.",
        "If the host was rebuilt, remove its line from known_nodes; else find out who answers in its name.";
    NoCertificate = "no-certificate",
        "No valid certificate of the fleet's authority is known for this node.",
        "Let the node register again; check the authority in the client's configuration.";
    NotRegistered = "not-registered",
        "No node of this name has registered with the hub.",
        "Check the name; mco find lists those that there are.";
}

/// A text that is not a reason code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason code")]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.iter().find(|reason| reason.code() == text);
        found.copied().ok_or_else(|| UnknownReason(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_its_codes_are_distinct() {
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(!code.is_empty() && code.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()));
            assert!(reason.meaning().ends_with('.') && reason.hint().ends_with('.'), "{code}");
            assert_eq!(code.parse::<Reason>().unwrap(), *reason, "two reasons share {code}");
        }
    }
}
