//! Tables: declarations that are taken or refused, and inputs checked against one.

use serde_json::{Map, Value, json};

use super::*;

const METADATA: &str = r#"{"name":"demo","description":"d","author":"a","license":"Apache-2.0",
    "version":"1.0.0","url":"https://example.com","timeout":10}"#;

fn with_action(action: &str) -> String {
    format!(r#"{{"$schema":"x","metadata":{METADATA},"actions":[{action}]}}"#)
}

fn with_input(input: &str) -> String {
    with_action(&format!(r#"{{"action":"go","description":"d","input":{{"i":{input}}}}}"#))
}

fn refused(text: &str, at: &str, what: &str) {
    let error = Ddl::parse(text.as_bytes()).expect_err(text);
    assert_eq!(error.at, at, "{error}");
    assert!(error.what.contains(what), "{error}");
}

#[test]
fn wrong_declarations_are_refused_by_place() {
    refused("[]", "declaration", "JSON object");
    refused("{", "declaration", "EOF");
    refused(r#"{"metadata":{},"metadata":{}}"#, "declaration", "stands twice");
    refused("{}", "metadata", "missing");
    refused(&format!(r#"{{"metadata":{METADATA},"actions":[]}}"#), "actions", "at least one");
    refused(&with_action("3"), "actions[0]", "object");
    refused(&with_action(r#"{"action":"Go"}"#), "actions[0].action", "not valid");
    refused(&with_action(r#"{"action":"go"}"#), "actions[go].description", "missing");
    let go = r#""action":"go","description":"d""#;
    refused(&with_action(&format!("{{{go}}},{{{go}}}")), "actions[go]", "twice");
    refused(&with_action(&format!(r#"{{{go},"effekt":"read"}}"#)), "actions[go].effekt", "effect");
    refused(&with_action(&format!(r#"{{{go},"effect":"none"}}"#)), "actions[go].effect", "read");
    refused(&with_action(&format!(r#"{{{go},"item":"x"}}"#)), "actions[go].item", "none of");
    refused(
        &with_action(&format!(r#"{{{go},"aggregate":[{{"function":"summary","args":["x"]}}]}}"#)),
        "actions[go].aggregate",
        "none of the outputs",
    );
    refused(
        &with_action(r#"{"action":"go","description":"\u001b[2J"}"#),
        "actions[go].description",
        "control",
    );
    for (from, to, at) in [
        (r#""timeout":10"#, r#""timeout":0"#, "metadata.timeout"),
        (r#""timeout":10"#, r#""timeout":1e9"#, "metadata.timeout"),
        (r#""version":"1.0.0""#, r#""version":"new""#, "metadata.version"),
        (r#""name":"demo""#, r#""name":"../x""#, "metadata.name"),
        (r#""url":"https://example.com","#, "", "metadata.url"),
    ] {
        let text = with_action(&format!("{{{go}}}")).replace(from, to);
        assert_eq!(Ddl::parse(text.as_bytes()).expect_err(&text).at, at);
    }
}

#[test]
fn wrong_inputs_of_declarations_are_refused_by_place() {
    let at = |key: &str| format!("actions[go].input.i{key}");
    let text = |rest: &str| {
        with_input(&format!(r#"{{"prompt":"p","description":"d","type":"string"{rest}}}"#))
    };
    refused(&with_input("{}"), &at(".type"), "missing");
    refused(&with_input(r#"{"type":"text"}"#), &at(".type"), "string, boolean");
    refused(&text(""), &at(".validation"), "missing");
    refused(&text(r#","validation":".*""#), &at(".maxlength"), "missing");
    refused(
        &text(r#","validation":"puppet_tags","maxlength":9"#),
        &at(".validation"),
        "no validator",
    );
    refused(&text(r#","validation":"(","maxlength":9"#), &at(".validation"), "regular expression");
    refused(&text(r#","validation":"","maxlength":9"#), &at(".validation"), "empty");
    refused(&text(r#","validation":"(a{999}){999}","maxlength":9"#), &at(".validation"), "size");
    refused(
        &text(r#","validation":"^a$","maxlength":9,"default":"b""#),
        &at(".default"),
        "matched by",
    );
    refused(&with_input(r#"{"type":"list"}"#), &at(".list"), "missing");
}

fn demo() -> Action {
    let text = with_action(
        r#"{"action":"go","description":"d","effect":"read","item":"word","input":{
            "word":{"prompt":"p","description":"the word","type":"string","validation":"^\\w+$","maxlength":5},
            "safe":{"prompt":"p","description":"d","type":"string","validation":"shellsafe","maxlength":0,"optional":true},
            "v4":{"prompt":"p","description":"d","type":"string","validation":"ipv4address","maxlength":40,"optional":true},
            "v6":{"prompt":"p","description":"d","type":"string","validation":"ipv6address","maxlength":40,"optional":true},
            "ip":{"prompt":"p","description":"d","type":"string","validation":"ipaddress","maxlength":40,"optional":true},
            "unit":{"prompt":"p","description":"d","type":"string","validation":"service_name","maxlength":40,"optional":true},
            "free":{"prompt":"p","description":"d","type":"string","validation":"typecheck","maxlength":40,"optional":true},
            "flag":{"prompt":"p","description":"d","type":"boolean","optional":true,"default":true},
            "whole":{"prompt":"p","description":"d","type":"integer","optional":false,"default":7},
            "number":{"prompt":"p","description":"d","type":"number","optional":true},
            "mode":{"prompt":"p","description":"d","type":"list","list":["all",2],"optional":true},
            "map":{"prompt":"p","description":"d","type":"hash","optional":true},
            "many":{"prompt":"p","description":"d","type":"array","optional":true}},
          "output":{"a":{"description":"d","display_as":"A","default":0,"group":true},
                    "b":{"description":"d","display_as":"B"}},
          "aggregate":[{"function":"summary","args":["a",{"format":"%5d","labels":{"0":"none"}}]},
                       {"function":"nagios_states","args":["b"]}]}"#,
    );
    let ddl = Ddl::parse(text.as_bytes()).unwrap();
    ddl.actions.into_values().next().unwrap()
}

#[test]
fn a_declaration_is_read_whole() {
    let action = demo();
    assert_eq!(action.effect, Effect::Read);
    assert_eq!(action.display, Display::Failed);
    assert_eq!(action.grouped().collect::<Vec<_>>(), ["a"]);
    assert_eq!(action.aggregate[0].function, Function::Summary);
    assert_eq!(action.aggregate[0].labels["0"], "none");
    assert_eq!(action.aggregate[1].function, Function::Foreign);
    let mut data = Map::new();
    action.fill_outputs(&mut data);
    assert_eq!(Value::Object(data), json!({"a": 0}));
    let inputs = action.check_inputs(json!({"word": "x"}).as_object().unwrap()).unwrap();
    assert_eq!(action.item_of(&inputs).as_deref(), Some("x"));
    let plain = Ddl::parse(with_action(r#"{"action":"go","description":"d"}"#).as_bytes()).unwrap();
    assert!(plain.actions.values().all(Action::changes), "undeclared means change");
}

/// Checks `word=x` and one more input: `want` is a part of the error, or empty.
fn check(name: &str, value: Value, want: &str) {
    let mut given = Map::new();
    given.insert("word".into(), "x".into());
    given.insert(name.into(), value);
    match demo().check_inputs(&given) {
        Ok(checked) => {
            assert_eq!(want, "", "{given:?} was taken");
            assert_eq!(checked[name], given[name]);
        }
        Err(error) => {
            assert!(!want.is_empty() && error.to_string().contains(want), "{given:?}: {error}");
        }
    }
}

#[test]
fn inputs_are_checked() {
    check("word", json!("abc_9"), "");
    check("word", json!("abcdef"), "6 characters long, at most 5");
    check("word", json!("äöü"), "matched by");
    check("word", json!("١٢"), "matched by");
    check("word", json!("a\n"), "matched by");
    check("word", json!(3), "must be text, not 3");
    check("word", Value::Null, "must be text");
    check("wrod", json!("x"), "nearest: word");
    check("zzzzzz", json!("x"), "it takes flag, free");
    check("safe", json!("a b & c"), "");
    for bad in ["`id`", "$HOME", "a;b", "a|b", "a&&b", "a>b", "a<b", "a\nb"] {
        check("safe", json!(bad), "must not contain");
    }
    check("safe", json!("x".repeat(70_000)), "at most 65536");
    check("v4", json!("192.0.2.1"), "");
    check("v4", json!("192.0.2.256"), "an IPv4 address");
    check("v4", json!("::1"), "an IPv4 address");
    check("v6", json!("2001:db8::1"), "");
    check("v6", json!("192.0.2.1"), "an IPv6 address");
    check("ip", json!("::1"), "");
    check("ip", json!("192.0.2.1"), "");
    check("ip", json!("localhost"), "an IP address");
    check("unit", json!("getty@tty1.service"), "");
    check("unit", json!("a/b"), "service's name");
    check("free", json!("$;|"), "");
    check("free", json!("a\0b"), "NUL");
    check("flag", json!(false), "");
    check("flag", json!("false"), "must be true or false");
    check("whole", json!(-3), "");
    check("whole", json!(1.5), "whole number, not 1.5");
    check("number", json!(1.5), "");
    check("number", json!("1"), "a number");
    check("mode", json!("all"), "");
    check("mode", json!(2), "");
    check("mode", json!("2"), "one of all, 2");
    check("map", json!({"a": 1}), "");
    check("map", json!([]), "a JSON object");
    check("many", json!([1]), "");
    check("many", json!({}), "a JSON array");
}

#[test]
fn what_is_left_out() {
    let action = demo();
    let error = action.check_inputs(&Map::new()).unwrap_err();
    assert_eq!(error.to_string(), "input word: missing; the word");
    let checked = action.check_inputs(json!({"word": "x"}).as_object().unwrap()).unwrap();
    assert_eq!(Value::Object(checked), json!({"word": "x", "whole": 7}), "optional: no default");
}

fn words(given: &[(&str, &str)], want: Result<Value, &str>) {
    let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    match (demo().inputs_from_words(&given), want) {
        (Ok(got), Ok(want)) => assert_eq!(Value::Object(got), want),
        (Err(got), Err(part)) => assert!(got.to_string().contains(part), "{got}"),
        (got, want) => panic!("{given:?}: got {got:?}, want {want:?}"),
    }
}

#[test]
fn words_are_read_by_type() {
    words(&[("word", "x")], Ok(json!({"word": "x", "whole": 7})));
    words(
        &[("word", "7"), ("whole", "-1"), ("flag", "YES"), ("number", "2.5"), ("mode", "2")],
        Ok(json!({"word": "7", "whole": -1, "flag": true, "number": 2.5, "mode": 2})),
    );
    words(
        &[("word", "x"), ("map", r#"{"a":[1]}"#), ("many", "[]"), ("number", "3")],
        Ok(json!({"word": "x", "whole": 7, "map": {"a": [1]}, "many": [], "number": 3})),
    );
    words(&[("word", "x"), ("word", "y")], Err("given twice"));
    words(&[("word", "x"), ("flag", "maybe")], Err("true or false, not maybe"));
    words(&[("word", "x"), ("whole", "1.0")], Err("whole number, not 1.0"));
    words(&[("word", "x"), ("number", "inf")], Err("a number"));
    words(&[("word", "x"), ("map", "[")], Err("JSON object"));
    words(&[("word", "x"), ("mode", "some")], Err("one of all, 2"));
    words(&[("wrd", "x")], Err("nearest: word"));
}
