//! `mco __complete`: what a shell asks when its user presses the key for completion.
//!
//! Flags, commands and the values of lists come from the grammar; agents, actions and inputs from
//! declarations; jobs and fleets from the operator's files; names and values of facts, classes and
//! nodes from the registry. Prints a candidate and what it is on each line; exit 1 says that the
//! word is a file's name, which the shell completes better.

mod place;
mod registry;
mod sources;

use std::io::{self, Write as _};
use std::time::Instant;

use clap::{Command, CommandFactory as _};
use marcato_core::Exit;

use self::place::{Place, Slot};
use super::cli::{Cli, Complete, Shell};
use super::early;
use crate::words;

/// A word that fits, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    word: String,
    about: String,
}

impl Candidate {
    fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self { word: word.into(), about: about.into() }
    }
}

/// Prints the script for a shell.
pub fn script(shell: Shell) -> Exit {
    let script = match shell {
        Shell::Bash => include_str!("mco.bash"),
        Shell::Zsh => include_str!("mco.zsh"),
        Shell::Fish => include_str!("mco.fish"),
    };
    words::answer(script, Exit::Ok)
}

/// Prints what fits.
pub fn main(args: &Complete, since: Instant) -> Exit {
    let Some(words) = words(args) else { return Exit::Ok };
    let mut program = Cli::command();
    program.build();
    let place = Place::of(&program, &words);
    let Some(candidates) = candidates(&program, &place, since) else { return Exit::Nothing };
    let mut text = String::new();
    for line in fitting(candidates, &place) {
        text.push_str(&if args.bash { in_bash(&line.word, &words) } else { shown(&line) });
        text.push('\n');
    }
    // Nobody is left to be told.
    let _ = io::stdout().write_all(text.as_bytes());
    Exit::Ok
}

/// The words as the program would get them; nothing where the last is in quotes, which only its
/// shell takes apart.
fn words(args: &Complete) -> Option<Vec<String>> {
    let mut words = if args.bash { joined(&args.words) } else { args.words.clone() };
    let last = words.pop()?;
    if args.bash && last.contains(['"', '\'', '$', '`']) {
        return None;
    }
    let unquoted = |word: String| word.replace(['"', '\'', '\\'], "");
    if args.bash {
        words = words.into_iter().map(unquoted).collect();
    }
    let words = early::words(words.into_iter().map(Into::into).collect());
    let mut words: Vec<String> =
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words.push(if args.bash { unquoted(last) } else { last });
    Some(words)
}

/// Bash divides words at `=` and `:` as well; what stood together is put together.
fn joined(words: &[String]) -> Vec<String> {
    let is_break = |word: &str| !word.is_empty() && word.chars().all(|c| BREAKS.contains(&c));
    let mut joined: Vec<String> = Vec::new();
    let mut glue = false;
    for word in words {
        match joined.last_mut() {
            Some(last) if glue || is_break(word) => last.push_str(word),
            _ => joined.push(word.clone()),
        }
        glue = is_break(word);
    }
    joined
}

/// At what bash divides a word besides blanks.
const BREAKS: [char; 2] = ['=', ':'];

/// What is left to type of a word in bash, as bash reads it.
fn in_bash(word: &str, words: &[String]) -> String {
    let typed = words.last().map_or("", String::as_str);
    let kept = typed.rfind(BREAKS).map_or(0, |at| at + 1);
    let is_plain = |c: char| c.is_alphanumeric() || "._-+/@%,:=^[]".contains(c);
    let mut text = String::new();
    for c in word.get(kept..).unwrap_or_default().chars() {
        if !is_plain(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn shown(Candidate { word, about }: &Candidate) -> String {
    if about.is_empty() { word.clone() } else { format!("{word}\t{about}") }
}

/// Those that begin as it was typed, whole words again. What has control characters came from a host
/// that means no good, and cannot be typed anyway.
fn fitting(candidates: Vec<Candidate>, place: &Place<'_>) -> Vec<Candidate> {
    let is_harmless = |text: &str| !text.chars().any(char::is_control);
    let fits = |candidate: &Candidate| {
        candidate.word.starts_with(&place.begin)
            && is_harmless(&candidate.word)
            && is_harmless(&candidate.about)
    };
    let mut fitting: Vec<Candidate> = candidates.into_iter().filter(fits).collect();
    for candidate in &mut fitting {
        candidate.word.insert_str(0, &place.before);
    }
    fitting.sort_unstable();
    fitting.dedup_by(|a, b| a.word == b.word);
    fitting
}

/// What can stand there; nothing where it is a file's name.
fn candidates(program: &Command, place: &Place<'_>, since: Instant) -> Option<Vec<Candidate>> {
    match place.slot {
        Slot::Flag => Some(flags(place.command)),
        Slot::Value(argument) => sources::values(argument, place, since),
        Slot::Word(argument) => {
            let mut found = commands(place.command);
            if place.command.get_name() == program.get_name() {
                let agents = sources::agents(place).into_iter();
                found.extend(agents.filter(|agent| program.find_subcommand(&agent.word).is_none()));
            }
            if let Some(argument) = argument {
                found.extend(sources::values(argument, place, since)?);
            }
            Some(found)
        }
    }
}

fn flags(command: &Command) -> Vec<Candidate> {
    let flags = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let flag = |argument: &clap::Arg| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        Some(Candidate::new(format!("--{}", argument.get_long()?), help))
    };
    flags.filter_map(flag).collect()
}

fn commands(command: &Command) -> Vec<Candidate> {
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    let about = |inner: &Command| inner.get_about().map(ToString::to_string).unwrap_or_default();
    inner.map(|inner| Candidate::new(inner.get_name(), about(inner))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_divides_words_and_they_are_put_together() {
        let check = |words: &[&str], want: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(joined(&words), want);
        };
        check(&["mco", "find", ""], &["mco", "find", ""]);
        check(&["mco", "-F", "hagroup", "=", "c"], &["mco", "-F", "hagroup=c"]);
        check(&["mco", "-F", "hagroup", "="], &["mco", "-F", "hagroup="]);
        check(&["mco", "--fleet", "=", "prod", "-q"], &["mco", "--fleet=prod", "-q"]);
        check(&["nats", ":", "//h", ":", "1"], &["nats://h:1"]);
    }

    #[test]
    fn bash_is_told_what_is_left_in_its_own_words() {
        let check = |word: &str, typed: &str, want: &str| {
            assert_eq!(in_bash(word, &["mco".into(), typed.into()]), want);
        };
        check("hagroup=", "hag", "hagroup=");
        check("hagroup=c", "hagroup=", "c");
        check("os.name=GNU/Linux 12", "os.name=G", "GNU/Linux\\ 12");
        check("a=$(reboot)", "a=", "\\$\\(reboot\\)");
        check("dir=~root", "dir=", "\\~root");
        check("--fleet=prod", "--fleet=p", "prod");
    }
}
