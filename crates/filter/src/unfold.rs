//! Names of many hosts in few words, unfolded: `web[01-03,7].example.com` is four names.

use std::ops::Range;

use marcato_core::limits::filter::UNFOLDED_NAMES_MAX;

/// Numbers of more digits are refused: what would count so far?
const DIGITS_MAX: usize = 18;

/// What is wrong with a folded name, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct UnfoldError {
    /// The bytes that are meant, on character boundaries; may be empty, at a place.
    pub span: Range<usize>,
    /// What is wrong there.
    pub fault: FoldFault,
}

/// What is wrong with a folded name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldFault {
    /// `[` that nothing closes.
    #[error("opens a bracket that nothing closes")]
    NotClosed,
    /// `]` that nothing opened.
    #[error("closes a bracket that was not opened")]
    NotOpened,
    /// Something else than a number or a range between brackets and commas.
    #[error("needs a number or a range such as 01-17 here")]
    NoNumber,
    /// More digits than any name has.
    #[error("has a number of more than {DIGITS_MAX} digits")]
    TooLong,
    /// A range that goes down.
    #[error("has a range that goes down")]
    Down,
    /// `1-03`: it is not said with how many digits its names are written.
    #[error("has a range whose ends are of different width; write 01-17")]
    Width,
    /// More names than are taken.
    #[error("is more than {UNFOLDED_NAMES_MAX} names")]
    TooMany,
}

/// Whether a name is a folded one.
#[must_use]
pub fn is_folded(name: &str) -> bool {
    name.contains(['[', ']'])
}

/// The names that a folded name stands for, in the order of its numbers; a name without brackets is
/// itself. At most `most` of them, which is no more than [`UNFOLDED_NAMES_MAX`].
///
/// # Errors
/// Where a bracket is broken, and where there are too many names; nothing is built then.
pub fn unfold(name: &str, most: usize) -> Result<Vec<String>, UnfoldError> {
    let pieces = pieces(name)?;
    let many = || UnfoldError { span: 0..name.len(), fault: FoldFault::TooMany };
    let mut count: u64 = 1;
    for piece in &pieces {
        if let Piece::Numbers(ranges) = piece {
            let size = ranges.iter().map(Numbers::count).fold(0, u64::saturating_add);
            count = count.saturating_mul(size);
        }
    }
    if count > most.min(UNFOLDED_NAMES_MAX) as u64 {
        return Err(many());
    }
    let mut names = vec![String::new()];
    for piece in &pieces {
        names = match piece {
            Piece::Text(text) => names.into_iter().map(|name| name + text).collect(),
            Piece::Numbers(ranges) => {
                let longer = |name: &String| -> Vec<String> {
                    ranges.iter().flat_map(|range| range.behind(name)).collect()
                };
                names.iter().flat_map(longer).collect()
            }
        };
    }
    Ok(names)
}

enum Piece<'a> {
    Text(&'a str),
    Numbers(Vec<Numbers>),
}

/// Numbers from one to another, written with at least so many digits.
struct Numbers {
    first: u64,
    last: u64,
    width: usize,
}

impl Numbers {
    const fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    fn behind(&self, name: &str) -> impl Iterator<Item = String> {
        let width = self.width;
        (self.first..=self.last).map(move |number| format!("{name}{number:0width$}"))
    }

    /// Reads `7` or `01-17`, which stands at byte `at`.
    fn parse(text: &str, at: usize) -> Result<Self, UnfoldError> {
        let whole = at..at + text.len();
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(from, at)?, number(to, whole.end - to.len())?);
        let fault = |fault| Err(UnfoldError { span: whole.clone(), fault });
        if last < first {
            return fault(FoldFault::Down);
        }
        let width = if from.starts_with('0') { from.len() } else { 1 };
        if to.len() != format!("{last:0width$}").len() {
            return fault(FoldFault::Width);
        }
        Ok(Self { first, last, width })
    }
}

fn number(digits: &str, at: usize) -> Result<u64, UnfoldError> {
    let wrong = |fault| UnfoldError { span: at..at + digits.len(), fault };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong(FoldFault::NoNumber));
    }
    if digits.len() > DIGITS_MAX {
        return Err(wrong(FoldFault::TooLong));
    }
    digits.parse().map_err(|_| wrong(FoldFault::TooLong))
}

fn pieces(name: &str) -> Result<Vec<Piece<'_>>, UnfoldError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = name[at..].find(['[', ']']) {
        let open = at + found;
        if name[open..].starts_with(']') {
            return Err(UnfoldError { span: open..open + 1, fault: FoldFault::NotOpened });
        }
        pieces.push(Piece::Text(&name[at..open]));
        let inner = open + 1;
        let close = name[inner..].find(['[', ']']).map(|length| inner + length);
        let Some(close) = close.filter(|close| name[*close..].starts_with(']')) else {
            return Err(UnfoldError { span: open..inner, fault: FoldFault::NotClosed });
        };
        let mut numbers = Vec::new();
        let mut start = inner;
        for item in name[inner..close].split(',') {
            numbers.push(Numbers::parse(item, start)?);
            start += item.len() + 1;
        }
        pieces.push(Piece::Numbers(numbers));
        at = close + 1;
    }
    pieces.push(Piece::Text(&name[at..]));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_unfolded() {
        let check = |folded: &str, want: &str| {
            assert_eq!(unfold(folded, UNFOLDED_NAMES_MAX).unwrap().join(" "), want, "{folded}");
        };
        check("web1.example.com", "web1.example.com");
        check("web[01-03,7].x", "web01.x web02.x web03.x web7.x");
        check("web[8-11]", "web8 web9 web10 web11");
        check("web[08-11]", "web08 web09 web10 web11");
        check("web[098-101]", "web098 web099 web100 web101");
        check("r[1-2]-web[01,1]", "r1-web01 r1-web1 r2-web01 r2-web1");
        check("[0-1]", "0 1");
        check("[00-01]", "00 01");
        check("web[5]", "web5");
    }

    #[test]
    fn what_is_broken_is_marked() {
        let check = |folded: &str, marks: &str, fault: FoldFault| {
            let error = unfold(folded, UNFOLDED_NAMES_MAX).unwrap_err();
            let before = folded[..error.span.start].chars().count();
            let drawn = format!("{:before$}{}", "", "^".repeat(error.span.len().max(1)));
            assert_eq!((drawn.as_str(), error.fault), (marks, fault), "{folded}");
        };
        check("web[1-3", "   ^", FoldFault::NotClosed);
        check("web[1[2]", "   ^", FoldFault::NotClosed);
        check("web1]", "    ^", FoldFault::NotOpened);
        check("web[1]]", "      ^", FoldFault::NotOpened);
        check("web[]", "    ^", FoldFault::NoNumber);
        check("web[1,]", "      ^", FoldFault::NoNumber);
        check("web[a-c]", "    ^", FoldFault::NoNumber);
        check("web[1-]", "      ^", FoldFault::NoNumber);
        check("web[1-2-3]", "      ^^^", FoldFault::NoNumber);
        check("web[3-1]", "    ^^^", FoldFault::Down);
        check("web[1-03]", "    ^^^^", FoldFault::Width);
        check("web[001-03]", "    ^^^^^^", FoldFault::Width);
        check("web[1234567890123456789]", "    ^^^^^^^^^^^^^^^^^^^", FoldFault::TooLong);
        check("w[0-100000]", "^^^^^^^^^^^", FoldFault::TooMany);
        check("w[1-999][1-999]", "^^^^^^^^^^^^^^^", FoldFault::TooMany);
        check("w[0-999999999999999999]", &"^".repeat(23), FoldFault::TooMany);
        assert_eq!(unfold("w[1-100000]", UNFOLDED_NAMES_MAX).unwrap().len(), 100_000);
        assert_eq!(unfold("w[1-3]", 2).unwrap_err().fault, FoldFault::TooMany);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(name in "([a-z]|[\\[\\],-]|[0-9]{1,3}|.){0,12}") {
            match unfold(&name, 1000) {
                Ok(names) => prop_assert!(names.len() <= 1000 && names.iter().all(|n| !is_folded(n))),
                Err(error) => prop_assert!(name.get(error.span).is_some()),
            }
        }
    }
}
