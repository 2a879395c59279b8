//! Terms one by one: what they match, where they are wrong, and that no input breaks them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::Add as _;

use marcato_core::limits::filter::{EXPRESSION_NEST_MAX, REGEXES_MAX, TERM_BYTES_MAX};
use marcato_core::limits::protocol::FILTER_TERMS_MAX;
use marcato_core::{Facts, Terms};
use marcato_filter::{Fault, Filter, FilterError, Host, TermKind, flags_have_values, from_flags};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fact(term: &str) -> Terms {
    Terms { facts: vec![term.to_owned()], ..Terms::default() }
}

fn terms_of(kind: TermKind, term: &str) -> Terms {
    let given = vec![term.to_owned()];
    match kind {
        TermKind::Fact => fact(term),
        TermKind::Class => Terms { classes: given, ..Terms::default() },
        TermKind::Identity => Terms { identities: given, ..Terms::default() },
        TermKind::Agent => Terms { agents: given, ..Terms::default() },
        TermKind::Expression => Terms { expressions: given, ..Terms::default() },
        TermKind::With => from_flags(&given, Terms::default()).unwrap(),
    }
}

fn matches(terms: &Terms, facts: Facts) -> Result<bool, FilterError> {
    let identity = "web1.example.com".parse().unwrap();
    let agents = ["package".parse().unwrap()];
    let classes = ["role::web".to_owned()];
    let host = Host { identity: &identity, facts: &facts, classes: &classes, agents: &agents };
    Ok(Filter::parse(terms)?.matches(&host))
}

/// Whether `f` with this value passes the term.
fn check(value: Value, term: &str, want: bool) {
    let facts = Facts::from([("f".to_owned(), value.clone())]);
    assert_eq!(matches(&fact(term), facts).unwrap(), want, "{value} {term}");
}

#[test]
fn operators() {
    check(json!("x"), "f=x", true);
    check(json!("x"), "f==x", true);
    check(json!("/x/"), "f==/x/", true);
    check(json!("axb"), "f==/x/", false);
    check(json!("axb"), "f=/x/", true);
    check(json!("axb"), "f=/X/i", true);
    check(json!("axb"), "f=~X", false);
    check(json!("axb"), "f=~/X/i", true);
    check(json!("axb"), "f!=/x/", false);
    check(json!("axb"), "f!~x", false);
    check(json!("axb"), "f!~/y/", true);
    check(json!("axb"), "f!~/X/i", false);
    check(json!("/etc/hosts"), "f=/etc/hosts", true);
    check(json!("/etc/hosts"), "f=~/etc", true);
    check(json!("k=>v"), "f=k=>v", true);
    check(json!("a\nb"), "f=/^b$/", true);
    check(json!("a\nb"), "f=/a.b/", false);
    check(json!(8.5), "f<10", true);
    check(json!(4), "f>=4.0", true);
    check(json!(1e20), "f>9", true);
    check(json!(1e20), "f=1.0e+20", true);
    check(json!(null), "f=", true);
    check(json!(null), "f!=", false);
    check(json!(false), "f=false", true);
    check(json!("5.10.0"), "f>4", true);
    check(json!("x "), "f=x ", true);
    check(json!("x"), "f  =  x", true);
    // The line end of what a term was taken from; between lines it is of the text.
    check(json!("x"), "f=x\n", true);
    check(json!("x"), "f!=x\n", false);
    check(json!("axb"), "f=/x/\n", true);
    check(json!("a\nb"), "f=a\nb", true);
    check(json!("x"), "f=x\ny", false);
    check(json!("x"), "f=x\r\n", false);
}

#[test]
fn names_with_blanks() {
    let host = || Facts::from([("a b".to_owned(), json!("x"))]);
    let check = |kind, term: &str, want: bool| {
        assert_eq!(matches(&terms_of(kind, term), host()).unwrap(), want, "{term}");
    };
    check(TermKind::Fact, "a b=/x/", true);
    check(TermKind::Fact, "a b = /X/i", true);
    check(TermKind::Fact, "a b=/y/", false);
    check(TermKind::Fact, "a b!=/y/", true);
    check(TermKind::Fact, "a  b=/x/", false);
    check(TermKind::Fact, " a b=/x/", false);
    check(TermKind::Expression, "\"a b\"=x", true);
    check(TermKind::Expression, "'a b' = /x/ and not 'a b'=y", true);
    check(TermKind::Expression, "'a b'>=x", true);
    check(TermKind::Expression, "'a\tb'=x", false);
}

#[test]
fn an_agent_that_every_node_has() {
    let check = |agent: &str, want: bool| {
        let terms = terms_of(TermKind::Agent, agent);
        assert_eq!(matches(&terms, Facts::new()).unwrap(), want, "{agent}");
    };
    check("mcollective", true);
    check("MCOLLECTIVE", false);
    check("/mcollective/", false);
}

#[test]
fn facts_with_many_values() {
    check(json!(["a", 3]), "f=3", true);
    check(json!(["a", 3]), "f!=a", false);
    check(json!(["a", 3]), "f!=b", true);
    check(json!([]), "f!=b", false);
    check(json!([["a"]]), "f=a", false);
    check(json!([["a"]]), "f!=a", true);
    check(json!([{"k": "v"}]), "f!=v", true);
    check(json!([{"k": "v"}]), "f!~k", true);
    check(json!([{"k": "v"}, "k"]), "f!=/k/", false);
    check(json!({"a": "b"}), "f=a", true);
    check(json!({"a": "b"}), "f=b", false);
    check(json!({}), "f!=a", false);
    assert!(!matches(&fact("missing!=x"), Facts::new()).unwrap());
}

#[test]
fn kinds_are_anded_and_identities_ored() {
    let check = |facts: &[&str], classes: &[&str], identities: &[&str], agents: &[&str], want| {
        let own = |terms: &[&str]| terms.iter().map(|term| (*term).to_owned()).collect();
        let terms = Terms {
            facts: own(facts),
            classes: own(classes),
            identities: own(identities),
            agents: own(agents),
            ..Terms::default()
        };
        let host = Facts::from([("f".to_owned(), json!("x"))]);
        assert_eq!(matches(&terms, host).unwrap(), want, "{terms:?}");
    };
    check(&[], &[], &[], &[], true);
    check(&["f=x"], &["role::web"], &["web1.example.com"], &["package"], true);
    check(&["f=y"], &[], &["web1.example.com"], &[], false);
    check(&[], &["role::web", "role::db"], &[], &[], false);
    check(&[], &["/^role/", "/WEB/i"], &[], &[], true);
    check(&[], &[], &["web9", "/^web1\\./"], &[], true);
    check(&[], &[], &["web1"], &[], false);
    check(&[], &[], &[], &["package", "service"], false);
    check(&[], &[], &[], &["/^pack/"], true);
}

/// Where a term is wrong, marked under it as a person sees it, and how.
fn refused(kind: TermKind, term: &str, marks: &str, fault: &str) {
    let error = Filter::parse(&terms_of(kind, term)).unwrap_err();
    assert_eq!(error.term, term);
    let at = term[..error.span.start].chars().count();
    let width = term[error.span.clone()].chars().count();
    let drawn = format!("{}{}", " ".repeat(at), "^".repeat(width.max(1)));
    assert_eq!(drawn, marks, "{term}: {error}");
    assert!(error.fault.to_string().contains(fault), "{term}: {error}");
    assert!(error.to_string().starts_with(&format!("{} '", kind.flag())), "{error}");
}

#[test]
fn refusals_mark_the_place() {
    use TermKind::{Agent, Class, Fact, Identity};
    refused(Fact, "role", "^^^^", "has no operator");
    refused(Fact, "=web", "^", "no fact before");
    refused(Fact, "my role=web", "  ^", "blank in the fact's name; a name with blanks stands");
    refused(Fact, "my role=~/web/", "  ^", "blank in the fact's name");
    refused(Fact, "my\u{3000}role=/web/", "  ^", "blank in the fact's name");
    refused(Fact, "\nrole=/web/", "^", "blank in the fact's name");
    refused(Fact, "role>", "     ^", "no value after >");
    refused(Fact, "role=>", "      ^", "no value after =>");
    refused(Fact, "role=~ ", "       ^", "no value after =~");
    refused(Fact, "role!~", "      ^", "no value after !~");
    refused(Fact, "role=/", "     ^", "nothing in its regular expression");
    refused(Fact, "role!=//", "      ^^", "nothing in its regular expression");
    refused(Fact, "role=~//i", "      ^^^", "nothing in its regular expression");
    refused(Fact, "role=/(?i)/", "      ^^^^", "nothing in its regular expression");
    refused(Fact, "role=/a[/", "       ^", "unclosed character class");
    refused(Fact, "role=/ü(/", "       ^", "unclosed group");
    refused(Fact, "role=~(?=x)", "      ^^^", "look-around");
    refused(Fact, r"role=~(x)\1", "         ^^", "backreferences");
    refused(Fact, r"role=~\w{3000}", "      ^^^^^^^^", "too large");
    refused(Fact, " ", "^", "is empty");
    refused(Class, "", "^", "is empty");
    refused(Class, "/lives", "^", "that no / closes");
    refused(Class, "/[x/", " ^", "unclosed character class");
    refused(Identity, "/", "^", "nothing in its regular expression");
    refused(Agent, "//", "^^", "nothing in its regular expression");
}

#[test]
fn refusals_of_expressions_mark_the_place() {
    let refused = |term, marks, fault| refused(TermKind::Expression, term, marks, fault);
    refused(" ", "^", "is empty");
    refused("not", "   ^", "lacks a class or a FACT=VALUE");
    refused("a and", "     ^", "lacks a class");
    refused("a and or b", "      ^^", "lacks a class");
    refused("&& b", "^", "lacks a class");
    refused("()", " ^", "lacks a class");
    refused("''", "^^", "lacks a class");
    refused("a bcd e", "  ^^^", "lacks `and` or `or`");
    refused("f=a b", "    ^", "lacks `and` or `or`");
    refused("f=a(b)", "   ^", "lacks `and` or `or`");
    refused("(a b)", "   ^", "lacks `and` or `or`");
    refused("ü (a", "  ^", "lacks `and` or `or`");
    refused("a or (b", "     ^", "opens a parenthesis");
    refused("a) or b", " ^", "closes a parenthesis");
    refused("f='a or b", "  ^", "opens a quote");
    refused("f=~(a|b)", "   ^", "value with parentheses");
    refused("a or =b", "     ^", "no fact before");
    refused("a or !=b", "     ^^", "no fact before");
    refused("a or f< or b", "       ^", "no value after <");
    refused("a or /lives", "     ^", "no / closes");
    refused("a or /[x/", "      ^", "unclosed character class");
    refused("ü or f=/a[/ or b", "         ^", "unclosed character class");
    refused("f=~'a[' or b", "   ^^^^", "unclosed character class");
    refused("f=// or b", "  ^^", "nothing in its regular expression");
    let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    let terms = |term: &str| terms_of(TermKind::Expression, term);
    assert!(Filter::parse(&terms(&deep(EXPRESSION_NEST_MAX))).is_ok());
    assert!(Filter::parse(&terms(&"!".repeat(TERM_BYTES_MAX - 1).add("a"))).is_ok());
    let error = Filter::parse(&terms(&deep(EXPRESSION_NEST_MAX + 1))).unwrap_err();
    assert_eq!((error.fault, error.span.start), (Fault::TooDeep, EXPRESSION_NEST_MAX));
}

#[test]
fn expressions() {
    let facts = json!({
        "a": "x y", "path": "/etc/hosts", "r": "/x/", "n": 8.5, "os": {"release": {"major": "8"}},
        "empty": "", "list": ["p", "q"],
    });
    let facts: Facts = serde_json::from_value(facts).unwrap();
    let check = |term: &str, want: bool| {
        let terms = terms_of(TermKind::Expression, term);
        assert_eq!(matches(&terms, facts.clone()).unwrap(), want, "{term}");
    };
    check("a='x y'", true);
    check(r#"a=="x y" && role::web"#, true);
    check("a=/x y/", true);
    check("a=~'^X|y$'", true);
    check("a='/x/'", false);
    check("r='/x/'", true);
    check("r!='/x/'", false);
    check("r=/^x/", false);
    check("r==/x/", true);
    check("a=~'/X Y/i'", true);
    check("path=/etc/hosts", true);
    check("path=/etc/", true);
    check("n<10 and n=>8.5 and n=<8.5", true);
    check("os.release.major=8 and list.1=q", true);
    check("missing=x or missing!=x", false);
    check("not missing=x", true);
    check("empty= and list!=z", true);
    check("role::web || nothing", true);
    check("'role::web'", true);
    check("'/web/'", false);
    check("/WEB/i", true);
}

#[test]
fn limits_hold() {
    let fault = |terms: &Terms| Filter::parse(terms).unwrap_err().fault;
    let facts = |terms: Vec<String>| Terms { facts: terms, ..Terms::default() };
    let long = format!("f={}", "x".repeat(TERM_BYTES_MAX));
    assert_eq!(fault(&fact(&long)), Fault::TooLong);
    assert!(Filter::parse(&fact(&long[..TERM_BYTES_MAX])).is_ok());
    let many = vec!["f=x".to_owned(); FILTER_TERMS_MAX + 1];
    assert_eq!(fault(&facts(many)), Fault::TooManyTerms(FILTER_TERMS_MAX + 1));
    let patterns = facts(vec!["f=/x/".to_owned(); REGEXES_MAX]);
    assert!(Filter::parse(&patterns).is_ok());
    let joined = terms_of(TermKind::Expression, &["a"; FILTER_TERMS_MAX].join(" or "));
    assert!(Filter::parse(&joined).is_ok());
    let more = Terms { facts: vec!["f=x".to_owned()], ..joined };
    assert_eq!(fault(&more), Fault::TooManyTerms(FILTER_TERMS_MAX + 1));
    let ored = terms_of(TermKind::Expression, &["/x/"; REGEXES_MAX + 1].join(" or "));
    assert_eq!(fault(&ored), Fault::TooManyPatterns);
    let one_more = Terms { classes: vec!["/x/".to_owned()], ..patterns };
    assert_eq!(fault(&one_more), Fault::TooManyPatterns);
    let nested = format!("f=~{}x{}", "(".repeat(500), ")".repeat(500));
    assert!(matches!(fault(&fact(&nested)), Fault::Pattern(_)));
    // What runs exponentially in backtracking engines.
    let facts = Facts::from([("f".to_owned(), json!("a".repeat(100_000)))]);
    assert!(!matches(&fact("f=/^(a+)+(a|aa)*$b/"), facts).unwrap());
}

#[test]
fn words_of_with_become_facts_or_classes() {
    let check = |with: &str, facts: &[&str], classes: &[&str]| {
        let terms = from_flags(&[with.to_owned()], Terms::default()).unwrap();
        assert_eq!((terms.facts, terms.classes), (own(facts), own(classes)), "{with}");
    };
    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }
    check("role=web common", &["role=web"], &["common"]);
    check("  a!~b\tc ", &["a!~b"], &["c"]);
    check("=x =", &[], &["=x", "="]);
    check("/^role=/", &[], &["/^role=/"]);
    check("a\x0bb\x0cc\rd\n", &[], &["a", "b", "c", "d"]);
    check("title=山田\u{3000}太郎 a\u{a0}b", &["title=山田\u{3000}太郎"], &["a\u{a0}b"]);
    let refused = |with: &str, place: &str, fault: &str| {
        let error = from_flags(&[with.to_owned()], Terms::default()).unwrap_err();
        assert_eq!((error.kind, &*error.term), (TermKind::With, with));
        assert_eq!(&with[error.span.clone()], place, "{error}");
        assert!(error.to_string().starts_with("-W '"), "{error}");
        assert!(error.fault.to_string().contains(fault), "{error}");
    };
    for blank in ["", "  ", "\t", "\u{3000}"] {
        refused(blank, blank, "is empty");
    }
    refused("common  f=/ü(/ g", "(", "unclosed group");
    refused(" common /lives\n", "/", "no / closes");
    refused("common f>", "", "no value after >");
    refused("common =x f=//", "//", "nothing in its regular expression");
}

#[test]
fn explained_in_one_line() {
    let explain = |terms: &Terms| Filter::parse(terms).unwrap().explain();
    assert_eq!(explain(&Terms::default()), "every node");
    assert_eq!(explain(&fact("a=b\n\u{1b}[31m")), "a=b\\n\\u{1b}[31m");
    let terms = Terms {
        facts: vec!["role=web".into()],
        classes: vec!["common".into()],
        identities: vec!["web1".into(), "/^db/".into()],
        agents: vec!["package".into()],
        expressions: vec!["rack=r1 or ntp".into()],
    };
    assert_eq!(
        explain(&terms),
        "role=web, class common, agent package, (rack=r1 or ntp), web1 or /^db/"
    );
    let filter = Filter::parse(&terms).unwrap();
    assert_eq!(filter.fact_names().collect::<Vec<_>>(), ["role", "rack"]);
    assert_eq!(filter.named_identities().collect::<Vec<_>>(), ["web1"]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        ".{0,8}".prop_map(Value::from),
    ];
    plain.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn terms_without_a_regular_expression() {
    let check = |kind, term: &str, want: bool| {
        assert_eq!(Filter::is_plain(&terms_of(kind, term)), want, "{term}");
    };
    for plain in ["f=x", "f==/x/", "f=/x", "f!=x", "f<1", "f>=/x/", "f", "=", "f=/", "f=//"] {
        check(TermKind::Fact, plain, true);
    }
    for pattern in ["f=/x/", "f = /x/i", "f!=/x/", "f=~x", "f!~x", "f=~/x/"] {
        check(TermKind::Fact, pattern, false);
    }
    for kind in [TermKind::Class, TermKind::Identity, TermKind::Agent] {
        check(kind, "web1", true);
        check(kind, "/web", true);
        check(kind, "/web/", false);
        check(kind, "/web/i", false);
    }
    let expressions = [
        ("a or f=x and r='/x/'", true),
        ("a or /x/", false),
        ("a or f!=/x/", false),
        ("a or f=~x", false),
        ("f=/x/ or", true),
    ];
    for (term, want) in expressions {
        check(TermKind::Expression, term, want);
    }
}

proptest! {
    #[test]
    fn no_term_breaks_anything(
        term in ".{0,30}|f[=!<>~]{1,2} ?/?.{0,20}/?i?|((not |!|\\(|and |or |f=|/|'|\\)|.){0,3} ?){0,9}",
    ) {
        use TermKind::{Agent, Class, Expression, Fact, Identity};
        for kind in [Fact, Class, Identity, Agent, Expression] {
            if let Err(error) = Filter::parse(&terms_of(kind, &term)) {
                // The place can be cut out of the term, that is, it lies on characters.
                prop_assert!(error.term.get(error.span.clone()).is_some(), "{error:?}");
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }

    #[test]
    fn the_lines_in_words_say_what_the_whole_says(
        facts in prop::collection::vec("[ab](=|!=|<|=~)[12]|b[.]c=1", 0..3),
        expressions in prop::collection::vec("(not |!)?(a=1|b>1|role::web|/x/)( (and|or) (b=2|web))*", 0..3),
        classes in prop::collection::vec("role::web|/web/", 0..2),
        [a, b] in prop::array::uniform2(prop::sample::select(vec![json!(1), json!("2"), json!({"c": 1})])),
    ) {
        let terms = Terms { facts, classes, expressions, ..Terms::default() };
        let filter = Filter::parse(&terms).unwrap();
        let facts = Facts::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let identity = "web1".parse().unwrap();
        let classes = ["role::web".to_owned()];
        let host = Host { identity: &identity, facts: &facts, classes: &classes, agents: &[] };
        let lines = filter.verdict(&host);
        let all = lines.iter().filter(|line| line.depth == 0).all(|line| line.holds == Some(true));
        prop_assert_eq!(all, filter.matches(&host), "{:?}", lines);
        let words = |lines: Vec<marcato_filter::Line>| -> Vec<String> {
            lines.into_iter().map(|line| line.words).collect()
        };
        prop_assert_eq!(words(filter.in_words()), words(lines));
    }

    #[test]
    fn a_negation_is_the_opposite_where_there_are_values(value in any_value(), text in "[a-z0-9.]{1,3}") {
        let facts = Facts::from([("f".to_owned(), value.clone())]);
        let passes = |term: String| matches(&fact(&term), facts.clone()).unwrap();
        let has_values = match &value {
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            _ => true,
        };
        for (plain, opposite) in [("=", "!="), ("=~", "!~")] {
            let (yes, no) = (passes(format!("f{plain}{text}")), passes(format!("f{opposite}{text}")));
            prop_assert_eq!(no, has_values && !yes, "{} {}", value, text);
        }
    }

    #[test]
    fn of_two_ends_one_holds(value in "[0-9.]{1,6}|[a-z]{0,3}", bound in "[0-9.]{1,6}|[a-z]{1,3}") {
        let facts = Facts::from([("f".to_owned(), json!(value))]);
        let passes = |operator: &str| matches(&fact(&format!("f{operator}{bound}")), facts.clone()).unwrap();
        prop_assert_ne!(passes("<"), passes(">="));
        prop_assert_ne!(passes(">"), passes("<="));
        prop_assert_eq!(passes(">="), passes("=>"));
        prop_assert_eq!(passes("<="), passes("=<"));
    }
}

/// On a command line a value that is missing is rather a variable that is not set.
#[test]
fn values_that_are_missing() {
    let check = |facts: &[&str], expressions: &[&str], want: Option<&str>| {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let terms = Terms { facts: own(facts), expressions: own(expressions), ..Terms::default() };
        let error = Filter::has_values(&terms).err();
        let marked =
            error.map(|error| format!("{}|{}", &error.term[..error.span.start], error.fault));
        let want = want.map(|before| format!("{before}|{}", Fault::Unset));
        assert_eq!(marked, want, "{facts:?} {expressions:?}");
        assert!(Filter::parse(&terms).is_ok(), "an order may carry it");
    };
    check(&["role=web", "key=abc=", "role=/^$/"], &["role=\"\" or hagroup=c"], None);
    check(&["hagroup=c", "role="], &[], Some("role="));
    check(&["role!="], &[], Some("role!="));
    check(&["role == "], &[], Some("role == "));
    check(&[], &["hagroup=c and role="], Some("hagroup=c and role="));
    check(&[], &["role= and hagroup=c"], Some("role="));
    check(&[], &["not (role!=)"], Some("not (role!="));
}

/// The place is that in the flag which was typed.
#[test]
fn values_that_are_missing_in_a_flag_of_words() {
    let check = |with: &str, want: Option<(&str, &str)>| {
        let error = flags_have_values(&[with.to_owned()], &Terms::default()).err();
        let typed =
            error.as_ref().map(|error| (error.kind.flag(), &error.term[..error.span.start]));
        assert_eq!(typed, want, "{with:?}");
    };
    check("common role=web /a=/", None);
    check("common hagroup=c  role= x", Some(("-W", "common hagroup=c  role=")));
    let given = Terms { facts: vec!["role=".into()], ..Terms::default() };
    assert_eq!(flags_have_values(&[], &given).unwrap_err().kind, TermKind::Fact);
}

#[test]
fn what_a_registry_can_decide() {
    let check = |facts: &[&str], expressions: &[&str], want: Option<(&[&str], &[&str])>| {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let classes = own(&["common"]);
        let terms = |facts, expressions| Terms {
            facts: own(facts),
            expressions: own(expressions),
            classes: classes.clone(),
            ..Terms::default()
        };
        let filter = Filter::parse(&terms(facts, expressions)).unwrap();
        assert_eq!(filter.registered(), want.map(|(facts, expressions)| terms(facts, expressions)));
    };
    check(&["role=web"], &["not role=db"], None);
    check(&["role=web", "uptime_days>30"], &[], Some((&["role=web"], &[])));
    check(&["memory.system.total_bytes>1"], &["role=web or load_averages.1m<1"], {
        Some((&["memory.system.total_bytes>1"], &[]))
    });
}
