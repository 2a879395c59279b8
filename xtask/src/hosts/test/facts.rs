//! What a node finds beside what facter does, as `docs/reference/facts.md` has it.

use super::super::error::{Error, Result};
use super::super::facts::ask_both;
use super::site::{Site, holds};
use crate::generate::facts::unexplained;

/// `mcod facts --json` and `facter --json --show-legacy` on one host
pub fn beside_facter(site: &mut Site) -> Result<()> {
    let looks = ask_both(site.hosts.dir(), &site.operator.mco.with_file_name("mcod"))?;
    let count = |who: &str| looks[who].as_object().map_or(0, serde_json::Map::len);
    println!("    mcod: {} facts, facter: {}", count("mcod"), count("facter"));
    holds("both say a lot", count("mcod") > 30 && count("facter") > 30)?;
    let differences = unexplained(&looks);
    if differences.is_empty() {
        return Ok(());
    }
    let text = differences.join("\n      ");
    Err(Error::Unmet(format!("not explained in crates/core/src/facts:\n      {text}")))
}
