//! Nodes and clients of other releases beside this one: the same code with its list of spoken
//! versions moved, and real bytes. Each pair works, or is refused by name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use marcato_core::{EndState, Reason};
use marcato_protocol::version::Spoken;
use marcato_sim::checkers;
use marcato_sim::fault::{Fault, Kind};
use marcato_sim::host::Files;
use marcato_sim::plan::{Command, Plan, Work};
use marcato_sim::truth::JobTruth;
use marcato_sim::world::World;

/// N is what this release speaks.
const N: (i32, i32) = (0, 0);
const OK: (EndState, Option<Reason>) = (EndState::Ok, None);
const LEFT_OUT: (EndState, Option<Reason>) = (EndState::Skipped, Some(Reason::Version));
const REJECTED: (EndState, Option<Reason>) = (EndState::Rejected, Some(Reason::Version));

/// From `oldest` to `newest`, each counted from this release's own.
fn spoken((oldest, newest): (i32, i32)) -> Spoken {
    let Spoken { oldest: own_oldest, newest: own_newest } = Spoken::RELEASE;
    Spoken {
        oldest: own_oldest.checked_add_signed(oldest).unwrap(),
        newest: own_newest.checked_add_signed(newest).unwrap(),
    }
}

/// What a command of such a client shows of such nodes.
fn run(
    client: (i32, i32),
    nodes: &[(i32, i32)],
    (work, chosen): (Work, bool),
    hub: bool,
) -> JobTruth {
    let hosts = (0..nodes.len()).map(Files::new).collect();
    let command = Command {
        at: 3_000,
        operator: 0,
        work,
        group: None,
        chosen,
        pace: Default::default(),
        lingers: 0,
    };
    let mut plan = Plan::of(1, hosts, vec![command], 60_000);
    plan.spoken = spoken(client);
    plan.others = nodes.iter().map(|node| spoken(*node)).enumerate().collect();
    if !hub {
        let (kind, from, until) = (Kind::NoHub, 2_000, 60_000);
        let (nodes, commands) = (vec![0], Vec::new());
        plan.faults.push(Fault { kind, from, until, nodes, hub: false, commands, per_mille: 1000 });
    }
    let mut world = World::new(plan, false);
    world.run();
    assert_eq!(checkers::check(&world.truth), []);
    world.truth.jobs.remove(0)
}

/// What is shown of each node; to be sent to chosen nodes, or to whoever matches.
fn check(
    client: (i32, i32),
    nodes: &[(i32, i32)],
    (hub, chosen): (bool, bool),
    want: &[(EndState, Option<Reason>)],
) {
    let works = [Work::Ping, Work::Restart("ssh")];
    for work in works.into_iter().take(if chosen { 2 } else { 1 }) {
        let job = run(client, nodes, (work, chosen), hub);
        let report = job.report.unwrap();
        let mut lines: Vec<_> = report.nodes.iter().collect();
        let hosts = ["web1", "db1", "app1", "old1"];
        lines
            .sort_by_key(|line| hosts.iter().position(|host| line.node.as_str().starts_with(host)));
        let got: Vec<_> = lines.iter().map(|line| (line.state, line.reason)).collect();
        assert_eq!(got, want, "{client:?} {nodes:?} {work:?}");
        for line in lines.iter().filter(|line| line.state == EndState::Skipped) {
            assert!(line.message.contains("versions"), "{}", line.message);
        }
    }
}

#[test]
fn a_node_of_the_release_before_or_after_works_where_one_version_is_shared() {
    let nodes = [N, (-1, 0), (0, 1)];
    check(N, &nodes, (true, true), &[OK, OK, OK]);
    check(N, &nodes, (true, false), &[OK, OK, OK]);
    check(N, &nodes, (false, false), &[OK, OK, OK]);
}

#[test]
fn a_node_that_shares_none_is_named() {
    let nodes = [N, (-1, -1), (1, 1)];
    check(N, &nodes, (true, true), &[OK, LEFT_OUT, LEFT_OUT]);
    // What is for whoever matches reaches these nodes all the same, and they refuse it themselves.
    check(N, &nodes, (true, false), &[OK, REJECTED, REJECTED]);
    check(N, &nodes, (false, false), &[OK, REJECTED, REJECTED]);
}

#[test]
fn a_client_signs_the_newest_version_that_its_nodes_speak() {
    check((0, 1), &[N, (0, 1)], (true, true), &[OK, OK]);
    check((0, 1), &[(1, 1), (0, 1)], (true, true), &[OK, OK]);
    check((0, 1), &[N, N, (1, 1)], (true, true), &[OK, OK, LEFT_OUT]);
}

#[test]
fn a_hub_names_the_version_that_it_does_not_speak() {
    for (client, version) in [((1, 1), 2), ((-1, -1), 0)] {
        let job = run(client, &[N], (Work::Ping, false), true);
        let why = format!("{:?}", job.gave_up.unwrap());
        let want = format!("version {version} of the protocol; this hub speaks 1 to 1");
        assert!(why.contains(&want), "{why}");
    }
}
