//! `allowed_signers`: the same answers as `ssh-keygen -Y verify`, and refusals with their reasons.

use std::cell::Cell;
use std::sync::LazyLock;

use marcato_protocol::allowed_signers::{AllowedSigners, SignerError};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::openssh::{Question, find_principals, key, keys, verifies};

const NAMESPACE: &str = "order.v1@marcato";
/// 2026-07-01T00:00:00Z
const JULY_2026: u64 = 1_782_864_000;

fn alice() -> PublicKey {
    key("ed25519").public()
}

/// A file from a text in which KEY stands for the ed25519 key and OTHER for an ecdsa key.
fn filled(text: &str) -> String {
    text.replace("KEY", &alice().to_string())
        .replace("OTHER", &key("ecdsa256").public().to_string())
}

fn parse(text: &str) -> Result<AllowedSigners, Vec<String>> {
    AllowedSigners::parse(&filled(text), "allowed_signers")
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The line that lets the ed25519 key sign for the principal in July 2026, or the refusal.
fn check(text: &str, principal: &str, namespace: &str, expected: Result<usize, &str>) {
    let signers = parse(text).unwrap();
    let found = signers.find(principal, &alice(), namespace, JULY_2026 * 1000);
    match (found, expected) {
        (Ok(entry), Ok(line)) => assert_eq!(entry.line(), line, "{text}"),
        (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
        (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn keys_are_found_by_name_key_namespace_and_time() {
    check("alice KEY", "alice", NAMESPACE, Ok(1));
    check("alice KEY a comment", "alice", NAMESPACE, Ok(1));
    check("# one\n\n  \talice\t KEY\r\n", "alice", NAMESPACE, Ok(3));
    check("bob,alice KEY", "alice", NAMESPACE, Ok(1));
    check("\"bob,alice\" KEY", "alice", NAMESPACE, Ok(1));
    check("alice OTHER\nalice KEY", "alice", NAMESPACE, Ok(2));
    check("alice KEY\nalice KEY", "alice", NAMESPACE, Ok(1));
    check("alice namespaces=\"file,order.v1@marcato\" KEY", "alice", NAMESPACE, Ok(1));
    check("alice NameSpaces=\"*@marcato\" KEY", "alice", NAMESPACE, Ok(1));
    check("alice namespaces=\"order.v?@*\" KEY", "alice", NAMESPACE, Ok(1));
    check(
        "alice namespaces=\"file\" KEY\nalice namespaces=\"order.*\" KEY",
        "alice",
        NAMESPACE,
        Ok(2),
    );
    check(
        "alice valid-after=\"20260101Z\",valid-before=\"20261231235959Z\" KEY",
        "alice",
        NAMESPACE,
        Ok(1),
    );
    let unknown = "mallory is not among the allowed signers";
    check("alice KEY", "mallory", NAMESPACE, Err(unknown));
    check("# alice KEY", "alice", NAMESPACE, Err("not among"));
    check("Alice KEY", "alice", NAMESPACE, Err("not among"));
    check("alice OTHER", "alice", NAMESPACE, Err("is not allowed to sign for alice"));
    check("bob KEY\nalice OTHER", "alice", NAMESPACE, Err("is not allowed to sign for alice"));
    let refused = "line 1 does not allow alice to sign in the namespace order.v1@marcato";
    check("alice namespaces=\"file\" KEY", "alice", NAMESPACE, Err(refused));
    check("alice namespaces=\"*,!order*\" KEY", "alice", NAMESPACE, Err(refused));
    check(
        "alice valid-after=\"202701010000Z\" KEY",
        "alice",
        NAMESPACE,
        Err("the key of alice on line 1 is not valid yet"),
    );
    check(
        "alice valid-before=\"20260101Z\" KEY",
        "alice",
        NAMESPACE,
        Err("the key of alice on line 1 is no longer valid"),
    );
    check(
        "alice namespaces=\"file\" KEY\nalice valid-before=\"20260101Z\" KEY",
        "alice",
        NAMESPACE,
        Err("on line 2 is no longer valid"),
    );
}

#[test]
fn validity_has_openssh_s_edges() {
    let text = "alice valid-after=\"20260701000000Z\",valid-before=\"20260701000001Z\" KEY";
    let signers = parse(text).unwrap();
    let ask = |ms: u64| signers.find("alice", &alice(), NAMESPACE, ms).map(drop);
    let (principal, line) = ("alice".to_owned(), 1);
    let early = SignerError::NotYetValid { principal, line };
    let principal = "alice".to_owned();
    let late = SignerError::NoLongerValid { principal, line };
    assert_eq!(ask(JULY_2026 * 1000 - 1), Err(early));
    assert_eq!(ask(JULY_2026 * 1000), Ok(()));
    assert_eq!(ask(JULY_2026 * 1000 + 1999), Ok(()));
    assert_eq!(ask(JULY_2026 * 1000 + 2000), Err(late));
}

#[test]
fn bad_lines_are_refused_with_line_and_reason() {
    let check = |line: &str, reason: &str| {
        let errors = parse(&format!("# a comment\n{line}\nbob KEY\n")).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let expected = format!("allowed_signers:2: {reason}");
        assert!(errors[0].starts_with(&expected), "{}", errors[0]);
    };
    check("alice", "no key: expected");
    check("\"alice\"", "no key: expected");
    check("alice namespaces=\"file\"", "no key: expected");
    check("alice ssh-ed25519", "not an SSH public key");
    check("KEY", "\"AAAAC3NzaC1lZDI1NTE5");
    check("alice ssh-ed25519 AAAA", "the SSH public key is malformed");
    check("alice ssh-ed25519 A*A", "the base64 of the public key is damaged");
    check("alice foo KEY", "\"foo\" is neither a known type of key nor");
    check("alice touch=\"yes\" KEY", "\"touch=\\\"yes\\\"\" is neither");
    check(",alice KEY", "an empty name stands among the principals");
    check("\"\" KEY", "an empty name stands among the principals");
    check("al\"ice\" KEY", "a quotation mark must enclose all");
    check("\"alice KEY", "a quotation mark must enclose all");
    check("* KEY", "\"*\": * ? and ! are allowed on cert-authority lines alone");
    check("bob,ali?e KEY", "\"ali?e\": * ? and !");
    check("!bob,alice KEY", "\"!bob\": * ? and !");
    check("* cert-authority KEY", "certificates are not supported yet");
    check("*@a cert-authority,namespaces=\"file\" KEY", "certificates are not supported yet");
    check("alice cert-authorityx KEY", "after the option cert-authority");
    check("alice namespaces=file KEY", "the value of the option namespaces must");
    check("alice namespaces=\"file KEY", "the value of the option namespaces must");
    check("alice namespaces=\"file\"x KEY", "after the option namespaces");
    check("alice namespaces=\"file\", KEY", "\"\" is neither");
    check("alice namespaces=\"\" KEY", "an empty name stands in namespaces");
    check("alice namespaces=\"a,,b\" KEY", "an empty name stands in namespaces");
    check(
        "alice namespaces=\"a\",namespaces=\"b\" KEY",
        "the option namespaces stands there twice",
    );
    check("alice valid-after=\"20260101\" KEY", "valid-after: the time must end in Z");
    check("alice valid-after=\"2026Z\" KEY", "valid-after: expected YYYYMMDDZ");
    check("alice valid-after=\"20260230Z\" KEY", "valid-after: expected");
    check("alice valid-after=\"19700101Z\" KEY", "valid-after: expected");
    check("alice valid-before=\"202601012460Z\" KEY", "valid-before: expected");
    check("alice valid-before=\"２０２６0101Z\" KEY", "valid-before: expected");
    check(
        "alice valid-after=\"20260102Z\",valid-before=\"20260102Z\" KEY",
        "valid-before is not after valid-after",
    );
    check("al\u{1b}[31mice KEY", "a control character or byte order mark");
    check("\u{feff}alice KEY", "a control character or byte order mark");
    check(&format!("{} KEY", "a".repeat(17_000)), "the line is longer than");
    check(
        "alice sk-ssh-ed25519@openssh.com AAAA",
        "a FIDO key is not supported yet: sk-ssh-ed25519@openssh.com",
    );
    check(
        "alice ssh-ed25519-cert-v01@openssh.com AAAA",
        "an SSH certificate is not supported yet: ssh-ed25519-cert-v01@openssh.com",
    );
    check("alice ssh-dss AAAA", "a DSA key is not supported: ssh-dss");
}

#[test]
fn all_bad_lines_are_told_at_once_up_to_a_limit() {
    let errors = parse("alice\nbob KEY\n* KEY\n").unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors[1].starts_with("allowed_signers:3: "));
    assert_eq!(parse(&"alice\n".repeat(1000)).unwrap_err().len(), 50);
    let huge = "#".repeat(5 * 1024 * 1024);
    assert!(parse(&huge).unwrap_err()[0].contains("the file is longer"));
}

#[test]
fn names_of_a_key_come_in_the_file_s_order() {
    let signers = parse("bob,alice KEY\ncarol OTHER\nalice,dave KEY").unwrap();
    assert_eq!(signers.principals_of(&alice()), ["bob", "alice", "dave"]);
    assert_eq!(signers.principals_of(&key("rsa3072").public()), [] as [&str; 0]);
    assert_eq!(signers.entries().len(), 3);
    assert_eq!(signers.entries()[2].principals(), ["alice", "dave"]);
    assert_eq!(*signers.entries()[0].key(), alice());
}

/// One armoured signature of each key, made once.
static SIGNATURES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sign = |key: &crate::openssh::Key| key.operator().sign(Namespace::Order, b"message");
    keys().iter().map(|key| sign(key).unwrap().to_armored()).collect()
});

/// Whether `ssh-keygen` accepts the key's signature for the principal in July 2026.
fn openssh_accepts(file: &str, principal: &str, key: usize, time: &str) -> bool {
    verifies(&Question {
        allowed_signers: file,
        principal,
        namespace: NAMESPACE,
        signature: &SIGNATURES[key],
        message: b"message",
        time: Some(time),
    })
}

/// Lines that OpenSSH reads and we refuse; each is a decision, with its reason in `LineReason`.
/// Were one of them to fail in OpenSSH too, it would not belong here.
#[test]
fn what_is_refused_although_openssh_reads_it() {
    for line in [
        "* KEY",
        "ali?e KEY",
        "!bob,alice KEY",
        "alice valid-after=\"20260101\" KEY",
        "alice valid-after=\"20260101UTC\" KEY",
        "alice valid-after=\"20260101z\" KEY",
        "alice namespaces=\"order.v1@marcato,,\" KEY",
        "alice, KEY",
        "al\"ice\" KEY",
    ] {
        let file = filled(line);
        assert!(openssh_accepts(&file, "alice", 0, "20260701000000Z"), "{line}");
        assert!(AllowedSigners::parse(&file, "f").is_err(), "{line}");
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let principals = prop::sample::select(vec![
        "alice",
        "bob",
        "carol",
        "alice,bob",
        "bob,carol",
        "\"alice,carol\"",
        "alice@a.b",
        "Alice",
        "\"alice smith\"",
    ]);
    let namespaces = prop::sample::select(vec![
        "order.v1@marcato",
        "file",
        "*",
        "*@marcato",
        "file,order*",
        "!order*,*",
        "*,!file",
        "order.v?@marcato",
        "order.v??@marcato",
        "*.v1*to",
        "o*r*r*o",
        "ORDER*",
        "or\\\"der",
        "order.v1@marcato*",
        "?*",
        "**",
        "a b,order*",
    ]);
    let times = || {
        prop::sample::select(vec![
            "20260101Z",
            "20260701Z",
            "202607010000Z",
            "20260701000000Z",
            "20260701000001Z",
            "20260630235959Z",
            "20240229Z",
            "20270101Z",
            "20381231Z",
            "20010101Z",
        ])
    };
    let option = prop_oneof![
        namespaces.prop_map(|value| format!("namespaces=\"{value}\"")),
        times().prop_map(|value| format!("valid-after=\"{value}\"")),
        times().prop_map(|value| format!("Valid-Before=\"{value}\"")),
    ];
    let options = prop::collection::vec(option, 0..3);
    let blank = || prop::sample::select(vec![" ", "  ", "\t", " \t "]);
    let comment = prop::sample::select(vec!["", " operator@host", "  two words", " # \"x"]);
    let lines = (principals, blank(), options, blank(), 0usize..2, comment);
    let signer = lines.prop_map(|(principals, blank, options, second, key, comment)| {
        let options = options.join(",");
        let key = keys()[key].public();
        let gap = if options.is_empty() { "" } else { second };
        format!("{principals}{blank}{options}{gap}{key}{comment}")
    });
    prop_oneof![
        8 => signer,
        1 => prop::sample::select(vec![String::new(), "# alice".to_owned(), "  \t".to_owned()]),
    ]
}

/// Every kind of key, on a line of its own.
#[test]
fn every_kind_of_key_is_found() {
    for (place, key) in keys().iter().enumerate() {
        let file = format!("alice {}", key.public_line());
        let signers = AllowedSigners::parse(&file, "f").unwrap();
        let found = signers.find("alice", &key.public(), NAMESPACE, JULY_2026 * 1000);
        assert_eq!(found.unwrap().line(), 1);
        assert!(openssh_accepts(&file, "alice", place, "20260701000000Z"));
    }
}

/// Random files of what both read: every answer is the same as that of `ssh-keygen -Y verify`.
#[test]
fn openssh_gives_the_same_answers() {
    let mut runner =
        TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let files = prop::collection::vec(any_line(), 1..5);
    let principal = prop::sample::select(vec!["alice", "bob", "carol", "alice@a.b", "alice smith"]);
    let moment = prop::sample::select(vec![
        ("20260701000000Z", JULY_2026),
        ("20260630235959Z", JULY_2026 - 1),
        ("20260701000001Z", JULY_2026 + 1),
        ("20260701000002Z", JULY_2026 + 2),
        ("20250101000000Z", 1_735_689_600),
    ]);
    let (accepted, refused) = (Cell::new(0u32), Cell::new(0u32));
    let cases = (files, principal, 0usize..2, moment);
    runner
        .run(&cases, |(lines, principal, key, (time, seconds))| {
            let file = lines.join("\n") + "\n";
            let public = keys()[key].public();
            // A clause twice in one line, or an empty span: both refuse the line.
            let Ok(signers) = AllowedSigners::parse(&file, "f") else {
                return Ok(());
            };
            let ours = signers.find(principal, &public, NAMESPACE, seconds * 1000);
            let theirs = openssh_accepts(&file, principal, key, time);
            prop_assert_eq!(ours.is_ok(), theirs, "{} {} {}", principal, time, file);
            let count = if theirs { &accepted } else { &refused };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted > 10 && refused > 10, "{accepted} to {refused}");
}

/// A single line that OpenSSH does not take is not taken here either.
#[test]
fn nothing_is_taken_that_openssh_refuses() {
    let mut runner =
        TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let pieces = prop::sample::select(vec![
        "alice",
        " ",
        "KEY",
        "\"",
        ",",
        "namespaces=",
        "\"order*\"",
        "valid-after=",
        "20260101Z",
        "valid-before=\"20270101Z\"",
        "cert-authority",
        "!",
        "*",
        "\\\"",
        "#",
        "=",
        "OTHER",
        "\t",
    ]);
    let tail = prop::collection::vec(pieces, 0..5);
    let place = any::<prop::sample::Index>();
    let taken = Cell::new(0u32);
    runner
        .run(&(tail, place), |(tail, place)| {
            // A good line with some pieces put in somewhere.
            let mut line: Vec<&str> = vec!["alice", " ", "namespaces=", "\"order*\"", " ", "KEY"];
            let place = place.index(line.len() + 1);
            line.splice(place..place, tail);
            let file = filled(&line.concat());
            let Ok(signers) = AllowedSigners::parse(&file, "f") else {
                return Ok(());
            };
            let found = signers.find("alice", &alice(), NAMESPACE, JULY_2026 * 1000);
            if found.is_ok() {
                taken.set(taken.get() + 1);
                let theirs = openssh_accepts(&file, "alice", 0, "20260701000000Z");
                prop_assert!(theirs, "{}", file);
            }
            Ok(())
        })
        .unwrap();
    assert!(taken.get() > 5, "{}", taken.get());
}

#[test]
fn openssh_finds_the_same_principals() {
    for text in [
        "bob,alice KEY\nalice OTHER",
        "carol OTHER\n\"alice\" KEY comment",
        "# KEY\nalice,bob,carol namespaces=\"*\" KEY",
        "alice OTHER",
    ] {
        let file = filled(text);
        let signers = AllowedSigners::parse(&file, "f").unwrap();
        assert_eq!(
            signers.principals_of(&alice()),
            find_principals(&file, &SIGNATURES[0]),
            "{text}"
        );
    }
}
