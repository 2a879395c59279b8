//! Log lines on standard error: for journald without a time, which it adds itself, else with the
//! time in UTC as RFC 3339 has it.

use std::fmt;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Timestamp;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The clock of log lines.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        write!(w, "{}", Timestamp::from_ms(ms))
    }
}

/// Starts logging. `MARCATO_LOG` sets what is logged, such as `debug` or `marcato_node=debug`.
pub fn init() {
    let filter = std::env::var("MARCATO_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info,async_nats=warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.without_time().init();
    } else {
        lines.with_timer(Utc).init();
    }
}
