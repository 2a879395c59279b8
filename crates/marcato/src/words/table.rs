//! A report as a person reads it: up to ten nodes a line each, more in groups, then the tally.
//!
//! What nodes said is data, for standard output; who was left out, what did not count, and the
//! tally are talk, for standard error.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use marcato_client::core::{NodeReport, Report};
use marcato_core::{Changed, EndState, Identity, Reason};
use serde_json::Value;

use super::fold::fold;
use super::group::{Group, escape, group, is_nothing, marked, plain, values};
use super::tally::{About, Look, Shape, hints, remarks, tally};
use super::time::{clock, since};
use super::{change, inventory, items, left, statistics};

/// Up to so many nodes have a line each.
const EACH_MAX: usize = 10;
/// So many lines a report has at most, tally and remarks included.
const LINES_MAX: usize = 20;
/// So many sentences say what can be done about what went wrong.
const HINTS_MAX: usize = 2;
/// So many outputs of a node stand on its line where the declaration marks none.
const OUTPUTS_MAX: usize = 8;
/// So many columns names get at least, however long what stands before them is.
const NAMES_COLUMNS_MIN: usize = 16;

/// A first name of so many columns is not cut: a part of it is no use to anybody.
const FIRST_NAME_COLUMNS: usize = 40;

/// Names of groups begin in the same column, unless what stands before them is longer than this.
const WHAT_COLUMNS_MAX: usize = 56;

/// So many columns of a node's message are shown on a terminal.
const MESSAGE_COLUMNS_MAX: usize = 240;

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// The width in columns; none where it is no terminal: then nothing folds and nothing is cut.
    pub width: Option<usize>,
    /// Whether to use colour.
    pub color: bool,
    /// So many lines of the same command stand above already.
    pub above: usize,
}

/// A report in lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// What the nodes said.
    pub data: Vec<String>,
    /// Everything else; at the end the tally, and what still uses old files.
    pub talk: Vec<String>,
    /// What can be done about what went wrong.
    pub hints: Vec<String>,
}

/// The report in lines.
#[must_use]
pub fn show(report: &Report, about: &About<'_>, screen: Screen) -> Shown {
    let mut talk = remarks(report, screen);
    talk.extend(about.action.and_then(|action| change::lists_of(action, &report.nodes)));
    talk.push(tally(report, about));
    talk.extend(change::still_used(&report.nodes));
    let mut hints = if report.interrupted { Vec::new() } else { hints(report, HINTS_MAX) };
    if !about.next.is_empty() && !report.interrupted {
        hints.insert(0, format!("Next: {}", about.next.join("  ·  ")));
    }
    let room = match about.shape {
        Shape::All => usize::MAX,
        _ => LINES_MAX.saturating_sub(screen.above + talk.len() + hints.len()),
    };
    let wanted = |node: &&NodeReport| about.display.shows(node);
    let nodes: Vec<&NodeReport> = report.nodes.iter().filter(wanted).collect();
    let (marked, list) = (marked(&nodes, about.action), about.action.and_then(items::list_of));
    let table = Table { report, about, screen, marked, list };
    let is_each = match about.shape {
        Shape::Each => true,
        Shape::Groups | Shape::All => false,
        Shape::Fitting => nodes.len() <= EACH_MAX && about.look != Look::Values,
    };
    let mut data = match about.look {
        Look::Inventory => table.inventories(&nodes),
        Look::Outputs if about.shape != Shape::Each && table.list.is_some() => {
            table.items(&nodes, room)
        }
        _ if is_each => table.node_lines(&nodes),
        Look::Values => table.values(&nodes, room),
        _ => table.grouped(&nodes, room),
    };
    if about.look == (Look::Times { graph: true }) {
        let answered = nodes.iter().filter_map(|node| table.time(node));
        data.extend(statistics::lines(&answered.collect::<Vec<_>>()));
    }
    Shown { data, talk, hints }
}

/// Cuts names to so many columns at a blank, and says how many nodes are not named.
pub fn names<'a>(nodes: impl Iterator<Item = &'a Identity>, screen: Screen, used: usize) -> String {
    names_cut(nodes, screen, used, true)
}

/// The same; whether a first name that stands for several is whole too may be chosen.
fn names_cut<'a>(
    nodes: impl Iterator<Item = &'a Identity>,
    screen: Screen,
    used: usize,
    is_whole: bool,
) -> String {
    let nodes = nodes.map(Identity::as_str);
    let Some(columns) = screen.width else { return nodes.collect::<Vec<_>>().join(" ") };
    let room = columns.saturating_sub(used).max(NAMES_COLUMNS_MIN);
    let folded = fold(nodes);
    let mut text = String::new();
    for (index, name) in folded.iter().enumerate() {
        let gap = usize::from(index > 0);
        let is_last = index + 1 == folded.len();
        // Room for the mark that says that there are more.
        let left = room.saturating_sub(text.len() + gap + if is_last { 0 } else { 2 });
        let is_whole =
            index == 0 && name.len() <= FIRST_NAME_COLUMNS && (is_whole || !name.contains('['));
        let left = if is_whole { left.max(name.len()) } else { left };
        if name.len() > left {
            if index > 0 {
                text.push(' ');
            } else {
                text.push_str(name.get(..left).unwrap_or_default());
            }
            text.push('…');
            return text;
        }
        if index > 0 {
            text.push(' ');
        }
        text.push_str(name);
    }
    text
}

pub(super) fn cut(line: String, screen: Screen) -> String {
    match screen.width {
        Some(columns) if line.chars().count() > columns => {
            let mut cut: String = line.chars().take(columns.saturating_sub(1)).collect();
            cut.push('…');
            cut
        }
        _ => line,
    }
}

fn paint(state: EndState, text: &str, screen: Screen) -> String {
    let color = match state {
        EndState::Failed | EndState::Lost => AnsiColor::Red,
        EndState::Ok => return text.to_owned(),
        _ => AnsiColor::Yellow,
    };
    if !screen.color {
        return text.to_owned();
    }
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

/// State and reason, as they stand in a line: `failed  action`, `absent`, `ok`.
fn verdict(state: EndState, reason: Option<Reason>) -> String {
    match (state, reason) {
        (EndState::Ok, Some(Reason::NoValue)) => "no value".to_owned(),
        (EndState::Ok, Some(reason)) => reason.to_string(),
        (state, None) => state.to_string(),
        (state, Some(reason)) => format!("{state}  {reason}"),
    }
}

/// What a group has in common: its outputs where it is ok, else its state and reason first.
fn what(group: &Group<'_>) -> String {
    match (group.state, group.reason, group.outputs.as_str()) {
        (EndState::Ok, None | Some(Reason::Unchanged | Reason::NotRunning), outputs)
            if !outputs.is_empty() =>
        {
            outputs.to_owned()
        }
        (state, reason, "") => verdict(state, reason),
        (state, reason, outputs) => format!("{}  {outputs}", verdict(state, reason)),
    }
}

/// Whether a value has no words of its own.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

struct Table<'a> {
    report: &'a Report,
    about: &'a About<'a>,
    screen: Screen,
    marked: Vec<&'a str>,
    /// The output that is a list of things, where the answers are such.
    list: Option<&'static str>,
}

impl Table<'_> {
    fn node_lines(&self, nodes: &[&NodeReport]) -> Vec<String> {
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let name = widest(&mut nodes.iter().map(|node| node.node.as_str().len()));
        let word = widest(&mut nodes.iter().map(|node| self.verdict(node).len()));
        let line = |node: &&NodeReport| {
            let plain = format!("{:word$}", self.verdict(node));
            let line = format!("{:name$}  {plain}  {}", node.node, self.said(node));
            let line = cut(line.trim_end().to_owned(), self.screen);
            // Painted last: what colours a word has no width.
            line.replacen(plain.trim_end(), &paint(node.state, plain.trim_end(), self.screen), 1)
        };
        nodes.iter().map(line).collect()
    }

    fn groups<'n>(&self, nodes: &[&'n NodeReport]) -> Vec<Group<'n>> {
        group(nodes, |node| self.outputs(node))
    }

    /// What a node says by which it is grouped: what became of versions, or the marked outputs.
    fn outputs(&self, node: &NodeReport) -> String {
        let is_there = !is_nothing(node);
        let is_fine = node.state == EndState::Ok && is_there;
        if self.about.look == Look::Values
            && let Some(empty) = node.data.get("value").filter(|value| is_fine && is_empty(value))
        {
            // A fact that is there and empty, which is neither `ok` nor without a value.
            return empty.to_string();
        }
        if let Some(action) = self.about.action.filter(|action| is_there && change::is_told(action))
        {
            return change::outcome(node, action, self.about.item).unwrap_or_default();
        }
        if let Some(list) = self.list.filter(|_| is_fine) {
            return items::elements(node, list).map(items::words).collect::<Vec<_>>().join(", ");
        }
        values(node, &self.marked)
    }

    /// How long a node took to answer, in milliseconds, where that is asked for.
    fn time(&self, node: &NodeReport) -> Option<u64> {
        let is_asked = matches!(self.about.look, Look::Times { .. });
        let answered = node.answered.filter(|_| is_asked)?;
        Some(answered.since(self.report.issued).as_ms())
    }

    /// All that nodes tell of themselves; those that do not have their line.
    fn inventories(&self, nodes: &[&NodeReport]) -> Vec<String> {
        let (told, others): (Vec<&NodeReport>, Vec<&NodeReport>) =
            nodes.iter().partition(|node| node.state == EndState::Ok);
        let told = told
            .iter()
            .flat_map(|node| inventory::lines(node.node.as_str(), &node.data, node.truncated));
        let mut lines: Vec<String> = told.map(|line| cut(line, self.screen)).collect();
        lines.extend(self.node_lines(&others));
        lines
    }

    /// The nodes in groups, then what they have left alone.
    fn grouped(&self, nodes: &[&NodeReport], room: usize) -> Vec<String> {
        let left = self.left_alone(nodes);
        let mut lines = self.group_lines(&self.groups(nodes), room.saturating_sub(left.len()));
        lines.extend(left);
        lines
    }

    /// What nodes have left alone, with the reasons, where the action tells of that.
    fn left_alone(&self, nodes: &[&NodeReport]) -> Vec<String> {
        if !self.tells_of_left() {
            return Vec::new();
        }
        let line = |(what, nodes): left::Shared<'_>| self.aside(&what, &nodes);
        left::shared(nodes).into_iter().map(line).collect()
    }

    fn tells_of_left(&self) -> bool {
        self.about.look == Look::Outputs && self.about.action.is_some_and(left::is_told)
    }

    /// What the nodes list, each thing once; then what is left alone, who lists nothing, and who did
    /// not answer.
    fn items(&self, nodes: &[&NodeReport], room: usize) -> Vec<String> {
        let list = self.list.unwrap_or_default();
        let (told, others): (Vec<&NodeReport>, Vec<&NodeReport>) =
            nodes.iter().partition(|node| node.state == EndState::Ok && !is_nothing(node));
        let is_without = |node: &&&NodeReport| {
            items::elements(node, list).next().is_none() && !left::is_any(node)
        };
        let without: Vec<&NodeReport> = told.iter().filter(is_without).copied().collect();
        let left = self.left_alone(&told);
        let last = self.group_lines(&self.groups(&others), room);
        let aside = left.len() + usize::from(!without.is_empty());
        let room = room.saturating_sub(last.len() + aside);
        let items = items::items(&told, list);
        let shown = if items.len() > room { room.saturating_sub(1) } else { items.len() };
        let width = items.first().map_or(1, |item| item.nodes.len()).to_string().len();
        let columns = items.iter().take(shown).map(|item| item.words.chars().count());
        let widest = columns.max().unwrap_or(0).min(WHAT_COLUMNS_MAX);
        let mut lines = Vec::new();
        for (at, item) in items.iter().take(shown).enumerate() {
            let used = width + item.words.chars().count().max(widest) + 4;
            let names = names(item.nodes.iter().map(|node| &node.node), self.screen, used);
            let (count, words) = (item.nodes.len(), &item.words);
            lines.push(cut(format!("{count:>width$}  {words:widest$}  {names}"), self.screen));
            // A log is worth the lines that nothing else needs.
            if lines.len() + item.log.len() + (shown - at - 1) <= room {
                let log = item.log.iter().map(|line| format!("{:width$}    {line}", ""));
                lines.extend(log.map(|line| cut(line, self.screen)));
            }
        }
        if shown < items.len() {
            lines.push(format!("… and {} more: {}", items.len() - shown, self.all()));
        }
        lines.extend(left);
        if !without.is_empty() {
            lines.push(self.aside("nothing", &without));
        }
        lines.extend(last);
        lines
    }

    /// `no value: 3 nodes (db[1-3])`
    fn aside(&self, what: &str, nodes: &[&NodeReport]) -> String {
        let start = format!("{what}: {} (", super::node_count(nodes.len()));
        let nodes = nodes.iter().map(|node| &node.node);
        format!("{start}{})", names(nodes, self.screen, start.len() + 1))
    }

    /// The values of a fact, then who has none.
    fn values(&self, nodes: &[&NodeReport], room: usize) -> Vec<String> {
        let (without, with): (Vec<&NodeReport>, Vec<&NodeReport>) =
            nodes.iter().partition(|node| node.reason == Some(Reason::NoValue));
        let room = room.saturating_sub(usize::from(!without.is_empty()));
        let mut lines = self.group_lines(&self.groups(&with), room);
        if !without.is_empty() {
            lines.push(self.aside("no value", &without));
        }
        lines
    }

    /// State and reason, but for a reason that what the node says tells already.
    fn verdict(&self, node: &NodeReport) -> String {
        let told = self.about.action.is_some_and(change::is_told);
        let reason = node.reason.filter(|reason| !told || *reason != Reason::Unchanged);
        verdict(node.state, reason)
    }

    /// What a node has to say beyond its state.
    fn said(&self, node: &NodeReport) -> String {
        let times = matches!(self.about.look, Look::Times { .. });
        let mut said = match self.time(node) {
            Some(time) => vec![format!("time={time} ms")],
            None => vec![self.outputs(node)],
        };
        let told = !self.marked.is_empty() || self.list.is_some() || times;
        if !told && !is_nothing(node) {
            let outputs = node.data.iter().take(OUTPUTS_MAX);
            let words = outputs.map(|(name, value)| format!("{}={}", escape(name), plain(value)));
            said = vec![words.collect::<Vec<_>>().join(" ")];
        }
        if self.tells_of_left() {
            said.push(left::words(node));
        }
        said.push(self.note(&[node]));
        said.retain(|part| !part.is_empty());
        said.join("  ")
    }

    /// The remarks that all these nodes share, and those of the client.
    fn note(&self, nodes: &[&NodeReport]) -> String {
        let mut notes = Vec::new();
        let Some(first) = nodes.first() else { return String::new() };
        // Of what went well the outputs tell, where there are any.
        if first.state != EndState::Ok || first.data.is_empty() || first.truncated {
            let is_shared = nodes.iter().all(|node| node.message == first.message);
            let whose = if is_shared { String::new() } else { format!("{}: ", first.node) };
            // Of several messages one stands for all: --each shows them.
            let told = !first.message.is_empty();
            notes.extend(told.then(|| whose + &self.bounded(escape(&first.message))));
        }
        notes.extend(self.left_out(nodes));
        notes.extend(change::lists(nodes));
        let now = self.report.ended.unwrap_or(self.report.issued);
        let down = nodes.iter().filter_map(|node| node.down_since).map(|down| now.since(down));
        notes.extend(since(down));
        if let Some(until) = nodes.iter().filter_map(|node| node.may_start_until).max() {
            notes.push(format!("may start until {}", clock(until)));
        } else if first.state != EndState::Ok && first.changed == Changed::Unknown {
            notes.push("may have run".to_owned());
        }
        if let Some(skew) = first.clock.filter(|_| nodes.len() == 1) {
            let side = if skew.ahead_ms >= 0 { "ahead" } else { "behind" };
            let seconds = skew.ahead_ms.unsigned_abs() / 1000;
            notes.push(format!("its clock is {seconds} s {side}"));
        }
        notes.retain(|note| !note.is_empty());
        notes.join("; ")
    }

    /// What a reader of the outputs has to know besides: that some are missing, and that nothing is
    /// changed on these nodes.
    fn left_out(&self, nodes: &[&NodeReport]) -> Vec<String> {
        let of = |count: usize| match count {
            0 => None,
            count if count == nodes.len() => Some(String::new()),
            count => Some(format!("{count} of them ")),
        };
        let left_out = nodes.iter().filter(|node| node.truncated).count();
        let read_only = nodes.iter().filter(|node| node.read_only).count();
        let read_only = if self.about.look == Look::Outputs { read_only } else { 0 };
        let notes = [(left_out, "outputs left out"), (read_only, "read-only")];
        notes.into_iter().filter_map(|(count, what)| Some(of(count)? + what)).collect()
    }

    /// A node's words on a terminal: whoever says too much must not push the others off it.
    fn bounded(&self, text: String) -> String {
        match self.screen.width {
            Some(_) => cut(text, Screen { width: Some(MESSAGE_COLUMNS_MAX), ..self.screen }),
            None => text,
        }
    }

    fn group_lines(&self, groups: &[Group<'_>], room: usize) -> Vec<String> {
        // What failed and what is silent stands next to the prompt and is always shown; of the ok
        // groups the smallest give way.
        let surplus = groups.len().saturating_sub(room);
        let ok = groups.iter().take_while(|group| group.is_well()).count();
        let mut hidden = if surplus == 0 { 0 } else { surplus + 1 };
        let first = hidden.min(ok.saturating_sub(1));
        let (before, rest) = groups.split_at(ok.saturating_sub(first));
        let (folded, rest) = rest.split_at(first);
        hidden -= first;
        let (after, last) = rest.split_at(rest.len().saturating_sub(hidden));
        let width = groups.iter().map(|group| group.nodes.len()).max().unwrap_or(0);
        let width = width.to_string().len();
        let widest = groups.iter().map(|group| what(group).chars().count()).max().unwrap_or(0);
        let widest = widest.min(WHAT_COLUMNS_MAX);
        let lines = |is_whole: bool| {
            let line = |group: &Group<'_>| self.group_line(group, (width, widest), is_whole);
            let mut lines: Vec<String> = before.iter().map(line).collect();
            lines.extend(self.more(folded));
            lines.extend(after.iter().map(line));
            lines.extend(self.more(last));
            lines
        };
        // Names that stand for several are whole where the rows that this takes are there.
        let whole = lines(true);
        if self.rows(&whole) <= room { whole } else { lines(false) }
    }

    /// So many rows of the screen lines take.
    fn rows(&self, lines: &[String]) -> usize {
        let Some(columns) = self.screen.width else { return lines.len() };
        lines.iter().map(|line| line.chars().count().div_ceil(columns.max(1)).max(1)).sum()
    }

    /// What shows the lines that are left out.
    fn all(&self) -> String {
        match self.about.job {
            Some(id) => format!("mco job show {id} --all"),
            None => "see --each".to_owned(),
        }
    }

    /// One line in the place of several groups.
    fn more(&self, groups: &[Group<'_>]) -> Option<String> {
        let sizes = || groups.iter().map(|group| group.nodes.len());
        let (smallest, largest) = (sizes().min()?, sizes().max()?);
        let size = if smallest == largest {
            super::node_count(smallest)
        } else {
            format!("{smallest}–{largest} nodes")
        };
        let mut states: BTreeMap<EndState, usize> = BTreeMap::new();
        for group in groups {
            *states.entry(group.state).or_default() += group.nodes.len();
        }
        let states: Vec<_> =
            states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let all = self.all();
        Some(format!("… and {} groups of {size} ({}): {all}", groups.len(), states.join(", ")))
    }

    fn group_line(
        &self,
        group: &Group<'_>,
        (width, widest): (usize, usize),
        is_whole: bool,
    ) -> String {
        let what = cut(what(group), self.screen);
        let note = self.note(&group.nodes);
        let columns = what.chars().count();
        let used = width + columns.max(widest) + note.chars().count() + 6;
        let nodes = group.nodes.iter().map(|node| &node.node);
        let names = names_cut(nodes, self.screen, used, is_whole);
        let padding = " ".repeat(widest.saturating_sub(columns));
        let what = paint(group.state, &what, self.screen);
        let line = format!("{:>width$}  {what}{padding}  {names}  {note}", group.nodes.len());
        line.trim_end().to_owned()
    }
}
