//! Where on a line the cursor stands: which command it is, what was typed, and what comes next. Read
//! from the grammar alone.

use clap::{Arg, Command};

/// What the last word of a line is.
#[derive(Debug, Clone, Copy)]
pub enum Slot<'a> {
    /// A command's name, or a value that no flag names.
    Word(Option<&'a Arg>),
    /// A flag.
    Flag,
    /// The value of a flag.
    Value(&'a Arg),
}

/// Where the cursor stands.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The command that the words before name.
    pub command: &'a Command,
    /// The values that they give, each with its argument's id.
    pub typed: Vec<(&'a str, String)>,
    /// What comes next.
    pub slot: Slot<'a>,
    /// What stands before it in the same word, such as `--fleet=`.
    pub before: String,
    /// Its first letters.
    pub begin: String,
}

/// What was read of the words before the last.
struct Reader<'a> {
    program: &'a Command,
    command: &'a Command,
    typed: Vec<(&'a str, String)>,
    /// The flag whose value comes next.
    pending: Option<&'a Arg>,
    /// How many values without a flag there were.
    positionals: usize,
    /// Whether `--` came: no flags any more.
    is_plain: bool,
}

impl<'a> Place<'a> {
    /// Reads a line, of which the first word is the program and the last the one at the cursor.
    #[must_use]
    pub fn of(program: &'a Command, words: &[String]) -> Self {
        let mut reader = Reader {
            program,
            command: program,
            typed: Vec::new(),
            pending: None,
            positionals: 0,
            is_plain: false,
        };
        let (last, before) = words.split_last().map_or(("", &[][..]), |(l, b)| (l.as_str(), b));
        before.iter().skip(1).for_each(|word| reader.read(word));
        reader.place(last)
    }

    /// What an argument was given, where it was.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<&str> {
        let given = self.typed.iter().rev().find(|(known, _)| *known == id);
        given.map(|(_, value)| value.as_str())
    }
}

impl<'a> Reader<'a> {
    fn read(&mut self, word: &str) {
        if let Some(flag) = self.pending.take() {
            self.give(flag, word);
        } else if self.is_plain || !is_flag(word) {
            self.read_plain(word);
        } else if word == "--" {
            self.is_plain = true;
        } else if let Some((flag, value)) = self.flag(word) {
            match value {
                Some(value) => self.give(flag, value),
                None => self.pending = Some(flag),
            }
        }
    }

    fn read_plain(&mut self, word: &str) {
        let command = self.command;
        if self.positionals == 0
            && let Some(inner) = command.find_subcommand(word)
        {
            self.command = inner;
            return;
        }
        // `mco AGENT …` is `mco rpc AGENT …`.
        if command.is_allow_external_subcommands_set()
            && let Some(rpc) = self.program.find_subcommand("rpc")
        {
            self.command = rpc;
        }
        if let Some(argument) = self.positional() {
            self.give(argument, word);
        }
        self.positionals += 1;
    }

    /// The argument that the next value without a flag is for; the last one takes all the rest.
    fn positional(&self) -> Option<&'a Arg> {
        let command = self.command;
        let many = |argument: &&Arg| argument.get_num_args().is_some_and(|n| n.max_values() > 1);
        let plain = || command.get_positionals().filter(|argument| !argument.is_hide_set());
        plain().nth(self.positionals).or_else(|| plain().last().filter(many))
    }

    /// The flag that a word names, if it takes a value, and the value in the same word.
    fn flag<'w>(&self, word: &'w str) -> Option<(&'a Arg, Option<&'w str>)> {
        let command = self.command;
        let takers =
            || command.get_arguments().filter(|argument| argument.get_action().takes_values());
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let names = |argument: &&Arg| {
                let all = argument.get_long_and_visible_aliases();
                all.is_some_and(|all| all.contains(&name))
            };
            return takers().find(names).map(|flag| (flag, value));
        }
        // The first letter that takes a value takes the rest of the word.
        let letters = word.char_indices().skip(1);
        letters.into_iter().find_map(|(at, letter)| {
            let flag = takers().find(|argument| argument.get_short() == Some(letter))?;
            let rest = &word[at + letter.len_utf8()..];
            Some((flag, (!rest.is_empty()).then_some(rest)))
        })
    }

    fn give(&mut self, argument: &'a Arg, value: &str) {
        self.typed.push((argument.get_id().as_str(), value.to_owned()));
    }

    fn place(self, last: &str) -> Place<'a> {
        let (slot, begin) = if let Some(flag) = self.pending {
            (Slot::Value(flag), last)
        } else if self.is_plain || !last.starts_with('-') {
            (Slot::Word(self.positional()), last)
        } else {
            match self.flag(last) {
                Some((flag, Some(value))) => (Slot::Value(flag), value),
                _ => (Slot::Flag, last),
            }
        };
        let before = last[..last.len() - begin.len()].to_owned();
        let (command, typed) = (self.command, self.typed);
        Place { command, typed, slot, before, begin: begin.to_owned() }
    }
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::mco::cli::Cli;

    #[test]
    fn where_the_cursor_stands() {
        let mut program = Cli::command();
        program.build();
        let check = |line: &str, want: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let place = Place::of(&program, &words);
            let slot = match place.slot {
                Slot::Word(argument) => {
                    format!("word {}", argument.map_or("-", |argument| argument.get_id().as_str()))
                }
                Slot::Flag => "flag".to_owned(),
                Slot::Value(argument) => format!("value {}", argument.get_id()),
            };
            let typed: String =
                place.typed.iter().map(|(id, value)| format!(" {id}={value}")).collect();
            let got = format!(
                "{}: {slot} {}|{};{typed}",
                place.command.get_name(),
                place.before,
                place.begin
            );
            assert_eq!(got, want, "{line}");
        };
        check("mco ", "mco: word - |;");
        check("mco pi", "mco: word - |pi;");
        check("mco find ", "find: word - |;");
        check("mco find --fl", "find: flag |--fl;");
        check("mco find -", "find: flag |-;");
        check("mco find -F ", "find: value facts |;");
        check("mco find -F hag", "find: value facts |hag;");
        check("mco find -qF hag", "find: value facts |hag;");
        check("mco find -Fhag", "find: value facts -F|hag;");
        check("mco find --wf a=b", "find: value facts |a=b;");
        check("mco find --with-fact=a", "find: value facts --with-fact=|a;");
        check("mco find --fleet prod -C ", "find: value classes |; fleet=prod");
        check("mco rpc --json service ", "rpc: word action |; agent=service");
        check("mco rpc service restart s", "rpc: word inputs |s; agent=service action=restart");
        check("mco rpc a b c=d e", "rpc: word inputs |e; agent=a action=b inputs=c=d");
        check("mco puppet ru", "rpc: word action |ru; agent=puppet");
        check("mco service nginx re", "service: word words |re; words=nginx");
        check("mco lab up --n", "up: flag |--n;");
        check("mco find -- -x", "find: word - |-x;");
        check("mco nosuch --nosuch x y", "rpc: word inputs |y; agent=nosuch action=x");
    }
}
