//! The question before a change.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::thread;

use marcato_client::core::Selection;
use marcato_core::limits::client::CONFIRMED_BY_LETTER_MAX;
use marcato_core::{Collective, Exit, Terms};
use marcato_filter::is_folded;
use marcato_rollout::Plan;
use tokio::sync::oneshot;

use super::console::Console;
use super::pace;
use super::which::Which;
use crate::words::fold::fold;
use crate::words::group::escape;
use crate::words::{Failure, coverage, node_count};

/// Up to so many nodes are named in the question; of more their systems are.
pub const NAMED_MAX: usize = 10;

/// The nodes that a change is meant for.
#[derive(Debug)]
pub struct Meant<'a> {
    /// As it was typed.
    pub which: &'a Which,
    /// Which those are.
    pub selection: &'a Selection,
    /// Of many, which systems they have.
    pub systems: Option<String>,
    /// How it goes over them, where not to all at once.
    pub plan: Option<&'a Plan>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A `y`.
    Letter,
    /// The number of nodes.
    Number(usize),
}

impl Wanted {
    fn is_met(self, answer: &str) -> bool {
        match self {
            Self::Letter => matches!(answer.trim(), "y" | "Y" | "yes"),
            Self::Number(number) => answer.trim().parse() == Ok(number),
        }
    }
}

/// Whether somebody can be asked.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks whether a change is meant. The answer is read by a thread, so that the connection stays
/// alive however long somebody thinks.
///
/// # Errors
/// With exit 1 where the answer is no.
pub async fn ask(
    console: &mut Console,
    fleet: &Collective,
    what: &str,
    meant: Meant<'_>,
) -> Result<(), Failure> {
    let (text, wanted) = question(fleet, what, meant);
    console.ask(&text);
    let (sender, answer) = oneshot::channel();
    let read = move || {
        let mut line = String::new();
        // An end of the input, an error and an empty line all mean no.
        let _ = io::stdin().lock().read_line(&mut line);
        let _ = sender.send(line);
    };
    let no = || Failure::new(Exit::Nothing, "declined; no node was asked");
    thread::Builder::new().name("answer".into()).spawn(read).map_err(|_| no())?;
    let answer = answer.await;
    if answer.as_ref().is_ok_and(|line| line.ends_with('\n')) {
        console.answered();
    }
    match answer {
        Ok(line) if wanted.is_met(&line) => Ok(()),
        _ => Err(no()),
    }
}

fn question(
    fleet: &Collective,
    what: &str,
    Meant { which, selection, systems, plan }: Meant<'_>,
) -> (String, Wanted) {
    let count = selection.chosen.len();
    let words = match which.in_words() {
        words if words.is_empty() => "every node (no filter)".to_owned(),
        words => words,
    };
    let mut text = format!("fleet {fleet}: {what} on {}: {words}\n", node_count(count));
    if let Some(plan) = plan {
        text.push_str(&format!("   {}\n", pace::in_words(plan)));
    }
    let mut asides = Vec::new();
    if count <= NAMED_MAX {
        let names = selection.chosen.iter().map(|node| node.identity.as_str());
        asides.push(fold(names).join(" "));
    }
    asides.extend(systems);
    let mut aside = |count: usize, what: &str| {
        if count > 0 {
            asides.push(format!("{count} {what}"));
        }
    };
    let down = selection.chosen.iter().filter(|node| node.down.is_some()).count();
    let verb = if down == 1 { "is" } else { "are" };
    aside(down, &format!("{verb} down and will hardly be reached"));
    aside(selection.left_out.len(), "cannot be sent it");
    aside(selection.limited_from.unwrap_or_default().saturating_sub(count), "not drawn");
    aside(selection.read_only.len(), "read-only, left out");
    aside(selection.not_capable.len(), "without the agent, left out");
    if !selection.complete {
        asides.push("no hub answers here: these are the nodes that answered".to_owned());
    }
    asides.extend(coverage::lines(&selection.coverage, selection.complete));
    if !asides.is_empty() {
        text.push_str(&format!("   {}\n", asides.join("  ·  ")));
    }
    let wanted = if count > CONFIRMED_BY_LETTER_MAX || which.comes_to_everything(selection) {
        text.push_str("Type the number of nodes to go on: ");
        Wanted::Number(count)
    } else {
        text.push_str("Go on? [y/N] ");
        Wanted::Letter
    };
    (text, wanted)
}

/// The filter as it was typed; names are folded.
pub fn in_words(terms: &Terms) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(terms.facts.iter().chain(&terms.classes).map(|term| escape(term)));
    words.extend(terms.agents.iter().map(|term| format!("agent {}", escape(term))));
    words.extend(terms.expressions.iter().map(|term| format!("({})", escape(term))));
    let is_name = |term: &&String| !term.starts_with('/') && !is_folded(term);
    let (names, others): (Vec<_>, Vec<_>) = terms.identities.iter().partition(is_name);
    words.extend(others.into_iter().map(|term| escape(term)));
    words.extend(fold(names.into_iter().map(String::as_str)).iter().map(|name| escape(name)));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use marcato_client::core::{Chosen, Limit, Pick};
    use marcato_protocol::sshsig::PublicKey;
    use marcato_protocol::version::Spoken;

    fn selection(count: usize) -> Selection {
        let chosen = (1..=count).map(|number| Chosen {
            identity: format!("web{number}.x").parse().unwrap(),
            key: PublicKey::from_ed25519(&[1; 32]),
            spoken: Spoken::RELEASE,
            down: (number == 2).then(Default::default),
            read_only: false,
        });
        Selection { chosen: chosen.collect(), complete: true, ..Selection::default() }
    }

    fn check(count: usize, filter: &[&str], want: &str, wanted: Wanted) {
        let facts = filter.iter().map(|term| (*term).to_owned()).collect();
        let terms = Terms { facts, ..Terms::default() };
        let which = Which { terms, ..Which::default() };
        let fleet = "prod".parse().unwrap();
        let systems = (count > NAMED_MAX).then(|| "Debian 12 40 · Debian 11 11".to_owned());
        let selection = &selection(count);
        let meant = Meant { which: &which, selection, systems, plan: None };
        let (text, got) = question(&fleet, "restart service nginx", meant);
        assert_eq!((text.as_str(), got), (want, wanted));
    }

    #[test]
    fn the_question_begins_with_the_fleets_name() {
        check(
            1,
            &["hagroup=c"],
            "fleet prod: restart service nginx on 1 node: hagroup=c\n   web1.x\nGo on? [y/N] ",
            Wanted::Letter,
        );
        check(
            3,
            &[],
            "fleet prod: restart service nginx on 3 nodes: every node (no filter)\n   \
             web[1-3].x  ·  1 is down and will hardly be reached\nType the number of nodes to go on: ",
            Wanted::Number(3),
        );
        check(
            51,
            &["role=web"],
            "fleet prod: restart service nginx on 51 nodes: role=web\n   \
             Debian 12 40 · Debian 11 11  ·  1 is down and will hardly be reached\nType the number of nodes to go on: ",
            Wanted::Number(51),
        );
    }

    /// A list and a limit are words of the question, and no whole fleet.
    #[test]
    fn the_question_names_a_list_and_a_limit() {
        let list = Some(["web1.x", "web2.x"].map(|name| name.parse().unwrap()).into());
        let pick = Some(Pick { limit: Limit::Percent(50), seed: Some(7) });
        let which = Which { list, listed_in: Some("canaries".into()), pick, ..Which::default() };
        let selection = Selection { limited_from: Some(2), ..selection(1) };
        let fleet = "prod".parse().unwrap();
        let meant = Meant { which: &which, selection: &selection, systems: None, plan: None };
        let (text, wanted) = question(&fleet, "restart service nginx", meant);
        let want = "fleet prod: restart service nginx on 1 node: the 2 names of canaries, limit 50% \
                    drawn with seed 7\n   web1.x  ·  1 not drawn\nGo on? [y/N] ";
        assert_eq!((text.as_str(), wanted), (want, Wanted::Letter));
    }

    /// Those that answered need not be all there are.
    #[test]
    fn the_question_says_that_no_hub_is_there() {
        let selection = Selection { complete: false, ..selection(1) };
        let (which, fleet) = (Which::default(), "prod".parse().unwrap());
        let meant = Meant { which: &which, selection: &selection, systems: None, plan: None };
        let (text, _) = question(&fleet, "restart service nginx", meant);
        assert!(
            text.contains("web1.x  ·  no hub answers here: these are the nodes that answered\n")
        );
    }

    #[test]
    fn what_counts_as_a_yes() {
        let check =
            |wanted: Wanted, answer, want| assert_eq!(wanted.is_met(answer), want, "{answer:?}");
        check(Wanted::Letter, "y\n", true);
        check(Wanted::Letter, "\n", false);
        check(Wanted::Letter, "", false);
        check(Wanted::Letter, "51\n", false);
        check(Wanted::Number(51), " 51\n", true);
        check(Wanted::Number(51), "y\n", false);
        check(Wanted::Number(51), "5\n", false);
    }
}
