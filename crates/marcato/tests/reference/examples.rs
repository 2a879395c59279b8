//! Every command shows how it is typed, and what is shown can be typed.

use clap::Parser as _;
use marcato::environment;

use super::commands;

/// The examples of a command's help: the lines that are indented under the word.
fn examples(text: &str) -> impl Iterator<Item = &str> {
    let below = text.lines().skip_while(|line| !line.starts_with("Example"));
    below.skip(1).map_while(|line| line.strip_prefix("  ")).map(str::trim)
}

/// The words of a line as a shell takes it apart, each command of a pipeline by itself.
fn words(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '|' | '\n') => {
                commands.last_mut().unwrap().extend(word.take());
                if c == '|' {
                    commands.push(Vec::new());
                }
            }
            (None, '#' | '>') if word.is_none() => break,
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().unwrap().extend(word);
    commands
}

#[test]
fn every_command_shows_how_it_is_typed() {
    for program in [super::mco(), super::mcod()] {
        for command in commands(&program) {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut own = 0;
            for example in examples(&help) {
                for words in words(example) {
                    // `ssh web1 mcod node …`, `eval "$(mco lab env)"` and the like are others' words.
                    let parsed = match words.first().map(String::as_str) {
                        Some("mco") => marcato::mco::cli::Cli::try_parse_from(&words).err(),
                        Some("mcod") => marcato::mcod::cli::Cli::try_parse_from(&words).err(),
                        _ => None,
                    };
                    assert!(parsed.is_none(), "{name}: {example}: {}", parsed.unwrap());
                }
                own += usize::from(example.contains(&name));
            }
            let is_group = command.get_subcommands().any(|inner| !inner.is_hide_set());
            assert!(own > 0 || is_group, "{name} --help has no example of it");
        }
    }
}

/// The grammar takes from the environment what the table names, and nothing else.
#[test]
fn the_variables_of_flags_are_those_of_the_table() {
    let programs = [super::mco(), super::mcod()];
    let mut named = Vec::new();
    for command in programs.iter().flat_map(commands) {
        for argument in command.get_arguments() {
            let Some(name) = argument.get_env() else { continue };
            let flag = argument.get_long().map(|flag| format!("--{flag}"));
            named.push((name.to_str().unwrap().to_owned(), flag.unwrap()));
        }
    }
    named.sort();
    named.dedup();
    let table = environment::ALL.iter().filter(|variable| variable.name.starts_with("MARCATO_"));
    let mut table: Vec<_> = table
        .filter_map(|variable| Some((variable.name.to_owned(), variable.flag?.to_owned())))
        .collect();
    table.sort();
    assert_eq!(named, table);
}
