//! A filesystem that is full before dpkg is done.

use super::super::error::Result;
use super::super::plan::Spec;
use super::debian::{refresh, version};
use super::operator::{Order, Reply};
use super::probe::{BESIDE, NEW, OLD, PROBE, publish_as, with_probe};
use super::site::{Site, holds, same};
use serde_json::json;

/// Where it is mounted; nobody has said to apt how much is to come there.
const SMALL: &str = "/opt/marcato-probe";

/// Has the operator do something on one host.
fn order(site: &Site, host: &Spec, words: &[&str]) -> Result<(Order, Reply)> {
    let name = host.fqdn();
    let order = site.operator.order(&[&["package"], words, &["-I", &name, "--yes"]].concat())?;
    let reply = order.of(&name)?.clone();
    println!("    {}: {} {}", words.join(" "), reply.state, reply.statusmsg);
    Ok((order, reply))
}

/// A package has no room, and then the second of two: what the first one has changed is told, named by
/// the next order, and ended by `mco package repair`.
pub fn fills(site: &mut Site) -> Result<()> {
    let (host, large) = (&site.alone, "x".repeat(1 << 20));
    with_probe(site, host, [&[], &[]], || {
        publish_as(site, BESIDE, OLD, &[])?;
        refresh(site, host)?;
        site.says(host, &["apt-get", "--yes", "install", BESIDE])?;
        publish_as(site, BESIDE, NEW, &[("opt/marcato-probe/large", 0o644, &large)])?;
        refresh(site, host)?;
        site.says(host, &["mkdir", "-p", SMALL])?;
        site.says(host, &["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", SMALL])?;
        let done = while_full(site, host).and_then(|()| with_room(site, host));
        site.says(host, &["umount", SMALL])?;
        done
    })
}

fn while_full(site: &Site, host: &Spec) -> Result<()> {
    let name = host.fqdn();
    let (taken_back, reply) = order(site, host, &[BESIDE, "update", "--only"])?;
    taken_back.ends(2, &[(&name, "failed", Some("no-space"))])?;
    // dpkg's part is as before; what scripts did meanwhile it does not know.
    same("changed", &reply.changed, &json!("unknown"))?;
    same("what dpkg has left undone", site.says(host, &["dpkg", "--audit"])?.as_str(), "")?;
    let (broken, reply) = order(site, host, &[PROBE, "update"])?;
    broken.ends(2, &[(&name, "failed", Some("no-space"))])?;
    same("changed", &reply.changed, &json!(true))?;
    same("after", reply.text("after").as_str(), NEW)?;
    holds("it names the file", reply.statusmsg.contains(SMALL))?;
    same("the other, as dpkg has it", version(site, host, BESIDE)?.as_str(), OLD)?;
    let (refused, reply) = order(site, host, &["openssl", "update"])?;
    refused.ends(2, &[(&name, "failed", Some("interrupted-dpkg"))])?;
    same("changed", &reply.changed, &json!(false))
}

fn with_room(site: &Site, host: &Spec) -> Result<()> {
    let name = host.fqdn();
    site.says(host, &["mount", "-o", "remount,size=8m", SMALL])?;
    for words in [&["repair"][..], &[PROBE, "update"]] {
        let (done, reply) = order(site, host, words)?;
        done.ends(0, &[(&name, "ok", None)])?;
        same("changed", &reply.changed, &json!(true))?;
        same("what dpkg has left undone", site.says(host, &["dpkg", "--audit"])?.as_str(), "")?;
    }
    for package in [PROBE, BESIDE] {
        same(package, version(site, host, package)?.as_str(), NEW)?;
    }
    Ok(())
}
