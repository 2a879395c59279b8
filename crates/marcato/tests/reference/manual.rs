//! The manual: a page for each command, and one for the files.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use marcato::environment;
use marcato::words::help::MCOD_EXITS;
use marcato_core::Exit;

use super::{Page, commands, pages};

/// All pages.
pub fn all() -> Vec<Page> {
    let mut pages = Vec::new();
    for (program, section) in [(super::mco(), "1"), (super::mcod(), "8")] {
        for command in commands(&program) {
            let is_program = command.get_name() == program.get_name();
            pages.push((name(command, section), page(command, section, is_program)));
        }
    }
    pages.push(("man/marcato.5".to_owned(), files()));
    pages
}

fn name(command: &Command, section: &str) -> String {
    format!("man/{}.{section}", title(command))
}

fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, section: &str, is_program: bool) -> String {
    let man = Man::new(command.clone());
    let man = man.title(title(command)).section(section).source("Marcato").manual("Marcato");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    page.extend(synopsis(command).to_roff().into_bytes());
    man.render_description_section(&mut page).unwrap();
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page).unwrap();
    }
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page).unwrap();
    }
    let mut roff = Roff::new();
    foot(command, &mut roff);
    if is_program {
        exits(section, &mut roff);
        variables(title(command), &mut roff);
    }
    see_also(command, section, &mut roff);
    page.extend(roff.to_roff().into_bytes());
    String::from_utf8(page).unwrap()
}

/// The line of `--help`: each flag once more would fill the screen.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    match usage.strip_prefix(command.get_bin_name().unwrap_or_default()) {
        Some(rest) => roff.text([bold(command.get_bin_name().unwrap_or_default()), roman(rest)]),
        None => roff.text([roman(usage)]),
    };
    roff
}

/// What stands below the flags of `--help`: examples as they are typed, and remarks. Exit codes have
/// a section of their own.
fn foot(command: &Command, roff: &mut Roff) {
    let Some(text) = command.get_after_help() else { return };
    let text = text.to_string();
    let (examples, remarks): (Vec<&str>, Vec<&str>) =
        text.split("\n\n").partition(|part| part.starts_with("Example"));
    for remark in remarks.iter().filter(|remark| !remark.starts_with("Exit codes")) {
        roff.control("SH", ["NOTES"]).text([roman(*remark)]);
    }
    for example in examples {
        roff.control("SH", ["EXAMPLES"]).control("EX", []);
        for line in example.lines().skip(1) {
            roff.text([roman(line)]);
        }
        roff.control("EE", []);
    }
}

fn exits(section: &str, roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    let exits: &[Exit] = if section == "1" { &Exit::ALL } else { &MCOD_EXITS };
    for exit in exits {
        let meaning = match (exit, section) {
            (Exit::Ok, "8") => "It ended as it was told.",
            (Exit::Nothing, "8") => "The host has no fact of that name.",
            _ => exit.meaning(),
        };
        item(&exit.code().to_string(), &[roman(meaning)], roff);
    }
}

fn variables(program: &str, roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    for variable in environment::ALL.iter().filter(|variable| variable.programs == program) {
        item(variable.name, &inlines(variable.meaning), roff);
    }
}

fn item(name: &str, meaning: &[Inline], roff: &mut Roff) {
    roff.control("TP", []).text([bold(name)]).text(meaning);
}

fn see_also(command: &Command, section: &str, roff: &mut Roff) {
    let mut pages = match title(command).rsplit_once('-') {
        // `mco-authority-sign-node` belongs to `mco-authority`, and is told from it by its name.
        Some(_) => {
            let own = format!("-{}", command.get_name());
            vec![format!("{}({section})", title(command).trim_end_matches(&own))]
        }
        None => vec![if section == "1" { "mcod(8)".into() } else { "mco(1)".to_owned() }],
    };
    pages.push("marcato(5)".to_owned());
    roff.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
}

/// The page on the files: the same text as `docs/reference/configuration.md`.
fn files() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["marcato", "5", "", "Marcato", "Marcato"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("marcato - the files of mco(1) and mcod(8)")]);
    markdown(&pages::files(), &mut roff);
    roff.control("SH", ["SEE ALSO"]).text([roman("mco(1), mcod(8), ssh-keygen(1)")]);
    roff.render()
}

/// As much of Markdown as the page is written in: headings, paragraphs, tables, code.
fn markdown(text: &str, roff: &mut Roff) {
    let mut is_code = false;
    let mut is_paragraph = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            if is_code {
                roff.control("PP", []);
            }
            roff.control(if is_code { "EX" } else { "EE" }, []);
        } else if is_code {
            roff.text([roman(line)]);
        } else if let Some(heading) = line.strip_prefix("### ") {
            roff.control("SS", [heading.trim_matches('`')]);
        } else if let Some(heading) = line.strip_prefix("## ") {
            roff.control("SH", [heading.trim_matches('`')]);
        } else if let Some(row) = line.strip_prefix("| ") {
            row_of(row, roff);
        } else if !line.is_empty() {
            if !is_paragraph {
                roff.control("PP", []);
            }
            roff.text(inlines(line));
        }
        is_paragraph = !line.is_empty() && !is_code;
    }
}

/// A row of a table of keys; the table's head is none.
fn row_of(row: &str, roff: &mut Roff) {
    let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
    let [name, kind, default, meaning] = cells[..] else { return };
    let Some(name) = name.strip_prefix('`') else { return };
    item(name.trim_end_matches('`'), &inlines(meaning), roff);
    let mut line = inlines(kind);
    line.push(roman(" · without it: "));
    line.extend(inlines(default));
    roff.control("br", []).text(line);
}

/// A text with what stands in backquotes in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

/// groff reads every page without a word of complaint, where it is installed.
#[test]
fn a_formatter_takes_every_page() {
    for (name, _) in all() {
        let groff = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"])
            .arg(super::docs().join(&name))
            .output();
        let Ok(output) = groff else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    }
}

/// Every flag that `--help` names has its place in the manual.
#[test]
fn no_flag_is_missing() {
    let program = super::mco();
    for command in commands(&program) {
        let page = page(command, "1", false);
        let flags = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for flag in flags.filter_map(Arg::get_long) {
            let flag = format!("--{flag}").replace('-', "\\-");
            assert!(page.contains(&flag), "{}: {flag}", title(command));
        }
    }
}
