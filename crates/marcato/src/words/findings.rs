//! What a doctor finds: a line for each thing that it looked at, and what to do about it.

use anstyle::{AnsiColor, Style};
use marcato_core::Exit;
use serde_json::{Value, json};

use super::Failure;
use super::group::escape;

/// The version of the JSON form.
pub const SCHEMA: &str = "marcato.doctor.v1";

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// As it should be.
    Ok,
    /// Commands work, and somebody should look all the same.
    Warn,
    /// This keeps commands from working.
    Fail,
}

impl Health {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::new(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Fail => AnsiColor::Red.on_default(),
        }
    }
}

#[derive(Debug)]
struct Finding {
    what: &'static str,
    health: Health,
    failure: Failure,
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Something is as it should be.
    pub fn ok(&mut self, what: &'static str, text: impl std::fmt::Display) {
        self.add(what, Health::Ok, Failure::new(Exit::Ok, text));
    }

    /// Something should be looked at.
    pub fn warn(&mut self, what: &'static str, failure: Failure) {
        self.add(what, Health::Warn, failure);
    }

    /// Something keeps commands from working.
    pub fn fail(&mut self, what: &'static str, failure: Failure) {
        self.add(what, Health::Fail, failure);
    }

    fn add(&mut self, what: &'static str, health: Health, failure: Failure) {
        self.0.push(Finding { what, health, failure });
    }

    /// How the program ends: as a command would that meets the first failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let failed = self.0.iter().find(|finding| finding.health == Health::Fail);
        failed.map_or(Exit::Ok, |finding| finding.failure.exit)
    }

    /// The lines for a person; without those that are as they should be where quiet is wanted.
    #[must_use]
    pub fn lines(&self, color: bool, quiet: bool) -> Vec<String> {
        let told = self.0.iter().filter(|finding| !quiet || finding.health != Health::Ok);
        told.flat_map(|finding| finding.lines(color)).collect()
    }

    /// The same for a script.
    #[must_use]
    pub fn json(&self) -> Value {
        let check = |Finding { what, health, failure }: &Finding| {
            json!({
                "check": what,
                "state": health.word(),
                "text": failure.text,
                "hints": failure.hints,
            })
        };
        let checks: Vec<Value> = self.0.iter().map(check).collect();
        json!({ "schema": SCHEMA, "exit": self.exit().code(), "checks": checks })
    }
}

impl Finding {
    fn lines(&self, color: bool) -> Vec<String> {
        let Self { what, health, failure } = self;
        let style = if color { health.style() } else { Style::new() };
        let mut texts = failure.text.lines().map(escape);
        let first = texts.next().unwrap_or_default();
        let word = health.word();
        let mut lines = vec![format!("{style}{word:4}{style:#}  {what:8}  {first}")];
        lines.extend(texts.map(|text| format!("{:16}{text}", "")));
        lines.extend(failure.hints.iter().map(|hint| format!("{:16}Next: {}", "", escape(hint))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_decides_how_it_ends() {
        let mut findings = Findings::default();
        findings.ok("fleet", "prod");
        findings.warn("clock", Failure::new(Exit::Ok, "web1 is 3 s ahead").hint("set it"));
        assert_eq!(findings.exit(), Exit::Ok);
        findings.fail("hub", Failure::new(Exit::Unavailable, "refused\nby h:1\u{1b}").hint("look"));
        findings.fail("key", Failure::new(Exit::NoPermission, "none"));
        assert_eq!(findings.exit(), Exit::Unavailable);
        let want = [
            "ok    fleet     prod",
            "warn  clock     web1 is 3 s ahead",
            "                Next: set it",
            "fail  hub       refused",
            "                by h:1\\u{1b}",
            "                Next: look",
            "fail  key       none",
        ];
        assert_eq!(findings.lines(false, false), want);
        assert_eq!(findings.lines(false, true), want[1..]);
        assert_eq!(findings.json()["checks"][2]["state"], "fail");
    }
}
