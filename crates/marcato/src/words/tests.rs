//! Reports as a person and a script see them.

use marcato_client::core::{NodeReport, Report};
use marcato_core::ddl::{Action, Ddl};
use marcato_core::{Exit, Span};
use serde_json::{Value, json};

use super::json::Replies;
use super::table::{Screen, show};
use super::tally::{About, Display, Look, Shape, hints};

const TERMINAL: Screen = Screen { width: Some(80), color: false, above: 0 };
const PIPE: Screen = Screen { width: None, color: false, above: 0 };

/// `count` nodes `name1`, `name2` … with a state, a reason (or none) and a version.
fn nodes(name: &str, count: usize, state: &str, reason: Option<&str>, version: &str) -> Vec<Value> {
    let signed = !["no_response", "lost", "down", "skipped"].contains(&state);
    let node = |number| {
        let data = if version.is_empty() {
            json!({})
        } else {
            json!({"ensure": version, "state": "installed"})
        };
        json!({
            "node": format!("{name}{number}.x"), "state": state, "reason": reason,
            "changed": "false", "signed": signed, "data": data,
        })
    };
    (1..=count).map(node).collect()
}

fn report(nodes: Vec<Value>) -> Report {
    let expected = nodes.len();
    let mut nodes: Vec<NodeReport> =
        nodes.into_iter().map(|node| serde_json::from_value(node).unwrap()).collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    let mut report: Report = serde_json::from_value(json!({
        "collective": "lab", "caller": "ops", "agent": "package", "action": "status",
        "orders": [], "issued": "2026-11-23T12:00:00.000Z", "ended": "2026-11-23T12:00:01.000Z",
        "expected": expected, "complete": false, "nodes": [], "unexpected": [], "not_capable": [], "read_only": [],
        "gone": [], "vanished": [], "refused": [], "interrupted": false
    }))
    .unwrap();
    report.nodes = nodes;
    report
}

fn action() -> Action {
    let ddl = marcato_agents::package::DDL.ddl().unwrap();
    ddl.actions[&"status".parse().unwrap()].clone()
}

fn lines(report: &Report, screen: Screen, odd: bool) -> (Vec<String>, Vec<String>) {
    let action = action();
    let about = About {
        action: Some(&action),
        item: Some("openssl"),
        job: Some(&"K7PX".parse().unwrap()),
        took: Span::from_ms(38),
        look: Look::Outputs,
        shape: Shape::Fitting,
        display: if odd { Display::Failed } else { Display::All },
        exit: report.exit(),
        next: &[],
    };
    let shown = show(report, &about, screen);
    (shown.data, shown.talk)
}

fn check(nodes: Vec<Value>, screen: Screen, want: &[&str]) {
    let (mut got, talk) = lines(&report(nodes), screen, false);
    got.extend(talk);
    assert_eq!(got, want);
}

#[test]
fn the_odd_ones_stand_next_to_the_prompt() {
    let mut all = nodes("web", 40, "ok", None, "3.0.20");
    all.extend(nodes("old", 9, "ok", None, "1.0.1"));
    all.extend(nodes("db", 2, "failed", Some("action"), ""));
    all.extend(nodes("gw", 1, "ok", Some("absent"), ""));
    all.extend(nodes("app", 3, "down", Some("not-connected"), ""));
    check(
        all,
        TERMINAL,
        &[
            "40  3.0.20               web[1-40].x",
            " 9  1.0.1                old[1-9].x",
            " 1  absent               gw1.x",
            " 2  failed  action       db[1-2].x",
            " 3  down  not-connected  app[1-3].x",
            "Finished processing 52 / 55 hosts in 38 ms · job K7PX · 1 absent, 2 failed, 3 down · exit 2",
        ],
    );
}

#[test]
fn one_name_is_whole_however_little_room_there_is() {
    let mut all = nodes("ok", 12, "ok", None, "3.0.20");
    let mut failed = nodes("old12.production.example.co", 1, "failed", Some("locked"), "");
    failed[0]["message"] =
        json!("dpkg lock held by unattended-upgr (pid 812) since 6 min, waited 2 min");
    all.append(&mut failed);
    let (lines, _) = lines(&report(all), TERMINAL, false);
    assert!(lines[1].contains("  old12.production.example.co1.x  dpkg lock"), "{lines:?}");
}

#[test]
fn what_does_not_run_comes_after_what_does() {
    let mut all = nodes("web", 8, "ok", Some("not-running"), "stopped");
    all.extend(nodes("db", 3, "ok", None, "running"));
    check(
        all,
        TERMINAL,
        &[
            "3  running  db[1-3].x",
            "8  stopped  web[1-8].x",
            "Finished processing 11 / 11 hosts in 38 ms · job K7PX · 8 not running · exit 1",
        ],
    );
}

#[test]
fn few_nodes_have_a_line_each_and_what_they_say_is_harmless() {
    let mut all = nodes("web", 1, "ok", None, "3.0.20\u{1b}[2J");
    let mut failed = nodes("db", 1, "failed", Some("action"), "");
    failed[0]["message"] = json!("no\nspace");
    all.append(&mut failed);
    let mut down = nodes("gw", 1, "down", Some("not-connected"), "");
    down[0]["down_since"] = json!("2026-11-23T09:00:00.000Z");
    all.append(&mut down);
    let mut silent = nodes("app", 1, "no_response", Some("silent"), "");
    silent[0]["changed"] = json!("unknown");
    silent[0]["may_start_until"] = json!("2026-11-23T12:00:40.000Z");
    all.append(&mut silent);
    check(
        all,
        TERMINAL,
        &[
            "app1.x  no response  silent  may start until 12:00:40Z",
            "db1.x   failed  action       no\\nspace",
            "gw1.x   down  not-connected  since 3 h",
            "web1.x  ok                   3.0.20\\u{1b}[2J",
            "Finished processing 2 / 4 hosts in 38 ms · job K7PX · 1 failed, 1 no response, 1 down · exit 2",
        ],
    );
}

/// Fifty thousand nodes and as many versions: still one screen, and nothing that failed is hidden.
#[test]
fn a_report_has_twenty_lines_at_most() {
    let mut all = Vec::new();
    for version in 0..300 {
        all.extend(nodes(
            &format!("web{version}-"),
            300 - version,
            "ok",
            None,
            &version.to_string(),
        ));
    }
    all.extend(nodes("db", 4_000, "failed", Some("action"), ""));
    all.extend(nodes("app", 850, "no_response", Some("silent"), ""));
    let mut report = report(all);
    report.read_only = vec!["gw1.x".parse().unwrap(), "gw2.x".parse().unwrap()];
    for screen in [TERMINAL, PIPE] {
        let (data, talk) = lines(&report, screen, false);
        let hints = hints(&report, 2).len();
        assert_eq!(data.len() + talk.len() + hints, 20);
        assert!(data[0].starts_with(" 300  0 "), "{}", data[0]);
        assert!(data[13].contains("groups of 1–287 nodes"), "{}", data[13]);
        assert!(data[14].starts_with("4000  failed  action"), "{}", data[14]);
        assert!(data[15].starts_with(" 850  no response"), "{}", data[15]);
        let widest = data.iter().map(|line| line.chars().count()).max().unwrap();
        assert_eq!(widest <= 80, screen == TERMINAL, "{widest}");
    }
    // Failures that scrolled by while it ran are of the same screen.
    let (data, talk) = lines(&report, Screen { above: 10, ..TERMINAL }, false);
    assert_eq!(data.len() + talk.len() + hints(&report, 2).len(), 10);
    assert!(data[4].starts_with("4000  failed  action"), "{}", data[4]);
    let (data, _) = lines(&report, TERMINAL, true);
    assert_eq!(data.len(), 2, "only what is wrong: {data:?}");
}

#[test]
fn who_was_left_out_is_named() {
    let mut report = report(nodes("web", 1, "ok", None, "1"));
    report.not_capable = vec!["gw1.x".parse().unwrap(), "gw2.x".parse().unwrap()];
    report.vanished = vec!["db1.x".parse().unwrap()];
    report.gone = vec!["db2.x".parse().unwrap()];
    report.refused = serde_json::from_value(json!([
        {"node": "web2.x", "why": "signature", "text": "the signature\u{7} is wrong", "count": 3},
    ]))
    .unwrap();
    report.expected = None;
    let (_, talk) = lines(&report, TERMINAL, false);
    assert_eq!(
        talk,
        [
            "2 without the agent package, not asked: gw[1-2].x",
            "1 gone, unheard for seven days",
            "1 known here, but not to the hub: db1.x",
            "3 in the name of web2.x did not count: the signature\\u{7} is wrong",
            "no hub answers here, so the expected set is unknown: these are the nodes that answered",
            "Finished processing 1 / ? hosts in 38 ms · job K7PX",
        ]
    );
}

#[test]
fn what_may_be_missing_is_named() {
    let mut report = report(nodes("web", 1, "ok", None, "1"));
    let names = ["a1", "b\u{7}", "c1", "d1", "e1", "web7.x"];
    let unknown = names.map(|name| json!({"name": name, "nearest": null}));
    report.unknown_names = serde_json::from_value(json!(unknown)).unwrap();
    report.unknown_names[0].nearest = Some("web1.x".parse().unwrap());
    report.vanished = vec!["web7.x".parse().unwrap()];
    report.hub_since = Some("2026-11-23T11:59:56.000Z".parse().unwrap());
    let said = [
        "1 known here, but not to the hub: web7.x",
        "no node is called a1; nearest: web1.x",
        "no node is called b\\u{7}",
        "no node is called c1",
        "nor is any called d1 e1",
        "expected set incomplete: hub is 4 s old",
        "Finished processing 1 / 1 hosts in 38 ms · job K7PX · exit 4",
    ];
    assert_eq!(lines(&report, TERMINAL, true), (vec![], said.map(Into::into).into()));
    let replies = serde_json::to_value(Replies::of(&report, None, report.exit(), Span::from_ms(7)));
    let replies = replies.unwrap();
    assert_eq!(replies["unknown_names"][0], json!({"name": "a1", "nearest": "web1.x"}));
    assert_eq!(replies["hub_since"], json!("2026-11-23T11:59:56.000Z"));
    assert_eq!((&replies["complete"], &replies["exit"]), (&json!(false), &json!(4)));

    (report.expected, report.hub_since, report.vanished) = (None, None, vec![]);
    report.unknown_names.truncate(2);
    let (_, said) = lines(&report, TERMINAL, true);
    assert_eq!(said[0], "no answer from a1 b\\u{7}");
}

/// An update as it is declared.
fn update() -> Action {
    let output = |group: bool| json!({"description": "d", "display_as": "d", "group": group});
    let ddl = json!({
        "metadata": {"name": "package", "description": "d", "author": "a", "license": "l",
            "version": "1.0.0", "url": "u", "timeout": 10},
        "actions": [{"action": "update", "description": "d", "display": "failed",
            "effect": "change", "input": {},
            "output": {"before": output(true), "after": output(true), "also": output(false),
                "lists_age": output(false)}}],
    });
    let ddl = Ddl::parse(&serde_json::to_vec(&ddl).unwrap()).unwrap();
    ddl.actions[&"update".parse().unwrap()].clone()
}

/// An update as it is answered, shown line by line.
#[test]
fn what_was_changed_is_shown_from_version_to_version() {
    let action = update();
    let with = |mut nodes: Vec<Value>, changed: &str, data: Value| {
        nodes.iter_mut().for_each(|node| {
            node["data"] = data.clone();
            node["changed"] = changed.into();
        });
        nodes
    };
    let versions = |before: &str, after: &str, also: &str, stale: u64| {
        let also = if also.is_empty() { json!({}) } else { json!({also: {}}) };
        json!({"before": before, "after": after, "also": also, "lists_age": 240, "stale": stale})
    };
    let updated = versions("3.0.20", "3.0.22", "libssl3", 3);
    let mut all = with(nodes("web", 40, "ok", None, ""), "true", updated);
    let older = versions("1.1.1w-2", "1.1.1w-5", "libssl1.1", 1);
    all.extend(with(nodes("old", 5, "ok", None, ""), "true", older));
    let newest = versions("3.0.22", "3.0.22", "", 0);
    all.extend(with(nodes("app", 13, "ok", Some("unchanged"), ""), "false", newest));
    let mut held = nodes("db", 2, "failed", Some("held"), "");
    held[0]["message"] = json!("kept at 3.0.20 by apt-mark hold");
    held[1]["message"] = json!("kept at 3.0.19 by apt-mark hold");
    held[0]["data"] = versions("3.0.20", "3.0.20", "", 0);
    held[1]["data"] = versions("3.0.19", "3.0.19", "", 0);
    all.extend(held);
    let half = nodes("gw", 1, "failed", Some("action"), "");
    all.extend(with(half, "true", versions("3.0.20", "3.0.22", "libssl3", 0)));
    let report = report(all);
    let next = ["mco service restart --stale openssl".to_owned()];
    let about = About {
        action: Some(&action),
        item: Some("openssl"),
        job: None,
        took: Span::from_ms(41_200),
        look: Look::Outputs,
        shape: Shape::Fitting,
        display: Display::All,
        exit: report.exit(),
        next: &next,
    };
    let shown = show(&report, &about, TERMINAL);
    assert_eq!(
        shown.data,
        [
            "40  3.0.20 → 3.0.22  openssl libssl3                  web[1-40].x",
            "13  3.0.22  already newest                            app[1-13].x  (lists 4 min old)",
            " 5  1.1.1w-2 → 1.1.1w-5  openssl libssl1.1            old[1-5].x",
            " 2  failed  held                                      db[1-2].x  \
             db1.x: kept at 3.0.20 by apt-mark hold",
            " 1  failed  action  3.0.20 → 3.0.22  openssl libssl3  gw1.x",
        ]
    );
    assert_eq!(
        shown.talk,
        [
            "Finished processing 61 / 61 hosts in 41.2 s · 46 changed, 13 unchanged, 3 failed · exit 2",
            "Old library still in use: 125 services on 45 nodes",
        ]
    );
    assert_eq!(shown.hints[0], "Next: mco service restart --stale openssl");
    let few = show(&report, &About { display: Display::Failed, shape: Shape::Each, ..about }, PIPE);
    assert_eq!(few.data[1], "db2.x  failed  held    kept at 3.0.19 by apt-mark hold");
    let fine = About { display: Display::Ok, ..about };
    assert_eq!(show(&report, &fine, TERMINAL).data.len(), 3);
}

/// What a node did not send is no empty answer, and what it sends too much of does not fill the screen.
#[test]
fn outputs_that_are_missing_and_words_that_are_too_many() {
    let mut all = nodes("web", 2, "ok", None, "");
    all[0]["truncated"] = json!(true);
    all[1]["truncated"] = json!(true);
    all[1]["message"] = json!("its receipt is too long to be fetched");
    let mut told = nodes("app", 1, "ok", None, "");
    told[0]["message"] = json!("42 files saved");
    let mut laptop = nodes("this", 1, "ok", None, "1");
    laptop[0]["read_only"] = json!(true);
    let mut loud = nodes("db", 1, "failed", Some("action"), "");
    loud[0]["message"] = json!("x".repeat(100_000));
    all.extend([told, laptop].concat());
    check(
        all.clone(),
        PIPE,
        &[
            "app1.x   ok  42 files saved",
            "this1.x  ok  1  read-only",
            "web1.x   ok  outputs left out",
            "web2.x   ok  its receipt is too long to be fetched; outputs left out",
            "Finished processing 4 / 4 hosts in 38 ms · job K7PX",
        ],
    );
    all.extend(nodes("this", 12, "ok", None, "1").split_off(1));
    all.extend(loud);
    let (data, _) = lines(&report(all), TERMINAL, false);
    assert!(
        data.iter().any(|line| line == "12  1               this[1-12].x  1 of them read-only"),
        "{data:?}"
    );
    assert!(data.last().unwrap().chars().count() < 300);
}

/// A fact that is there and empty is a value, and no node without one.
#[test]
fn empty_values_of_a_fact() {
    let with = |name: &str, value: Value| {
        let mut nodes = nodes(name, 1, "ok", None, "");
        nodes[0]["data"] = json!({"fact": "role", "value": value});
        nodes
    };
    let mut without = with("gw", Value::Null);
    without[0]["reason"] = json!("no-value");
    let all = [
        with("app", json!("")),
        with("db", json!({})),
        with("old", json!([])),
        with("this", Value::Null),
        with("web", json!("x")),
        without,
    ];
    let report = report(all.concat());
    let ddl = marcato_agents::rpcutil::DDL.ddl().unwrap();
    let about = About {
        action: Some(&ddl.actions[&"get_fact".parse().unwrap()]),
        item: None,
        job: None,
        took: Span::from_ms(38),
        look: Look::Values,
        shape: Shape::Fitting,
        display: Display::All,
        exit: report.exit(),
        next: &[],
    };
    let want = [
        "1  \"\"    app1.x",
        "1  []    old1.x",
        "1  null  this1.x",
        "1  x     web1.x",
        "1  {}    db1.x",
        "no value: 1 node (gw1.x)",
    ];
    assert_eq!(show(&report, &about, PIPE).data, want);
    let each = show(&report, &About { shape: Shape::Each, ..about }, PIPE).data;
    assert_eq!(each[0], "app1.x   ok        \"\"");
}

/// Answers that are lists, as `service stale` gives them.
#[test]
fn each_thing_of_the_lists_has_a_line() {
    let output = |kind: &str| json!({"description": "d", "display_as": "d", "type": kind});
    let ddl = json!({
        "metadata": {"name": "service", "description": "d", "author": "a", "license": "l",
            "version": "1.0.0", "url": "u", "timeout": 10},
        "actions": [{"action": "failed", "description": "d", "display": "always",
            "effect": "read", "input": {}, "output": {"failed": output("array")}}],
    });
    let ddl = Ddl::parse(&serde_json::to_vec(&ddl).unwrap()).unwrap();
    let action = &ddl.actions[&"failed".parse().unwrap()];
    let with = |mut nodes: Vec<Value>, units: &[&str]| {
        let units: Vec<Value> =
            units.iter().map(|unit| json!({"unit": unit, "log": "one\ntwo"})).collect();
        nodes.iter_mut().for_each(|node| node["data"] = json!({"failed": units}));
        nodes
    };
    let mut all = with(nodes("web", 12, "ok", None, ""), &["nginx.service"]);
    all.extend(with(nodes("db", 2, "ok", None, ""), &["nginx.service", "cron.service"]));
    all.extend(with(nodes("app", 3, "ok", None, ""), &[]));
    all.extend(nodes("gw", 1, "down", Some("not-connected"), ""));
    let report = report(all);
    let about = About {
        action: Some(action),
        item: None,
        job: None,
        took: Span::from_ms(38),
        look: Look::Outputs,
        shape: Shape::Fitting,
        display: Display::All,
        exit: report.exit(),
        next: &[],
    };
    assert_eq!(
        show(&report, &about, TERMINAL).data,
        [
            "14  nginx.service  db[1-2].x web[1-12].x",
            "      one",
            "      two",
            " 2  cron.service   db[1-2].x",
            "      one",
            "      two",
            "nothing: 3 nodes (app[1-3].x)",
            "1  down  not-connected  gw1.x",
        ]
    );
    let each = show(&report, &About { shape: Shape::Each, ..about }, PIPE).data;
    assert_eq!(each[3], "db1.x    ok                   nginx.service, cron.service");
    let mut many = report;
    many.nodes.iter_mut().for_each(|node| {
        let units = (0..99).map(|unit| json!({"unit": format!("u{unit}")}));
        node.data = [("failed".to_owned(), Value::Array(units.collect()))].into_iter().collect();
    });
    let shown = show(&many, &about, TERMINAL);
    assert_eq!(shown.data.len() + shown.talk.len() + shown.hints.len(), 20);
    assert!(shown.data.iter().any(|line| line.starts_with("… and 8")), "{:?}", shown.data);
}

#[test]
fn every_group_is_shown_to_who_wants_it() {
    let mut all = Vec::new();
    for number in 0..30 {
        all.extend(nodes(&format!("web{number}x"), 1, "ok", None, &format!("3.0.{number}")));
    }
    let (report, action, id) = (report(all), action(), "K7PX".parse().unwrap());
    let about = About {
        action: Some(&action),
        item: Some("openssl"),
        job: Some(&id),
        took: Span::from_ms(38),
        look: Look::Outputs,
        shape: Shape::Fitting,
        display: Display::All,
        exit: Exit::Ok,
        next: &[],
    };
    let some = show(&report, &about, TERMINAL).data;
    let more = some.iter().find(|line| line.starts_with('…')).unwrap();
    assert!(more.ends_with(": mco job show K7PX --all"), "{more}");
    assert_eq!(show(&report, &About { shape: Shape::All, ..about }, TERMINAL).data.len(), 30);
}

#[test]
fn the_most_frequent_reasons_have_hints() {
    let mut all = nodes("web", 3, "denied", Some("policy"), "");
    all.extend(nodes("db", 2, "down", Some("not-connected"), ""));
    all.extend(nodes("app", 1, "rejected", Some("clock"), ""));
    all.extend(nodes("gw", 9, "ok", Some("absent"), ""));
    assert_eq!(
        hints(&report(all), 2),
        [
            "Next: policy: Add a rule to /etc/marcato/policy.d on the node, if this caller should be allowed.",
            "Next: not-connected: Look at the host.",
        ]
    );
}

#[test]
fn every_expected_node_has_an_element_in_json() {
    let mut all = nodes("web", 1, "ok", None, "1");
    all.extend(nodes("db", 1, "timed_out", Some("still-running"), ""));
    all.extend(nodes("gw", 1, "down", Some("not-connected"), ""));
    let mut report = report(all);
    // The client's word, although nodes may sign that state as well.
    report.nodes[0].signed = false;
    let replies = Replies::of(&report, None, Exit::Failed, Span::from_ms(7));
    let replies = serde_json::to_value(&replies).unwrap();
    let field = |name: &str| -> Vec<Value> {
        replies["replies"].as_array().unwrap().iter().map(|reply| reply[name].clone()).collect()
    };
    assert_eq!(field("sender"), ["db1.x", "gw1.x", "web1.x"]);
    assert_eq!(field("state"), ["timed_out", "down", "ok"]);
    assert_eq!(field("statuscode"), [Value::Null, Value::Null, json!(0)]);
    assert_eq!(field("statusmsg"), ["timed out", "down", "OK"]);
    assert_eq!(field("data")[1], json!({}));
    assert_eq!(
        (&replies["exit"], &replies["expected"], &replies["job"]),
        (&json!(2), &json!(3), &Value::Null)
    );
}
