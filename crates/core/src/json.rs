//! JSON as the protocol takes it (RFC 8259, narrowed): no key twice at any depth, a bounded depth,
//! numbers within ±2^53, nothing behind the value, no key that serde_json keeps for itself.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Up to here every JSON implementation keeps whole numbers exactly (RFC 7493 section 2.2).
const EXACT: u64 = 1 << 53;

/// The same, to compare with what was written with a fraction, an exponent or too many digits.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// What serde_json's own keys begin with. Where any crate of the build turns its features on, a
/// `Value` that is read from such an object is parsed from a text inside it, past all rules here.
const RESERVED: &str = "$serde_json::private::";

/// Bytes that are not JSON as the protocol takes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not acceptable JSON: {0}")]
pub struct JsonError(String);

/// Parses one JSON value of at most `depth` levels of arrays and objects.
///
/// # Errors
/// Says what is wrong and where: syntax, a key twice or reserved, too deep, a number that not every
/// implementation keeps exactly, something behind the value.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut reader).map_err(wrong)?;
    reader.end().map_err(wrong)?;
    Ok(value)
}

/// Parses bytes by the same rules into a type.
///
/// # Errors
/// As [`parse`], and where the value is not of that type.
pub fn parse_as<T: DeserializeOwned>(bytes: &[u8], depth: usize) -> Result<T, JsonError> {
    serde_json::from_value(parse(bytes, depth)?).map_err(wrong)
}

/// Whether no object may have this key.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED)
}

fn wrong(error: serde_json::Error) -> JsonError {
    JsonError(error.to_string())
}

/// Builds a value while it watches depth and keys.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > EXACT {
            return Err(E::custom("a whole number beyond 2^53"));
        }
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > EXACT {
            return Err(E::custom("a whole number beyond -2^53"));
        }
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // Whole numbers of more than 64 bits come here too.
        if value.abs() > EXACT_FLOAT {
            return Err(E::custom("a number beyond 2^53"));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut all = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if is_reserved(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} is reserved")));
            }
            let value = entries.next_value_seed(inner)?;
            if all.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} stands twice")));
            }
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<(), &str>) {
        match (parse(text.as_bytes(), 3), want) {
            (Ok(_), Ok(())) => {}
            (Err(JsonError(error)), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn rules() {
        check(r#"{"a":[1,{"b":null}]}"#, Ok(()));
        check(r#"{"a":1,"a":2}"#, Err("stands twice"));
        check(r#"{"x":{"a":1,"\u0061":2}}"#, Err("stands twice"));
        check(r#"{"$serde_json::private::RawValue":"1"}"#, Err("reserved"));
        check(r#"{"x":{"a":1,"\u0024serde_json::private::Number":"1"}}"#, Err("reserved"));
        check(r#"{"$serde_json":1}"#, Ok(()));
        check("[[[1]]]", Ok(()));
        check("[[[[1]]]]", Err("too deeply"));
        check("9007199254740992", Ok(()));
        check("9007199254740993", Err("beyond 2^53"));
        check("-9007199254740993", Err("beyond -2^53"));
        check("18446744073709551616", Err("beyond 2^53"));
        check("-18446744073709551616", Err("beyond 2^53"));
        check("9.1e15", Err("beyond 2^53"));
        check("9.0e15", Ok(()));
        check("1e400", Err("out of range"));
        check("{} {}", Err("trailing"));
        check("", Err("EOF"));
        check("{\"a\":\"\u{0}\"}", Err("control character"));
    }
    /// A text inside an object stays a text: no second parser, whose depth nobody counts, sees it.
    #[test]
    fn no_value_is_read_from_a_text() {
        let key = format!("{RESERVED}RawValue");
        let raw = Value::Object([(key, Value::from(r#"{"a":1,"a":2}"#))].into_iter().collect());
        assert_eq!(serde_json::from_value::<Value>(raw.clone()).ok(), Some(raw));
    }
}
