//! What a unit wrote to its log, by `journalctl`.

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::limits::service::{JOURNAL_LIMIT, PRECHECK_BYTES_MAX, SHOWN_LINES_MAX};
use tokio::process::Command;

use super::shown;

/// The last lines since a time in microseconds since 1970; none where they cannot be read, for no
/// log keeps an answer from being given.
pub(super) async fn last_lines(unit: &str, since_us: u64) -> Vec<String> {
    let mut command = Command::new("journalctl");
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C");
    command.args(["--no-pager", "--quiet", "--output=cat"]);
    command.arg(format!("--lines={SHOWN_LINES_MAX}"));
    if since_us > 0 {
        // Whole seconds, rounded down: older versions take no others.
        command.arg(format!("--since=@{}", since_us / 1_000_000));
    }
    command.arg(format!("--unit={unit}"));
    let limit = JOURNAL_LIMIT.as_duration();
    match process::run(command, limit, Output::Keep(PRECHECK_BYTES_MAX)).await {
        Ok(ended) if ended.status.is_some_and(|status| status.success()) => {
            shown::lines(&ended.stdout)
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}
