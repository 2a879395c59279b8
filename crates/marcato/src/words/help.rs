//! What stands below the flags of `--help`, made from the table of exit codes.

use marcato_core::Exit;

/// How `mcod` can end: a daemon asks no node, so that other codes have no meaning for it.
pub const MCOD_EXITS: [Exit; 7] = [
    Exit::Ok,
    Exit::Nothing,
    Exit::Usage,
    Exit::Unavailable,
    Exit::Io,
    Exit::NoPermission,
    Exit::Config,
];

/// The foot of `mco --help`.
#[must_use]
pub fn mco() -> String {
    let exits = line(Exit::ALL.iter().map(|exit| (exit.code(), exit.words())));
    format!("Example, without a fleet:\n  mco lab demo\n\n{exits}")
}

/// The foot of `mcod --help`.
#[must_use]
pub fn mcod() -> String {
    let words = |exit: Exit| match exit {
        Exit::Ok => "ended as it was told",
        Exit::Nothing => "the host has no such fact",
        exit => exit.words(),
    };
    line(MCOD_EXITS.iter().map(|exit| (exit.code(), words(*exit))))
}

fn line(exits: impl Iterator<Item = (u8, &'static str)>) -> String {
    let exits: Vec<String> = exits.map(|(code, words)| format!("{code} {words}")).collect();
    format!("Exit codes: {}", exits.join(" · "))
}
