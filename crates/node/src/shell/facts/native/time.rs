//! Time zone, time since the start, load.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Found, read};

/// Adds the time zone that holds now.
pub(super) fn add(found: &mut Found, root: &Path) {
    let Ok(bytes) = fs::read(root.join("etc/localtime")) else {
        // Without the file it is UTC; without the folder there is no host.
        if root.join("etc/passwd").exists() {
            found.put("timezone", "UTC");
        }
        return;
    };
    if let Ok(zone) = TimeZone::tzif("local", &bytes) {
        found.text("timezone", zone.to_offset_info(Timestamp::now()).abbreviation());
    }
}

/// Adds how long the host is up, and how busy.
pub(super) fn measure(found: &mut Found, root: &Path) {
    let uptime = read(root, "proc/uptime");
    if let Some(seconds) = uptime.split('.').next().and_then(|text| text.parse::<u64>().ok()) {
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let days = hours / 24;
        found.put("system_uptime.seconds", seconds);
        found.put("system_uptime.hours", hours);
        found.put("system_uptime.days", days);
        found.put(
            "system_uptime.uptime",
            match days {
                0 => format!("{hours}:{minutes:02} hours"),
                1 => "1 day".to_owned(),
                _ => format!("{days} days"),
            },
        );
    }
    let loads = read(root, "proc/loadavg");
    for (name, load) in ["1m", "5m", "15m"].into_iter().zip(loads.split(' ')) {
        if let Ok(load) = load.parse::<f64>() {
            found.put_at(&["load_averages", name], load);
        }
    }
}
