//! Looking: names, answers, and the versions of packages.

use super::super::error::Result;
use super::super::plan::Spec;
use super::debian::installed;
use super::site::{Site, holds, same};
use serde_json::json;

/// `mco find`
pub fn find(site: &mut Site) -> Result<()> {
    let answer = site.operator.mco(&["find"])?;
    answer.exits(0)?;
    let names = site.names();
    let found: Vec<_> = answer.out.lines().map(str::to_owned).collect();
    same("standard output", &found, &names)?;
    println!("    {}", names.join(" "));
    let group = site.operator.mco(&["find", "-W", "hagroup=c"])?;
    let mut wanted: Vec<_> = site.group("c").into_iter().map(Spec::fqdn).collect();
    wanted.sort();
    same("hagroup=c", &group.exits(0)?.out, &wanted.join("\n"))?;
    let none = site.operator.mco(&["find", "-W", "hagroup=d"])?;
    none.exits(1)?.tells("nothing matched hagroup=d")?;
    same("standard output", none.out.as_str(), "")
}

/// `mco ping`
pub fn ping(site: &mut Site) -> Result<()> {
    let order = site.all_ok(&["ping"])?;
    println!("    {} nodes in {} ms", order.replies.len(), order.took.as_millis());
    let answer = site.operator.mco(&["ping"])?;
    for host in site.nodes() {
        answer.exits(0)?.shows(&[&host.fqdn(), "ok"])?;
    }
    let all = site.nodes().len();
    answer.tells(&format!("Finished processing {all} / {all} hosts")).map(drop)
}

/// Compares `mco package NAME status`, in both forms, with dpkg on each host.
fn compare(site: &Site, package: &str) -> Result<()> {
    let order = site.operator.order(&["package", package, "status"])?;
    let human = site.operator.mco(&["package", package, "status"])?;
    same("the exit code for people", human.exit, order.exit)?;
    let mut there = 0;
    for host in site.nodes() {
        let name = host.fqdn();
        let reply = order.of(&name)?;
        let what = format!("{package} on {name}");
        same(&format!("{what}: state"), reply.state.as_str(), "ok")?;
        let Some(found) = installed(site, host, package)? else {
            same(&format!("{what}: reason"), reply.reason.as_deref(), Some("absent"))?;
            same(&format!("{what}: ensure"), reply.text("ensure").as_str(), "absent")?;
            human.shows(&[&name, "absent"])?;
            println!("    {name}: absent, as in dpkg");
            continue;
        };
        there += 1;
        let wanted = [
            ("version", json!(found.version)),
            ("ensure", json!(found.version)),
            ("arch", json!(found.arch)),
            ("held", json!(found.held)),
            ("state", json!("installed")),
            ("name", json!(package)),
        ];
        for (output, value) in wanted {
            same(&format!("{what}: {output}"), reply.data.get(output), Some(&value))?;
        }
        human.shows(&[&name, "ok", &found.version])?;
        println!("    {name}: {} {}, as in dpkg", found.version, found.arch);
    }
    same("the exit code", order.exit, i32::from(there == 0))
}

/// `mco package openssl status`, and one that not every host has.
pub fn versions(site: &mut Site) -> Result<()> {
    for host in site.nodes() {
        holds("openssl is installed", installed(site, host, "openssl")?.is_some())?;
    }
    compare(site, "openssl")?;
    compare(site, "nginx-light")
}

/// The package that is made for this.
const PROBE: &str = "marcato-probe";

/// A package that differs from host to host, is held, removed but for its configuration, purged.
pub fn a_package_comes_and_goes(site: &mut Site) -> Result<()> {
    make_probe(site, &site.alone, "1:2.0~rc1-3+deb12u9")?;
    make_probe(site, &site.without, "0.9")?;
    compare(site, PROBE)?;
    make_probe(site, &site.without, "0.10-1")?;
    site.says(&site.alone, &["apt-mark", "hold", PROBE])?;
    compare(site, PROBE)?;
    site.says(&site.alone, &["dpkg", "--remove", "--force-hold", PROBE])?;
    compare(site, PROBE)?;
    for host in [&site.alone, &site.without] {
        site.says(host, &["dpkg", "--purge", PROBE])?;
    }
    compare(site, PROBE)
}

/// Makes a package of that version on the host, and installs it.
fn make_probe(site: &Site, host: &Spec, version: &str) -> Result<()> {
    let control = format!(
        "Package: {PROBE}\nVersion: {version}\nArchitecture: all\n\
         Maintainer: Nobody <nobody@example.com>\nDescription: made to be looked at\n"
    );
    let (tree, deb) = ("/tmp/probe", "/tmp/probe.deb");
    let files = [
        ("DEBIAN/control", control.as_str()),
        ("DEBIAN/conffiles", "/etc/marcato-probe.conf\n"),
        ("etc/marcato-probe.conf", "probe\n"),
    ];
    for (path, text) in files {
        site.put(host, &format!("{tree}/{path}"), "0644", text.as_bytes())?;
    }
    site.says(host, &["dpkg-deb", "--root-owner-group", "--build", tree, deb])?;
    site.says(host, &["dpkg", "--install", deb])?;
    site.says(host, &["rm", "-r", tree, deb]).map(drop)
}
