//! Whoever silences a lint or a test says why.

use super::tokens::{Kind, Token};
use super::{Finding, Source};

/// Names each `allow`, `expect` and `ignore` attribute without a reason.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "#") {
        let inner = tokens.get(at + 1).is_some_and(|next| next.text == "!");
        let open = at + 1 + usize::from(inner);
        let Some(group) = tokens.get(open).filter(|open| open.text == "[") else { continue };
        findings.extend(
            silent(&tokens[open + 1..group.partner])
                .into_iter()
                .map(|(what, instead)| Finding::new(source, token.line, what, instead)),
        );
    }
    findings
}

/// What is silenced without a reason by one attribute, given as the tokens between its brackets.
fn silent(attribute: &[Token]) -> Option<(&'static str, &'static str)> {
    let first = attribute.first()?.text.as_str();
    if !matches!(first, "allow" | "expect" | "ignore" | "cfg_attr") {
        return None;
    }
    let has = |word: &str| attribute.iter().any(|t| t.kind == Kind::Word && t.text == word);
    let reasoned = has("reason");
    if (has("allow") || has("expect")) && !reasoned {
        return Some((
            "a lint is silenced without a reason",
            "add `, reason = \"…\"`, or mend the cause",
        ));
    }
    let ignore = attribute.iter().position(|token| token.text == "ignore")?;
    let says = attribute.get(ignore + 1).is_some_and(|next| next.text == "=");
    (!says).then_some((
        "a test is ignored without a reason",
        "write `#[ignore = \"…\"]`, or mend the test or remove it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    #[test]
    fn what_is_silenced_has_a_reason() {
        let table = [
            ("#[allow(dead_code)] fn a() {}", 1),
            ("#[expect(dead_code)] fn a() {}", 1),
            ("#![allow(dead_code)]", 1),
            ("#![cfg_attr(test, expect(clippy::unwrap_used))]", 1),
            ("#![cfg_attr(test, expect(clippy::unwrap_used, reason = \"tests\"))]", 0),
            ("#[allow(dead_code, reason = \"made by a macro\")] fn a() {}", 0),
            ("#[test] #[ignore] fn a() {}", 1),
            ("#[cfg_attr(miri, ignore)] fn a() {}", 1),
            ("#[test] #[ignore = \"needs root\"] fn a() {}", 0),
            ("#[doc = \"allow(x)\"] fn a() { x.expect(\"y\") }", 0),
            ("/// #[allow(dead_code)]\nfn a() {}", 0),
        ];
        for (text, expect) in table {
            assert_eq!(found(check, "a.rs", text).len(), expect, "{text}");
        }
    }
}
