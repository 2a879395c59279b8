//! System V init scripts, on hosts that systemd does not run.
//!
//! A script is called as `service` calls it: with nothing in its environment, in `/`. What it starts
//! must outlive it, so it is left its process group; and what it says is not read, because a daemon
//! that still holds its script's output would end at its next word. Its exit code says enough: the
//! Linux Standard Base defines what each means.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use marcato_agent::BoxFuture;
use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::limits::service::{
    INIT_SCRIPT_BYTES_MAX, INIT_STATUS_LIMIT, PRECHECK_BYTES_MAX, SYSTEMCTL_BYTES_MAX,
};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::unit::UNKNOWN;
use super::{Broken, Job, Services, Unit, Verb, shown};

/// What the codes mean that a script ends with when it was to do something (LSB 5.0, 22.2).
const CODES: [(i32, &str); 7] = [
    (1, "it failed, and its code names no reason"),
    (2, "it does not take these arguments"),
    (3, "it cannot do that"),
    (4, "it lacks the right to"),
    (5, "its program is not installed"),
    (6, "it is not configured"),
    (7, "it does not run"),
];

/// The init scripts of a host.
pub struct SystemV {
    root: PathBuf,
}

impl SystemV {
    /// Those of this host, if they are what runs it: a container may have scripts and no init.
    #[must_use]
    pub fn available() -> Option<Self> {
        let first = fs::read_to_string("/proc/1/comm").unwrap_or_default();
        (first.trim_end() == "init").then(|| Self::at(Path::new("/")))?
    }

    /// Those below another root, if there are any.
    #[must_use]
    pub fn at(root: &Path) -> Option<Self> {
        root.join("etc/init.d").is_dir().then(|| Self { root: root.to_owned() })
    }

    /// The script of a service.
    fn script(&self, unit: &str) -> Option<PathBuf> {
        let name = plain(unit);
        // A leading dash would be an option to what enables it.
        if name.is_empty() || name.contains('/') || name.starts_with(['.', '-']) {
            return None;
        }
        let path = self.root.join("etc/init.d").join(name);
        let may_run = |meta: fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        fs::metadata(&path).is_ok_and(may_run).then_some(path)
    }

    async fn look_at(&self, unit: &str) -> Result<Option<Unit>, String> {
        let Some(script) = self.script(unit) else { return Ok(None) };
        let mut text = Vec::new();
        let read = File::open(&script)
            .and_then(|file| file.take(INIT_SCRIPT_BYTES_MAX).read_to_end(&mut text));
        read.map_err(|error| format!("{}: {error}", script.display()))?;
        let text = String::from_utf8_lossy(&text);
        // A script without it answers with a usage and a code that means something else.
        let code = match takes(&text, "status") {
            true => self.status(&script).await?,
            false => None,
        };
        let (active, sub) = state(code);
        let main_pid = if active == "inactive" { 0 } else { self.main_pid(plain(unit)) };
        Ok(Some(Unit {
            names: vec![unit.to_owned()],
            active: active.to_owned(),
            sub: sub.to_owned(),
            enabled: if self.is_enabled(plain(unit)) { "enabled" } else { "disabled" }.to_owned(),
            main_pid,
            reloads: takes(&text, "reload"),
            ..Unit::default()
        }))
    }

    /// What the script says of its service; `None` when it does not say anything in time.
    async fn status(&self, script: &Path) -> Result<Option<i32>, String> {
        let mut command = clean(script);
        command.arg("status");
        let limit = INIT_STATUS_LIMIT.as_duration();
        let ended = process::run(command, limit, Output::Keep(PRECHECK_BYTES_MAX)).await;
        let ended = ended.map_err(|error| format!("{}: {error}", script.display()))?;
        Ok(ended.status.and_then(|status| status.code()))
    }

    async fn do_to(&self, verb: Verb, unit: &str, until: Instant) -> Result<Job, String> {
        let script = self.script(unit).ok_or_else(|| format!("{unit} has no init script"))?;
        let mut command = clean(&script);
        command.arg(verb.word()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| format!("{}: {error}", script.display()))?;
        match timeout_at(until, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(Job::Done),
            Ok(Ok(status)) => Err(format!("{} {}: {}", script.display(), verb.word(), why(status))),
            Ok(Err(error)) => Err(format!("{}: {error}", script.display())),
            Err(_) => Ok(Job::TooLong),
        }
    }

    /// As `update-rc.d` has it, which knows what the script needs before it; by `insserv` or
    /// `chkconfig` where there is none.
    async fn enable_script(&self, unit: &str, on: bool, until: Instant) -> Result<bool, String> {
        let name = plain(unit);
        let before = self.is_enabled(name);
        let word = if on { "enable" } else { "disable" };
        let made: &[&[&str]] = if on && !self.has_links(name) {
            &[&["update-rc.d", name, "defaults"], &["update-rc.d", name, word]]
        } else {
            &[&["update-rc.d", name, word]]
        };
        let others: [&[&[&str]]; 2] = match on {
            true => [&[&["insserv", name]], &[&["chkconfig", name, "on"]]],
            false => [&[&["insserv", "--remove", name]], &[&["chkconfig", name, "off"]]],
        };
        for commands in std::iter::once(made).chain(others) {
            if self.run_all(commands, until).await? {
                return Ok(self.is_enabled(name) != before);
            }
        }
        Err("this host has none of update-rc.d, insserv and chkconfig".into())
    }

    /// Runs commands one after the other; false when there is no such program.
    async fn run_all(&self, commands: &[&[&str]], until: Instant) -> Result<bool, String> {
        for words in commands {
            let [program, arguments @ ..] = *words else { continue };
            let mut command = clean(Path::new(program));
            command.args(arguments);
            let limit = until.saturating_duration_since(Instant::now());
            let told = words.join(" ");
            let ended = match process::run(command, limit, Output::Keep(SYSTEMCTL_BYTES_MAX)).await
            {
                Ok(ended) => ended,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(format!("{told}: {error}")),
            };
            match ended.status {
                Some(status) if status.success() => {}
                Some(status) => {
                    let said = shown::lines(&ended.stderr);
                    return Err(format!("{told}: {}", shown::ended(status, &said)));
                }
                None => return Err(format!("{told} does not end")),
            }
        }
        Ok(true)
    }

    /// Whether it starts in one of the levels that a host runs in.
    fn is_enabled(&self, name: &str) -> bool {
        ["2", "3", "4", "5"].iter().any(|level| self.links(level, name).any(|begin| begin == 'S'))
    }

    fn has_links(&self, name: &str) -> bool {
        ["0", "1", "2", "3", "4", "5", "6", "S"]
            .iter()
            .any(|level| self.links(level, name).next().is_some())
    }

    /// The kinds of links to a script in one level: S and K.
    fn links<'a>(&self, level: &str, name: &'a str) -> impl Iterator<Item = char> + use<'a> {
        let dir = self.root.join(format!("etc/rc{level}.d"));
        fs::read_dir(dir).into_iter().flatten().filter_map(move |entry| {
            let link = entry.ok()?.file_name().into_string().ok()?;
            let (order, linked) = link.split_at_checked(3)?;
            let counted = order[1..].bytes().all(|byte| byte.is_ascii_digit());
            (counted && linked == name).then(|| order.chars().next())?
        })
    }

    /// What its pid file says, if that process lives.
    fn main_pid(&self, name: &str) -> u32 {
        let files = [format!("run/{name}.pid"), format!("run/{name}/{name}.pid")];
        let pid = files.iter().find_map(|file| {
            fs::read_to_string(self.root.join(file)).ok()?.trim().parse::<u32>().ok()
        });
        pid.filter(|pid| Path::new("/proc").join(pid.to_string()).is_dir()).unwrap_or(0)
    }
}

/// A service's name without what systemd puts behind it.
fn plain(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C").env("TERM", "dumb");
    command.current_dir("/");
    command
}

/// Whether a script's text has a branch for an argument.
fn takes(script: &str, argument: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    script.lines().filter(|line| line.contains(')')).any(|line| {
        let pattern = line.split(')').next().unwrap_or_default();
        pattern.split(|c| !is_word(c)).any(|word| word == argument)
    })
}

/// What a script's answer to `status` means (LSB 5.0, 22.2).
const fn state(code: Option<i32>) -> (&'static str, &'static str) {
    match code {
        Some(0) => ("active", "running"),
        Some(1 | 2) => ("failed", "dead"),
        Some(3) => ("inactive", "dead"),
        _ => (UNKNOWN, UNKNOWN),
    }
}

fn why(status: ExitStatus) -> String {
    let meaning = CODES.iter().find(|(code, _)| status.code() == Some(*code));
    match meaning {
        Some((code, meaning)) => format!("ended with {code}: {meaning}"),
        None => shown::ended(status, &[]),
    }
}

impl Services for SystemV {
    fn provider(&self) -> &'static str {
        "sysv"
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(self.look_at(unit))
    }

    fn act<'a>(
        &'a self,
        verb: Verb,
        unit: &'a str,
        until: Instant,
    ) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(self.do_to(verb, unit, until))
    }

    fn enable<'a>(
        &'a self,
        unit: &'a str,
        on: bool,
        until: Instant,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(self.enable_script(unit, on, until))
    }

    fn failed(&self) -> BoxFuture<'_, Result<Vec<Broken>, String>> {
        Box::pin(async { Err("System V init does not know which services have failed".into()) })
    }

    fn log<'a>(&'a self, _unit: &'a str, _since_us: u64) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { Vec::new() })
    }
}
