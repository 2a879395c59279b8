//! What only the hub knows, asked for within a time that nobody notices, or not at all: no signature,
//! no passphrase, no word of what goes wrong.

use std::collections::BTreeMap;
use std::time::Instant;

use marcato_client::shell::{Fleet as Connection, FleetError};
use marcato_core::FactName;
use marcato_core::limits::client::COMPLETION_WAIT;
use marcato_protocol::question::{Beginning, Named};

use crate::config::Fleet;
use crate::mco::cli::FleetArgs;
use crate::mco::order;

/// A hub that may be asked.
#[derive(Debug)]
pub struct Registry<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The flags on the line.
    pub args: &'a FleetArgs,
    /// When the key was pressed.
    pub since: Instant,
}

impl Registry<'_> {
    /// Names that begin so.
    #[must_use]
    pub fn names(&self, of: Named, begin: &str) -> Vec<String> {
        let begin = begin.to_owned();
        self.ask(async |hub| hub.names(Beginning { of, begin }).await)
    }

    /// The values of a fact, and how many nodes have each.
    #[must_use]
    pub fn values(&self, fact: &str) -> BTreeMap<String, u64> {
        let Ok(fact) = fact.parse::<FactName>() else { return BTreeMap::new() };
        self.ask(async |hub| hub.values(fact).await).values
    }

    fn ask<T: Default>(
        &self,
        question: impl AsyncFnOnce(&mut Connection) -> Result<T, FleetError>,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return T::default() };
        let left = COMPLETION_WAIT.as_duration().saturating_sub(self.since.elapsed());
        let answer = async {
            let mut hub = Connection::connect(order::setup(self.fleet, self.args)).await?;
            question(&mut hub).await
        };
        let answer = runtime.block_on(async { tokio::time::timeout(left, answer).await });
        // A name that the system still looks up is not waited for.
        runtime.shutdown_background();
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }
}
