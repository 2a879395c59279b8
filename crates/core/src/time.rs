//! Points and lengths of time, in whole milliseconds; UTC and RFC 3339 wherever they are written.
//!
//! Nothing here reads a clock: the shells do and hand a [`Timestamp`] in.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The last moment that can be written with a four-digit year in every time zone.
const LAST_MS: u64 = 253_402_207_200_999;

/// A length of time in whole milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(u64);

impl Span {
    /// A span of so many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// A span of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The span as the standard library's type.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// A text that is not a time as this project writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time in UTC as RFC 3339 writes it: 2026-01-02T03:04:05.678Z")]
pub struct TimeError {
    text: String,
}

impl Timestamp {
    /// A time of so many milliseconds since the epoch; later than the year 9999 becomes its end.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(if ms > LAST_MS { LAST_MS } else { ms })
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self::from_ms(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => f.write_str("9999-12-30T22:00:00.999Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads exactly the form that [`Timestamp`] writes: one time has one text, so signed bytes
    /// cannot differ between two writers who mean the same.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError { text: text.chars().take(40).collect() };
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        let ms = u64::try_from(time.as_millisecond()).map_err(|_| wrong())?;
        let time = Self::from_ms(ms);
        if time.to_string() == text { Ok(time) } else { Err(wrong()) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_has_one_text() {
        for text in
            ["1970-01-01T00:00:00.000Z", "2026-11-23T03:46:15.123Z", "9999-12-30T22:00:00.999Z"]
        {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T03:46:15Z",
            "2026-11-23T03:46:15.123+00:00",
            "2026-11-23T03:46:15.1230Z",
            "2026-11-23t03:46:15.123z",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_ms(u64::MAX).as_ms(), LAST_MS);
        assert_eq!((Timestamp::from_ms(5) - Span::from_secs(1)).as_ms(), 0);
        assert_eq!(Timestamp::from_ms(1).since(Timestamp::from_ms(3)), Span::from_ms(0));
    }
}
