//! The agent that says who may do what.

use super::*;

fn can(bench: &mut Bench, what: &str) -> String {
    let (agent, action) = what.split_once('.').unwrap();
    let draft = bench.draft(&format!("policy can agent={agent} action={action}"));
    let got = bench.send(&draft);
    assert!(got.runs.is_empty());
    let (outer, inner) = &got.receipts[0];
    assert_eq!(outer.changed, Changed::False);
    match outer.state {
        EndState::Ok => inner.data["decision"].as_str().unwrap().to_owned(),
        state => format!("{state}, {}: {}", outer.reason.unwrap(), inner.message),
    }
}

#[test]
fn everybody_is_told_what_an_order_of_his_would_be_told() {
    let mut bench = Bench::new();
    let mut check = |what: &str, want: &str| assert_eq!(can(&mut bench, what), want, "{what}");
    check("service.restart", "allow, by rule 1 of ops.policy:1");
    check("rpcutil.ping", "allow, by rule 2 of ops.policy:2");
    check(
        "service.wipe",
        "denied, policy: ops.policy:3; this would allow it: \
         allow callers=ops agents=service actions=wipe",
    );
    check("service.nosuch", "rejected, unknown-action: service 1.2.0 has no action nosuch");
    check("nosuch.ping", "rejected, unknown-agent: this node has no agent nosuch");
    check("policy.can", "allow, by no rule: all may ask");
    check("job.cancel", "allow for own orders, by no rule");
    let mut draft = bench.draft("policy can agent=rpcutil action=ping");
    (draft.order.caller, draft.signer) = ("guest".parse().unwrap(), 2);
    let got = bench.send(&draft);
    let (outer, inner) = &got.receipts[0];
    assert_eq!((outer.state, outer.reason), (EndState::Denied, Some(Reason::Policy)));
    let want = "no rule; this would allow it: allow callers=guest agents=rpcutil actions=ping";
    assert_eq!(inner.message, want);
}

#[test]
fn a_node_that_takes_no_changes_says_so() {
    let mut bench = Bench::new();
    let rules = Rules { read_only: true, ..rules() };
    let _ = bench.step(Event::Reloaded(Box::new(rules)));
    let want = "rejected, read-only: this node takes no changes";
    assert_eq!(can(&mut bench, "service.restart"), want);
    assert_eq!(can(&mut bench, "service.status"), "allow, by rule 1 of ops.policy:1");
}
