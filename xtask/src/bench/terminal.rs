//! A command on a terminal, which folds and groups for a person: how much is to be seen.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The terminal that most programs assume where they are not told.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// What was to be seen.
#[derive(Debug)]
pub struct Screen {
    /// All that was written to the terminal.
    pub text: String,
    /// The command's exit code.
    pub code: Option<i32>,
    /// From its start to its end.
    pub took: Duration,
}

impl Screen {
    /// How many rows of the terminal it took: a long line takes several, and what is written over in
    /// its own line counts as it was last.
    pub fn rows(&self) -> usize {
        let columns = usize::from(SIZE.ws_col);
        let rows = |line: &str| {
            let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
            width(last).div_ceil(columns).max(1)
        };
        self.text.lines().map(rows).sum()
    }
}

/// The columns of a text without what colours it or erases a line (ECMA-48, 5.4).
fn width(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().chars().count();
    let is_final = |c: char| ('@'..='~').contains(&c);
    first
        + parts
            .map(|part| part.chars().skip_while(|c| !is_final(*c)).skip(1).count())
            .sum::<usize>()
}

/// Runs a command with a terminal as its standard output and error, and none to type on.
///
/// # Errors
/// When there is no terminal to be had or the command cannot be started; one sentence.
pub fn show(command: &mut Command) -> Result<Screen, String> {
    let (screen, terminal) = pair().map_err(|error| format!("no terminal: {error}"))?;
    let begun = Instant::now();
    let both = || terminal.as_fd().try_clone_to_owned();
    let (out, err) = both().and_then(|out| Ok((out, both()?))).map_err(|e| e.to_string())?;
    command.env("TERM", "xterm").stdin(Stdio::null()).stdout(out).stderr(err);
    let child = command.spawn();
    // The reading below ends when nobody is left who could write.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(terminal);
    let mut child = child.map_err(|error| {
        format!("{} cannot be started: {error}", command.get_program().display())
    })?;
    let text = read(File::from(screen));
    let status = child.wait().map_err(|error| error.to_string())?;
    let text = text.map_err(|error| format!("the terminal cannot be read: {error}"))?;
    Ok(Screen { text, code: status.code(), took: begun.elapsed() })
}

/// Our side of a new terminal, and the command's.
fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = open(name.as_c_str(), flags, Mode::empty())?;
    tcsetwinsize(&theirs, SIZE)?;
    Ok((ours, theirs))
}

/// Everything until the other side is closed, which a terminal says as an error (EIO).
fn read(mut screen: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4096];
    loop {
        match screen.read(&mut part) {
            Ok(0) => break,
            Ok(size) => bytes.extend_from_slice(&part[..size]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_finds_a_terminal_of_a_known_size() {
        let seen = show(Command::new("stty").arg("size").arg("-F").arg("/dev/stdout")).unwrap();
        assert_eq!((seen.text.trim(), seen.code, seen.rows()), ("24 80", Some(0), 1));
    }

    #[test]
    fn a_failure_is_seen_with_its_words() {
        let seen = show(Command::new("ls").args(["/", "/no such folder"])).unwrap();
        assert_eq!(seen.code, Some(2));
        assert!(seen.text.contains("/no such folder") && seen.rows() > 1, "{}", seen.text);
    }

    #[test]
    fn rows_are_counted_and_not_lines() {
        let rows =
            |text: &str| Screen { text: text.to_owned(), code: None, took: Duration::ZERO }.rows();
        assert_eq!(rows("a\r\n\r\nb\r\n"), 3);
        assert_eq!(rows(&"x".repeat(80)), 1);
        assert_eq!(rows(&"é".repeat(81)), 2);
        assert_eq!(rows(&format!("\r\x1b[K{}\r\x1b[Kdone\r\n", "x".repeat(200))), 1);
        assert_eq!(rows(&format!("\x1b[31m{}\x1b[0m\r\n", "x".repeat(80))), 1);
    }
}
