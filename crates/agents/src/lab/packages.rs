//! The lab's simulated packages.

use serde::{Deserialize, Serialize};

use super::Lab;
use crate::package::{Found, Packages, State};

/// A simulated package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabPackage {
    /// The version that is installed.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// The version that an update would bring, if there is one.
    pub candidate: Option<String>,
}

impl Packages for Lab {
    fn provider(&self) -> &'static str {
        "dpkg"
    }

    fn find(&self, name: &str) -> Result<Vec<Found>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        let found = host.packages.get(name).map(|package| Found {
            name: name.to_owned(),
            arch: package.arch.clone(),
            version: package.version.clone(),
            state: State::Installed,
            held: false,
        });
        Ok(found.into_iter().collect())
    }
}
