//! systemd by way of `systemctl`, for hosts whose message bus does not run: as root it speaks with
//! systemd directly.

use std::time::Duration;

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::limits::agent::{SYSTEMCTL_BYTES_MAX, SYSTEMD_LIMIT};
use tokio::process::Command;
use tokio::time::Instant;

use super::{Job, Unit};

const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,ActiveEnterTimestampMonotonic";

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

pub(super) async fn restart(unit: &str, until: Instant) -> Result<Job, String> {
    let limit = until.saturating_duration_since(Instant::now());
    let ended = run(&["restart", "--", unit], limit).await?;
    Ok(match ended.status {
        Some(status) if status.success() => Job::Done,
        Some(_) => return Err(complaint(&ended.stderr)),
        None => Job::TooLong,
    })
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
    let mut load = "";
    for line in text.lines() {
        let Some((property, value)) = line.split_once('=') else { continue };
        match property {
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
            _ => {}
        }
    }
    match (load, unit.active.is_empty()) {
        ("not-found", _) => Ok(None),
        ("", _) | (_, true) => Err(()),
        _ => Ok(Some(unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_properties() {
        let text = "MainPID=17\nNRestarts=2\nLoadState=loaded\nActiveState=active\n\
                    SubState=running\nUnitFileState=enabled\nActiveEnterTimestampMonotonic=5\n";
        let want = Unit {
            active: "active".into(),
            sub: "running".into(),
            enabled: "enabled".into(),
            main_pid: 17,
            restarts: 2,
            since_us: 1005,
        };
        assert_eq!(parse(text, 1000), Ok(Some(want)));
        assert_eq!(parse("LoadState=not-found\nActiveState=inactive\n", 1000), Ok(None));
        assert_eq!(parse("", 1000), Err(()));
        assert_eq!(boot_us("cpu 1\nbtime 3\n"), 3_000_000);
        assert_eq!(parse("LoadState=loaded\n", 1000), Err(()));
        let old = parse("LoadState=masked\nActiveState=inactive\nMainPID=\n", 1000);
        assert_eq!(old.map(|unit| unit.map(|unit| unit.main_pid)), Ok(Some(0)));
    }
}
