//! Log lines on standard error: for journald without a time, which it adds itself, else with the
//! time in UTC as RFC 3339 has it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Timestamp;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt as lines, registry};

use crate::environment;

/// The clock of log lines.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        write!(w, "{}", Timestamp::from_ms(ms))
    }
}

/// Whether journald reads this: systemd names the device and inode of what it connected, and what a
/// daemon started inherits the name, whatever its own output is connected to (systemd.exec(5)).
fn is_journal(stream: Option<&str>, output: impl AsFd) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let output = output.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    output
        .is_ok_and(|output| device.parse() == Ok(output.dev()) && inode.parse() == Ok(output.ino()))
}

/// Starts logging. `MARCATO_LOG` sets what is logged, such as `debug` or `marcato_node=debug`.
pub fn init() {
    let typed = std::env::var(environment::LOG.name).ok().filter(|text| !text.is_empty());
    let wanted = typed.and_then(|text| text.parse().ok());
    let wanted = wanted.unwrap_or_else(|| {
        let all = Targets::new().with_default(LevelFilter::INFO);
        all.with_target("async_nats", LevelFilter::WARN)
    });
    let lines = lines::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    if is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref(), io::stderr()) {
        registry().with(lines.without_time()).with(wanted).init();
    } else {
        registry().with(lines.with_timer(Utc)).with(wanted).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_told_from_what_only_inherited_its_name() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let metadata = one.metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        let check = |stream: Option<&str>, output: &File, want: bool| {
            assert_eq!(is_journal(stream, output), want, "{stream:?}");
        };
        check(Some(&stream), &one, true);
        check(Some(&stream), &other, false);
        check(Some(&format!("{}:{}", metadata.dev() + 1, metadata.ino())), &one, false);
        for stream in [None, Some(""), Some(":"), Some("1"), Some(&format!("{stream} "))] {
            check(stream, &one, false);
        }
    }
}
