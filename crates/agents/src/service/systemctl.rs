//! systemd by way of `systemctl`, for hosts whose message bus does not run: as root it speaks with
//! systemd directly.

use std::time::Duration;

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::limits::service::{SYSTEMCTL_BYTES_MAX, SYSTEMD_LIMIT};
use tokio::process::Command;
use tokio::time::Instant;

use super::busy::Relations;
use super::unit::SPARING;
use super::{Broken, Job, Unit, Verb};

const PROPERTIES: &str = "--property=Id,Names,LoadState,ActiveState,SubState,UnitFileState,\
    MainPID,NRestarts,ActiveEnterTimestampMonotonic,CanReload,RefuseManualStop,ConditionResult,\
    ConditionTimestampMonotonic,Type,KillMode,Result";

pub(super) async fn look(unit: &str) -> Result<Option<Unit>, String> {
    let ended = run(&["show", PROPERTIES, "--", unit], SYSTEMD_LIMIT.as_duration()).await?;
    match ended.status {
        Some(status) if status.success() => {
            let boot = boot_us(&std::fs::read_to_string("/proc/stat").unwrap_or_default());
            parse(&String::from_utf8_lossy(&ended.stdout), boot).map_err(|()| unexpected())
        }
        Some(_) => Err(complaint(&ended.stderr)),
        None => Err("systemctl does not answer".into()),
    }
}

/// The units that stand in one of these relations to a unit.
pub(super) async fn related(unit: &str, by: Relations) -> Result<Vec<String>, String> {
    let wanted = format!("--property={}", by.join(","));
    let ended = run(&["show", &wanted, "--", unit], SYSTEMD_LIMIT.as_duration()).await?;
    match ended.status {
        // What is cut does not say who else there is.
        Some(status) if status.success() && ended.stdout.len() == SYSTEMCTL_BYTES_MAX => {
            Err(format!("systemctl names more units around {unit} than are read"))
        }
        Some(status) if status.success() => {
            let text = String::from_utf8_lossy(&ended.stdout);
            let lists = text.lines().filter_map(|line| Some(line.split_once('=')?.1));
            Ok(lists.flat_map(str::split_ascii_whitespace).map(str::to_owned).collect())
        }
        Some(_) => Err(complaint(&ended.stderr)),
        None => Err("systemctl does not answer".into()),
    }
}

pub(super) async fn act(verb: Verb, unit: &str, until: Instant) -> Result<Job, String> {
    let ended = run(&[verb.word(), "--", unit], left(until)).await?;
    Ok(match ended.status {
        Some(status) if status.success() => Job::Done,
        Some(_) => return Err(complaint(&ended.stderr)),
        None => Job::TooLong,
    })
}

pub(super) async fn enable(unit: &str, on: bool, until: Instant) -> Result<(), String> {
    let word = if on { "enable" } else { "disable" };
    let ended = run(&[word, "--quiet", "--", unit], left(until)).await?;
    match ended.status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(complaint(&ended.stderr)),
        None => Err(format!("systemctl {word} does not end")),
    }
}

pub(super) async fn failed() -> Result<Vec<Broken>, String> {
    let arguments = ["list-units", "--state=failed", "--all", "--plain", "--no-legend", "--full"];
    let ended = run(&arguments, SYSTEMD_LIMIT.as_duration()).await?;
    match ended.status {
        Some(status) if status.success() => {
            Ok(String::from_utf8_lossy(&ended.stdout).lines().filter_map(listed).collect())
        }
        Some(_) => Err(complaint(&ended.stderr)),
        None => Err("systemctl does not answer".into()),
    }
}

/// One line of `list-units`: unit, load, active and sub state, description. Some versions mark it
/// in front.
fn listed(line: &str) -> Option<Broken> {
    let mut words = line.split_ascii_whitespace().filter(|word| !matches!(*word, "●" | "*" | "×"));
    let unit = words.next()?.to_owned();
    let description = words.skip(3).collect::<Vec<_>>().join(" ");
    Some(Broken { unit, description })
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

async fn run(arguments: &[&str], limit: Duration) -> Result<process::Ended, String> {
    let mut command = Command::new("systemctl");
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C").args(arguments);
    let ended = process::run(command, limit, Output::Keep(SYSTEMCTL_BYTES_MAX)).await;
    ended.map_err(|error| format!("systemctl: {error}"))
}

fn unexpected() -> String {
    "systemctl answered with something unexpected".into()
}

/// What systemctl complained of: its first line.
fn complaint(stderr: &[u8]) -> String {
    match String::from_utf8_lossy(stderr).lines().next() {
        Some(line) => line.to_owned(),
        None => unexpected(),
    }
}

/// When the host was booted, in microseconds since 1970 (proc_stat(5)).
fn boot_us(stat: &str) -> u64 {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<u64>().ok());
    seconds.unwrap_or(0).saturating_mul(1_000_000)
}

/// Reads `systemctl show`: no unit of that name is `Ok(None)`. Its dates are in the host's language
/// and zone, so a time is computed from that since the boot.
fn parse(text: &str, boot_us: u64) -> Result<Option<Unit>, ()> {
    let mut unit = Unit::default();
    let (mut load, mut kind, mut result) = ("", "", "");
    let (mut unmet, mut asked) = (false, false);
    for line in text.lines() {
        let Some((property, value)) = line.split_once('=') else { continue };
        match property {
            "Id" => unit.names.insert(0, value.to_owned()),
            "Names" => unit.names.extend(value.split(' ').map(str::to_owned)),
            "LoadState" => load = value,
            "ActiveState" => unit.active = value.to_owned(),
            "SubState" => unit.sub = value.to_owned(),
            "UnitFileState" => unit.enabled = value.to_owned(),
            // What an older systemd does not know it leaves out or empty.
            "MainPID" => unit.main_pid = value.parse().unwrap_or(0),
            "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
            "ActiveEnterTimestampMonotonic" => {
                let since_boot = value.parse::<u64>().ok().filter(|us| *us > 0);
                unit.since_us = since_boot.map_or(0, |us| boot_us.saturating_add(us));
            }
            "CanReload" => unit.reloads = value == "yes",
            "RefuseManualStop" => unit.refuses = value == "yes",
            "ConditionResult" => unmet = value == "no",
            "ConditionTimestampMonotonic" => asked = value != "0",
            "Type" => kind = value,
            "KillMode" => unit.spares_others = SPARING.contains(&value),
            "Result" => result = value,
            _ => {}
        }
    }
    unit.masked = load == "masked";
    unit.removed = load == "not-found";
    unit.skipped = asked && unmet;
    let well = load == "loaded" && result == "success" && !unit.skipped;
    unit.ended_well = well && kind == "oneshot";
    let id = unit.names.first().cloned();
    let mut first = true;
    unit.names.retain(|name| std::mem::take(&mut first) || Some(name) != id.as_ref());
    match (load, unit.active.as_str()) {
        ("not-found", "inactive") => Ok(None),
        ("", _) | (_, "") => Err(()),
        _ => Ok(Some(unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_properties() {
        let text = "Type=simple\nMainPID=17\nKillMode=process\nNRestarts=2\nResult=success\n\
                    Id=ssh.service\nNames=sshd.service ssh.service\nLoadState=loaded\nActiveState=active\n\
                    SubState=running\nUnitFileState=enabled\nActiveEnterTimestampMonotonic=5\n\
                    CanReload=yes\nRefuseManualStop=no\nConditionResult=no\n\
                    ConditionTimestampMonotonic=0\n";
        let want = Unit {
            names: vec!["ssh.service".into(), "sshd.service".into()],
            active: "active".into(),
            sub: "running".into(),
            enabled: "enabled".into(),
            main_pid: 17,
            restarts: 2,
            since_us: 1005,
            reloads: true,
            spares_others: true,
            ..Unit::default()
        };
        assert_eq!(parse(text, 1000), Ok(Some(want)));
        assert_eq!(parse("LoadState=not-found\nActiveState=inactive\n", 1000), Ok(None));
        assert_eq!(parse("", 1000), Err(()));
        assert_eq!(boot_us("cpu 1\nbtime 3\n"), 3_000_000);
        assert_eq!(parse("LoadState=loaded\n", 1000), Err(()));
        let oneshot = "LoadState=loaded\nActiveState=inactive\nType=oneshot\nResult=success\n";
        assert!(parse(oneshot, 0).unwrap().unwrap().is_well());
        let broken = oneshot.replace("loaded", "bad-setting");
        assert!(!parse(&broken, 0).unwrap().unwrap().is_well());
        let removed = "LoadState=not-found\nActiveState=active\n";
        assert!(parse(removed, 0).unwrap().is_some_and(|unit| unit.is_active()));
        let failed = parse("LoadState=not-found\nActiveState=failed\n", 0).unwrap().unwrap();
        assert!(failed.removed && failed.is_down() && !failed.is_well());
        let skipped = "ConditionResult=no\nConditionTimestampMonotonic=7\n";
        let skipped = parse(&format!("{oneshot}{skipped}"), 0).unwrap().unwrap();
        assert!(skipped.skipped && !skipped.is_well());
        let old = parse("LoadState=masked\nActiveState=inactive\nMainPID=\n", 1000);
        assert_eq!(
            old.map(|unit| unit.map(|unit| (unit.main_pid, unit.masked))),
            Ok(Some((0, true)))
        );
    }

    #[test]
    fn listed_units() {
        let check = |line: &str, unit: &str, description: &str| {
            let (unit, description) = (unit.to_owned(), description.to_owned());
            assert_eq!(listed(line), Some(Broken { unit, description }));
        };
        check("a.service loaded failed failed A  daemon", "a.service", "A daemon");
        check("● a.service loaded failed failed A", "a.service", "A");
        assert_eq!(listed(""), None);
    }
}
