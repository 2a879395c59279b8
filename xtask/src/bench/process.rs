//! What a process costs, as the kernel counts it, and how long a command takes.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a daemon may take to end when it is told to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// CPU time that a process has used so far: `se.sum_exec_runtime` of all its threads, to the
/// nanosecond (`/proc/PID/task/*/schedstat`, first field).
///
/// # Errors
/// When the process is gone; the error is one sentence.
pub fn cpu(pid: u32) -> Result<Duration, String> {
    let tasks = format!("/proc/{pid}/task");
    let mut sum = Duration::ZERO;
    let entries = fs::read_dir(&tasks).map_err(|error| format!("{tasks}: {error}"))?;
    for task in entries.filter_map(Result::ok) {
        // A thread may end between the listing and the reading.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let used = text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        sum += Duration::from_nanos(used);
    }
    Ok(sum)
}

/// CPU time of several processes together.
///
/// # Errors
/// When one is gone; the error is one sentence.
pub fn cpu_of(pids: &[u32]) -> Result<Duration, String> {
    pids.iter().map(|&pid| cpu(pid)).sum()
}

/// CPU time of all commands that ended and were waited for so far (`cutime` and `cstime` of
/// proc(5), in hundredths of a second).
///
/// # Errors
/// When the system does not tell; the error is one sentence.
pub fn cpu_of_commands() -> Result<Duration, String> {
    let text =
        fs::read_to_string("/proc/self/stat").map_err(|e| format!("/proc/self/stat: {e}"))?;
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace());
    let times = fields.map(|fields| fields.skip(13).take(2).filter_map(|n| n.parse::<u64>().ok()));
    let ticks: u64 = times.ok_or("/proc/self/stat cannot be read")?.sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What is mapped and present.
    pub rss: u64,
    /// The same, with each page divided by the number of processes that share it.
    pub pss: u64,
}

/// Memory of a process, from `/proc/PID/smaps_rollup`.
///
/// # Errors
/// When the process is gone or another user's; the error is one sentence.
pub fn memory(pid: u32) -> Result<Memory, String> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    let found = field("Rss:").zip(field("Pss:"));
    let (rss, pss) = found.ok_or_else(|| format!("{path} does not say what is used"))?;
    Ok(Memory { rss, pss })
}

/// Runs a command to its end, with nothing of this fleet's or another's in its environment.
///
/// # Errors
/// When it cannot be started; the error is one sentence.
pub fn output(command: &mut Command) -> Result<(Output, Duration), String> {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output();
    let took = begun.elapsed();
    let output = output.map_err(|error| format!("{} cannot be started: {error}", name(command)))?;
    Ok((output, took))
}

/// The same for a command that must end well.
///
/// # Errors
/// When it cannot be started or fails; the error is one sentence.
pub fn succeed(command: &mut Command) -> Result<(Output, Duration), String> {
    let (output, took) = output(command)?;
    if output.status.success() {
        return Ok((output, took));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    Err(format!("{} {}: {}: {}", name(command), arguments.join(" "), output.status, said.trim()))
}

fn name(command: &Command) -> String {
    let path = std::path::Path::new(command.get_program());
    path.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}

/// A process that runs until it is dropped.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts it, with its log in a file.
    ///
    /// # Errors
    /// When it cannot be started; the error is one sentence.
    pub fn start(command: &mut Command, log: &std::path::Path) -> Result<Self, String> {
        let file = fs::File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        child.map(Self).map_err(|error| format!("{} cannot be started: {error}", name(command)))
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Tells it to end, and does not wait.
    pub fn tell_to_end(&self) {
        // It may have ended already; its id is ours until it is waited for.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.lives() {
            return;
        }
        self.tell_to_end();
        let until = Instant::now() + GRACE;
        while self.lives() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_costs_is_counted() {
        let before = cpu(std::process::id()).unwrap();
        let used = || cpu(std::process::id()).unwrap() - before;
        let mut sum = 0_u64;
        while used() < Duration::from_millis(5) {
            sum = std::hint::black_box((0..100_000_u64).fold(sum, u64::wrapping_add));
        }
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.pss > 0 && memory.rss >= memory.pss, "{memory:?}");
    }

    #[test]
    fn a_command_that_fails_says_so_with_its_words() {
        let error = succeed(Command::new("ls").args(["--no-such-flag"])).unwrap_err();
        assert!(error.starts_with("ls --no-such-flag: exit status: 2: "), "{error}");
        succeed(&mut Command::new("true")).unwrap();
    }

    #[test]
    fn a_daemon_ends_with_its_guard() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut daemon = Daemon::start(Command::new("sleep").arg("600"), log.path()).unwrap();
        let pid = daemon.pid();
        assert!(daemon.lives());
        drop(daemon);
        assert!(cpu(pid).is_err());
    }
}
