//! The machine that the figures belong to: a figure without it says nothing.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Timestamp;

/// What the page says of the machine and the moment.
#[derive(Debug)]
pub struct Machine {
    /// The day, in UTC.
    pub day: String,
    /// The commit that was measured, and whether files differed from it.
    pub commit: String,
    /// Cores and their name.
    pub cores: String,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// The distribution.
    pub system: String,
    /// The kernel's release, without what its builder added.
    pub kernel: String,
    /// The mean load of the minute before.
    pub load: f64,
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    /// When the system does not tell; the error is one sentence.
    pub fn look(root: &Path) -> Result<Self, String> {
        let cpu = read("/proc/cpuinfo")?;
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let model = value(&cpu, "model name", ':').unwrap_or_else(|| "unnamed".to_owned());
        let memory = value(&read("/proc/meminfo")?, "MemTotal", ':').unwrap_or_default();
        let kib = memory.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
        let system = value(&read("/etc/os-release")?, "PRETTY_NAME", '=').unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease")?;
        let numbers = kernel.split('-').next().unwrap_or_default().trim().to_owned();
        Ok(Self {
            day: today(),
            commit: commit(root)?,
            cores: format!("{cores} cores ({model})"),
            memory_gib: kib / 1024.0 / 1024.0,
            system: system.trim_matches('"').to_owned(),
            kernel: numbers,
            load: load()?,
        })
    }
}

/// The mean load of the last minute.
///
/// # Errors
/// When the system does not tell; the error is one sentence.
pub fn load() -> Result<f64, String> {
    let text = read("/proc/loadavg")?;
    let first = text.split(' ').next().and_then(|n| n.parse().ok());
    first.ok_or_else(|| "/proc/loadavg holds no number".to_owned())
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn value(text: &str, key: &str, between: char) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(between).map(|(_, value)| value.trim().to_owned())
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_ms(ms).to_string().chars().take("2000-01-01".len()).collect()
}

fn commit(root: &Path) -> Result<String, String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root).output();
        let output = output.map_err(|error| format!("git cannot be started: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "crates"])?;
    Ok(if changed.is_empty() { head } else { format!("{head} and changes to it") })
}
