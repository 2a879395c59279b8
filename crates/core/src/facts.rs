//! A host's facts: names to values, as registrations carry them and filters ask them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A host's facts. Sorted, so that the same facts are always the same bytes.
pub type Facts = BTreeMap<String, Value>;
