//! The guards before an order: how many nodes are expected, and who agrees to a change.

use std::fmt;
use std::str::FromStr;

use marcato_client::core::Selection;
use marcato_core::Exit;

use crate::words::Failure;

/// How many nodes an operator expects to be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    least: usize,
    most: usize,
}

/// A text that is no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a number of nodes, or a range such as 10..20")]
pub struct ExpectError;

impl FromStr for Expect {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Self, ExpectError> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number).ok_or(ExpectError)
        };
        let (least, most) = (number(least)?, number(most)?);
        if least <= most { Ok(Self { least, most }) } else { Err(ExpectError) }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, most) => write!(f, "{least}..{most}"),
        }
    }
}

impl Expect {
    /// Refuses a selection of another size.
    ///
    /// # Errors
    /// With exit 1: nothing was sent.
    pub fn check(self, selection: &Selection) -> Result<(), Failure> {
        let no =
            |text: String| Err(Failure::new(Exit::Nothing, format!("{text}. Nothing was sent.")));
        if !selection.complete {
            return no(format!("--expect {self}: no hub is there to say how many nodes match"));
        }
        let count = selection.expected();
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let plural = if count == 1 { "node is" } else { "nodes are" };
        no(format!("--expect {self}: {count} {plural} meant"))
    }
}

/// Who agrees to a change, and to what.
#[derive(Debug, Clone, Copy)]
pub struct Consent {
    /// `--yes`
    pub yes: bool,
    /// `--all`
    pub all: bool,
    /// Whether nothing says which nodes are meant.
    pub everything: bool,
    /// Whether somebody can be asked.
    pub terminal: bool,
}

impl Consent {
    /// Whether there is still something to ask, which is the number of nodes where all are meant.
    ///
    /// # Errors
    /// With exit 64 where there is, and nobody can be asked.
    pub fn is_asked(self) -> Result<bool, Failure> {
        let Self { yes, all, everything, terminal } = self;
        if yes && (all || !everything) {
            return Ok(false);
        }
        if terminal {
            return Ok(true);
        }
        if everything {
            let text = match yes {
                true => "--yes alone changes no whole fleet: no filter says which nodes are meant",
                false => "this changes every node, and there is no terminal to ask on",
            };
            return Err(Failure::new(Exit::Usage, text)
                .hint("say which nodes: -W FACT=VALUE, -I NAME; mco find lists them")
                .hint("or, if every node is meant: the same command with --all --yes"));
        }
        let text = "this changes hosts, and there is no terminal to ask on";
        Err(Failure::new(Exit::Usage, text)
            .hint("the same command with --yes, once the nodes are right: mco find lists them"))
    }
}

/// Refuses `--all` beside something that says which nodes are meant.
///
/// # Errors
/// With exit 64.
pub fn check_all(all: bool, everything: bool) -> Result<(), Failure> {
    if !all || everything {
        return Ok(());
    }
    let text = "--all means every node, and something else here says which nodes are meant";
    Err(Failure::new(Exit::Usage, text).hint("leave one of the two out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations() {
        let check = |text: &str, want: Option<(usize, usize)>| {
            let got = text.parse::<Expect>().ok();
            assert_eq!(got.map(|expect| (expect.least, expect.most)), want, "{text}");
            if let Some(expect) = got {
                assert_eq!(expect.to_string().parse(), Ok(expect));
            }
        };
        check("1", Some((1, 1)));
        check("0", Some((0, 0)));
        check("10..20", Some((10, 20)));
        check("7..7", Some((7, 7)));
        for wrong in ["", "..", "1..", "..5", "20..10", "-1", "+1", "1...3", "1..2..3", "x", " 1"] {
            check(wrong, None);
        }
        check("99999999999999999999999", None);
    }

    #[test]
    fn consent() {
        let check = |[yes, all, everything, terminal]: [bool; 4], want: Result<bool, &str>| {
            let got = Consent { yes, all, everything, terminal }.is_asked();
            let got = got.map_err(|failure| failure.text);
            let told = got.as_ref().map_err(|text| text.split(':').next().unwrap_or_default());
            assert_eq!(told.copied(), want, "{yes} {all} {everything} {terminal}");
        };
        let (no, yes) = (false, true);
        let nobody = "this changes hosts, and there is no terminal to ask on";
        let every = "this changes every node, and there is no terminal to ask on";
        // yes, all, everything, terminal
        check([yes, no, no, no], Ok(false));
        check([yes, no, no, yes], Ok(false));
        check([no, no, no, yes], Ok(true));
        check([no, no, no, no], Err(nobody));
        check([yes, yes, yes, no], Ok(false));
        check([no, yes, yes, yes], Ok(true));
        check([yes, no, yes, yes], Ok(true));
        check([no, no, yes, yes], Ok(true));
        check([yes, no, yes, no], Err("--yes alone changes no whole fleet"));
        check([no, yes, yes, no], Err(every));
        check([no, no, yes, no], Err(every));
    }
}
