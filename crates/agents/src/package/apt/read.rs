//! What apt's tools say, read. All of it is theirs in the locale C.

use marcato_core::Reason;
use marcato_core::limits::agent::COMPLAINT_CHARS_MAX;

use super::super::dpkg::source;
use super::super::packages::{Offer, Step, Trouble};

/// Reads `apt-cache show`: a paragraph for each version.
pub(super) fn offers(text: &str) -> Vec<Offer> {
    text.split("\n\n").filter_map(offer).collect()
}

fn offer(paragraph: &str) -> Option<Offer> {
    let field = |name: &str| {
        let value =
            |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
        paragraph.lines().find_map(value)
    };
    let (name, version) = (field("Package")?, field("Version")?);
    let built_from = field("Source").unwrap_or_default();
    let (source, source_version) = source(&built_from);
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    let kib: u64 = field("Installed-Size").and_then(|kib| kib.parse().ok()).unwrap_or(0);
    Some(Offer {
        arch: field("Architecture").unwrap_or_default(),
        source: or(source, &name),
        source_version: or(source_version, &version),
        installed_bytes: kib.saturating_mul(1024),
        local: field("Status").is_some(),
        name,
        version,
    })
}

/// Reads what `apt-get --simulate` would do: what it would install, and what it would remove.
pub(super) fn simulation(text: &str) -> (Vec<Step>, Vec<String>) {
    let (mut installs, mut removes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("Inst", rest)) => installs.extend(step(rest)),
            Some(("Remv" | "Purg", rest)) => {
                removes.extend(rest.split_whitespace().next().map(str::to_owned));
            }
            _ => {}
        }
    }
    (installs, removes)
}

/// `NAME [OLD] (NEW ORIGIN [ARCH])`, where the old version may be missing.
fn step(text: &str) -> Option<Step> {
    let (name, rest) = text.split_once(' ')?;
    let (from, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((from, rest)) => (Some(from.to_owned()), rest),
        None => (None, rest),
    };
    let to = rest.strip_prefix('(')?.split([' ', ')']).next()?;
    Some(Step { name: name.to_owned(), from, to: to.to_owned() })
}

/// Reads `apt-get --print-uris`: from where it would take how many bytes.
pub(super) fn uris(text: &str) -> Vec<(&str, u64)> {
    let uri = |line: &'_ str| -> Option<(usize, u64)> {
        let end = line.strip_prefix('\'')?.find("' ")?;
        let size = line.get(end + 3..)?.split(' ').nth(1)?.parse().ok()?;
        Some((end, size))
    };
    text.lines().filter_map(|line| uri(line).map(|(end, size)| (&line[1..=end], size))).collect()
}

/// Reads `apt-config shell`: names, each with a value in single quotes.
pub(super) fn settings(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name, value.replace(r"'\''", "'")))
    })
}

/// Reads `apt-cache search`: names and summaries.
pub(super) fn hits(text: &str) -> Vec<(String, String)> {
    let hit = |line: &str| {
        let (name, summary) = line.split_once(" - ")?;
        Some((name.to_owned(), summary.to_owned()))
    };
    text.lines().filter_map(hit).collect()
}

/// The configuration files that dpkg kept though the package brought other ones.
pub(super) fn kept(text: &str) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), None);
    for line in lines(text) {
        if let Some(rest) = line.strip_prefix("Configuration file '") {
            at = rest.split('\'').next();
        } else if line.trim_start().starts_with("==> Keeping old config file") {
            kept.extend(at.take().map(str::to_owned));
        }
    }
    kept
}

/// How the system says that a filesystem is full.
const FULL: &str = "No space left on device";

/// Words by which apt and dpkg are known to mean a reason of ours; the first that is found counts.
const SIGNS: [(&str, Reason); 13] = [
    ("Could not get lock", Reason::Locked),
    ("Unable to acquire the dpkg frontend lock", Reason::Locked),
    ("dpkg was interrupted", Reason::InterruptedDpkg),
    (FULL, Reason::NoSpace),
    ("enough free space", Reason::NoSpace),
    ("Held packages were changed", Reason::Held),
    ("Packages need to be removed but remove is disabled", Reason::WouldRemove),
    ("Essential packages were removed", Reason::WouldRemove),
    ("Unable to locate package", Reason::NoCandidate),
    ("has no installation candidate", Reason::NoCandidate),
    ("was not found", Reason::NoCandidate),
    ("Failed to fetch", Reason::Download),
    ("Unable to fetch some archives", Reason::Download),
];

/// Why a run went wrong that said this.
pub(super) fn trouble(text: &str) -> Trouble {
    let complaints: Vec<&str> =
        lines(text).filter(|line| line.starts_with("E: ") || line.starts_with("W: ")).collect();
    let known = SIGNS.iter().find(|(sign, _)| complaints.iter().any(|line| line.contains(sign)));
    match known {
        Some((sign, reason)) => {
            let line = complaints.iter().find(|line| line.contains(sign)).copied();
            Trouble::new(*reason, cut(line.unwrap_or_default()))
        }
        None => Trouble::other(complaint(text)),
    }
}

/// Why a transaction went wrong that said this. Most reasons of their own say that nothing was changed,
/// which the database alone knows by then.
pub(super) fn failure(text: &str) -> Trouble {
    let (trouble, complaint) = (trouble(text), complaint(text));
    let message = match trouble.message == complaint {
        true => complaint,
        false => format!("{}; {complaint}", trouble.message),
    };
    let reason = if message.contains(FULL) { Reason::NoSpace } else { Reason::Action };
    Trouble::new(reason, message)
}

/// Whether dpkg came to a package.
pub(super) fn touched(text: &str) -> bool {
    lines(text).any(|line| is_step(line) || is_dpkgs(line))
}

/// What a run complained of, in one line.
fn complaint(text: &str) -> String {
    let all: Vec<&str> = lines(text).collect();
    if let Some(at) = all.iter().position(|line| is_dpkgs(line)) {
        // The reason stands on the next line, what a script itself said on the one before.
        let why = all.get(at + 1).filter(|line| line.starts_with(' '));
        let said =
            at.checked_sub(1).and_then(|before| all.get(before)).filter(|line| is_said(line));
        let parts = [Some(&all[at]), why, said].into_iter().flatten().map(|line| line.trim());
        return cut(&parts.collect::<Vec<_>>().join(" "));
    }
    if let Some(at) = all.iter().position(|line| is_unmet(line)) {
        let unmet = all[at + 1..].iter().take_while(|line| line.starts_with(' '));
        let unmet: Vec<&str> = unmet.map(|line| line.trim()).collect();
        return cut(&format!("unmet dependencies: {}", unmet.join("; ")));
    }
    match all.iter().find(|line| line.starts_with("E: ")).or(all.last()) {
        Some(line) => cut(line),
        None => "it says nothing".to_owned(),
    }
}

fn is_unmet(line: &str) -> bool {
    line.starts_with("The following packages have unmet dependencies")
        || line.starts_with("Unsatisfied dependencies")
}

/// Whether dpkg says by a line that something went wrong.
fn is_dpkgs(line: &str) -> bool {
    line.starts_with("dpkg: error") || line.starts_with("dpkg: unrecoverable fatal error")
}

/// Whether a line may be a maintainer script's own.
fn is_said(line: &str) -> bool {
    !line.starts_with(' ') && !is_step(line)
}

/// Whether dpkg tells by a line how far it is.
fn is_step(line: &str) -> bool {
    const STEPS: [&str; 8] = [
        "Preparing to unpack",
        "Unpacking",
        "Setting up",
        "Removing",
        "Purging",
        "Installing new version",
        "Processing triggers",
        "(Reading database",
    ];
    STEPS.iter().any(|step| line.starts_with(step))
}

/// The lines of what was written for a terminal.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.is_empty())
}

fn cut(line: &str) -> String {
    let line = line.strip_prefix("E: ").or(line.strip_prefix("W: ")).unwrap_or(line);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(COMPLAINT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
