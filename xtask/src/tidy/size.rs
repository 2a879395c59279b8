//! Files and functions stay short enough to be read at once.

use super::tokens::Kind;
use super::{Finding, Source};

/// The most lines of a file of code.
const FILE_LINES_MAX: usize = 600;

/// The most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What counts as code: pages and data may be as long as they need to be.
const CODE: [&str; 3] = [".rs", ".py", ".sh"];

/// Names each file that is too long.
#[must_use]
pub fn files(sources: &[Source]) -> Vec<Finding> {
    let is_code = |source: &&Source| CODE.iter().any(|ending| source.path.ends_with(ending));
    let finding = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| {
            Finding::new(
                source,
                FILE_LINES_MAX + 1,
                format!("{lines} lines; a file has at most {FILE_LINES_MAX}"),
                "split it where its subject splits; tests may move to a file of their own",
            )
        })
    };
    sources.iter().filter(is_code).filter_map(finding).collect()
}

/// Names each function that is too long, and each file that cannot be read as Rust.
#[must_use]
pub fn functions(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter(|source| source.is_rust()).flat_map(functions_of).collect()
}

fn functions_of(source: &Source) -> Vec<Finding> {
    let tokens = match &source.tokens {
        Ok(tokens) => tokens,
        Err(error) => return vec![Finding::new(source, 1, error.clone(), "make it compile")],
    };
    let mut findings = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        // A function's type is `fn(…)`: only a declaration has a name.
        if pair[0].text != "fn" || pair[1].kind != Kind::Word {
            continue;
        }
        let Some(end) = body_end(source, at + 2) else { continue };
        let lines = end + 1 - pair[0].line;
        if lines > FUNCTION_LINES_MAX {
            let what = format!(
                "fn {} has {lines} lines; a function has at most {FUNCTION_LINES_MAX}",
                pair[1].text
            );
            let instead = "give a part of it a name of its own, or turn its cases into a table";
            findings.push(Finding::new(source, pair[0].line, what, instead));
        }
    }
    findings
}

/// The last line of the block that follows a signature; none where there is only a declaration.
fn body_end(source: &Source, from: usize) -> Option<usize> {
    let tokens = source.tokens();
    let mut at = from;
    loop {
        let token = tokens.get(at)?;
        match (token.kind, token.text.as_str()) {
            (Kind::Open, "{") => return Some(tokens[token.partner].line),
            (Kind::Open, _) => at = token.partner + 1,
            (Kind::Close, _) | (Kind::Sign, ";") => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    fn lines(count: usize) -> String {
        "// a line\n".repeat(count)
    }

    #[test]
    fn a_file_has_at_most_600_lines() {
        for (path, count, expect) in
            [("a.rs", 600, 0), ("a.rs", 601, 1), ("a.py", 601, 1), ("a.md", 601, 0)]
        {
            assert_eq!(found(files, path, &lines(count)).len(), expect, "{path} {count}");
        }
    }

    #[test]
    fn a_function_has_at_most_70_lines() {
        let table = [
            (format!("fn a() {{\n{}}}", lines(68)), 0),
            (format!("fn a() {{\n{}}}", lines(69)), 1),
            (format!("fn a(\n{}) {{ }}", lines(69)), 1),
            (format!("trait T {{ fn a();\n{} }}", lines(80)), 0),
            (format!("trait T {{ fn a() where u8: Copy {{\n{} }} }}", lines(80)), 1),
            (format!("proptest! {{ #[test] fn a(x in 0..3) {{\n{} }} }}", lines(80)), 1),
            (format!("type F = fn(u8);\n{}", lines(80)), 0),
            (format!("/* fn a() {{ */\n{}", lines(80)), 0),
            ("fn a( {".to_owned(), 1),
        ];
        for (text, expect) in table {
            assert_eq!(found(functions, "a.rs", &text).len(), expect, "{text}");
        }
    }
}
