//! The page of figures as it is written.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::machine::Machine;

/// The whole page.
#[derive(Debug)]
pub struct Page {
    /// The machine, as it was before the first measurement.
    pub before: Machine,
    /// The mean load of the last minute of the run.
    pub load_after: f64,
    /// What was measured.
    pub sections: Vec<Section>,
}

/// Some figures that were taken together.
#[derive(Debug)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// How it was measured, in sentences.
    pub how: String,
    /// The heading of the column of the peer's figures; none where there is no such column.
    pub peer: Option<&'static str>,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug)]
pub struct Figure {
    /// What it is of.
    pub what: String,
    /// What it must not exceed.
    pub most: Option<Value>,
    /// What was measured.
    pub measured: Value,
    /// Said beside it.
    pub note: String,
    /// A peer's figure.
    pub peer: String,
}

/// A number with its unit.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Value {
    /// Milliseconds.
    Ms(f64),
    /// Milliseconds of CPU in each second.
    CpuPerSecond(f64),
    /// Millions of bytes.
    Mb(f64),
    /// Thousands of bytes.
    Kb(f64),
    /// A number of things.
    Count(usize),
}

impl Value {
    /// A time.
    pub fn time(time: Duration) -> Self {
        Self::Ms(time.as_secs_f64() * 1e3)
    }

    /// A number of bytes.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
    pub fn bytes(bytes: u64) -> Self {
        if bytes < 1_000_000 { Self::Kb(bytes as f64 / 1e3) } else { Self::Mb(bytes as f64 / 1e6) }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (number, unit) = match *self {
            Self::Ms(number) => (number, "ms"),
            Self::CpuPerSecond(number) => (number, "ms/s"),
            Self::Mb(number) => (number, "MB"),
            Self::Kb(number) => (number, "kB"),
            Self::Count(number) => return write!(f, "{}", thousands(number)),
        };
        // Three digits are what a measurement on a shared machine is worth.
        if number >= 1000.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, and far below 2^52"
            )]
            let whole = number.round() as usize;
            return write!(f, "{} {unit}", thousands(whole));
        }
        let places = match number {
            n if n >= 100.0 => 0,
            n if n >= 10.0 => 1,
            n if n >= 1.0 => 2,
            _ => 3,
        };
        write!(f, "{number:.places$} {unit}")
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Figure {
    /// A figure without a target, a note or a peer.
    pub fn new(what: impl Into<String>, measured: Value) -> Self {
        let (note, peer) = (String::new(), String::new());
        Self { what: what.into(), most: None, measured, note, peer }
    }

    /// With what it must not exceed.
    pub fn at_most(mut self, most: Value) -> Self {
        self.most = Some(most);
        self
    }

    /// With something said beside it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// With a peer's figure.
    pub fn peer(mut self, peer: impl Into<String>) -> Self {
        self.peer = peer.into();
        self
    }

    /// Whether the target is met; none without one.
    fn is_met(&self) -> Option<bool> {
        self.most.map(|most| match (self.measured, most) {
            (Value::Kb(kb), Value::Mb(most)) => kb / 1e3 <= most,
            (measured, most) => measured <= most,
        })
    }
}

impl Page {
    /// How many targets are met and missed, in words.
    pub fn verdict(&self) -> String {
        let figures = || self.sections.iter().flat_map(|section| &section.figures);
        let count = |met| figures().filter(|figure| figure.is_met() == Some(met)).count();
        let missed: Vec<&str> = figures()
            .filter(|figure| figure.is_met() == Some(false))
            .map(|figure| figure.what.as_str())
            .collect();
        if missed.is_empty() {
            return format!("all {} targets are met", count(true));
        }
        format!("{} targets are met, {} missed: {}", count(true), count(false), missed.join("; "))
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Machine { day, commit, cores, memory_gib, system, kernel, load } = &self.before;
        writeln!(
            f,
            "<!-- Written by `cargo xtask bench`; a figure is changed by measuring again. -->"
        )?;
        writeln!(f, "# Benchmarks\n")?;
        writeln!(
            f,
            "Measured on {day} at commit {commit} by `cargo xtask bench`, with the profile of a \
             release. Machine: {cores}, {memory_gib:.0} GiB, {system}, Linux {kernel}; client, \
             broker and all nodes share its cores, over loopback. Load average in the minute before: \
             {load:.2}, in the last minute of the run: {:.2}. MB are millions of bytes.\n",
            self.load_after,
        )?;
        writeln!(f, "In short: {}.", self.verdict())?;
        self.sections.iter().try_for_each(|section| section.fmt(f))
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## {}\n\n{}\n", self.title, self.how)?;
        let peer = self.peer.map(|peer| format!(" {peer} |")).unwrap_or_default();
        let rule = if self.peer.is_some() { " --- |" } else { "" };
        writeln!(f, "| figure | target | measured | |{peer}")?;
        writeln!(f, "| --- | --- | --- | --- |{rule}")?;
        for figure in &self.figures {
            let most = figure.most.map(|most| format!("≤ {most}")).unwrap_or_default();
            let verdict = match figure.is_met() {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let words: Vec<&str> =
                [verdict, figure.note.as_str()].into_iter().filter(|w| !w.is_empty()).collect();
            write!(f, "| {} | {most} | {} | {} |", figure.what, figure.measured, words.join("; "))?;
            match self.peer {
                Some(_) => writeln!(f, " {} |", figure.peer)?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// The middle one of several times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The time of one of many, as a value.
pub fn share(time: Duration, of: usize) -> Value {
    let of = u32::try_from(of).unwrap_or(u32::MAX).max(1);
    Value::time(time / of)
}

/// The range of several times, in words.
pub fn range(times: &[Duration]) -> String {
    let least = times.iter().min().copied().unwrap_or_default();
    let most = times.iter().max().copied().unwrap_or_default();
    format!("{} to {} in {} runs", Value::time(least), Value::time(most), times.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_three_digits_and_its_unit() {
        let check = |value: Value, want: &str| assert_eq!(value.to_string(), want);
        check(Value::Ms(0.0421), "0.042 ms");
        check(Value::Ms(4.4), "4.40 ms");
        check(Value::Ms(44.04), "44.0 ms");
        check(Value::Ms(444.4), "444 ms");
        check(Value::Ms(12_345.6), "12,346 ms");
        check(Value::Count(1_000_000), "1,000,000");
        check(Value::bytes(48_128), "48.1 kB");
        check(Value::bytes(11_100_000), "11.1 MB");
    }

    #[test]
    fn a_target_is_met_missed_or_not_there() {
        let check = |figure: Figure, want| assert_eq!(figure.is_met(), want, "{figure:?}");
        check(Figure::new("x", Value::Ms(6.0)).at_most(Value::Ms(6.0)), Some(true));
        check(Figure::new("x", Value::Ms(6.1)).at_most(Value::Ms(6.0)), Some(false));
        check(Figure::new("x", Value::bytes(900_000)).at_most(Value::Mb(8.0)), Some(true));
        check(Figure::new("x", Value::Ms(6.0)), None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let ms = Duration::from_millis;
        assert_eq!(median(vec![ms(9), ms(1), ms(5)]), ms(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
