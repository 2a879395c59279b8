//! What stands around the answers: who was left out, what did not count, and the tally.

use std::fmt::Write as _;

use clap::ValueEnum;
use marcato_agent::{job, policy};
use marcato_client::core::{NodeReport, Report, Stopped};
use marcato_core::ddl::Action;
use marcato_core::{AgentName, Changed, EndState, Exit, Identity, JobId, Reason, Span};

use super::coverage;
use super::group::escape;
use super::table::{Screen, names};
use super::time::took;

/// So many kinds of answers that did not count are named.
const REFUSED_SHOWN_MAX: usize = 3;

/// What of the answers is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// The outputs.
    #[default]
    Outputs,
    /// Each node's time.
    Times {
        /// And how the times are spread.
        graph: bool,
    },
    /// The values of a fact: groups, however few nodes there are.
    Values,
    /// All that a node tells of itself.
    Inventory,
}

/// Which lines a report has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// A line for each node where they are few, else groups.
    #[default]
    Fitting,
    /// A line for each node, however many there are.
    Each,
    /// Groups, however few nodes there are.
    Groups,
    /// Groups, however many there are.
    All,
}

/// Which nodes have lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Display {
    /// All
    #[default]
    All,
    /// Those that are ok
    Ok,
    /// Those that are not
    Failed,
}

impl Display {
    /// Whether a node has a line.
    #[must_use]
    pub fn shows(self, node: &NodeReport) -> bool {
        match self {
            Self::All => true,
            Self::Ok => node.is_well(),
            Self::Failed => !node.is_well(),
        }
    }
}

/// What the report is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The action's declaration.
    pub action: Option<&'a Action>,
    /// The service, package or the like that it is about.
    pub item: Option<&'a str>,
    /// The job's id.
    pub job: Option<&'a JobId>,
    /// How long the command took.
    pub took: Span,
    /// What of the answers is asked for.
    pub look: Look,
    /// Which lines there are.
    pub shape: Shape,
    /// Of which nodes.
    pub display: Display,
    /// How the command ends.
    pub exit: Exit,
    /// What can be typed next.
    pub next: &'a [String],
}

/// What else there is to say: who was left out, what did not count.
pub(super) fn remarks(report: &Report, screen: Screen) -> Vec<String> {
    let mut lines = Vec::new();
    let lack = lack(&report.agents, &report.agent);
    lines.extend(list(&report.not_capable, &lack, screen));
    lines.extend(list(&report.read_only, "read-only, left out", screen));
    if !report.gone.is_empty() {
        lines.push(format!("{} gone, unheard for seven days", report.gone.len()));
    }
    lines.extend(alarms(report, screen));
    lines.extend(stopped(report));
    if report.expected.is_none() && report.nodes.is_empty() {
        lines.push("no hub answers here, and no node either".to_owned());
    } else if report.expected.is_none() {
        let what = "no hub answers here, so the expected set is unknown: these are the nodes that answered";
        lines.push(what.to_owned());
    }
    lines
}

/// What nodes lack that are not asked: one of these agents, of which every node has some by itself.
#[must_use]
pub fn lack(agents: &[String], own: &AgentName) -> String {
    let is_built_in = |agent: &str| [job::NAME, policy::NAME].contains(&agent);
    let agents = agents.iter().filter(|agent| !is_built_in(agent)).map(|agent| escape(agent));
    let agents: Vec<String> = agents.collect();
    let agents = if agents.is_empty() { own.to_string() } else { agents.join(" or ") };
    format!("without the agent {agents}, not asked")
}

/// Why an order was not sent to all nodes: `stopped after web2 (failed, action); 3 were not sent it`
fn stopped(report: &Report) -> Option<String> {
    let why = match report.stopped.as_ref()? {
        Stopped::Time => ": the time is over in which nodes may start it".to_owned(),
        Stopped::Node { node } => {
            // A receipt that came late may say otherwise than what it was stopped for.
            let line = report.nodes.iter().find(|line| line.node == *node);
            let words = line.map(|line| {
                let reason = line.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
                format!(" ({}{reason})", line.state)
            });
            format!(" after {node}{}", words.unwrap_or_default())
        }
    };
    let left = report.nodes.iter().filter(|line| line.reason == Some(Reason::NotSent)).count();
    let plural = if left == 1 { "node was" } else { "nodes were" };
    Some(format!("stopped{why}; {left} {plural} not sent it"))
}

/// What is told even to who wants quiet: somebody hides nodes, or speaks in their names.
#[must_use]
pub fn alarms(report: &Report, screen: Screen) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(list(&report.vanished, "known here, but not to the hub", screen));
    let unexpected = report.unexpected.iter().map(|node| &node.node);
    lines.extend(list(unexpected, "answered without being expected", screen));
    for refusal in report.refused.iter().take(REFUSED_SHOWN_MAX) {
        let whose = refusal.node.as_ref().map_or("nobody", Identity::as_str);
        let (count, text) = (refusal.count, escape(&refusal.text));
        lines.push(format!("{count} in the name of {whose} did not count: {text}"));
    }
    if report.refused.len() > REFUSED_SHOWN_MAX {
        let count = report.refused.len() - REFUSED_SHOWN_MAX;
        lines.push(format!("{count} more kinds of messages did not count: see --json"));
    }
    let is_hub = report.expected.is_some();
    lines.extend(coverage::unknown(&report.unknown_names, &report.vanished, is_hub));
    lines.extend(report.gathering().map(coverage::incomplete));
    lines
}

/// How many nodes, what of them, and their names; nothing where there are none.
fn list<'a>(
    nodes: impl IntoIterator<Item = &'a Identity>,
    what: &str,
    screen: Screen,
) -> Option<String> {
    let nodes: Vec<&Identity> = nodes.into_iter().collect();
    let start = format!("{} {what}: ", nodes.len());
    let used = start.chars().count();
    let line = || format!("{start}{}", names(nodes.iter().copied(), screen, used));
    (!nodes.is_empty()).then(line)
}

/// `Finished processing 50 / 50 hosts in 38 ms · job K7PX · 2 changed, 1 absent`
#[must_use]
pub fn tally(report: &Report, about: &About<'_>) -> String {
    let answered = report.nodes.iter().filter(|node| node.signed).count();
    let all = report.expected.map_or_else(|| "?".to_owned(), |all| all.to_string());
    let mut text = format!("Finished processing {answered} / {all} hosts in {}", took(about.took));
    if let Some(job) = about.job {
        let _ = write!(text, " · job {job}");
    }
    let counts = counts(report, about.action.is_some_and(Action::changes));
    if !counts.is_empty() {
        let _ = write!(text, " · {}", counts.join(", "));
    }
    if about.exit != Exit::Ok {
        let _ = write!(text, " · exit {}", about.exit.code());
    }
    text
}

/// The same in few words, for a list: `48 / 50 · 40 changed, 2 failed · exit 2`.
#[must_use]
pub fn short(report: &Report, changes: bool, exit: u8) -> String {
    let answered = report.nodes.iter().filter(|node| node.signed).count();
    let all = report.expected.map_or_else(|| "?".to_owned(), |all| all.to_string());
    let mut parts = vec![format!("{answered} / {all}")];
    let counts = counts(report, changes);
    if !counts.is_empty() {
        parts.push(counts.join(", "));
    }
    if exit != Exit::Ok.code() {
        parts.push(format!("exit {exit}"));
    }
    parts.join(" · ")
}

fn counts(report: &Report, changes: bool) -> Vec<String> {
    let count =
        |pick: &dyn Fn(&NodeReport) -> bool| report.nodes.iter().filter(|node| pick(node)).count();
    let mut counts = Vec::new();
    let mut add = |number: usize, word: &str| {
        if number > 0 {
            counts.push(format!("{number} {word}"));
        }
    };
    if changes {
        add(count(&|node| node.changed == Changed::True), "changed");
        add(count(&|node| node.reason == Some(Reason::Unchanged)), "unchanged");
    }
    add(count(&|node| node.reason == Some(Reason::Absent)), "absent");
    add(count(&|node| node.reason == Some(Reason::NoValue)), "without a value");
    add(count(&|node| node.reason == Some(Reason::NotRunning)), "not running");
    let half_done = (EndState::Ok, Some(Reason::InterruptedDpkg));
    add(count(&|node| (node.state, node.reason) == half_done), "half done");
    for state in EndState::ALL.into_iter().filter(|state| *state != EndState::Ok) {
        add(count(&|node| node.state == state), state.words());
    }
    counts
}

/// What to do about what went wrong, a sentence for each reason, the most frequent first.
#[must_use]
pub fn hints(report: &Report, most: usize) -> Vec<String> {
    let mut reasons: Vec<(usize, Reason)> = Vec::new();
    let odd = report.nodes.iter().filter(|node| node.state != EndState::Ok);
    for reason in odd.filter_map(|node| node.reason) {
        match reasons.iter_mut().find(|(_, known)| *known == reason) {
            Some((count, _)) => *count += 1,
            None => reasons.push((1, reason)),
        }
    }
    reasons.sort_by_key(|(count, reason)| (std::cmp::Reverse(*count), *reason));
    let hint = |(_, reason): (usize, Reason)| format!("Next: {reason}: {}", reason.hint());
    reasons.into_iter().take(most).map(hint).collect()
}
