//! Reading JSON into the protocol's types so that each value has one form alone.
//!
//! What serde takes by itself is wider: a struct also from an array of its fields, a bare word also
//! from `{"word": null}`, an absent field also from `null`. Another implementation would read such
//! bytes as something else, or not at all.

use marcato_core::json::{self, JsonError};
use marcato_core::limits::protocol::JSON_DEPTH_MAX;
use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value, map};

/// Why bytes are not a value of the type that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StrictError {
    /// They are not JSON as the protocol takes it.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// They are, and are no value of that type.
    #[error(transparent)]
    Type(#[from] Error),
}

/// Reads one value by the rules of the protocol.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StrictError> {
    let value = json::parse(bytes, JSON_DEPTH_MAX)?;
    Ok(from_value(value)?)
}

/// The same of a value that was read already.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Strict(value))
}

fn wrong<T>(what: &str) -> Result<T, Error> {
    Err(de::Error::custom(what))
}

/// A value that is read as what it is and as nothing else.
struct Strict(Value);

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(fields) => visitor.visit_map(Fields::of(fields)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(fields) => visitor.visit_map(Fields::of(fields)),
            _ => wrong("something else stands where an object is needed"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // serde_json's own map takes null for an empty one.
        match self.0 {
            Value::Object(fields) => visitor.visit_map(Fields::of(fields)),
            _ => wrong("something else stands where an object is needed"),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => wrong("null stands for a field that should be left out"),
            other => visitor.visit_some(Self(other)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(fields) if fields.len() == 1 => {
                let mut fields = fields.into_iter();
                let Some((name, content)) = fields.next() else { return wrong("empty") };
                visitor.visit_enum(Variant { name, content: Some(content) })
            }
            _ => wrong("something else stands where a word or an object of one field is needed"),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|item| seed.deserialize(Strict(item))).transpose()
    }
}

struct Fields {
    rest: map::IntoIter,
    value: Option<Value>,
}

impl Fields {
    fn of(fields: Map<String, Value>) -> Self {
        Self { rest: fields.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let name: StringDeserializer<Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(Strict(value)),
            None => wrong("a value is asked for before its name"),
        }
    }
}

struct Variant {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Error> {
        let name: StringDeserializer<Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content(Option<Value>);

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.0 {
            None => Ok(()),
            Some(_) => wrong("an object stands where a word is needed"),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        match self.0 {
            Some(content) => seed.deserialize(Strict(content)),
            None => wrong("a word stands where an object is needed"),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        wrong("no message of the protocol has such a form")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        wrong("no message of the protocol has such a form")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Word,
        Number(u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        choice: Choice,
        #[serde(default)]
        inner: Option<Box<Form>>,
        #[serde(default)]
        any: Map<String, Value>,
        #[serde(default)]
        counts: BTreeMap<String, u64>,
    }

    fn check(text: &str, holds: bool) {
        let got = parse::<Form>(text.as_bytes());
        assert_eq!(got.is_ok(), holds, "{text}: {got:?}");
    }

    #[test]
    fn each_value_has_one_form() {
        check(r#"{"choice":"word"}"#, true);
        check(r#"{"choice":{"number":1},"inner":{"choice":"word"},"counts":{"a":1}}"#, true);
        check(r#"{"choice":"word","any":{"a":null,"b":[1,{"c":1.5}]}}"#, true);
        check(r#"["word"]"#, false);
        check(r#"{"choice":"word","inner":["word"]}"#, false);
        check(r#"{"choice":{"word":null}}"#, false);
        check(r#"{"choice":"number"}"#, false);
        check(r#"{"choice":{"number":1,"word":null}}"#, false);
        check(r#"{"choice":{"number":1.0}}"#, false);
        check(r#"{"choice":{"number":256}}"#, false);
        check(r#"{"choice":"word","inner":null}"#, false);
        check(r#"{"choice":"word","any":null}"#, false);
        check(r#"{"choice":"word","other":1}"#, false);
        check(r#"{"choice":"word","choice":"word"}"#, false);
    }
}
