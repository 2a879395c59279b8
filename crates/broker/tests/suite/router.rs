//! The router's tree against the plain statement of what a pattern covers.

use std::collections::{BTreeMap, BTreeSet};

use marcato_broker::refusal::Refusal;
use marcato_broker::router::{ClientId, Finished, Router};
use marcato_broker::subject::covers;
use proptest::prelude::*;

/// What may be done to a router.
#[derive(Debug, Clone)]
enum Deed {
    Subscribe { client: ClientId, sid: u8, pattern: String, queue: Option<u8> },
    Unsubscribe { client: ClientId, sid: u8, max: Option<u64> },
    Leave(ClientId),
    Publish { subject: String, but_not: Option<ClientId>, random: u64 },
}

/// One subscription, as the plain model keeps it.
#[derive(Debug, Clone)]
struct Entry {
    pattern: String,
    queue: Option<u8>,
    delivered: u64,
    max: u64,
}

type Model = BTreeMap<(ClientId, u8), Entry>;

fn deed() -> impl Strategy<Value = Deed> {
    let client = 1..5u64;
    let pattern = "([ab*]\\.){0,3}[ab*>]";
    let queue = prop::option::of(0..2u8);
    prop_oneof![
        4 => (client.clone(), 0..6u8, pattern, queue).prop_map(|(client, sid, pattern, queue)| {
            Deed::Subscribe { client, sid, pattern, queue }
        }),
        1 => (client.clone(), 0..6u8, prop::option::of(0..4u64)).prop_map(|(client, sid, max)| {
            Deed::Unsubscribe { client, sid, max }
        }),
        1 => client.clone().prop_map(Deed::Leave),
        6 => ("([ab]\\.){0,3}[ab]", prop::option::of(client), any::<u64>())
            .prop_map(|(subject, but_not, random)| Deed::Publish { subject, but_not, random }),
    ]
}

proptest! {
    #[test]
    fn the_tree_is_the_rule(deeds in prop::collection::vec(deed(), 1..80)) {
        let mut router = Router::new(usize::MAX);
        let mut model = Model::new();
        for deed in deeds {
            apply(&mut router, &mut model, deed)?;
            prop_assert_eq!(router.len(), model.len());
        }
        for client in 1..5 {
            router.remove_client(client);
        }
        prop_assert!(router.is_empty());
        prop_assert_eq!(router.nodes(), 1, "branches that nobody needs are left");
    }
}

fn apply(router: &mut Router<()>, model: &mut Model, deed: Deed) -> Result<(), TestCaseError> {
    match deed {
        Deed::Subscribe { client, sid, pattern, queue } => {
            let name = queue.map(|q| q.to_string());
            let done = router.subscribe((), client, &sid.to_string(), &pattern, name.as_deref());
            prop_assert_eq!(done, Ok(()));
            let entry = Entry { pattern, queue, delivered: 0, max: u64::MAX };
            model.entry((client, sid)).or_insert(entry);
        }
        Deed::Unsubscribe { client, sid, max } => {
            router.unsubscribe(client, &sid.to_string(), max);
            if let Some(entry) = model.get_mut(&(client, sid)) {
                entry.max = max.unwrap_or(0);
            }
            model.retain(|_, entry| entry.delivered < entry.max);
        }
        Deed::Leave(client) => {
            router.remove_client(client);
            model.retain(|(owner, _), _| *owner != client);
        }
        Deed::Publish { subject, but_not, random } => {
            publish(router, model, &subject, but_not, random)?;
        }
    }
    Ok(())
}

fn publish(
    router: &mut Router<()>,
    model: &mut Model,
    subject: &str,
    but_not: Option<ClientId>,
    random: u64,
) -> Result<(), TestCaseError> {
    let mut got = BTreeSet::new();
    let mut finished = Finished::new();
    let taken = router.deliver(subject, but_not, random, &mut finished, |sub| {
        got.insert((sub.client, sub.sid.parse::<u8>().unwrap()))
    });
    router.remove_finished(finished);
    prop_assert_eq!(taken, got.len(), "somebody got it twice");
    let may = |key: &(ClientId, u8), entry: &Entry| {
        but_not != Some(key.0) && covers(&entry.pattern, subject)
    };
    let mut groups: BTreeMap<(String, u8), usize> = BTreeMap::new();
    for (key, entry) in model.iter() {
        let took = got.contains(key);
        prop_assert!(may(key, entry) || !took, "{:?} got {}", entry, subject);
        match entry.queue {
            None => prop_assert_eq!(took, may(key, entry), "{:?} and {}", entry, subject),
            Some(queue) if may(key, entry) => {
                *groups.entry((entry.pattern.clone(), queue)).or_default() += usize::from(took);
            }
            Some(_) => {}
        }
    }
    prop_assert!(groups.values().all(|takers| *takers == 1), "{:?}", groups);
    for key in got {
        model.get_mut(&key).unwrap().delivered += 1;
    }
    model.retain(|_, entry| entry.delivered < entry.max);
    Ok(())
}

#[test]
fn a_client_holds_so_many_and_not_more() {
    let mut router = Router::new(2);
    let mut subscribe = |client, sid: &str| router.subscribe((), client, sid, "a", None);
    assert_eq!(subscribe(1, "1"), Ok(()));
    assert_eq!(subscribe(1, "2"), Ok(()));
    assert_eq!(subscribe(1, "3"), Err(Refusal::Subscriptions));
    assert_eq!(subscribe(1, "2"), Ok(()), "one that it has costs nothing");
    assert_eq!(subscribe(2, "1"), Ok(()));
}

#[test]
fn a_sid_is_free_after_its_last_message() {
    let mut router = Router::new(1);
    let mut finished = Finished::new();
    router.subscribe((), 1, "9", "a", None).unwrap();
    router.unsubscribe(1, "9", Some(1));
    assert_eq!(router.deliver("a", None, 0, &mut finished, |_| true), 1);
    // Others may come between a delivery and what it leaves to be removed.
    router.subscribe((), 1, "9", "b", None).unwrap();
    router.remove_finished(finished);
    let heard = |subject| router.deliver(subject, None, 0, &mut Finished::new(), |_| true);
    assert_eq!((heard("a"), heard("b")), (0, 1));
}

#[test]
fn the_last_message_cannot_be_moved_once_it_has_come() {
    let mut router = Router::new(1);
    let mut finished = Finished::new();
    router.subscribe((), 1, "9", "a", None).unwrap();
    router.unsubscribe(1, "9", Some(1));
    assert_eq!(router.deliver("a", None, 0, &mut finished, |_| true), 1);
    router.unsubscribe(1, "9", Some(5));
    router.remove_finished(finished);
    assert!(router.is_empty());
}

#[test]
fn a_member_that_is_gone_is_passed_over() {
    let mut router = Router::new(9);
    for client in 1..=3 {
        router.subscribe((), client, "1", "work", Some("crew")).unwrap();
    }
    for random in 0..9 {
        let mut finished = Finished::new();
        let taken = router.deliver("work", None, random, &mut finished, |sub| sub.client == 3);
        assert_eq!(taken, 1);
    }
}

#[test]
fn many_patterns_that_branch_at_every_level_stay_cheap() {
    // 2^12 patterns over a subject of 12 tokens: all match, and each is visited once.
    let mut router = Router::new(usize::MAX);
    for bits in 0..1u32 << 12 {
        let token = |level: u32| if bits >> level & 1 == 0 { "a" } else { "*" };
        let pattern: Vec<_> = (0..12).map(token).collect();
        router.subscribe((), 1, &bits.to_string(), &pattern.join("."), None).unwrap();
    }
    let subject = ["a"; 12].join(".");
    let mut visits = 0;
    router.deliver(&subject, None, 0, &mut Finished::new(), |_| {
        visits += 1;
        true
    });
    assert_eq!(visits, 1 << 12);
}
