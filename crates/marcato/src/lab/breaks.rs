//! `mco lab break` and `mco lab mend`: what can be wrong with a simulated host, to practise on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use marcato_agents::lab::{self, Host, LabTrouble};
use marcato_core::Exit;
use marcato_core::nearest::nearest;

use super::hosts::{LabHost, THIS_MACHINE};
use super::layout::{Layout, Running, write};
use super::processes::Process;
use super::show;
use super::up::{first_node, tell};
use crate::words::Failure;

/// How long a node may take to notice, to go down, or to come back.
const CHANGE_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A fault that a simulated host can have.
struct Fault {
    /// As it is typed.
    name: &'static str,
    /// What is wrong then.
    about: &'static str,
    /// What shows it: a command, the node's name in the place of `NODE`.
    shown_by: &'static str,
    set: fn(&mut Host),
    clear: fn(&mut Host),
}

/// All of them.
const FAULTS: [Fault; 8] = [
    Fault {
        name: "down",
        about: "it is switched off",
        shown_by: "mco ping",
        set: |host| host.machine.down = true,
        clear: |host| host.machine.down = false,
    },
    Fault {
        name: "slow",
        about: "whatever its packages and services are asked takes 3 s",
        shown_by: "mco package openssl status",
        set: |host| host.machine.slow_ms = 3_000,
        clear: |host| host.machine.slow_ms = 0,
    },
    Fault {
        name: "clock",
        about: "its clock is 10 min behind",
        shown_by: "mco ping",
        set: |host| host.machine.clock_behind = 600,
        clear: |host| host.machine.clock_behind = 0,
    },
    Fault {
        name: "disk-full",
        about: "its /var has 12 MiB left",
        shown_by: "mco package openssl update -I NODE",
        set: |host| host.apt.free_mib = Some(12),
        clear: |host| host.apt.free_mib = None,
    },
    Fault {
        name: "dpkg-lock",
        about: "unattended-upgrades holds its dpkg lock since 6 min",
        shown_by: "mco package openssl update -I NODE",
        set: |host| host.apt.locked_since = Some(now().saturating_sub(360)),
        clear: |host| host.apt.locked_since = None,
    },
    Fault {
        name: "held",
        about: "its openssl is held",
        shown_by: "mco package openssl update -I NODE",
        set: |host| hold(host, true),
        clear: |host| hold(host, false),
    },
    Fault {
        name: "bad-config",
        about: "the configuration of nginx, or else of its first service, is broken",
        shown_by: "mco service nginx restart -I NODE",
        set: |host| drop(host.trouble(LabTrouble::BadConfig)),
        clear: Host::mend_services,
    },
    Fault {
        name: "flap",
        about: "its nginx, or else its first service, falls over after each start",
        shown_by: "mco service nginx restart -I NODE",
        set: |host| drop(host.trouble(LabTrouble::Flap)),
        clear: Host::mend_services,
    },
];

fn hold(host: &mut Host, held: bool) {
    if let Some(openssl) = host.packages.get_mut("openssl") {
        openssl.held = held;
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The names of all faults, for the command line.
#[must_use]
pub fn faults() -> PossibleValuesParser {
    PossibleValuesParser::new(FAULTS.map(|fault| fault.name))
}

/// Runs `mco lab break`.
pub(super) fn main(lab: &Layout, node: &str, fault: &str) -> Result<Exit, Failure> {
    let faults = FAULTS.iter().filter(|known| known.name == fault);
    let name = change(lab, node, |host| faults.clone().for_each(|fault| (fault.set)(host)))?;
    for Fault { about, shown_by, .. } in faults {
        tell(&format!("{name}: {about}"));
        let dir = lab.word();
        tell(&format!("Next: {}", shown_by.replace("NODE", &name)));
        tell(&format!("Then: mco lab mend {name} {fault} --dir {dir}"));
    }
    Ok(Exit::Ok)
}

/// Runs `mco lab mend`: of one fault, or of all.
pub(super) fn mend(lab: &Layout, node: &str, fault: Option<&str>) -> Result<Exit, Failure> {
    let mended = FAULTS.iter().filter(|known| fault.is_none_or(|fault| fault == known.name));
    let name = change(lab, node, |host| mended.for_each(|fault| (fault.clear)(host)))?;
    tell(&format!("{name}: mended"));
    Ok(Exit::Ok)
}

/// Changes a simulated host, and waits until the fleet knows it; its full name.
fn change(lab: &Layout, node: &str, how: impl FnOnce(&mut Host)) -> Result<String, Failure> {
    let _lock = lab.hold()?;
    let running = lab.running()?.filter(Running::is_up).ok_or_else(|| lab.not_up())?;
    let (index, name) = find(lab, &running, node)?;
    let host = lab::Lab::open(lab.node(&name).join("host"));
    let changed = host.change(|host| {
        let before = host.machine;
        how(host);
        (before != host.machine, before.down != host.machine.down, host.machine.down)
    });
    let (machine, power, down) = changed.map_err(|error| lab.failure(&error))?;
    if machine {
        // The process of the node is the one that begins last before it.
        let begins = |process: &&Process| first_node(&process.what).filter(|at| *at <= index);
        let process = running.processes.iter().max_by_key(begins);
        let asked = lab.look_again(&name);
        write(&asked, b"").map_err(|error| lab.failure(&error))?;
        process.iter().for_each(|process| process.look_again());
        wait(lab, &name, "noticed", || Ok(!asked.exists()))?;
    }
    if power {
        let what = if down { "gone down" } else { "come back" };
        wait(lab, &name, what, || {
            let found = show::registered(lab)?;
            let mut node = found.nodes.iter().filter(|(node, _)| node.as_str() == name);
            Ok(node.any(|(_, since)| since.is_some() == down))
        })?;
    }
    Ok(name)
}

/// The node of that name, which may be cut at the first dot.
fn find(lab: &Layout, running: &Running, node: &str) -> Result<(usize, String), Failure> {
    let names = || (0..running.nodes as usize).map(|index| LabHost::of(index).name());
    let meant = |(_, name): &(usize, String)| name == node || name.split('.').next() == Some(node);
    if let Some(found) = names().enumerate().find(meant) {
        return Ok(found);
    }
    let text = match node {
        THIS_MACHINE => "this machine is real, and nothing is broken here".to_owned(),
        _ => format!("no simulated host is called {node:?}"),
    };
    // A name without a dot was meant as one.
    let cut = |name: String| match (node.contains('.'), name.split_once('.')) {
        (false, Some((first, _))) => first.to_owned(),
        _ => name,
    };
    let all: Vec<String> = names().map(cut).collect();
    let failure = Failure::new(Exit::Usage, text);
    Err(match nearest(node, all.iter().map(String::as_str)) {
        Some(near) if node != THIS_MACHINE => failure.hint(format_args!("nearest: {near}")),
        _ => failure.hint(format_args!("mco lab status --dir {} names them", lab.word())),
    })
}

/// Waits until that is so of a node.
fn wait(
    lab: &Layout,
    name: &str,
    what: &str,
    mut done: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let end = Instant::now() + CHANGE_WAIT;
    while Instant::now() < end {
        if done()? {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(lab.failure(&format_args!("{name} has not {what} within {} s", CHANGE_WAIT.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_is_as_it_was() {
        for fault in &FAULTS {
            let whole = LabHost::of(0).host();
            let mut host = whole.clone();
            (fault.set)(&mut host);
            assert_ne!(host, whole, "{}", fault.name);
            (fault.clear)(&mut host);
            assert_eq!(host, whole, "{}", fault.name);
        }
    }
}
