//! The cases of the wire suite: what `tests/wire/README.md` says a file may hold.

use std::path::Path;

/// One conversation.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub profile: String,
    pub steps: Vec<Step>,
}

/// One line of a conversation.
#[derive(Debug)]
pub struct Step {
    /// Which of the case's clients; the unnamed one is "".
    pub client: String,
    /// On which servers: all, `ours`, `nats`, or one version of nats-server.
    pub server: Option<String>,
    pub act: Act,
}

#[derive(Debug)]
pub enum Act {
    /// Sends these pieces.
    Send(Vec<Piece>),
    /// Expects this line, one of several where alternatives are given.
    Line(Vec<Vec<u8>>),
    /// Expects this line before, between or after its neighbours of the same kind.
    Unordered(Vec<u8>),
    /// Expects this line, once or several times in a row.
    Repeated(Vec<u8>),
    /// Expects the server to close.
    Closed,
    /// Closes.
    Close,
    /// Expects INFO to have at least these fields.
    Info(serde_json::Map<String, serde_json::Value>),
}

/// Bytes to send; a repetition is not cut inside.
#[derive(Debug, Clone)]
pub enum Piece {
    Bytes(Vec<u8>),
    Repeated(u8, usize),
}

impl Step {
    /// Whether it counts for a server of this name (`ours`, or a version of nats-server).
    pub fn counts_for(&self, server: &str) -> bool {
        match self.server.as_deref() {
            None => true,
            Some("nats") => server != "ours",
            Some(one) => one == server,
        }
    }
}

/// All cases of all files in `folder`.
pub fn load(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let file = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut cases: Vec<Case> = Vec::new();
    let mut reason = false;
    for (number, line) in text.lines().enumerate() {
        let at = format!("{}:{}: {line}", path.display(), number + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("=== ") {
            let profile = "default".to_owned();
            cases.push(Case { name: format!("{file}: {name}"), profile, steps: Vec::new() });
            reason = false;
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{at}: no case yet"));
        if let Some(profile) = line.strip_prefix("server: ") {
            profile.clone_into(&mut case.profile);
        } else if line.strip_prefix("why: ").is_some_and(|why| why.len() > 10) {
            reason = true;
        } else {
            let step = step(line).unwrap_or_else(|| panic!("{at}: cannot be read"));
            assert!(step.server.is_none() || reason, "{at}: a difference without `why:` above it");
            case.steps.push(step);
        }
    }
    cases
}

/// `[CLIENT](>|<)[@SERVER] TEXT`, and the words for closing and for INFO.
fn step(line: &str) -> Option<Step> {
    let arrow = line.find(['>', '<'])?;
    let client = line[..arrow].to_owned();
    if !client.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let sends = line[arrow..].starts_with('>');
    let (word, text) = line[arrow + 1..].split_once(' ').unwrap_or((&line[arrow + 1..], ""));
    let (word, server) = match word.split_once('@') {
        Some((word, server)) => (word, Some(server.to_owned())),
        None => (word, None),
    };
    let act = match (sends, word) {
        (true, "") => Act::Send(pieces(text, "\r\n")?),
        (true, "|") => Act::Send(pieces(text, "")?),
        (true, "close") => Act::Close,
        (false, "") => Act::Line(alternatives(text)?),
        (false, "*") => Act::Unordered(flat(&pieces(text, "\r\n")?)),
        (false, "+") => Act::Repeated(flat(&pieces(text, "\r\n")?)),
        (false, "close") => Act::Closed,
        (false, "info") => Act::Info(serde_json::from_str(text).ok()?),
        _ => return None,
    };
    Some(Step { client, server, act })
}

/// Puts in what `{a|b}` stands for, one line for each.
fn alternatives(text: &str) -> Option<Vec<Vec<u8>>> {
    let whole = |text: &str| Some(flat(&pieces(text, "\r\n")?));
    let choice = text.find('{').and_then(|open| Some((open, open + text[open..].find('}')?)));
    match choice {
        Some((open, close)) if text[open..close].contains('|') => text[open + 1..close]
            .split('|')
            .map(|one| whole(&format!("{}{one}{}", &text[..open], &text[close + 1..])))
            .collect(),
        _ => Some(vec![whole(text)?]),
    }
}

pub fn flat(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(more) => bytes.extend_from_slice(more),
            Piece::Repeated(byte, times) => bytes.resize(bytes.len() + times, *byte),
        }
    }
    bytes
}

/// Reads `\r`, `\n`, `\t`, `\\`, `\xHH` and `{b*TIMES}`.
fn pieces(text: &str, end: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let tail = &rest[first.len_utf8()..];
        if first == '\\' {
            let kind = tail.chars().next()?;
            let (byte, used) = match kind {
                'r' => (b'\r', 1),
                'n' => (b'\n', 1),
                't' => (b'\t', 1),
                '\\' => (b'\\', 1),
                'x' => (u8::from_str_radix(tail.get(1..3)?, 16).ok()?, 3),
                _ => return None,
            };
            bytes.push(byte);
            rest = &tail[used..];
        } else if let Some((byte, times, after)) = repetition(rest) {
            pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
            pieces.push(Piece::Repeated(byte, times));
            rest = after;
        } else {
            bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            rest = tail;
        }
    }
    bytes.extend_from_slice(end.as_bytes());
    pieces.push(Piece::Bytes(bytes));
    Some(pieces)
}

fn repetition(text: &str) -> Option<(u8, usize, &str)> {
    let inside = text.strip_prefix('{')?;
    let (inside, after) = inside.split_once('}')?;
    let (byte, times) = inside.split_once('*')?;
    let [byte] = byte.as_bytes() else { return None };
    Some((*byte, times.parse().ok()?, after))
}
