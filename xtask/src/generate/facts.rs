//! `docs/reference/facts.md`: every native fact with its meaning, beside what Debian's facter printed on
//! the same host, as `cargo xtask hosts facts` wrote it down.

use marcato_core::facts::{FLAT, LEFT_OUT, NATIVE, Native, row};
use serde_json::Value;

use super::{HEADER, cell};
use crate::hosts::facts::RECORD;
use crate::tidy::source::Source;

/// The longest value that is shown, in characters.
const SHOWN_MAX: usize = 60;

const ABOUT: &str = include_str!("facts.txt");

/// The page.
#[must_use]
pub fn page(sources: &[Source]) -> String {
    let record = sources.iter().find(|source| source.path == RECORD);
    let record = record.and_then(|source| Record::read(&source.text)).unwrap_or_default();
    let mut text = format!("{HEADER}{ABOUT}\n");
    text.push_str(&format!(
        "## The facts\n\nWritten down on {} on a Debian host in a container: by `mcod facts` without \
         Facter's help, and by Debian's facter {}. Where the right columns have one value, both \
         printed it; `–` is nothing. Facts marked ∿ are volatile: two looks differ. The names after the \
         first are Facter's flat ones of the same value; as in Facter 3 and 4, an interface is named in them \
         as it is (`mtu_eth0.100`), where Facter 2 wrote `mtu_eth0_100`.\n\n\
         | fact | meaning | read from | mcod | facter, and where it may differ |\n| --- | --- | --- | --- | --- |\n",
        record.date, record.version
    ));
    for fact in NATIVE {
        text.push_str(&line(fact, &record));
    }
    text.push_str("\n## What is left out\n\n| Facter's | why |\n| --- | --- |\n");
    for (name, why) in LEFT_OUT {
        text.push_str(&format!("| `{name}` | {} |\n", cell(why)));
    }
    text
}

fn line(fact: &Native, record: &Record) -> String {
    let flat = FLAT.iter().filter(|flat| flat.of.trim_end_matches(".*") == fact.name);
    let names: Vec<String> =
        std::iter::once(fact.name).chain(flat.map(|flat| flat.name)).map(code).collect();
    let mark = if fact.volatile { " ∿" } else { "" };
    let (ours, facters) = record.values(fact);
    format!(
        "| {}{mark} | {} | {} | {} | {} |\n",
        names.join(" "),
        cell(fact.meaning),
        cell(fact.source),
        cell(&ours),
        cell(format!("{facters} {}", fact.differs).trim())
    )
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

/// A fact's name by its parts, and its value.
type Leaf = (Vec<String>, Value);

/// What both said.
#[derive(Debug, Default)]
struct Record {
    date: String,
    version: String,
    facter: Vec<Leaf>,
    mcod: Vec<Leaf>,
}

impl Record {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(|record| Self::of(&record))
    }

    fn of(record: &Value) -> Self {
        let said = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let leaves = |name: &str| {
            let mut all = Vec::new();
            leaves(&[], &record[name], &mut all);
            all
        };
        Self {
            date: said("date"),
            version: said("version"),
            facter: leaves("facter"),
            mcod: leaves("mcod"),
        }
    }

    /// What the two say otherwise though no table says why, or say and no table has.
    fn unexplained(&self) -> Vec<String> {
        let mut all = Vec::new();
        for fact in NATIVE.iter().filter(|fact| fact.differs.is_empty() && !fact.volatile) {
            let (ours, facters) = self.values(fact);
            if !facters.is_empty() {
                all.push(format!("{}: mcod says {ours}, facter {facters}", fact.name));
            }
        }
        for (name, value) in &self.facter {
            let known = row_of(name).is_some() || is_left_out(name) || value.is_null();
            if !known {
                all.push(format!("facter prints {}, and no table has it", name.join(".")));
            }
        }
        for (name, _) in self.mcod.iter().filter(|(name, _)| row_of(name).is_none()) {
            all.push(format!("mcod prints {}, and no table has it", name.join(".")));
        }
        all
    }

    /// What both said of a fact: of the first place where they differ, else of the first.
    fn values(&self, fact: &Native) -> (String, String) {
        let of = |leaves: &[Leaf]| -> Vec<Leaf> {
            let is_of = |(name, _): &&Leaf| falls_under(name, fact);
            leaves.iter().filter(is_of).cloned().collect()
        };
        let (ours, facters) = (of(&self.mcod), of(&self.facter));
        let differs = ours
            .iter()
            .find(|leaf| !facters.contains(leaf))
            .or_else(|| facters.iter().find(|leaf| !ours.contains(leaf)));
        let Some((name, _)) = differs else {
            let value = ours.first().map(|(_, value)| shown(value));
            return (value.unwrap_or_else(|| "–".to_owned()), String::new());
        };
        let value = |leaves: &[Leaf]| {
            let own = leaves.iter().find(|(other, _)| other == name);
            own.map_or_else(|| "–".to_owned(), |(_, value)| shown(value))
        };
        (value(&ours), value(&facters))
    }
}

/// Where two looks at one host, each a map of facts by `facter` and by `mcod`, differ and no table says
/// why.
#[must_use]
pub fn unexplained(looks: &Value) -> Vec<String> {
    Record::of(looks).unexplained()
}

fn falls_under(name: &[String], fact: &Native) -> bool {
    row_of(name).is_some_and(|row| row.name == fact.name)
}

fn row_of(name: &[String]) -> Option<&'static Native> {
    let parts: Vec<&str> = name.iter().map(String::as_str).collect();
    row(&parts)
}

/// Whether Facter's fact is one that is left out, or lies inside of one.
fn is_left_out(name: &[String]) -> bool {
    LEFT_OUT.iter().any(|(pattern, _)| {
        let parts: Vec<&str> = pattern.split('.').collect();
        let fits = |(part, wanted): (&String, &&str)| *wanted == "*" || part == wanted;
        parts.len() <= name.len() && name.iter().zip(&parts).all(fits)
    })
}

fn leaves(name: &[String], value: &Value, into: &mut Vec<Leaf>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                leaves(&[name, std::slice::from_ref(key)].concat(), value, into);
            }
        }
        _ => into.push((name.to_vec(), value.clone())),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", cut.replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(RECORD);
        Record::read(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn every_difference_is_explained() {
        let record = record();
        assert!(record.facter.len() > 200 && record.mcod.len() > 200);
        assert_eq!(record.unexplained(), [""; 0]);
    }

    #[test]
    fn a_difference_that_nothing_explains_is_named() {
        let check = |looks: Value, want: &[&str]| assert_eq!(unexplained(&looks), want, "{looks}");
        let both = |facter: Value, mcod: Value| json!({"facter": facter, "mcod": mcod});
        let (kernel, other) = (json!({"kernel": "Linux"}), json!({"kernel": "GNU"}));
        check(both(kernel.clone(), kernel.clone()), &[]);
        check(both(kernel.clone(), other), &["kernel: mcod says `GNU`, facter `Linux`"]);
        check(both(kernel.clone(), json!({})), &["kernel: mcod says –, facter `Linux`"]);
        check(both(json!({"new": 1}), json!({})), &["facter prints new, and no table has it"]);
        check(both(json!({}), json!({"new": 1})), &["mcod prints new, and no table has it"]);
    }

    #[test]
    fn values_side_by_side() {
        let leaf = |name: &str, value: Value| (vec!["os".to_owned(), name.to_owned()], value);
        let fact = NATIVE.iter().find(|fact| fact.name == "os.name").unwrap();
        let check = |ours: Option<&str>, facters: Option<&str>, want: (&str, &str)| {
            let said = |value: Option<&str>| value.map(|v| leaf("name", v.into())).into_iter();
            let (mcod, facter) = (said(ours).collect(), said(facters).collect());
            let (ours, facters) = Record { mcod, facter, ..Record::default() }.values(fact);
            assert_eq!((ours.as_str(), facters.as_str()), want);
        };
        check(Some("Debian"), Some("Debian"), ("`Debian`", ""));
        check(Some("Debian"), None, ("`Debian`", "–"));
        check(Some("a"), Some("b"), ("`a`", "`b`"));
        check(None, None, ("–", ""));
    }
}
