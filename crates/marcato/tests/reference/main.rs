//! The pages of `docs/reference/` on the programs and their files, and the manual in `docs/man/`, say
//! what the code says: flags come from the grammar, keys from the files' declarations, variables and
//! exit codes from their tables. With `MARCATO_WRITE_PAGES=1` in its environment the test writes them
//! anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod files;
mod manual;
mod pages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};

/// A page: where it stands below `docs/`, and its text.
type Page = (String, String);

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A program's grammar with all that it inherits.
fn grammar(mut command: Command) -> Command {
    command.build();
    command
}

fn mco() -> Command {
    grammar(marcato::mco::cli::Cli::command())
}

fn mcod() -> Command {
    grammar(marcato::mcod::cli::Cli::command())
}

/// The commands that somebody types, each with those below it behind it.
fn commands(command: &Command) -> Vec<&Command> {
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    std::iter::once(command).chain(inner.flat_map(commands)).collect()
}

fn fresh(pages: Vec<Page>) {
    let mut stale = Vec::new();
    for (name, text) in pages {
        let file = docs().join(&name);
        if std::env::var_os("MARCATO_WRITE_PAGES").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    let hint = "MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference";
    assert!(stale.is_empty(), "stale: {}; run {hint}", stale.join(" "));
}

#[test]
fn the_pages_say_what_the_code_says() {
    fresh(pages::all());
}

#[test]
fn the_manual_says_what_the_code_says() {
    let pages = manual::all();
    let names: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    fresh(pages);
    // A page of a command that is gone would be installed for ever.
    let there = std::fs::read_dir(docs().join("man")).unwrap();
    let there = there.map(|entry| format!("man/{}", entry.unwrap().file_name().display()));
    assert_eq!(there.collect::<BTreeSet<_>>(), names);
}
