//! Words in the order of the ancestor: `mco -q service chronyd status` is
//! `mco service -q chronyd status`, and `mco help find` is `mco find --help`.

use std::ffi::OsString;

use clap::{Command, CommandFactory as _};

use super::cli::Cli;

/// The words of the command line, with flags that stand before the command put behind it.
#[must_use]
pub fn words(words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        let mut words = words;
        words.remove(1);
        words.push("--help".into());
        return words;
    }
    // Only then is the grammar needed twice.
    let is_early = words.get(1).is_some_and(|word| is_flag(word) && !is_own(word));
    if !is_early {
        return words;
    }
    let command = Cli::command();
    behind(words, &|flag| takes_value(&command, flag))
}

fn behind(words: Vec<OsString>, takes_value: &dyn Fn(&str) -> bool) -> Vec<OsString> {
    let mut at = 1;
    while let Some(flag) = words.get(at).filter(|word| is_flag(word)) {
        at += 1 + usize::from(flag.to_str().is_some_and(takes_value));
    }
    if at >= words.len() {
        return words;
    }
    let mut words = words;
    words[1..=at].rotate_right(1);
    words
}

fn is_flag(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.len() > 1 && word.starts_with('-'))
}

/// The flags that `mco` has without a command.
fn is_own(word: &OsString) -> bool {
    ["-h", "--help", "-V", "--version", "--"].iter().any(|own| word == own)
}

/// Whether the next word is this flag's value, in whatever command has the flag.
fn takes_value(command: &Command, flag: &str) -> bool {
    let is_it = |arg: &&clap::Arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&long)),
        None => arg.get_short().is_some_and(|short| flag[1..] == *short.encode_utf8(&mut [0; 4])),
    };
    let found = command.get_subcommands().find_map(|command| command.get_arguments().find(is_it));
    found.is_some_and(|arg| arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_behind_the_command() {
        let check = |typed: &str, want: &str| {
            let typed = typed.split(' ').map(OsString::from).collect();
            let words: Vec<_> =
                words(typed).into_iter().map(|w| w.into_string().unwrap()).collect();
            assert_eq!(words.join(" "), want);
        };
        check("mco ping -q", "mco ping -q");
        check(
            "mco -q service chronyd status -W role=db",
            "mco service -q chronyd status -W role=db",
        );
        check("mco -W a=b --fleet prod --json find x", "mco find -W a=b --fleet prod --json x");
        check("mco -Wa=b --fleet=prod find", "mco find -Wa=b --fleet=prod");
        check("mco --wf a=b find", "mco find --wf a=b");
        check("mco help", "mco --help");
        check("mco help filter check", "mco filter check --help");
        check("mco -h", "mco -h");
        check("mco --version", "mco --version");
        check("mco -q", "mco -q");
        check("mco", "mco");
        check("mco --nosuch find", "mco find --nosuch");
    }
}
