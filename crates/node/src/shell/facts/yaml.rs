//! YAML as facts files have it: a bounded tree, the line of whatever is wrong.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use marcato_core::Facts;
use marcato_core::json::is_reserved;
use marcato_core::limits::facts::{DEPTH_MAX, FACTS_BYTES_MAX, SIFTED_DEPTH_MAX, VALUES_MAX};
use serde_json::{Map, Value};

use super::scalar;

/// What is wrong with a text, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    /// The line, the first being 1.
    pub(super) line: usize,
    pub(super) what: String,
}

/// By whose rules a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// The node's own: what has two meanings is refused.
    Strict,
    /// Those of Facter, which is to say Ruby's: of a key that stands twice the last value holds, and
    /// what stands behind the first document is not read.
    Facter,
}

impl Rules {
    /// How deep a fact may nest while it is read.
    const fn depth_max(self) -> usize {
        match self {
            Self::Strict => DEPTH_MAX,
            Self::Facter => SIFTED_DEPTH_MAX,
        }
    }
}

/// Reads a text of one document that is a map of facts; an empty text has none.
pub(super) fn parse(text: &str, rules: Rules) -> Result<Facts, YamlError> {
    let text = text.trim_start_matches('\u{feff}');
    let last_line = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    let is_cut = !last_line.trim().is_empty();
    let mut reader = Reader {
        text,
        rules,
        cut_at: is_cut.then(|| text.chars().count()),
        events: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        values: 0,
        repeated_bytes: 0,
        line: 1,
        end: 0,
    };
    let mut facts = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(facts.unwrap_or_default()),
            Event::DocumentEnd if rules == Rules::Facter && facts.is_some() => {
                return Ok(facts.unwrap_or_default());
            }
            Event::DocumentStart(..) if facts.is_some() => {
                return Err(reader.wrong("a second document begins; put all facts into one"));
            }
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            root => {
                facts = Some(match reader.value(root, 0)? {
                    Value::Object(entries) => entries.into_iter().collect(),
                    Value::Null => Facts::new(),
                    _ => return Err(reader.wrong("not a map of facts; write NAME: VALUE")),
                });
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    rules: Rules,
    /// Where the text ends without the end of its line, in characters.
    cut_at: Option<usize>,
    events: Parser<'a, StrInput<'a>>,
    /// The values that were named for repetition.
    anchors: BTreeMap<usize, Value>,
    /// How many values there are so far.
    values: usize,
    /// How much text aliases have repeated so far.
    repeated_bytes: usize,
    /// The line at which the last event begins.
    line: usize,
    /// The character at which it ends.
    end: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl Into<String>) -> YamlError {
        YamlError { line: self.line, what: what.into() }
    }

    fn too_deep(&self) -> YamlError {
        self.wrong(format!("nested deeper than {} levels", self.rules.depth_max()))
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        loop {
            match self.events.next() {
                None => return Ok(Event::StreamEnd),
                // Comments come only if another crate asks the parser for them.
                Some(Ok((event, span))) if is_content(&event) => {
                    (self.line, self.end) = (span.start.line(), span.end.index());
                    return Ok(event);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(scan_error(&error, self.text)),
            }
        }
    }

    /// Builds the value that begins with `event`, `depth` levels below the top.
    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, YamlError> {
        self.count(1)?;
        // The outermost map is no level of a fact.
        if depth > self.rules.depth_max() && !matches!(event, Event::Scalar(..)) {
            return Err(self.too_deep());
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.meaning(&text, style, tag.as_deref()))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(id) => return self.repeated(id, depth),
            _ => return Err(self.wrong("a value is missing")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                item => items.push(self.value(item, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut entries = Map::new();
        // What `<<` gave, which a key of the map itself may come after.
        let mut merged = BTreeSet::new();
        loop {
            let (key, may_merge) = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(entries)),
                Event::Scalar(text, style, _, tag) => {
                    let is_plain = style == ScalarStyle::Plain || self.rules == Rules::Facter;
                    let may_merge = text == "<<" && is_plain && tag.is_none();
                    (key_text(self.meaning(&text, style, tag.as_deref()), &text), may_merge)
                }
                _ => return Err(self.wrong("a key must be a plain word, no list, map or alias")),
            };
            if self.rules == Rules::Strict && entries.contains_key(&key) && !merged.remove(&key) {
                return Err(self.wrong(format!("the key {key:?} stands twice")));
            }
            if self.rules == Rules::Strict && is_reserved(&key) {
                return Err(self.wrong(format!("the key {key:?} is reserved; rename it")));
            }
            let line = self.line;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            match if may_merge { merge_of(value) } else { Err(value) } {
                Ok(new) => {
                    // YAML 1.1 would keep the one that is there, Ruby takes the new one.
                    if self.rules == Rules::Strict
                        && let Some(key) = new.keys().find(|key| entries.contains_key(*key))
                    {
                        let what =
                            format!("<< gives {key:?}, which is there already; put << first");
                        return Err(YamlError { line, what });
                    }
                    merged.extend(new.keys().cloned());
                    entries.extend(new);
                }
                Err(_) if may_merge && self.rules == Rules::Strict => {
                    let what = "<< merges a map or a list of maps, nothing else".to_owned();
                    return Err(YamlError { line, what });
                }
                Err(value) => drop(entries.insert(key, value)),
            }
        }
    }

    /// The value that `*name` repeats.
    fn repeated(&mut self, id: usize, depth: usize) -> Result<Value, YamlError> {
        let value = self.anchors.get(&id).ok_or_else(|| self.wrong("an alias of itself"))?;
        let Measure { values, bytes, levels } = measure(value);
        self.repeated_bytes += bytes;
        if self.repeated_bytes > FACTS_BYTES_MAX {
            let what = format!("aliases repeat more than {FACTS_BYTES_MAX} bytes, the most that");
            return Err(self.wrong(what + " all facts may take"));
        }
        let value = value.clone();
        self.count(values)?;
        if depth + levels > self.rules.depth_max() + 1 {
            return Err(self.too_deep());
        }
        Ok(value)
    }

    /// The value of a scalar: text if quotes, a block or a tag make it so, else what it looks like.
    fn meaning(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
        let plain = match self.rules {
            Rules::Strict => scalar::plain,
            Rules::Facter => scalar::of_facter,
        };
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if is_block && self.cut_at == Some(self.end) {
            // To the parser every line has an end; to Ruby's the last one has none here.
            return text.strip_suffix('\n').unwrap_or(text).into();
        }
        match tag.map(Tag::core_suffix) {
            None if style == ScalarStyle::Plain => plain(text),
            Some(Some("int" | "float" | "bool" | "null")) => plain(text),
            _ => text.into(),
        }
    }

    fn count(&mut self, values: usize) -> Result<(), YamlError> {
        self.values += values;
        if self.values > VALUES_MAX {
            return Err(self.wrong(format!("more than {VALUES_MAX} values")));
        }
        Ok(())
    }
}

fn is_content(event: &Event<'_>) -> bool {
    event.is_node()
        || matches!(
            event,
            Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::SequenceEnd
                | Event::MappingEnd
        )
}

fn scan_error(error: &ScanError, text: &str) -> YamlError {
    let (mut line, what) = (error.marker().line(), error.info());
    // A tab that indents is found while the value before it is read, lines above.
    if what.contains("tab") {
        let indented = |line: &&str| line.trim_start_matches(' ').starts_with('\t');
        let found = text.lines().skip(line.saturating_sub(1)).position(|line| indented(&line));
        line += found.unwrap_or(0);
    }
    YamlError { line, what }
}

/// A key as text.
fn key_text(key: Value, written: &str) -> String {
    match key {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => written.to_owned(),
    }
}

/// What a merge key gives, of a list of maps the first one's value; or the value as it was.
fn merge_of(value: Value) -> Result<Map<String, Value>, Value> {
    match value {
        Value::Object(entries) => Ok(entries),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            let maps = items.into_iter().rev();
            Ok(maps
                .filter_map(
                    |map| if let Value::Object(entries) = map { Some(entries) } else { None },
                )
                .flatten()
                .collect())
        }
        other => Err(other),
    }
}

/// What a value takes.
struct Measure {
    /// How many values it holds, itself included.
    values: usize,
    /// How long all its texts and keys are.
    bytes: usize,
    /// On how many levels its lists and maps nest.
    levels: usize,
}

/// On how many levels lists and maps nest in a value.
pub(super) fn levels(value: &Value) -> usize {
    measure(value).levels
}

fn measure(value: &Value) -> Measure {
    let own = |bytes, levels| Measure { values: 1, bytes, levels };
    let with = |sum: Measure, value| {
        let inner = measure(value);
        Measure {
            values: sum.values + inner.values,
            bytes: sum.bytes + inner.bytes,
            levels: sum.levels.max(inner.levels + 1),
        }
    };
    match value {
        Value::Array(items) => items.iter().fold(own(0, 1), with),
        Value::Object(entries) => {
            let keys = entries.keys().map(String::len).sum();
            entries.values().fold(own(keys, 1), with)
        }
        Value::String(text) => own(text.len(), 0),
        _ => own(0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Facts, YamlError> {
        super::parse(text, Rules::Strict)
    }

    fn check(text: &str, want: Value) {
        let facts = parse(text).map(|facts| json!(facts));
        assert_eq!(facts, Ok(want), "{text}");
    }

    fn refused(text: &str, line: usize, part: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error:?}");
        assert!(error.what.contains(part), "{text}: {error:?}");
    }

    #[test]
    fn facts() {
        check("", json!({}));
        check("# nothing\n", json!({}));
        check("---\n", json!({}));
        check("---\nrole: web\nrelease: '8.5'\n", json!({"role": "web", "release": "8.5"}));
        check("a: 'yes'\nb: \"012\"\nc: !!str 012\nd: |-\n  8\n", {
            json!({"a": "yes", "b": "012", "c": "012", "d": "8"})
        });
        check("a: yes\nb: 012\nc: !!int '7'\nd:\n", json!({"a": true, "b": 10, "c": 7, "d": null}));
        check("7: seven\ntrue: t\n:sym: :sv\n", json!({"7": "seven", "true": "t", "sym": "sv"}));
        check("a: ':quoted'\nb: !ruby/thing x", json!({"a": ":quoted", "b": "x"}));
        check("a: [1, x]\nb: {c: {d: e}}\n", json!({"a": [1, "x"], "b": {"c": {"d": "e"}}}));
        check("{\"a\": \"b\", \"c\": [true, null]}", json!({"a": "b", "c": [true, null]}));
        check("a: |\n  x\n  y", json!({"a": "x\ny"}));
        check("a: |\r\n  x\r\n", json!({"a": "x\n"}));
        check("é: |+\n  é", json!({"é": "é"}));
        check("\u{feff}a:\n  - >\n    x\n    y", json!({"a": ["x y"]}));
        check("a: |\n  x\n ", json!({"a": "x\n"}));
        check("a: |\n  x\n#c", json!({"a": "x\n"}));
        check("a: |\n  x\nb: y", json!({"a": "x\n", "b": "y"}));
        check("\u{feff}a: b\r\nc: d\r\n", json!({"a": "b", "c": "d"}));
        check("日本: 東京", json!({"日本": "東京"}));
    }

    #[test]
    fn as_facter_reads_them() {
        let check = |text: &str, want: Value| {
            let facts = super::parse(text, Rules::Facter).map(|facts| json!(facts));
            assert_eq!(facts, Ok(want), "{text}");
        };
        check("dup: 1\ndup: 2\n", json!({"dup": 2}));
        check("a: {b: 1, b: [2]}\n", json!({"a": {"b": [2]}}));
        check("a: 1\n---\nb: 2\n", json!({"a": 1}));
        check("a: 12:30:45\nb: '12:30:45'\nc: 80,443\n", {
            json!({"a": 45045, "b": "12:30:45", "c": 80443})
        });
        check("base: &b {k: 1, l: 2}\nmerged:\n  <<: *b\n  k: 3\n", {
            json!({"base": {"k": 1, "l": 2}, "merged": {"k": 3, "l": 2}})
        });
        check("b: &b {k: 1, l: 2}\nm: {k: 3, <<: *b}\n", {
            json!({"b": {"k": 1, "l": 2}, "m": {"k": 1, "l": 2}})
        });
        check("b: &b {k: 1}\nc: &c {k: 2}\nm:\n  <<: *b\n  <<: *c\n", {
            json!({"b": {"k": 1}, "c": {"k": 2}, "m": {"k": 2}})
        });
        check("b: &b {k: 1}\nm: {k: 3, <<: [*b, {k: 9, l: 1}]}\n", {
            json!({"b": {"k": 1}, "m": {"k": 1, "l": 1}})
        });
        check("b: &b {k: 1}\nm: {'<<': *b}\n", json!({"b": {"k": 1}, "m": {"k": 1}}));
        check("a: {<<: 1}\nb: {<<: [1]}\n", json!({"a": {"<<": 1}, "b": {"<<": [1]}}));
        check("a: {!!str <<: {k: 1}}\n", json!({"a": {"<<": {"k": 1}}}));
        check("tag: !foo bar\ntagint: !!int '7'\n", json!({"tag": "bar", "tagint": 7}));
        check("{\"j1\": 1, \"j1\": 2}", json!({"j1": 2}));
    }

    #[test]
    fn aliases_and_merges() {
        check("a: &x [1]\nb: *x\n", json!({"a": [1], "b": [1]}));
        check("a: &x\n  k: 1\n  l: 2\nb:\n  <<: *x\n  k: 3\n", {
            json!({"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}})
        });
        check("a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc:\n  <<: [*x, *y]\n", {
            json!({"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}})
        });
        check("a:\n  '<<': x\n", json!({"a": {"<<": "x"}}));
        check("a:\n  <<: {k: 1}\n  <<: {l: 2}\n", json!({"a": {"k": 1, "l": 2}}));
        refused("a:\n  <<: x\n", 2, "merges a map");
        refused("a:\n  k: 3\n  <<: {k: 1}\n", 3, "<< gives \"k\", which is there already");
        refused("a:\n  <<: {k: 1}\n  <<: {k: 2}\n", 3, "<< gives \"k\"");
        refused("a:\n  <<: {k: 1}\n  k: 2\n  k: 3\n", 4, "\"k\" stands twice");
        refused("a: &x [*x]\n", 1, "alias");
        refused("a: *nowhere\n", 1, "");
    }

    #[test]
    fn refusals_name_the_line() {
        refused("role: web\nrole: db\n", 2, "\"role\" stands twice");
        refused("a:\n  b: 1\n  b: 2\n", 3, "\"b\" stands twice");
        refused("a:\n  $serde_json::private::RawValue: 1\n", 2, "is reserved");
        refused("- a\n- b\n", 3, "not a map of facts");
        refused("role\n", 1, "not a map of facts");
        refused("a: b\n---\nc: d\n", 2, "second document");
        refused("a: b\n\tc: d\n", 2, "found a tab");
        refused("a: [1, 2\nb: c\n", 2, "");
        refused("a: \"open\n", 1, "unclosed quote");
        refused("? [a]\n: b\n", 1, "a key must be a plain word");
        refused("a: b: c\n", 1, "");
    }

    #[test]
    fn limits_hold() {
        let nested = |levels: usize| format!("a: {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        refused(&nested(DEPTH_MAX + 1), 1, "nested deeper");
        refused(&nested(100_000), 1, "recursion limit");
        let items = "- x\n".repeat(VALUES_MAX);
        assert!(parse(&format!("a:\n{items}")).unwrap_err().what.contains("more than"));
        // Each line repeats the one before ten times.
        let bomb: String = (1..9)
            .map(|i| format!("k{i}: &k{i} [{}]\n", vec![format!("*k{}", i - 1); 10].join(",")))
            .collect();
        refused(&format!("k0: &k0 x\n{bomb}"), 6, "more than");
        // A few values that are long, as a text, as a key, and behind another alias.
        let long = "x".repeat(FACTS_BYTES_MAX / 4);
        let repeat = |times: usize| format!("b: [{}]\n", vec!["*x"; times].join(","));
        for (value, times) in [(long.clone(), 4), (format!("{{? {long}\n: 1}}"), 3)] {
            assert!(parse(&format!("a: &x {value}\n{}", repeat(times))).is_ok());
            let error = parse(&format!("a: &x {value}\n{}", repeat(19_000))).unwrap_err();
            assert!(error.what.contains("aliases repeat"), "{error:?}");
        }
        refused(&format!("a: &y {long}\nx: &x [*y, *y]\n{}", repeat(2)), 3, "aliases repeat");
        refused("\r\r- ", 3, "not a map of facts");
        // Depth counts through aliases as well.
        let stairs: String = (1..12).map(|i| format!("k{i}: &k{i} [*k{}]\n", i - 1)).collect();
        refused(&format!("k0: &k0 x\n{stairs}"), DEPTH_MAX + 2, "nested deeper");
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_anything(text in "([a-c]: |- |[&*]x |<<: |[\\[\\]{},?:'\"|>!#\t \n.0-9_]|.){0,40}") {
            for rules in [Rules::Strict, Rules::Facter] {
                if let Err(error) = super::parse(&text, rules) {
                    // YAML ends a line at a lone carriage return, too.
                    let lines = text.split(['\n', '\r']).count();
                    proptest::prop_assert!(error.line <= lines, "{error:?}");
                }
            }
        }
    }
}
