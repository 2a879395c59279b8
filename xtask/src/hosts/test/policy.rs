//! What a node permits, and how it says so.

use super::super::error::Result;
use super::super::plan::Spec;
use super::site::{SOON, Site, holds, same};

/// A file of rules that is read before those of the harness.
const FILE: &str = "/etc/marcato/policy.d/05-test.policy";

/// Has the daemon read its files again.
fn reload(site: &Site, host: &Spec) -> Result<()> {
    site.says(host, &["systemctl", "reload", "mcod"]).map(drop)
}

/// Whether the host's daemon has logged a line with this text since it was booted.
fn logged(site: &Site, host: &Spec, text: &str) -> Result<bool> {
    let argv = ["journalctl", "--quiet", "--no-pager", "--boot", "--unit=mcod", "--output=cat"];
    Ok(site.says(host, &argv)?.lines().any(|line| line.contains(text)))
}

/// Removes the file of rules, whatever came before, and waits until the node permits again.
fn permit(site: &Site, host: &Spec, before: Result<()>) -> Result<()> {
    site.remove(host, FILE)?;
    reload(site, host)?;
    before?;
    site.until("the old rules hold again", SOON, || {
        Ok(site.operator.order(&["package", "openssl", "status"])?.exit == 0)
    })
}

/// Wants one node to deny and all others to answer; its word for it.
fn denies(site: &Site, host: &Spec, words: &[&str]) -> Result<String> {
    let name = host.fqdn();
    // A signal is heard in the daemon's own time.
    site.until("the new rules hold", SOON, || Ok(site.operator.order(words)?.exit == 2))?;
    let order = site.operator.order(words)?;
    site.ends(
        &order,
        2,
        |node| if node == host { ("denied", Some("policy")) } else { ("ok", None) },
    )?;
    let said = order.of(&name)?.statusmsg.clone();
    let answer = site.operator.mco(words)?;
    answer.exits(2)?.shows(&[&name, "denied", "policy"])?.tells("1 denied")?;
    println!("    {said}");
    Ok(said)
}

/// A rule that denies, and no rule that allows.
pub fn denied(site: &mut Site) -> Result<()> {
    let host = &site.without;
    let before = site.unit(host, "mcod", "MainPID")?;
    let by_rule = by_rule(site, host);
    permit(site, host, by_rule)?;
    let rules = "/etc/marcato/policy.d/10-hosts.policy";
    let usual = site.says(host, &["cat", rules])? + "\n";
    let without_rule = without_rule(site, host, rules);
    site.put(host, rules, "0644", usual.as_bytes())?;
    permit(site, host, without_rule)?;
    same("the daemon's process", site.unit(host, "mcod", "MainPID")?, before)
}

fn by_rule(site: &Site, host: &Spec) -> Result<()> {
    let rules = b"# not today\n\ndeny callers=* agents=package actions=status\n";
    site.put(host, FILE, "0644", rules)?;
    reload(site, host)?;
    let said = denies(site, host, &["package", "openssl", "status"])?;
    holds("it names file and line", said.contains("05-test.policy:3"))?;
    holds("the denial is in its log", logged(site, host, "05-test.policy:3")?)?;
    site.all_ok(&["ping"]).map(drop)
}

fn without_rule(site: &Site, host: &Spec, rules: &str) -> Result<()> {
    site.put(host, rules, "0644", b"allow callers=* agents=rpcutil actions=*\n")?;
    reload(site, host)?;
    let said = denies(site, host, &["package", "openssl", "status"])?;
    holds("it says that there is no rule", said.contains("no rule"))
}

/// `mcod node --check`, and a reload with a file that cannot be read.
pub fn broken(site: &mut Site) -> Result<()> {
    let host = &site.without;
    let check = ["/usr/bin/mcod", "node", "--check"];
    site.says(host, &check)?;
    let mut found = check_broken(site, host, &check);
    found = permit(site, host, found);
    found?;
    site.says(host, &check).map(drop)
}

fn check_broken(site: &Site, host: &Spec, check: &[&str]) -> Result<()> {
    site.put(host, FILE, "0644", b"# 1\nallow caller=* agents=* actions=*\n")?;
    let output = site.hosts.exec(&host.name, check, b"")?;
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    println!("    {said}");
    same("the exit code of --check", output.status, 78)?;
    holds("it names file and line", said.contains("05-test.policy:2"))?;
    holds("it names the nearest right key", said.contains("callers"))?;
    reload(site, host)?;
    site.until("the log names file and line", SOON, || logged(site, host, "05-test.policy:2"))?;
    site.all_ok(&["package", "openssl", "status"]).map(drop)
}
