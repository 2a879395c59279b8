//! The question to the hub, and which nodes an order is for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use std::sync::Arc;

use kit::{Asking, Node, nodes};
use marcato_client::core::{Directory, Event, LeftOut, Limit, Outcome, Pick, Purpose, Selection};
use marcato_core::{Identity, Reason, Span, Terms, Timestamp};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::question::{Answer, Ask, Found, Listed, Question};
use marcato_protocol::version::Spoken;

/// Since when a hub is there that has heard of every node.
const OLD: Timestamp = Timestamp::from_ms(kit::START.as_ms() - 75_000);

fn order() -> Purpose {
    Purpose::Order { terms: Terms::default(), changes: false }
}

/// A part of an answer by a hub that has long been there.
fn part(question: &Message, part: u32, parts: u32, found: Found) -> Event {
    part_since(question, part, parts, found, OLD)
}

fn part_since(question: &Message, part: u32, parts: u32, found: Found, since: Timestamp) -> Event {
    let question = Question::parse(question).unwrap();
    let answer = Answer { v: 1, id: question.id, part, parts, since, found };
    Event::Message(answer.message(kit::subjects().answer(&kit::caller(), question.id)))
}

fn listed(nodes: &[Node]) -> Found {
    Found::Nodes(nodes.iter().map(Node::listed).collect())
}

fn certificates(nodes: &[Node]) -> Found {
    Found::Certificates(nodes.iter().map(|node| node.certificate.clone()).collect())
}

fn names(nodes: &[Identity]) -> Vec<&str> {
    nodes.iter().map(Identity::as_str).collect()
}

fn chosen(selection: &Selection) -> Vec<&str> {
    selection.chosen.iter().map(|node| node.identity.as_str()).collect()
}

#[test]
fn names_then_certificates() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let known = kit::directory(&fleet[..1]);
    let mut asking = Asking::new(order(), known);
    asking.step(part(&asking.sent[0].clone(), 0, 1, listed(&fleet)));
    assert!(!asking.done);
    let question = Question::parse(&asking.sent[1]).unwrap();
    let lacking = vec![kit::name("web2"), kit::name("web3")];
    assert_eq!(question.ask, Ask::Certificates(lacking), "only of those that are not known");
    asking.step(part(&asking.sent[1].clone(), 0, 1, certificates(&fleet[1..])));
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::Found));
    assert_eq!(asking.learned.len(), 2);
    let selection = asking.inquiry.selection(kit::START);
    assert_eq!(chosen(&selection), ["web1", "web2", "web3"]);
    assert_eq!((selection.expected(), selection.version), (3, 1));
    assert_eq!(selection.coverage.since, Some(OLD));
}

#[test]
fn who_is_known_needs_one_round() {
    let fleet = nodes(&["web1", "web2"]);
    let mut asking = Asking::new(order(), kit::directory(&fleet));
    asking.step(part(&asking.sent[0].clone(), 0, 1, listed(&fleet)));
    assert!(asking.done && asking.sent.len() == 1);
}

/// Parts come out of order, twice, and some of another answer.
#[test]
fn parts() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut asking = Asking::new(order(), kit::directory(&fleet));
    let question = asking.sent[0].clone();
    let piece = |at: usize| listed(&fleet[at..=at]);
    asking.step(part(&question, 2, 3, piece(2)));
    asking.step(part(&question, 2, 3, piece(2)));
    asking.step(part(&question, 1, 2, piece(1)));
    asking.step(part(&question, 0, 3, piece(0)));
    assert!(!asking.done);
    asking.step(part(&question, 1, 3, piece(1)));
    assert!(asking.done);
    assert_eq!(asking.inquiry.found().len(), 3);
}

/// A part that is missing is asked for again, and an answer to either question will do.
#[test]
fn a_missing_part_is_asked_for_again() {
    let fleet = nodes(&["web1", "web2"]);
    let mut asking = Asking::new(order(), kit::directory(&fleet));
    asking.step(part(&asking.sent[0].clone(), 0, 2, listed(&fleet[..1])));
    asking.after(1500);
    assert_eq!(asking.sent.len(), 2);
    let [first, second] = [0, 1].map(|at| Question::parse(&asking.sent[at]).unwrap());
    assert_ne!(first.id, second.id, "parts of two answers must not mix");
    assert_eq!(first.ask, second.ask);
    asking.step(part(&asking.sent[1].clone(), 0, 1, listed(&fleet)));
    assert_eq!(asking.inquiry.found().len(), 2);
}

#[test]
fn no_hub_and_no_answer() {
    let mut asking = Asking::new(order(), Arc::default());
    let reply = asking.sent[0].reply.clone().unwrap();
    asking.step(Event::NoResponders("mco.lab.reply.ops=40example=2ecom.x.=hub".into()));
    assert!(!asking.done);
    asking.step(Event::NoResponders(reply));
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::NoHub));
    let selection = asking.inquiry.selection(kit::START);
    assert!(!selection.complete && selection.chosen.is_empty());

    let mut asking = Asking::new(order(), Arc::default());
    for _ in 0..4 {
        asking.after(1249);
    }
    assert!(!asking.done);
    asking.after(4);
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::NoAnswer));

    let mut asking = Asking::new(order(), Arc::default());
    let refused = Found::Refused("a term is not understood".into());
    asking.step(part(&asking.sent[0].clone(), 0, 1, refused));
    let refused = Outcome::Refused("a term is not understood".into());
    assert_eq!(asking.inquiry.outcome(), Some(&refused));

    let mut asking = Asking::new(order(), Arc::default());
    asking.step(Event::Interrupted);
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::Interrupted));
}

/// A hub that left between names and certificates, or that has none of them.
#[test]
fn certificates_that_do_not_come() {
    let fleet = nodes(&["web1"]);
    let start = || {
        let mut asking = Asking::new(order(), Arc::default());
        asking.step(part(&asking.sent[0].clone(), 0, 1, listed(&fleet)));
        asking
    };
    let mut asking = start();
    let reply = asking.sent[1].reply.clone().unwrap();
    asking.step(Event::NoResponders(reply));
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::NoAnswer));

    let other = marcato_protocol::keys::NodeSignKey::generate(&mut kit::rng(99));
    let prod = "prod".parse().unwrap();
    let useless = [
        vec![],
        vec![Node::certified("web1", 0, &other, &kit::collective())],
        vec![Node::certified("web1", 0, &kit::authority(), &prod)],
        vec![Node::rebuilt("web1")],
        nodes(&["web2"]),
    ];
    for certificate in useless {
        let mut asking = start();
        asking.step(part(&asking.sent[1].clone(), 0, 1, certificates(&certificate)));
        assert_eq!(asking.inquiry.outcome(), Some(&Outcome::Found));
        assert!(asking.learned.is_empty());
        let selection = asking.inquiry.selection(kit::START);
        assert_eq!(selection.left_out[0].reason, Reason::NoCertificate);
        assert_eq!(selection.expected(), 1, "it is not forgotten");
    }
    let mut asking = start();
    for _ in 0..5 {
        asking.after(1000);
    }
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::Found), "a silent hub is not waited for");
}

/// A hub that answers without end what nobody asked for is not listened to for ever.
#[test]
fn a_hub_that_never_finishes() {
    let fleet = nodes(&["web1"]);
    let mut asking = Asking::new(order(), Arc::default());
    for _ in 0..100 {
        let question = asking.sent.last().unwrap().clone();
        asking.step(part(&question, 0, 2, listed(&fleet)));
        asking.after(1600);
    }
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::NoAnswer));
    assert!(asking.sent.len() < 12);
}

/// A hub that lies about a key, in one line or in two.
#[test]
fn a_hub_that_lies() {
    let fleet = nodes(&["web1", "web2"]);
    let directory = kit::directory(&fleet);
    let rebuilt = Node::rebuilt("web1").listed();
    let check = |listed: Vec<Listed>| {
        let selection = kit::select(listed, &directory, true);
        assert_eq!(chosen(&selection), ["web2"]);
        assert_eq!(selection.left_out[0].reason, Reason::KeyChanged);
        assert!(selection.left_out[0].text.contains("SHA256:"), "names the key that is known");
        assert_eq!(selection.expected(), 2, "one account for each name");
    };
    let [web1, web2] = [0, 1].map(|at| fleet[at].listed());
    check(vec![rebuilt.clone(), web2.clone()]);
    check(vec![web1.clone(), rebuilt.clone(), web2.clone()]);
    check(vec![rebuilt, web2.clone(), web1.clone()]);
    // Twice the same, and a second line that would take the node out of the accounts.
    let hidden = [
        Listed { not_capable: true, ..web1.clone() },
        Listed { read_only: true, ..web1.clone() },
        Listed { down: Some(Timestamp::from_ms(1)), ..web1.clone() },
        web1.clone(),
    ];
    for second in hidden {
        for lines in [vec![web1.clone(), second.clone()], vec![second, web1.clone()]] {
            let selection = kit::select(lines, &directory, true);
            assert_eq!(chosen(&selection), ["web1"]);
            assert_eq!(selection.chosen[0].down, None);
        }
    }
}

#[test]
fn who_is_left_aside() {
    let fleet = nodes(&["a", "b", "c", "d", "e"]);
    let directory = kit::directory(&fleet);
    let mut lines: Vec<Listed> = fleet.iter().map(Node::listed).collect();
    lines[0].not_capable = true;
    lines[1].read_only = true;
    lines[2].down = Some(kit::START - Span::from_secs(3600));
    lines[3].down = Some(kit::START - Span::from_secs(8 * 24 * 3600));
    let change = kit::select(lines.clone(), &directory, true);
    assert_eq!(names(&change.not_capable), ["a"]);
    assert_eq!(names(&change.read_only), ["b"]);
    assert_eq!(names(&change.gone), ["d"]);
    assert_eq!(chosen(&change), ["c", "e"]);
    assert!(change.chosen[0].down.is_some());
    let read = kit::select(lines, &directory, false);
    assert_eq!(chosen(&read), ["b", "c", "e"], "a read does not mind");
    let mut cancel = read;
    cancel.expect_aside();
    let expected: Vec<_> =
        cancel.left_out.iter().map(|out| (out.identity.as_str(), out.reason)).collect();
    assert_eq!(expected, [("a", Reason::UnknownAgent), ("d", Reason::NotConnected)]);
    assert_eq!(cancel.expected(), 5);
}

/// The newest version that the whole set speaks; who is too far away is refused by name.
#[test]
fn versions() {
    let fleet = nodes(&["a", "b", "c"]);
    let directory = kit::directory(&fleet);
    let check = |own: (u32, u32), spoken: [(u32, u32); 3], version: u32, left: &[&str]| {
        let lines = fleet.iter().zip(spoken).map(|(node, (oldest, newest))| Listed {
            spoken: Spoken { oldest, newest },
            ..node.listed()
        });
        let spoken = Spoken { oldest: own.0, newest: own.1 };
        let wish = marcato_client::core::Wish { changes: false, spoken, now: kit::START };
        let key = |node: &Identity| directory.get(node).map(marcato_client::core::KnownNode::sign);
        let selection = Selection::choose(lines, key, wish);
        assert_eq!(selection.version, version);
        let out: Vec<&str> = selection.left_out.iter().map(|node| node.identity.as_str()).collect();
        assert_eq!(out, left);
        assert!(selection.left_out.iter().all(|node| node.reason == Reason::Version));
        assert_eq!(selection.expected(), 3);
    };
    check((1, 1), [(1, 1), (1, 1), (1, 1)], 1, &[]);
    check((1, 2), [(1, 1), (1, 2), (1, 2)], 1, &[]);
    check((1, 2), [(1, 2), (1, 2), (2, 3)], 2, &[]);
    check((1, 1), [(1, 1), (2, 2), (1, 2)], 1, &["b"]);
    check((2, 3), [(1, 1), (2, 2), (2, 3)], 2, &["a"]);
    check((2, 2), [(1, 1), (1, 1), (1, 1)], 2, &["a", "b", "c"]);
}

/// Where every node is asked for, a known one that the hub does not name is missed by name.
#[test]
fn what_vanished_is_named() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let known = kit::directory(&fleet);
    let ask = |terms: Terms| {
        let purpose = Purpose::Order { terms, changes: false };
        let mut asking = Asking::new(purpose, known.clone());
        asking.step(part(&asking.sent[0].clone(), 0, 1, listed(&fleet[..2])));
        asking.inquiry.selection(kit::START).coverage.vanished
    };
    let agents = Terms { agents: vec!["service".into()], ..Terms::default() };
    assert_eq!(names(&ask(agents)), ["web3"]);
    let some = Terms { facts: vec!["role=web".into()], ..Terms::default() };
    assert_eq!(ask(some), Vec::<Identity>::new(), "a filter may well leave it out");
}

/// Asks with what is known, of a hub that lists `matching` and has `all`; a census is answered.
fn cover(terms: Terms, known: &[Node], (matching, all): (&[Node], &[Node]), age: u64) -> Asking {
    let since = kit::START - Span::from_secs(age);
    let purpose = Purpose::Order { terms, changes: true };
    let mut asking = Asking::new(purpose, kit::directory(known));
    asking.step(part_since(&asking.sent[0].clone(), 0, 1, listed(matching), since));
    let mut asked = 1;
    while !asking.done {
        let question = asking.sent[asked].clone();
        let found = match Question::parse(&question).unwrap().ask {
            Ask::Find(terms) => {
                assert_eq!(terms, Terms::default());
                listed(all)
            }
            Ask::Certificates(_) => certificates(all),
            Ask::Values(_) | Ask::Names(_) => panic!(),
        };
        asking.step(part_since(&question, 0, 1, found, since));
        asked += 1;
    }
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::Found));
    asking
}

/// A hub that has just started does not know every node yet: what it lists passes for whole only
/// where it is exactly what is known here.
#[test]
fn a_young_hub_does_not_vouch_for_itself() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let group = || Terms { facts: vec!["hagroup=c".into()], ..Terms::default() };
    let check = |known: &[Node], there: &[Node], age: u64, missing: Option<&[&str]>| {
        // A filter that means web1 alone, and none.
        for (terms, matching) in [(group(), &there[..1]), (Terms::default(), there)] {
            let asking = cover(terms, known, (matching, there), age);
            let selection = asking.inquiry.selection(kit::START);
            assert_eq!(chosen(&selection).len(), matching.len());
            let coverage = &selection.coverage;
            assert_eq!(coverage.gathering, missing.map(|_| Span::from_secs(age)));
            if let Some(missing) = missing {
                assert_eq!(names(&coverage.vanished), missing);
            }
        }
    };
    check(&fleet, &fleet[..2], 4, Some(&["web3"]));
    check(&fleet, &fleet[..2], 74, Some(&["web3"]));
    check(&fleet, &fleet[..2], 75, None);
    check(&fleet, &fleet, 4, None);
    // Who knows nobody, or a part, cannot tell what else there is.
    check(&[], &fleet, 4, Some(&[]));
    check(&fleet[..1], &fleet, 4, Some(&[]));
    check(&[], &fleet, 75, None);
    let late = |asking: &Asking| asking.sent.len();
    let (known, old) = (&fleet[..], 75);
    assert_eq!(
        late(&cover(group(), known, (&fleet[..1], &fleet), old)),
        1,
        "nothing more is asked"
    );
}

/// Each name that is typed in full is held against all that there are.
#[test]
fn a_name_that_nobody_is_called_is_named() {
    let fleet = nodes(&["web1.x", "web2.x", "db1.x"]);
    let check = |typed: &[&str], known: &[Node], want: &[(&str, Option<&str>)], gone: &[&str]| {
        let identities = typed.iter().map(|name| (*name).to_owned()).collect();
        let facts = vec!["role=web".into()];
        let terms = Terms { identities, facts, ..Terms::default() };
        let asking = cover(terms, known, (&fleet[..1], &fleet), 75);
        let coverage = asking.inquiry.selection(kit::START).coverage;
        let got = coverage.unknown_names.iter();
        let got: Vec<_> = got
            .map(|one| (one.name.as_str(), one.nearest.as_ref().map(Identity::as_str)))
            .collect();
        assert_eq!(got, want);
        assert_eq!(names(&coverage.vanished), gone);
    };
    check(&["web1.x", "wbe2.x"], &fleet, &[("wbe2.x", Some("web2.x"))], &[]);
    check(&["web1.x", "web2", "zzz", "zzz"], &[], &[("web2", Some("web2.x")), ("zzz", None)], &[]);
    // It exists, and is left out by the other terms.
    check(&["web1.x", "db1.x"], &fleet, &[], &[]);
    check(&["web1.x", "/^zzz/"], &fleet, &[], &[]);
    check(&["Web1"], &fleet, &[("Web1", Some("web1.x"))], &[]);
    // Known here, and not to the hub.
    let known = nodes(&["web1.x", "web7.x", "old1.x"]);
    check(&["web1.x", "web7.x"], &known, &[("web7.x", Some("web1.x"))], &["web7.x"]);
    let many = ["web3.x", "web4.x", "web5.x", "web6.x"];
    let coverage = cover(
        Terms { identities: many.map(Into::into).into(), ..Terms::default() },
        &fleet,
        (&[], &fleet),
        75,
    );
    let unknown = coverage.inquiry.coverage().unknown_names;
    assert_eq!(unknown.iter().filter(|one| one.nearest.is_some()).count(), 3, "a bounded search");
    assert_eq!(unknown.len(), 4);
}

/// Without all names nobody can say that none is missing: nothing is sent.
#[test]
fn a_census_that_does_not_come() {
    let fleet = nodes(&["web1"]);
    let terms = Terms { identities: vec!["web1".into(), "web2".into()], ..Terms::default() };
    let purpose = || Purpose::Order { terms: terms.clone(), changes: false };
    let start = || {
        let mut asking = Asking::new(purpose(), kit::directory(&fleet));
        asking.step(part(&asking.sent[0].clone(), 0, 1, listed(&fleet)));
        assert!(!asking.done);
        asking
    };
    let mut left = start();
    let reply = left.sent[1].reply.clone().unwrap();
    left.step(Event::NoResponders(reply));
    assert_eq!(left.inquiry.outcome(), Some(&Outcome::NoAnswer));
    let mut silent = start();
    for _ in 0..5 {
        silent.after(1000);
    }
    assert_eq!(silent.inquiry.outcome(), Some(&Outcome::NoAnswer));
    assert_eq!(silent.sent.len(), 4, "and it was asked again");
    let mut late = start();
    late.after(1500);
    late.step(part(&late.sent[2].clone(), 0, 1, listed(&fleet)));
    assert_eq!(late.inquiry.outcome(), Some(&Outcome::Found));
}

/// Many nodes with long names: the list comes in parts, and questions stay bounded.
#[test]
fn many_nodes() {
    let long = "x".repeat(240);
    let fleet: Vec<Node> = (0..1200).map(|i| Node::new(&format!("n{i:04}{long}"))).collect();
    let mut asking = Asking::new(order(), Arc::default());
    let question = asking.sent[0].clone();
    for (at, chunk) in fleet.chunks(400).enumerate() {
        asking.step(part(&question, u32::try_from(at).unwrap(), 3, listed(chunk)));
    }
    let asked: Vec<Message> = asking.sent.drain(1..).collect();
    assert!(asked.len() > 1);
    for message in asked {
        assert_eq!(message.headers.kind(), Some(Kind::Question));
        let Ask::Certificates(nodes) = Question::parse(&message).unwrap().ask else { panic!() };
        let found = fleet.iter().filter(|node| nodes.contains(&node.identity));
        let texts = found.map(|node| node.certificate.clone()).collect();
        asking.step(part(&message, 0, 1, Found::Certificates(texts)));
    }
    assert!(asking.done);
    assert_eq!(asking.inquiry.selection(kit::START).chosen.len(), 1200);
}

/// The file of known nodes keeps a name's key, whatever comes later.
#[test]
fn the_directory_keeps_its_keys() {
    let mut directory = Directory::default();
    assert_eq!(directory.keep(Node::new("web1").known()), Ok(true));
    assert_eq!(directory.keep(Node::new("web1").known()), Ok(false));
    let changed = directory.keep(Node::rebuilt("web1").known()).unwrap_err();
    assert!(changed.to_string().starts_with("web1 is known with the key SHA256:"));
    let key = directory.get(&kit::name("web1")).unwrap().sign().clone();
    assert_eq!(key, *Node::new("web1").sign.public());
    let text = directory.to_text();
    assert_eq!(Directory::parse(&text).unwrap(), directory);
}

/// A hub that says a little now and then holds nobody for ever.
#[test]
fn an_answer_in_drops_ends() {
    let fleet = nodes(&["web1"]);
    let mut asking = Asking::new(order(), kit::directory(&fleet));
    let question = asking.sent[0].clone();
    for at in 0..60 {
        assert!(!asking.done, "{at} s");
        asking.step(part(&question, at, 1024, listed(&fleet)));
        asking.after(1000);
    }
    assert_eq!(asking.inquiry.outcome(), Some(&Outcome::NoAnswer));
}

/// A list leaves its own names alone, and each of them in one account; a limit takes some of those.
#[test]
fn a_list_and_a_limit() {
    let fleet = nodes(&["web1", "web2", "web3", "web4", "web5"]);
    let directory = kit::directory(&fleet);
    let mut listed: Vec<Listed> = fleet.iter().map(Node::listed).collect();
    listed[1].not_capable = true;
    listed[2].read_only = true;
    let whole = kit::select(listed, &directory, true);
    let set = |names: &[&str]| names.iter().map(|name| kit::name(name)).collect();

    let mut selection = whole.clone();
    let list: std::collections::BTreeSet<Identity> = set(&["web1", "web2", "web4", "web9"]);
    selection.only(&list);
    assert_eq!(chosen(&selection), ["web1", "web4"]);
    assert_eq!(names(&selection.not_capable), ["web2"]);
    assert!(selection.read_only.is_empty());
    let unknown = selection.lacks(&list);
    assert_eq!(unknown, set(&["web9"]));
    selection.expect_unknown(unknown);
    assert_eq!(selection.left_out[0].reason, Reason::NotRegistered);
    assert_eq!(selection.expected(), 3);

    let limit = |limit: Limit| {
        let mut selection = whole.clone();
        selection.expect_unknown(set(&["web9"]));
        let other = LeftOut { reason: Reason::KeyChanged, ..selection.left_out[0].clone() };
        selection.left_out.push(LeftOut { identity: kit::name("web8"), ..other });
        selection.limit(Pick { limit, seed: None });
        selection
    };
    let selection = limit(Limit::Nodes(2));
    assert_eq!(chosen(&selection), ["web1", "web4"]);
    assert_eq!((selection.limited_from, selection.expected()), (Some(3), 3));
    assert_eq!(selection.left_out[0].reason, Reason::NotRegistered);
    // A limit that leaves nobody out hides nobody.
    assert_eq!(limit(Limit::Nodes(3)).left_out.len(), 2);
}
