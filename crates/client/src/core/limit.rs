//! Some of the nodes that match instead of all: so many of them, or such a part.

use std::fmt;
use std::str::FromStr;

use marcato_core::Identity;
use marcato_protocol::digest::Digest;

/// How many of the nodes that match are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most so many.
    Nodes(usize),
    /// Such a part of a hundred, rounded down, and one node at least.
    Percent(u8),
}

/// A text that is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a number of nodes from 1 on, or a part from 1% to 100%")]
pub struct LimitError;

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(LimitError);
        }
        let number: usize = digits.parse().map_err(|_| LimitError)?;
        if digits.len() == text.len() {
            return if number > 0 { Ok(Self::Nodes(number)) } else { Err(LimitError) };
        }
        let part = u8::try_from(number).ok().filter(|part| (1..=100).contains(part));
        part.map(Self::Percent).ok_or(LimitError)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(number) => write!(f, "{number}"),
            Self::Percent(part) => write!(f, "{part}%"),
        }
    }
}

impl Limit {
    /// How many of so many nodes are meant.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Nodes(number) => number.min(all),
            // Divided first where the product could be too large; no fleet is.
            Self::Percent(part) => (all.saturating_mul(part.into()) / 100).max(1).min(all),
        }
    }

    /// The same with a part rounded up, as the ancestor does for batches.
    #[must_use]
    pub fn rounded_up(self, all: usize) -> usize {
        match self {
            Self::Nodes(number) => number.min(all),
            Self::Percent(part) => all.saturating_mul(part.into()).div_ceil(100).min(all),
        }
    }
}

/// Which nodes a limit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// How many.
    pub limit: Limit,
    /// With a seed a draw that is the same for the same seed and nodes; without one the first by
    /// name that are not down.
    pub seed: Option<u64>,
}

impl Pick {
    /// Takes some of the nodes, and leaves them in the order of their names. `about` gives a node's
    /// name, and whether it is down.
    #[must_use]
    pub fn from<T>(self, mut nodes: Vec<T>, about: impl Fn(&T) -> (&Identity, bool)) -> Vec<T> {
        let count = self.limit.of(nodes.len());
        match self.seed {
            // Each name draws a number of its own, so that one node more changes one place at most.
            Some(seed) => nodes.sort_by_cached_key(|node| {
                let name = about(node).0.as_str();
                (Digest::of_parts(&[&seed.to_be_bytes(), name.as_bytes()]), name.to_owned())
            }),
            None => nodes.sort_by(|a, b| {
                let [(a, a_down), (b, b_down)] = [about(a), about(b)];
                a_down.cmp(&b_down).then_with(|| a.cmp(b))
            }),
        }
        nodes.truncate(count);
        nodes.sort_by(|a, b| about(a).0.cmp(about(b).0));
        nodes
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn limits_as_they_are_written() {
        let check = |text: &str, want: Result<Limit, LimitError>| {
            assert_eq!(text.parse(), want, "{text}");
        };
        check("1", Ok(Limit::Nodes(1)));
        check("250", Ok(Limit::Nodes(250)));
        check("10%", Ok(Limit::Percent(10)));
        check("100%", Ok(Limit::Percent(100)));
        for wrong in ["", "0", "0%", "%", "101%", "-1", "+1", "1.5", "10%%", " 1", "1e3", "x"] {
            check(wrong, Err(LimitError));
        }
        check("99999999999999999999999", Err(LimitError));
    }

    #[test]
    fn how_many_of_so_many() {
        let check = |limit: Limit, all, want| assert_eq!(limit.of(all), want, "{limit} of {all}");
        check(Limit::Nodes(3), 10, 3);
        check(Limit::Nodes(3), 2, 2);
        check(Limit::Percent(10), 19, 1);
        check(Limit::Percent(10), 20, 2);
        check(Limit::Percent(10), 9, 1);
        check(Limit::Percent(99), 1, 1);
        check(Limit::Percent(100), 7, 7);
        check(Limit::Percent(50), 0, 0);
        let check =
            |limit: Limit, all, want| assert_eq!(limit.rounded_up(all), want, "{limit} of {all}");
        check(Limit::Nodes(3), 2, 2);
        check(Limit::Percent(50), 3, 2);
        check(Limit::Percent(10), 20, 2);
        check(Limit::Percent(1), 500, 5);
        check(Limit::Percent(100), 7, 7);
        check(Limit::Percent(50), 0, 0);
    }

    fn picked(names: &[&str], down: &[&str], pick: Pick) -> String {
        let nodes = names.iter().map(|name| (name.parse().unwrap(), down.contains(name)));
        let nodes: Vec<(Identity, bool)> = nodes.collect();
        let picked = pick.from(nodes, |(name, down)| (name, *down));
        picked.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_that_are_not_down() {
        let pick = Pick { limit: Limit::Nodes(2), seed: None };
        assert_eq!(picked(&["c", "a", "d", "b"], &["a"], pick), "b c");
        assert_eq!(picked(&["b", "a"], &["a", "b"], pick), "a b");
    }

    #[test]
    fn the_same_seed_and_set_give_the_same_nodes() {
        let names: Vec<String> = (0..40).map(|number| format!("web{number}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        let draw = |names: &[&str], down: &[&str], seed| {
            picked(names, down, Pick { limit: Limit::Percent(10), seed: Some(seed) })
        };
        let first = draw(&names, &[], 7);
        assert_eq!(first.split(' ').count(), 4);
        names.reverse();
        assert_eq!(draw(&names, &["web1"], 7), first, "neither order nor who is down counts");
        let others: std::collections::BTreeSet<String> =
            (0..20).map(|seed| draw(&names, &[], seed)).collect();
        assert!(others.len() > 10, "other seeds give other nodes");
        assert_eq!(first, "web1 web35 web37 web5", "from release to release");
    }
}
