//! One command of a stage: in a process group of its own, ended when the time is over.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Machine;

/// How often we look whether a command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a command may take to end when it is told to, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A command with its arguments; never a line for a shell.
#[derive(Debug, Clone)]
pub struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With exit code 0.
    Succeeded,
    /// In any other way, told as one sentence.
    Failed(String),
    /// It was ended because the time was over.
    OverBudget,
}

impl Step {
    /// A program with its arguments.
    #[must_use]
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        Self {
            program: program.as_ref().to_owned(),
            arguments: arguments.collect(),
            variables: Vec::new(),
        }
    }

    /// `cargo` with its arguments.
    #[must_use]
    pub fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
    }

    /// Another tool of this very program.
    #[must_use]
    pub fn xtask<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let this = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
        Self::new(this, arguments)
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in the root of the repository until it ends or the time is over.
    #[must_use]
    pub fn run(&self, machine: &Machine, deadline: Instant, interrupt: &Interrupt) -> End {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(k, v)| (k, v)));
        command.current_dir(&machine.root).stdin(Stdio::null()).process_group(0);
        if machine.is_ci {
            command.env("CARGO_INCREMENTAL", "0");
        }
        match command.spawn() {
            Ok(child) => wait(child, deadline, interrupt),
            Err(error) => End::Failed(format!("cannot be started: {error}")),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = std::path::Path::new(&self.program);
        write!(f, "{}", program.file_name().unwrap_or(&self.program).display())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", argument.display()))
    }
}

fn wait(mut child: Child, deadline: Instant, interrupt: &Interrupt) -> End {
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return End::Succeeded,
            Ok(Some(status)) => return End::Failed(told(status)),
            Ok(None) => {}
            Err(error) => return End::Failed(format!("cannot be waited for: {error}")),
        }
        if interrupt.came() {
            end_group(&mut child);
            return End::Failed("interrupted".to_owned());
        }
        if Instant::now() >= deadline {
            end_group(&mut child);
            return End::OverBudget;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn told(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// Ends the command and all that it started: told first, then killed.
fn end_group(child: &mut Child) {
    let group = Pid::from_child(child);
    // The group is gone when every process of it is, so an error here is the wished-for end.
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(LOOK_EVERY);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Whether somebody pressed Ctrl-C or told us to end: the commands are in groups of their own and
/// do not hear it themselves.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the signals cannot be caught; the error is one sentence.
    pub fn listen() -> Result<Self, String> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| format!("signal {signal} cannot be caught: {error}"))?;
        }
        Ok(Self(flag))
    }

    /// Whether it came.
    #[must_use]
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(step: &Step, time: Duration) -> End {
        let machine = Machine { root: ".".into(), is_root: false, is_ci: false };
        step.run(&machine, Instant::now() + time, &Interrupt::default())
    }

    #[test]
    fn a_command_ends_in_one_of_three_ways() {
        let long = Duration::from_secs(60);
        let none = [""; 0];
        assert_eq!(end(&Step::new("true", none), long), End::Succeeded);
        assert_eq!(end(&Step::new("false", none), long), End::Failed("exit code 1".to_owned()));
        assert!(matches!(end(&Step::new("no-such-program", none), long), End::Failed(_)));
        assert_eq!(end(&Step::new("sleep", ["600"]), Duration::ZERO), End::OverBudget);
    }

    #[test]
    fn what_a_command_started_ends_with_it() {
        // `timeout` runs its command as a child in the same process group (--foreground).
        let step = Step::new("timeout", ["--foreground", "600", "sleep", "61.0625"]);
        assert_eq!(end(&step, Duration::from_millis(300)), End::OverBudget);
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
        let left = lines.filter(|line| line.ends_with(b"\x0061.0625\0")).count();
        assert_eq!(left, 0);
    }

    #[test]
    fn an_interrupt_ends_the_command() {
        let interrupt = Interrupt::default();
        interrupt.0.store(true, Ordering::Relaxed);
        let machine = Machine { root: ".".into(), is_root: false, is_ci: false };
        let deadline = Instant::now() + Duration::from_secs(60);
        let end = Step::new("sleep", ["600"]).run(&machine, deadline, &interrupt);
        assert_eq!(end, End::Failed("interrupted".to_owned()));
    }
}
