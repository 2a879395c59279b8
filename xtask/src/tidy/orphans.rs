//! Every Rust file is compiled: a module that nobody names is dead, and its tests never run.

use super::tokens::find;
use super::{Finding, Source};

/// Names each file that no `mod` leads to.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let orphan = |source: &&Source| source.is_rust() && !is_root(&source.path);
    let finding = |source: &Source| {
        let (name, parents) = parents(&source.path)?;
        let names_it = |other: &Source| find(other.tokens(), 0, &["mod", name, ";"]).is_some();
        let named = sources.iter().filter(|other| may_declare(&parents, &other.path)).any(names_it);
        (!named && !is_taken_by_path(sources, &source.path)).then(|| {
            let what = format!("no `mod {name};` leads to this file, so it is never compiled");
            let instead = format!("name it in one of: {}; or remove it", parents.join(", "));
            Finding::new(source, 1, what, instead)
        })
    };
    sources.iter().filter(orphan).filter_map(finding).collect()
}

/// Whether cargo itself finds the file.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "src", "lib.rs" | "main.rs"] | [.., "build.rs"] => true,
        [.., "src", "bin", _] | [.., "src", "bin", _, "main.rs"] => true,
        [.., "tests" | "examples" | "benches" | "fuzz_targets", name] => *name != "mod.rs",
        [.., "tests" | "examples" | "benches", _, "main.rs"] => true,
        _ => false,
    }
}

/// The name of the module, and the files that may declare it.
fn parents(path: &str) -> Option<(&str, Vec<String>)> {
    let (folder, file) = path.rsplit_once('/')?;
    let stem = file.strip_suffix(".rs")?;
    let (name, home) = if stem == "mod" {
        let (above, name) = folder.rsplit_once('/')?;
        (name, above)
    } else {
        (stem, folder)
    };
    let mut parents: Vec<String> =
        ["mod.rs", "lib.rs", "main.rs"].iter().map(|file| format!("{home}/{file}")).collect();
    parents.push(format!("{home}.rs"));
    // Helpers in tests/kit/mod.rs belong to whichever test names them.
    if home.ends_with("/tests") {
        parents.push(format!("{home}/*.rs"));
    }
    Some((name, parents))
}

fn may_declare(parents: &[String], path: &str) -> bool {
    parents.iter().any(|parent| match parent.strip_suffix("*.rs") {
        Some(home) => path.strip_prefix(home).is_some_and(|file| !file.contains('/')),
        None => parent == path,
    })
}

/// Whether some `#[path = "…"]` or `include!("…")` ends in this file's name.
fn is_taken_by_path(sources: &[Source], path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let literal = format!("{file}\"");
    sources.iter().filter(|source| source.is_rust() && source.path != path).any(|source| {
        let tokens = source.tokens();
        let after = |at: usize| tokens[at].text.ends_with(&literal);
        let by = |words: &[&str]| {
            find(tokens, 0, words).is_some_and(|at| (at..(at + 8).min(tokens.len())).any(after))
        };
        by(&["path", "="]) || by(&["include", "!"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_tree(tree: &[(&str, &str)], expect: &[&str]) {
        let sources: Vec<_> = tree.iter().map(|(path, text)| Source::new(*path, *text)).collect();
        let found: Vec<_> = check(&sources).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, expect, "{tree:?}");
    }

    #[test]
    fn every_file_is_named() {
        check_tree(&[("c/src/lib.rs", "mod a;"), ("c/src/a.rs", "")], &[]);
        check_tree(&[("c/src/lib.rs", "// mod a;"), ("c/src/a.rs", "")], &["c/src/a.rs"]);
        check_tree(&[("c/src/lib.rs", "pub mod a;"), ("c/src/a/mod.rs", "")], &[]);
        check_tree(&[("c/src/a.rs", "mod b;"), ("c/src/a/b.rs", "")], &["c/src/a.rs"]);
        check_tree(&[("c/src/bin/x.rs", ""), ("c/build.rs", ""), ("c/tests/t.rs", "")], &[]);
        check_tree(&[("c/tests/s/main.rs", "mod a;"), ("c/tests/s/a.rs", "")], &[]);
        check_tree(&[("c/tests/s/main.rs", ""), ("c/tests/s/a.rs", "")], &["c/tests/s/a.rs"]);
        check_tree(&[("c/tests/t.rs", "mod kit;"), ("c/tests/kit/mod.rs", "")], &[]);
        check_tree(&[("c/tests/t.rs", ""), ("c/tests/kit/mod.rs", "")], &["c/tests/kit/mod.rs"]);
        let with_path = "#[path = \"odd/a.rs\"] mod b;";
        check_tree(&[("c/src/lib.rs", with_path), ("c/src/odd/a.rs", "")], &[]);
    }
}
