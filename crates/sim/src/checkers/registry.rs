//! The hub lists a node that has registered with it where it matches, and nowhere else, as it is.

use marcato_core::Terms;
use marcato_protocol::question::Listed;

use super::matches;
use crate::host::Files;
use crate::truth::{Answered, Registered, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let answers = truth.answers.iter().filter(|answer| is_plain(&answer.terms));
    answers
        .flat_map(|answer| {
            (0..truth.hosts.len()).filter_map(move |host| judge(truth, answer, host))
        })
        .chain(strangers(truth))
        .collect()
}

/// Whether a question is of the only kind that runs ask, rather than one that was altered.
fn is_plain(terms: &Terms) -> bool {
    let Terms { facts, agents, .. } = terms;
    let plain = |term: &String| {
        term.strip_prefix("hagroup=").is_some_and(|group| ["a", "b", "c"].contains(&group))
    };
    facts.iter().all(plain) && facts.len() + agents.len() == terms.len()
}

/// What is wrong with what an answer says of a host.
fn judge(truth: &Truth, answer: &Answered, host: usize) -> Option<String> {
    let known = known(truth, answer, host)?;
    let node = &truth.hosts[host].identity;
    // What changed in the millisecond in which it registered is not the registration's yet.
    let files = truth.hosts[host].files.iter().rev().find(|(from, _)| *from < known.sent)?;
    let files = &files.1;
    let mut lines = answer.listed.iter().filter(|line| line.node == *node);
    let (line, more) = (lines.next(), lines.next());
    let why = match line {
        _ if more.is_some() => "is listed twice",
        None if matches(&answer.terms.facts, files) => "is not listed, and matches",
        Some(_) if !matches(&answer.terms.facts, files) => "is listed, and does not match",
        Some(line) if !is_true(line, known, files, &answer.terms) => "is not as it is listed",
        _ => return None,
    };
    Some(format!("{node} {why} in the answer of {} ms", answer.at))
}

fn is_true(line: &Listed, known: &Registered, files: &Files, terms: &Terms) -> bool {
    let capable = terms.agents.iter().all(|agent| files.has(agent));
    (line.key, line.read_only, line.not_capable) == (known.key, files.read_only, !capable)
}

/// The host's last registration that came to this hub before it answered; nothing where the host
/// has become another since, or where its clock was set: of two registrations the hub keeps the one
/// that its node's clock calls the later.
fn known<'a>(truth: &'a Truth, answer: &Answered, host: usize) -> Option<&'a Registered> {
    let own = truth.registered.iter().filter(|registered| {
        registered.hub == answer.hub && registered.host == host && registered.at < answer.at
    });
    let known = own.max_by_key(|registered| registered.sent)?;
    let host = &truth.hosts[host];
    let since = |at: &u64| (known.sent..=answer.at).contains(at);
    let altered = host.files.iter().any(|(from, _)| since(from)) || host.rebuilt.iter().any(since);
    let set = host.clock_set.iter().any(|at| *at <= answer.at);
    (!altered && !set).then_some(known)
}

/// Names in an answer that no host has.
fn strangers(truth: &Truth) -> impl Iterator<Item = String> {
    truth.answers.iter().flat_map(move |answer| {
        let others = answer.listed.iter().filter(move |line| truth.host(&line.node).is_none());
        others.map(|line| format!("{} is listed, and there is no such host", line.node))
    })
}

#[cfg(test)]
mod tests {
    use marcato_protocol::digest::Digest;
    use marcato_protocol::version::Spoken;

    use super::*;
    use crate::checkers::bench::{Bench, truth};
    use crate::host::ServiceAgent;
    use crate::keys::name;

    /// A host that registered and is listed.
    fn listed() -> Bench {
        let mut truth = truth();
        let key = Digest::of(b"key");
        truth.registered.push(Registered { hub: 1, host: 0, key, sent: 10, at: 20 });
        let node = truth.hosts[0].identity.clone();
        let (spoken, down) = (Spoken::RELEASE, None);
        let listed = Listed { node, key, spoken, down, read_only: false, not_capable: false };
        let terms = Terms {
            facts: vec!["hagroup=a".to_owned()],
            agents: vec!["service".to_owned()],
            ..Terms::default()
        };
        let (listed, message) = (vec![listed], Digest::of(b""));
        truth.answers.push(Answered { hub: 1, at: 30, terms, listed, message });
        truth
    }

    #[test]
    fn a_list_that_is_not_true_is_found() {
        let check_after = |bend: fn(&mut Bench), want: usize| {
            let mut truth = listed();
            bend(&mut truth);
            assert_eq!(check(&truth).len(), want, "{:?}", check(&truth));
        };
        let forget: fn(&mut Bench) = |truth| truth.answers[0].listed.clear();
        check_after(|_| {}, 0);
        check_after(forget, 1);
        check_after(|truth| truth.hosts[0].files[0].1.group = 'b', 1);
        check_after(|truth| truth.hosts[0].files[0].1.read_only = true, 1);
        check_after(|truth| truth.hosts[0].files[0].1.service = ServiceAgent::Missing, 1);
        check_after(|truth| truth.answers[0].listed[0].not_capable = true, 1);
        check_after(|truth| truth.answers[0].listed[0].key = Digest::of(b"another"), 1);
        check_after(|truth| truth.answers[0].listed[0].node = name("stranger"), 2);
        check_after(
            |truth| {
                let twice = truth.answers[0].listed[0].clone();
                truth.answers[0].listed.push(twice);
            },
            1,
        );
    }

    #[test]
    fn what_the_hub_cannot_know_is_not_held_against_it() {
        let check_after = |bend: fn(&mut Bench)| {
            let mut truth = listed();
            truth.answers[0].listed.clear();
            bend(&mut truth);
            assert_eq!(check(&truth), Vec::<String>::new());
        };
        check_after(|truth| truth.registered.clear());
        check_after(|truth| truth.registered[0].hub = 0);
        check_after(|truth| truth.registered[0].at = 40);
        check_after(|truth| truth.hosts[0].rebuilt = Some(15));
        check_after(|truth| truth.hosts[0].clock_set.push(5));
        check_after(|truth| truth.hosts[0].files.push((15, Files::new(0))));
        check_after(|truth| truth.answers[0].terms.facts.push("hagroup!=a".to_owned()));
    }
}
