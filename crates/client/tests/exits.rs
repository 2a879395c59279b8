//! The exit code of every kind of report: each row of the table that scripts rely on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use kit::{caller, collective, name};
use marcato_client::core::{NodeReport, Report, UnknownName};
use marcato_core::{Changed, EndState, Exit, Reason, Span};

fn node(at: usize, state: EndState, reason: Option<Reason>) -> NodeReport {
    NodeReport {
        signed: state.is_signed(),
        ..NodeReport::new(name(&format!("web{at}")), state, reason, Changed::False)
    }
}

fn report(ends: &[(EndState, Option<Reason>)]) -> Report {
    let nodes = ends.iter().enumerate().map(|(at, (state, reason))| node(at, *state, *reason));
    Report {
        collective: collective(),
        caller: caller(),
        agent: "service".parse().unwrap(),
        action: "status".parse().unwrap(),
        orders: vec![],
        issued: kit::START,
        ended: Some(kit::START),
        expected: Some(ends.len()),
        complete: true,
        hub_since: Some(kit::START - Span::from_secs(3600)),
        nodes: nodes.collect(),
        unexpected: vec![],
        agents: Vec::new(),
        not_capable: vec![],
        read_only: vec![],
        gone: vec![],
        vanished: vec![],
        unknown_names: vec![],
        refused: vec![],
        interrupted: false,
        stopped: None,
        not_signed: None,
    }
}

fn check(ends: &[(EndState, Option<Reason>)], want: Exit) {
    assert_eq!(report(ends).exit(), want, "{ends:?}");
}

#[test]
fn every_row() {
    use EndState::*;
    let ok = (Ok, None);
    let absent = (Ok, Some(Reason::Absent));
    let no_value = (Ok, Some(Reason::NoValue));
    check(&[ok, ok], Exit::Ok);
    check(&[ok, (Ok, Some(Reason::Unchanged))], Exit::Ok);
    check(&[ok, absent], Exit::Ok);
    check(&[ok, no_value], Exit::Ok);
    check(&[], Exit::Nothing);
    check(&[absent, absent], Exit::Nothing);
    check(&[no_value, no_value], Exit::Nothing);
    let bad = [Failed, Denied, Rejected, Interrupted, TimedOut, Cancelled];
    let silent = [NoResponse, Lost, Down, Skipped];
    for state in bad {
        check(&[(state, Some(Reason::Action))], Exit::Failed);
        check(&[ok, (state, Some(Reason::Action))], Exit::Failed);
        for other in silent {
            // Before 3 and 4.
            check(&[(other, Some(Reason::Silent)), (state, Some(Reason::Action))], Exit::Failed);
        }
    }
    for state in silent {
        check(&[(state, Some(Reason::Silent))], Exit::NoAnswer);
        check(&[ok, (state, Some(Reason::Silent))], Exit::Silent);
        // Not absent on every node, as far as is known.
        check(&[absent, (state, Some(Reason::Silent))], Exit::Silent);
    }
    check(&[(TimedOut, Some(Reason::StillRunning))], Exit::Failed);
    for state in EndState::ALL {
        assert!(state == Ok || bad.contains(&state) || silent.contains(&state), "{state}");
    }
}

#[test]
fn what_comes_before_the_nodes() {
    let ok = (EndState::Ok, None);
    let failed = (EndState::Failed, Some(Reason::Action));
    let interrupted = |ends: &[_]| Report { interrupted: true, ..report(ends) };
    assert_eq!(interrupted(&[ok]).exit(), Exit::Interrupted);
    assert_eq!(interrupted(&[failed]).exit(), Exit::Interrupted);
    let unsigned = Report { not_signed: Some("declined".into()), ..report(&[ok]) };
    assert_eq!(unsigned.exit(), Exit::NoPermission);
    let unexpected = |end: (EndState, Option<Reason>), ends: &[_]| Report {
        unexpected: vec![node(9, end.0, end.1)],
        ..report(ends)
    };
    assert_eq!(unexpected(failed, &[ok]).exit(), Exit::Failed);
    assert_eq!(unexpected(ok, &[ok]).exit(), Exit::Ok);
    let silent = (EndState::NoResponse, Some(Reason::Silent));
    assert_eq!(unexpected(ok, &[silent]).exit(), Exit::Silent);
    // Nobody was expected, and somebody answered all the same.
    assert_eq!(unexpected(ok, &[]).exit(), Exit::Ok);
    let unknown =
        |ends: &[_]| Report { expected: None, complete: false, hub_since: None, ..report(ends) };
    assert_eq!(unknown(&[]).exit(), Exit::NoAnswer);
    assert_eq!(unknown(&[ok]).exit(), Exit::Ok);
}

/// What may be missing is not simply well, however well the others are.
#[test]
fn hosts_that_have_no_line() {
    let ok = (EndState::Ok, None);
    let young = |ends: &[_]| Report { complete: false, ..report(ends) };
    let name = || UnknownName { name: "wbe2".into(), nearest: None };
    let typed = |ends: &[_]| Report { unknown_names: vec![name()], ..report(ends) };
    let no_hub = |ends: &[_]| Report { expected: None, hub_since: None, ..typed(ends) };
    let check = |end: (EndState, Option<Reason>), want: Exit| {
        for lacks in [young(&[end]), typed(&[end]), no_hub(&[end])] {
            assert_eq!(lacks.exit(), want, "{lacks:?}");
        }
    };
    check(ok, Exit::Silent);
    check((EndState::Ok, Some(Reason::Absent)), Exit::Silent);
    check((EndState::Down, Some(Reason::NotConnected)), Exit::NoAnswer);
    check((EndState::Failed, Some(Reason::Action)), Exit::Failed);
    for nobody in [young(&[]), typed(&[])] {
        assert_eq!(nobody.exit(), Exit::Nothing);
    }
}

#[test]
fn a_report_can_be_kept() {
    let whole = report(&[(EndState::Ok, Some(Reason::Unchanged)), (EndState::NoResponse, None)]);
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), whole);
    assert!(text.contains("\"no_response\""));
}
