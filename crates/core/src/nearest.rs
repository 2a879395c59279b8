//! The nearest right word, for errors that help.

/// The longest word that is compared, in characters: the cost grows with its square.
const WORD_MAX: usize = 64;

/// The candidate that is most likely meant by `word`: at most a third of its letters differ
/// (inserted, left out, exchanged, or two neighbours swapped). The first of equals.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_MAX).collect();
    let allowed = (word.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().take(WORD_MAX).collect();
        if letters.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let distance = distance(&word, &letters);
        if distance <= allowed && best.is_none_or(|(known, _)| distance < known) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many edits lead from `a` to `b`: Damerau's measure in its restricted form (optimal string
/// alignment), kept in three rows.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let exchanged = last[j] + usize::from(x != y);
            let mut cost = exchanged.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, want: Option<&str>) {
        assert_eq!(
            nearest(word, ["nginx", "service", "status", "role", "package"]),
            want,
            "{word}"
        );
    }

    #[test]
    fn finds_what_was_meant() {
        check("ngnix", Some("nginx"));
        check("sevrice", Some("service"));
        check("roel", Some("role"));
        check("Status", Some("status"));
        check("packages", Some("package"));
        check("x", None);
        check("", None);
        check("openssl", None);
        check(&"nginx".repeat(1000), None);
    }
}
