//! The words of a command line that is wrong, and of `--help` and `--version`.

use std::io::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use marcato_core::Exit;
use marcato_protocol::version::Spoken;

use super::output::is_coloured;
use super::{Failure, answer};
use crate::environment;

/// What `--version` says: the release, and which versions of the protocol it speaks.
#[must_use]
pub fn version() -> String {
    let Spoken { oldest, newest } = Spoken::RELEASE;
    let spoken =
        if oldest == newest { newest.to_string() } else { format!("{oldest} to {newest}") };
    format!("{} (speaks protocol {spoken})", env!("CARGO_PKG_VERSION"))
}

/// Prints what the parser of the command line has to say, and says how the program ends: help on
/// standard output with 0, errors on standard error with 64.
#[must_use]
pub fn usage(error: &clap::Error) -> Exit {
    let text = error.render();
    // Nobody is left to be told where standard error is closed.
    let _ = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if is_coloured() => {
            return answer(&text.ansi().to_string(), Exit::Ok);
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return answer(&text.to_string(), Exit::Ok);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            write!(anstream::stderr(), "{}", text.ansi())
        }
        _ => writeln!(anstream::stderr(), "error: {}", failure(error)),
    };
    Exit::Usage
}

/// The parser's error in the form of all others: what is wrong, then what to do.
fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    let mut what = Vec::new();
    let mut nearest = None;
    let mut hints = Vec::new();
    for line in lines.take_while(|line| !line.starts_with("Usage:")) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            match tip.split_once(" exists: ") {
                Some((_, word)) => nearest = Some(word.trim_matches('\'').to_owned()),
                None => hints.push(tip.to_owned()),
            }
        } else if !line.is_empty() && !line.starts_with("For more information") {
            what.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    let mut what = what.join(" ");
    if let Some(word) = nearest {
        what = format!("{what}; nearest: {word}");
    }
    let mut failure = Failure::new(Exit::Usage, what);
    for hint in hints {
        failure = failure.hint(hint);
    }
    if let Some(name) = variable(error) {
        failure = failure.hint(format!("look at the environment variable {name}"));
    }
    match usage_command(&text) {
        Some(command) => failure.hint(format!("{command} --help")),
        None => failure,
    }
}

/// The environment variable that gave the value which is wrong, where it was not a flag.
fn variable(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else {
        return None;
    };
    let flag = argument.split(' ').next()?;
    let name = environment::ALL.iter().find(|variable| variable.flag == Some(flag))?.name;
    let typed = std::env::args().any(|word| word.split('=').next() == Some(flag));
    (!typed && std::env::var(name).as_ref() == Ok(value)).then_some(name)
}

/// The command that the usage line names: `mco rpc` of `Usage: mco rpc [OPTIONS] <AGENT> …`.
fn usage_command(text: &str) -> Option<String> {
    let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: "))?;
    let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let words: Vec<&str> =
        usage.split(' ').take_while(is_word).filter(|word| !word.starts_with('-')).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_usage_line() {
        let check = |text, want: Option<&str>| assert_eq!(usage_command(text).as_deref(), want);
        check("x\nUsage: mco rpc [OPTIONS] <AGENT>", Some("mco rpc"));
        check("Usage: mco authority sign-node --key <FILE>", Some("mco authority sign-node"));
        check("Usage: mco <COMMAND>", Some("mco"));
        check("nothing", None);
    }
}
