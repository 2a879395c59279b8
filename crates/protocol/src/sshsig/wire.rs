//! The few types of the SSH wire format (RFC 4251, section 5), and reading values from text.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// The bytes ended before the value did, or its length exceeds what is allowed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short;

/// Reads values off the front of a slice; nothing is copied, nothing can panic.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        let (head, tail) = self.rest.split_first_chunk::<4>().ok_or(Short)?;
        self.rest = tail;
        Ok(u32::from_be_bytes(*head))
    }

    /// A `string`: its length as a `u32`, then so many bytes, at most `max` of them.
    pub(crate) fn string(&mut self, max: usize) -> Result<&'a [u8], Short> {
        let length = usize::try_from(self.u32()?).map_err(|_| Short)?;
        if length > max {
            return Err(Short);
        }
        self.take(length)
    }
}

/// Appends a `string`. Everything that comes here was capped when it was read or is made by us, so
/// a length of over 4 GiB cannot occur; it would be cut rather than wrap.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&bytes[..length as usize]);
}

/// Reads a value that is a text in JSON, by its `FromStr`.
pub(crate) fn deserialize_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}
