//! What may be used in which rooms: the clock, the network, processes, the terminal.

use super::tokens::{Kind, Token};
use super::{Finding, Source};

/// The rooms that are state machines: bytes, time and randomness come in as arguments.
const PURE: &[&str] = &[
    "crates/broker/src/parser.rs",
    "crates/broker/src/router.rs",
    "crates/broker/src/session.rs",
    "crates/core/src",
    "crates/filter/src",
    "crates/protocol/src",
    "crates/node/src/core",
    "crates/hub/src/core",
    "crates/client/src/core",
    "crates/rollout/src",
    "crates/sim/src",
];

/// The pure rooms that the simulator plays again, where even the order of a table counts.
const REPLAYED: &[&str] = &[
    "crates/core/src",
    "crates/filter/src",
    "crates/protocol/src",
    "crates/node/src/core",
    "crates/hub/src/core",
    "crates/client/src/core",
    "crates/rollout/src",
    "crates/sim/src",
];

/// The rooms of the programs and of the developers, which speak to a terminal.
const TALKERS: &[&str] = &["crates/marcato", "crates/sim/src/bin", "xtask"];

/// Where a rule holds; tests are left out but for `Everywhere`.
enum Scope {
    Everywhere,
    Inside(&'static [&'static str]),
    Outside(&'static [&'static str]),
}

/// A run of tokens that must not stand in some rooms.
struct Ban {
    words: &'static [&'static [&'static str]],
    scope: Scope,
    what: &'static str,
    instead: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        words: &[
            &["SystemTime", "::", "now"],
            &["Instant", "::", "now"],
            &["Timestamp", "::", "now"],
            &["Zoned", "::", "now"],
        ],
        scope: Scope::Inside(PURE),
        what: "a pure room reads the clock",
        instead: "take the time as an argument: only then can a run be played again from its seed",
    },
    Ban {
        words: &[&["thread_rng"], &["rand", "::", "rng"], &["OsRng"], &["SysRng"], &["getrandom"]],
        scope: Scope::Inside(PURE),
        what: "a pure room makes its own randomness",
        instead: "take the generator as an argument: only then can a run be played again from its seed",
    },
    Ban {
        words: &[&["HashMap"], &["HashSet"], &["RandomState"]],
        scope: Scope::Inside(REPLAYED),
        what: "a pure room walks through a table in random order",
        instead: "use BTreeMap or BTreeSet: the order of HashMap differs from run to run",
    },
    Ban {
        words: &[
            &["std", "::", "fs"],
            &["std", "::", "env"],
            &["std", "::", "thread"],
            &["std", "::", "process"],
            &["tokio", "::"],
        ],
        scope: Scope::Inside(PURE),
        what: "a pure room does I/O",
        instead: "return an effect and let the shell carry it out",
    },
    Ban {
        words: &[
            &["TcpStream"],
            &["TcpListener"],
            &["UdpSocket"],
            &["UnixStream"],
            &["UnixListener"],
            &["UnixDatagram"],
            &["SocketAddrNetlink"],
        ],
        scope: Scope::Outside(&["crates/broker", "crates/link", "xtask"]),
        what: "a socket outside broker and link",
        instead: "speak to the fleet through link; another socket needs a line with its reason in xtask/src/tidy/places.rs",
    },
    Ban {
        words: &[&["process", "::", "exit"], &["process", "::", "abort"]],
        scope: Scope::Outside(TALKERS),
        what: "a library ends the process",
        instead: "return an error; the program decides",
    },
    Ban {
        words: &[&["println", "!"], &["print", "!"], &["eprintln", "!"], &["eprint", "!"]],
        scope: Scope::Outside(TALKERS),
        what: "a library prints",
        instead: "return what is to be shown, or log it with tracing",
    },
    Ban {
        words: &[&["home_dir"], &["\"HOME\""]],
        scope: Scope::Outside(TALKERS),
        what: "a library looks up the home directory",
        instead: "take the path as an argument",
    },
    Ban {
        words: &[
            &["Command", "::", "new", "(", "\"sh\""],
            &["Command", "::", "new", "(", "\"bash\""],
            &["Command", "::", "new", "(", "\"/bin/sh\""],
            &["Command", "::", "new", "(", "\"/bin/bash\""],
            &["\"sh\"", ",", "\"-c\""],
            &["\"bash\"", ",", "\"-c\""],
            &["\"/bin/sh\"", ",", "\"-c\""],
            &["\"/bin/bash\"", ",", "\"-c\""],
        ],
        scope: Scope::Everywhere,
        what: "a command goes through a shell",
        instead: "start the program itself with a list of arguments: nothing is then quoted or expanded",
    },
];

/// Places that break a rule for a reason: path, the word, the reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("xtask/src/tidy/places.rs", "*", "the list itself"),
    ("crates/client/src/shell/signer.rs", "UnixStream", "the socket of the operator's ssh-agent"),
    (
        "crates/node/src/shell/facts/native/netlink.rs",
        "SocketAddrNetlink",
        "the kernel is asked for its network interfaces",
    ),
];

/// Names each use of what its room must not use.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(|source| BANS.iter().flat_map(|ban| check_ban(source, ban))).collect()
}

fn check_ban(source: &Source, ban: &Ban) -> Vec<Finding> {
    let under = |places: &[&str]| places.iter().any(|place| source.is_under(place));
    let tests_too = matches!(ban.scope, Scope::Everywhere);
    let holds = match ban.scope {
        Scope::Everywhere => true,
        // A program beside a pure room runs it.
        Scope::Inside(rooms) => under(rooms) && !source.path.contains("/src/bin/"),
        Scope::Outside(rooms) => !under(rooms),
    };
    if !holds || (source.is_test() && !tests_too) {
        return Vec::new();
    }
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.in_test && !tests_too {
            continue;
        }
        let Some(words) = ban.words.iter().find(|words| stands_at(tokens, at, words)) else {
            continue;
        };
        if !is_known(source, words[0]) {
            let what = format!("{}: {}", words.concat(), ban.what);
            findings.push(Finding::new(source, token.line, what, ban.instead));
        }
    }
    findings
}

fn stands_at(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    // A field or a method of that name is another thing.
    if tokens[at].kind == Kind::Word && at > 0 && tokens[at - 1].text == "." {
        return false;
    }
    let same = |offset: usize, word: &str| {
        let Some(token) = tokens.get(at + offset) else { return false };
        // `use std::{fs, io}` names `std::fs` too.
        let listed = offset > 0
            && token.text == "{"
            && tokens[at + offset - 1].text == "::"
            && tokens[at + offset..token.partner].iter().any(|inner| inner.text == word);
        token.text == word || listed
    };
    words.iter().enumerate().all(|(offset, word)| same(offset, word))
}

fn is_known(source: &Source, word: &str) -> bool {
    KNOWN.iter().any(|(path, known, _)| *path == source.path && (*known == "*" || *known == word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    fn check_text(path: &str, text: &str, expect: &str) {
        let whats: Vec<_> = found(check, path, text).into_iter().map(|f| f.what).collect();
        assert_eq!(whats.is_empty(), expect.is_empty(), "{path} {text}: {whats:?}");
        assert!(whats.iter().all(|what| what.contains(expect)), "{path} {text}: {whats:?}");
    }

    #[test]
    fn rooms_use_what_is_theirs() {
        let table = [
            ("crates/node/src/core/a.rs", "let t = std::time::Instant::now();", "reads the clock"),
            ("crates/node/src/shell/a.rs", "let t = std::time::Instant::now();", ""),
            ("crates/protocol/src/a.rs", "// SystemTime::now()\nlet a = \"SystemTime::now\";", ""),
            ("crates/sim/src/a.rs", "Timestamp::now()", "reads the clock"),
            ("crates/sim/src/bin/a.rs", "Timestamp::now(); println!(\"x\")", ""),
            ("crates/filter/src/a.rs", "rand::rng()", "own randomness"),
            ("crates/client/src/core/a.rs", "use std::collections::HashMap;", "random order"),
            ("crates/client/src/shell/a.rs", "use std::collections::HashMap;", ""),
            ("crates/broker/src/router.rs", "use std::collections::HashMap;", ""),
            ("crates/broker/src/router.rs", "tokio::spawn(x)", "does I/O"),
            ("crates/core/src/a.rs", "std::fs::read(p)", "does I/O"),
            ("crates/core/src/a.rs", "use std::{fmt, fs};", "does I/O"),
            ("crates/core/src/a.rs", "use std::{fmt, io::Read}; use super::process::step;", ""),
            ("crates/core/src/a.rs", "#[cfg(test)] mod t { fn a() { std::fs::read(p) } }", ""),
            ("crates/core/src/tests.rs", "std::fs::read(p)", ""),
            ("crates/node/src/a.rs", "TcpStream::connect(a)", "a socket outside"),
            ("crates/broker/src/a.rs", "TcpStream::connect(a)", ""),
            ("crates/node/tests/a.rs", "TcpStream::connect(a)", ""),
            ("crates/node/src/a.rs", "use std::process::exit;", "ends the process"),
            ("crates/marcato/src/a.rs", "std::process::exit(1)", ""),
            ("crates/node/src/a.rs", "println!(\"x\")", "a library prints"),
            ("crates/marcato/src/a.rs", "println!(\"x\")", ""),
            ("crates/node/src/a.rs", "self.home_dir", ""),
            ("crates/node/src/a.rs", "env::var(\"HOME\")", "home directory"),
            ("crates/marcato/src/a.rs", "Command::new(\"sh\").arg(\"-c\")", "through a shell"),
            ("crates/agent/tests/a.rs", "[\"/bin/sh\", \"-c\", x]", "through a shell"),
            ("crates/agent/src/a.rs", "Command::new(\"ssh\")", ""),
        ];
        for (path, text, expect) in table {
            check_text(path, text, expect);
        }
    }

    #[test]
    fn every_exception_has_a_reason() {
        assert!(KNOWN.iter().all(|(.., reason)| !reason.is_empty()));
    }
}
