//! A link from one page of the repository to another leads somewhere.

use std::collections::BTreeSet;

use super::{Finding, Source};

/// Names each relative link of a page whose target is not there.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut places = BTreeSet::new();
    for source in sources {
        // A folder is a place too.
        for (at, _) in source.path.match_indices('/') {
            places.insert(&source.path[..at]);
        }
        places.insert(source.path.as_str());
    }
    let pages = sources.iter().filter(|source| source.path.ends_with(".md"));
    pages.flat_map(|page| dead_links(page, &places)).collect()
}

fn dead_links(page: &Source, places: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for target in targets(line) {
            let place = resolve(&page.path, target);
            if !place.as_deref().is_some_and(|place| places.contains(place)) {
                let what = format!("{target:?} leads nowhere");
                findings.push(Finding::new(page, index + 1, what, "name a file of the repository"));
            }
        }
    }
    findings
}

/// The targets of a line's links that lie in the repository, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let behind = line.split("](").skip(1);
    let targets = behind.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    let paths = inside.map(|target| target.split_once('#').map_or(target, |(path, _)| path));
    paths.filter(|path| !path.is_empty())
}

/// The path from the root of the repository; `None` where it leaves the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let table = [
            ("see [a](../SECURITY.md) and [b](deep/page.md#here)", 0),
            ("[folder](deep/), [this](#anchor), [web](https://example.com/x)", 0),
            ("[gone](gone.md)", 1),
            ("[out](../../x.md) and [gone](gone.md)", 2),
            ("no link: (gone.md)", 0),
        ];
        for (text, expect) in table {
            let paths = ["SECURITY.md", "docs/deep/page.md"];
            let mut sources: Vec<_> = paths.iter().map(|path| Source::new(*path, "")).collect();
            sources.push(Source::new("docs/page.md", text));
            assert_eq!(check(&sources).len(), expect, "{text}");
        }
    }
}
