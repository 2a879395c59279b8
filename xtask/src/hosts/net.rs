//! The bridge that the hosts hang on, and their links to it.
//!
//! Nothing routes from it to anywhere else: hosts reach each other and this machine, no more.

use super::error::{Error, Result};
use super::{plan, run};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The name of the bridge; one set of hosts at a time fits on a machine, its subnet being fixed.
pub const BRIDGE: &str = "mco-hosts";

/// How long one change of the network may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Whose bridge is there.
#[derive(Debug, PartialEq, Eq)]
pub enum Owner {
    /// There is none.
    Nobody,
    /// This set's own.
    Us,
    /// That of another folder, or one that something else made (then the text is empty).
    Other(String),
}

/// Looks whose bridge is there: the folder is written into its alias.
pub fn owner(dir: &Path) -> Owner {
    let link = Path::new("/sys/class/net").join(BRIDGE);
    if !link.exists() {
        return Owner::Nobody;
    }
    let alias = fs::read_to_string(link.join("ifalias")).unwrap_or_default();
    if Path::new(alias.trim_end()) == dir {
        Owner::Us
    } else {
        Owner::Other(alias.trim_end().to_owned())
    }
}

/// Makes the bridge with its address.
///
/// # Errors
/// When another set of hosts has it, or the machine's administrator may not change the network.
pub fn up(dir: &Path) -> Result<()> {
    match owner(dir) {
        Owner::Us => down(dir)?,
        Owner::Nobody => {}
        Owner::Other(whose) => {
            return Err(Error::Machine(format!(
                "the bridge {BRIDGE} is there already, made for {whose:?}; \
                 `cargo xtask hosts down --dir {whose}` removes it"
            )));
        }
    }
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["link", "set", BRIDGE, "alias", &dir.to_string_lossy()])?;
    ip(&["address", "add", &format!("{}/24", plan::BRIDGE_ADDRESS), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])
}

/// Removes the bridge if it is this set's.
///
/// # Errors
/// When it cannot be removed.
pub fn down(dir: &Path) -> Result<()> {
    if owner(dir) == Owner::Us { ip(&["link", "delete", BRIDGE]) } else { Ok(()) }
}

/// Pulls or plugs a host's cable on the side of the bridge.
///
/// # Errors
/// When the host has no link: it does not run.
pub fn set_link(link: &str, up: bool) -> Result<()> {
    ip(&["link", "set", link, if up { "up" } else { "down" }])
}

fn ip(words: &[&str]) -> Result<()> {
    let mut argv = vec!["ip"];
    argv.extend(words);
    run::checked(&argv, LIMIT).map(drop)
}
