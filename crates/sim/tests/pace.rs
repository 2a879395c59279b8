//! Orders that go to so many nodes at a time, from the operator's command to what the hosts did.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use marcato_client::core::{Limit, Stopped};
use marcato_core::{EndState, Exit, Identity, Reason, Span};
use marcato_rollout::Pace;
use marcato_sim::checkers;
use marcato_sim::host::{Allowed, Files};
use marcato_sim::keys::Keys;
use marcato_sim::plan::{Command, CrashOf, Outage, Plan, Work};
use marcato_sim::truth::{Course, JobTruth};
use marcato_sim::world::World;

const HOSTS: usize = 6;

/// The hosts in the order of their turns, and what became of a restart on all of them.
fn run(pace: Pace, bend: impl FnOnce(&mut Plan)) -> (Vec<Identity>, JobTruth) {
    let command = Command {
        at: 40_000,
        operator: 0,
        work: Work::Restart("ssh"),
        group: None,
        chosen: true,
        pace,
        lingers: 0,
    };
    let hosts = (0..HOSTS).map(Files::new).collect();
    let mut plan = Plan::of(1, hosts, vec![command], 110_000);
    bend(&mut plan);
    let mut world = World::new(plan, false);
    world.run();
    assert_eq!(checkers::check(&world.truth), []);
    let mut names: Vec<_> = world.truth.hosts.iter().map(|host| host.identity.clone()).collect();
    names.sort();
    (names, world.truth.jobs.remove(0))
}

fn name(files: &Files) -> &'static Identity {
    &Keys::shared().hosts[files.index].identity
}

fn batch(size: usize) -> Pace {
    Pace { batch: Some(Limit::Nodes(size)), ..Pace::default() }
}

/// Who was sent it, and when.
fn sent(job: &JobTruth) -> Vec<(&Identity, u64)> {
    let sent = job.course.iter().filter_map(|(at, what)| match what {
        Course::Sent(node) => Some((node, *at)),
        _ => None,
    });
    sent.collect()
}

#[test]
fn each_place_rests_and_the_order_is_signed_once() {
    let (names, job) = run(Pace { rest: Span::from_secs(2), ..batch(2) }, |_| {});
    let sent = sent(&job);
    let report = job.report.as_ref().unwrap();
    assert!(sent.iter().map(|(node, _)| *node).eq(&names));
    assert!(report.nodes.iter().all(|line| line.state == EndState::Ok));
    assert_eq!((report.orders.len(), &report.stopped), (1, &None));
    for (before, after) in sent.iter().zip(&sent[2..]) {
        assert!(after.1 >= before.1 + 2_000, "{sent:?}");
    }
}

#[test]
fn it_goes_no_further_than_where_it_goes_wrong() {
    let denies = |plan: &mut Plan| {
        let mut names: Vec<_> = plan.hosts.iter().map(|files| (name(files), files.index)).collect();
        names.sort();
        plan.hosts[names[2].1].allowed = Allowed::NoRestarts;
    };
    let (names, job) = run(batch(1), denies);
    let report = job.report.as_ref().unwrap();
    assert_eq!(sent(&job).len(), 3);
    assert_eq!(report.exit(), Exit::Failed);
    assert_eq!(report.stopped, Some(Stopped::Node { node: names[2].clone() }));
    assert!(report.nodes[3..].iter().all(|line| line.reason == Some(Reason::NotSent)));
    for pace in
        [Pace { keep_going: true, ..batch(1) }, Pace { parallel: Some(1), ..Pace::default() }]
    {
        let (_, job) = run(pace, denies);
        let report = job.report.as_ref().unwrap();
        assert_eq!(
            (sent(&job).len(), report.exit(), &report.stopped),
            (HOSTS, Exit::Failed, &None)
        );
    }
}

/// What the hub knew before is nothing that went wrong; what it did not know is.
#[test]
fn a_node_that_is_down() {
    let down_since = |at: u64| {
        move |plan: &mut Plan| {
            plan.outages.push(Outage { at, node: 0, how: Some(CrashOf::Host), rest: 100_000 });
        }
    };
    let (_, job) = run(batch(1), down_since(2_000));
    let report = job.report.as_ref().unwrap();
    let down = report.nodes.iter().filter(|line| line.state == EndState::Down).count();
    assert_eq!((down, report.exit(), &report.stopped), (1, Exit::Silent, &None));
    assert_eq!(sent(&job).len(), HOSTS);
    let (names, job) = run(batch(1), down_since(39_500));
    let report = job.report.as_ref().unwrap();
    let index = report.nodes.iter().position(|line| line.state != EndState::Ok).unwrap();
    assert_eq!(report.stopped, Some(Stopped::Node { node: names[index].clone() }));
    assert!(sent(&job).iter().all(|(node, _)| **node <= names[index]), "nobody after it");
}
