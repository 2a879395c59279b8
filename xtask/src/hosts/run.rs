//! Runs commands by argument vector, in a clean environment, with a time limit.

use super::error::{Error, Result};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where commands are looked for: a login of root by `su` lacks the `sbin` folders.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of a failed command's output an error shows, in lines.
const SHOWN_LINES: usize = 20;

/// The status that `timeout` from coreutils gives when the limit was reached.
const TIMED_OUT: i32 = 124;

/// What a command gave back.
#[derive(Debug)]
pub struct Output {
    /// The exit status; 128 + number for a signal, as shells count.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// A command with the clean environment that every command here gets.
pub fn command<S: AsRef<OsStr>>(argv: &[S]) -> Command {
    let mut command = Command::new(argv.first().map_or(OsStr::new("false"), AsRef::as_ref));
    command.args(argv.iter().skip(1));
    command.env_clear();
    command.envs([
        ("PATH", PATH),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    command
}

/// Runs a command within the limit and gives back what it printed, however it ended.
///
/// # Errors
/// When it cannot be started, or when the limit was reached.
pub fn output<S: AsRef<OsStr>>(argv: &[S], input: &[u8], limit: Duration) -> Result<Output> {
    // `timeout` ends the whole process group: nsenter forks, and killing it alone would leave the
    // command behind in the host.
    let seconds = format!("{:.3}", limit.as_secs_f64());
    let mut whole = vec![OsStr::new("timeout"), OsStr::new("--kill-after=2"), OsStr::new(&seconds)];
    whole.extend(argv.iter().map(AsRef::as_ref));
    let mut child = command(&whole)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(argv, &format!("cannot be started: {error}"), ""))?;
    let stdin = child.stdin.take();
    let ended = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A command that does not read all of its input has a reason, and its status tells it.
            let _ignored = stdin.map(|mut pipe| pipe.write_all(input));
        });
        child.wait_with_output()
    })
    .map_err(|error| failed(argv, &error.to_string(), ""))?;
    let status = exit_code(ended.status);
    if status == TIMED_OUT {
        let shown = tail(&ended.stdout) + &tail(&ended.stderr);
        return Err(failed(argv, &format!("not done after {seconds} s"), &shown));
    }
    Ok(Output { status, stdout: ended.stdout, stderr: ended.stderr })
}

/// Runs a command that must end with 0 and gives back its standard output.
///
/// # Errors
/// When it cannot be started, takes too long, or ends with anything but 0.
pub fn checked<S: AsRef<OsStr>>(argv: &[S], limit: Duration) -> Result<String> {
    let output = output(argv, b"", limit)?;
    if output.status != 0 {
        return Err(status_error(argv, &output));
    }
    Ok(output.text())
}

/// The error for a command that ended with another status than the wanted one.
pub fn status_error<S: AsRef<OsStr>>(argv: &[S], output: &Output) -> Error {
    let shown = tail(&output.stdout) + &tail(&output.stderr);
    failed(argv, &format!("exit {}", output.status), &shown)
}

/// The exit code, or 128 + the signal's number.
pub fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The last lines of an output, for an error's text.
pub fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default().iter().map(|line| format!("  {line}\n")).collect()
}

fn failed<S: AsRef<OsStr>>(argv: &[S], status: &str, text: &str) -> Error {
    let argv: Vec<_> = argv.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    Error::Command { argv: argv.join(" "), status: status.to_owned(), text: text.to_owned() }
}
