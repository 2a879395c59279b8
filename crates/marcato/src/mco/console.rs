//! Standard output for data, standard error for talk, and the terminal behind them.
//!
//! Nothing here panics when a stream is closed: `mco find | head` ends quietly, with the exit code
//! that says what became of the nodes.

use std::borrow::Cow;
use std::env;
use std::io::{self, BufWriter, IsTerminal as _, Stderr, Stdout, Write as _};

use anstream::{AutoStream, ColorChoice};
use marcato_core::Exit;

use super::cli::{Color, OutputArgs};
use crate::words::Failure;
use crate::words::table::Screen;

/// The columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Where a command writes, and asks.
#[derive(Debug)]
pub struct Console {
    out: BufWriter<AutoStream<Stdout>>,
    err: AutoStream<Stderr>,
    /// What standard output looks like.
    pub screen: Screen,
    /// Whether somebody watches standard error, on a terminal that can take a line back.
    pub watched: bool,
    /// Whether talk is wanted.
    quiet: bool,
    /// Whether standard output takes no more.
    closed: bool,
    /// Whether that was an error, such as a full disk.
    failed: bool,
    /// Whether the line of progress stands at the cursor.
    progress: bool,
    /// Whether a question stands at the cursor that is not answered yet.
    asking: bool,
}

impl Console {
    /// The console as the flags want it.
    #[must_use]
    pub fn new(args: &OutputArgs) -> Self {
        let out = io::stdout();
        let choice = match args.color {
            Color::Auto => AutoStream::choice(&out),
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        };
        let color = !matches!(choice, ColorChoice::Never);
        let width = out.is_terminal().then(|| columns(&out));
        let err_choice = match args.color {
            Color::Auto => AutoStream::choice(&io::stderr()),
            _ => choice,
        };
        Self {
            out: BufWriter::new(AutoStream::new(out, choice)),
            err: AutoStream::new(io::stderr(), err_choice),
            screen: Screen { width, color, above: 0 },
            watched: io::stderr().is_terminal()
                && env::var_os("TERM").is_some_and(|term| term != "dumb"),
            quiet: args.quiet,
            closed: false,
            failed: false,
            progress: false,
            asking: false,
        }
    }

    /// Writes a line of data. What else could steer a terminal JSON leaves as it is: DEL and the
    /// controls of ISO 6429's second set are written as JSON may write them.
    pub fn say(&mut self, line: &str) {
        self.wipe();
        let line = tamed(line);
        let written = if self.closed { Ok(()) } else { writeln!(self.out, "{line}") };
        self.check(written);
    }

    /// Writes a line of talk, unless none is wanted.
    pub fn note(&mut self, line: &str) {
        if !self.quiet {
            self.warn(line);
        }
    }

    /// The same while the command runs: the report that follows has so many lines less.
    pub fn note_above(&mut self, line: &str) {
        if !self.quiet {
            self.warn(line);
            self.screen.above += 1;
        }
    }

    /// Writes a line of talk in any case.
    pub fn warn(&mut self, line: &str) {
        self.wipe();
        self.flush();
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(self.err, "{line}");
    }

    /// Says why a command ends.
    pub fn fail(&mut self, failure: &Failure) {
        self.warn(&failure.line());
    }

    /// Asks on standard error; the answer is read elsewhere.
    pub fn ask(&mut self, question: &str) {
        self.wipe();
        self.flush();
        let _ = write!(self.err, "{question}");
        let _ = self.err.flush();
        self.asking = true;
    }

    /// The question was answered, and the cursor stands on a line of its own.
    pub fn answered(&mut self) {
        self.asking = false;
    }

    /// Shows how far the command is, on one line that the next one replaces.
    pub fn progress(&mut self, text: &str) {
        if !self.watched || self.quiet {
            return;
        }
        let room = columns(&io::stderr()).saturating_sub(1);
        let text: String = text.chars().take(room).collect();
        // Not through `err`, which takes such sequences out where no colour is wanted.
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        self.progress = true;
    }

    /// Removes the line of progress.
    pub fn wipe(&mut self) {
        if std::mem::take(&mut self.progress) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        if std::mem::take(&mut self.asking) {
            let _ = writeln!(self.err);
        }
    }

    /// Writes out what waits.
    pub fn flush(&mut self) {
        let flushed = if self.closed { Ok(()) } else { self.out.flush() };
        self.check(flushed);
    }

    /// How a command ends whose data are all said: what did not go where it should is no success, unless
    /// nobody wanted it.
    pub fn end(&mut self, exit: Exit) -> Exit {
        self.flush();
        if self.failed && exit == Exit::Ok { Exit::Io } else { exit }
    }

    fn check(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        self.closed = true;
        // Whoever closes the pipe has seen enough.
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failed = true;
            let _ = writeln!(self.err, "error: standard output: {error}");
        }
    }
}

fn columns(stream: &impl std::os::fd::AsFd) -> usize {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => COLUMNS,
    }
}

fn tamed(line: &str) -> Cow<'_, str> {
    let steers = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !line.contains(steers) {
        return Cow::Borrowed(line);
    }
    let mut tame = String::with_capacity(line.len());
    for c in line.chars() {
        match steers(c) {
            true => tame.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => tame.push(c),
        }
    }
    Cow::Owned(tame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_as_in_json() {
        let json = serde_json::json!({"said": "a\u{7f}b\u{9b}31mü\u{1b}"}).to_string();
        let tame = tamed(&json);
        assert_eq!(tame, r#"{"said":"a\u007fb\u009b31mü\u001b"}"#);
        let value: serde_json::Value = serde_json::from_str(&tame).unwrap();
        assert_eq!(value.to_string(), json);
        assert!(matches!(tamed("plain ü"), Cow::Borrowed(_)));
    }
}
