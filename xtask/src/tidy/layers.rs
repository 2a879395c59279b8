//! Dependencies point down only; what a room must not know is not in its reach.

use toml::{Table, Value};

use super::{Finding, Source};

/// A room's place; a crate may depend on what lies on a lower layer.
const LAYERS: &[(&str, u8)] = &[
    ("marcato-core", 0),
    ("marcato-filter", 1),
    ("marcato-protocol", 1),
    ("marcato-broker", 1),
    ("marcato-link", 1),
    ("marcato-agent", 1),
    ("marcato-agents", 2),
    ("marcato-client", 2),
    ("marcato-node", 2),
    ("marcato-hub", 2),
    ("marcato-rollout", 3),
    ("marcato", 4),
];

/// Rooms of the developers: they may see everything, and only a dev-dependency may see them.
const DEV: &[&str] = &["marcato-sim", "xtask"];

/// The edges within one layer, each with its reason.
const SIDEWAYS: &[(&str, &str, &str)] = &[(
    "marcato-link",
    "marcato-protocol",
    "subjects and headers are made from the protocol's names",
)];

/// Doors to the outside world: who alone may depend on a crate, and why.
const DOORS: &[(&str, &[&str], &str)] = &[
    ("async-nats", &["marcato-link"], "only link opens a connection to the fleet"),
    ("zbus", &["marcato-agent", "marcato-agents"], "only agents speak to the service manager"),
    ("clap", &["marcato", "marcato-sim", "xtask"], "only the programs read their arguments"),
    ("tracing-subscriber", &["marcato"], "only the programs say where a log goes"),
    (
        "tokio",
        &[
            "marcato-broker",
            "marcato-link",
            "marcato-agent",
            "marcato-agents",
            "marcato-client",
            "marcato-node",
            "marcato-hub",
            "marcato-rollout",
            "marcato",
            "xtask",
        ],
        "pure rooms are stepped by their caller and wait for nothing",
    ),
];

/// Names each edge that points up or sideways, and each door that is used by a stranger.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let manifests = sources.iter().filter(|source| {
        source.path.ends_with("/Cargo.toml")
            && (source.is_under("crates") || source.is_under("xtask"))
    });
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(source: &Source) -> Vec<Finding> {
    let manifest: Table = match source.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => {
            return vec![Finding::new(source, 1, format!("no TOML: {error}"), "make it readable")];
        }
    };
    let name = manifest.get("package").and_then(|package| package.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    if !DEV.contains(&name) && layer(name).is_none() {
        return vec![Finding::new(
            source,
            1,
            format!("{name:?} is on no layer"),
            "give it a place in xtask/src/tidy/layers.rs and on the map in ARCHITECTURE.md",
        )];
    }
    let mut findings = Vec::new();
    for (dependency, dev) in dependencies(&manifest) {
        if let Some((what, instead)) = objection(name, &dependency, dev) {
            let at = |line: &str| line.trim_start().starts_with(dependency.as_str());
            let line = source.text.lines().position(at).map_or(1, |index| index + 1);
            findings.push(Finding::new(source, line, what, instead));
        }
    }
    findings
}

/// The names of all dependencies, each with whether it is one for tests alone.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut all = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for (key, dev) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            for (alias, value) in table.get(key).and_then(Value::as_table).into_iter().flatten() {
                let package = value.get("package").and_then(Value::as_str);
                all.push((package.unwrap_or(alias).to_owned(), dev));
            }
        }
    }
    all
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(room, _)| *room == name).map(|(_, layer)| *layer)
}

/// What is wrong with an edge, and what to do instead; `None` where nothing is.
fn objection(from: &str, to: &str, dev: bool) -> Option<(String, String)> {
    if let Some((_, users, why)) = DOORS.iter().find(|(door, ..)| *door == to) {
        let stranger = !dev && !users.contains(&from);
        return stranger.then(|| {
            let may = users.join(", ");
            (format!("{from} depends on {to}, but {why}"), format!("leave it to {may}"))
        });
    }
    if DEV.contains(&to) {
        return (!dev).then(|| {
            let what = format!("{from} depends on {to}, which is for developers alone");
            (what, "make it a dev-dependency".to_owned())
        });
    }
    let (Some(below), Some(above)) = (layer(to), layer(from)) else { return None };
    let sideways = below == above && from != to;
    let known = SIDEWAYS.iter().any(|(a, b, _)| *a == from && *b == to);
    // A test may look at a neighbour: the broker is tested with the client of `link`.
    if below < above || (sideways && (dev || known)) {
        return None;
    }
    let direction = if sideways { "sideways" } else { "up" };
    Some((
        format!(
            "{from} (layer {above}) depends on {to} (layer {below}): an edge that points {direction}"
        ),
        "move what both need to a lower layer, or hand it in from above".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    fn check_edge(from: &str, table: &str, to: &str, expect: &str) {
        let text = format!("[package]\nname = \"{from}\"\n[{table}]\n{to}.workspace = true\n");
        let findings = found(check, "crates/x/Cargo.toml", &text);
        match findings.first() {
            Some(finding) => assert!(
                !expect.is_empty() && finding.what.contains(expect) && finding.line == 4,
                "{from} {to}: {finding}"
            ),
            None => assert!(expect.is_empty(), "{from} {to}: nothing found"),
        }
    }

    #[test]
    fn edges_point_down_only() {
        let table = [
            ("marcato-node", "dependencies", "marcato-core", ""),
            ("marcato-core", "dependencies", "marcato-node", "points up"),
            ("marcato-node", "dependencies", "marcato-client", "points sideways"),
            ("marcato-link", "dependencies", "marcato-protocol", ""),
            ("marcato-protocol", "dependencies", "marcato-link", "points sideways"),
            ("marcato-agent", "dependencies", "marcato-agents", "points up"),
            ("marcato-node", "dependencies", "marcato-agents", "points sideways"),
            ("marcato-broker", "dev-dependencies", "marcato-link", ""),
            ("marcato-broker", "dev-dependencies", "marcato-node", "points up"),
            ("marcato-node", "build-dependencies", "marcato", "points up"),
            ("marcato-node", "target.'cfg(unix)'.dependencies", "marcato", "points up"),
            ("marcato-node", "dependencies", "marcato-sim", "for developers"),
            ("marcato-node", "dev-dependencies", "marcato-sim", ""),
            ("marcato-sim", "dependencies", "marcato-node", ""),
            ("marcato-node", "dependencies", "async-nats", "only link"),
            ("marcato-broker", "dev-dependencies", "async-nats", ""),
            ("marcato-protocol", "dependencies", "tokio", "stepped by"),
            ("marcato-protocol", "dependencies", "serde", ""),
        ];
        for (from, table, to, expect) in table {
            check_edge(from, table, to, expect);
        }
    }

    #[test]
    fn a_room_has_a_place_and_a_renamed_dependency_is_known() {
        let text = "[package]\nname = \"marcato-extra\"\n";
        assert!(found(check, "crates/x/Cargo.toml", text)[0].what.contains("on no layer"));
        let text =
            "[package]\nname = \"marcato-core\"\n[dependencies]\nx = { package = \"marcato\" }\n";
        assert_eq!(found(check, "crates/x/Cargo.toml", text).len(), 1);
        assert_eq!(found(check, "crates/x/Cargo.toml", "[").len(), 1);
    }
}
