//! What a unit wrote to its log, by `journalctl`.

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::limits::service::{JOURNAL_LIMIT, PRECHECK_BYTES_MAX, SHOWN_LINES_MAX};
use tokio::process::Command;

use super::shown;

/// What systemd itself says of why, by the numbers of its catalogue: how a process ended, and what
/// the unit's failure is called. That it starts, stops and tries again would push out the unit's own
/// words. Before systemd 240 they have no numbers.
const TELLING: [&str; 2] = ["98e322203f7a4ed290d09fe03c09fe15", "d9b373ed55a64feb8242e02dbe79a49c"];

/// The last lines of those that tell why, since a time in microseconds since 1970; none where they
/// cannot be read, for no log keeps an answer from being given.
pub(super) async fn last_lines(unit: &str, since_us: u64) -> Vec<String> {
    let lines = matching(&telling(unit), since_us).await;
    if lines.is_empty() { matching(&[format!("--unit={unit}")], since_us).await } else { lines }
}

/// What the unit wrote, or systemd of why it failed.
fn telling(unit: &str) -> Vec<String> {
    let mut matches = vec![format!("_SYSTEMD_UNIT={unit}")];
    for id in TELLING {
        let of_systemd = ["_PID=1".into(), format!("UNIT={unit}"), format!("MESSAGE_ID={id}")];
        matches.push("+".into());
        matches.extend(of_systemd);
    }
    matches
}

async fn matching(matches: &[String], since_us: u64) -> Vec<String> {
    let mut command = Command::new("journalctl");
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C");
    command.args(["--no-pager", "--quiet", "--output=cat"]);
    command.arg(format!("--lines={SHOWN_LINES_MAX}"));
    if since_us > 0 {
        // Whole seconds, rounded down: older versions take no others.
        command.arg(format!("--since=@{}", since_us / 1_000_000));
    }
    command.args(matches);
    let limit = JOURNAL_LIMIT.as_duration();
    match process::run(command, limit, Output::Keep(PRECHECK_BYTES_MAX)).await {
        Ok(ended) if ended.status.is_some_and(|status| status.success()) => {
            shown::lines(&ended.stdout)
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}
