//! No node runs what it was not meant for, or what its owner does not allow.

use marcato_protocol::order::Audience;

use super::matches;
use crate::truth::{Run, Signed, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let wrong = truth
        .runs
        .iter()
        .filter(|run| !truth.of_id(run.key.0).any(|signed| is_permitted(truth, run, signed)));
    wrong
        .map(|run| {
            let (host, order) = (&truth.hosts[run.host].identity, run.key.0);
            format!("{host} began {} {} for {order}", run.agent, run.action)
        })
        .collect()
}

fn is_permitted(truth: &Truth, run: &Run, signed: &Signed) -> bool {
    let Some(operator) = signed.operator.filter(|_| signed.proper) else { return false };
    let Some(step) = &signed.order.step else { return false };
    let ordered = (&step.agent, &step.action, &step.inputs, signed.changes);
    if ordered != (&run.agent, &run.action, &run.inputs, run.change) {
        return false;
    }
    // Files change while an order is on its way: some that held until it began must allow it.
    let held = truth.hosts[run.host].files.iter().filter(|(from, _)| *from <= run.at);
    held.map(|(_, files)| files).any(|files| {
        let meant = match step.audience {
            Audience::Set(_) => signed.addressed.contains(&run.host),
            Audience::Matching => !run.change,
        };
        let (agent, action) = (run.agent.as_str(), run.action.as_str());
        meant
            && matches(&step.filter.facts, files)
            && files.permit(operator, agent, action, run.change)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};
    use crate::host::Allowed;
    use crate::keys::name;

    #[test]
    fn what_nobody_ordered_or_allowed_is_found() {
        let check_after = |bend: fn(&mut Bench), want: usize| {
            let mut truth = truth();
            truth.begin(ORDER);
            bend(&mut truth);
            assert_eq!(check(&truth).len(), want);
        };
        check_after(|_| {}, 0);
        check_after(|truth| truth.orders[0].operator = None, 1);
        check_after(|truth| truth.orders[0].proper = false, 1);
        check_after(|truth| truth.orders[0].addressed.clear(), 1);
        check_after(|truth| truth.hosts[0].files[0].1.allowed = Allowed::NoRestarts, 1);
        check_after(|truth| truth.hosts[0].files[0].1.read_only = true, 1);
        check_after(|truth| truth.orders.clear(), 1);
        check_after(|truth| truth.runs[0].agent = name("package"), 1);
        check_after(|truth| truth.runs[0].action = name("status"), 1);
        check_after(|truth| truth.runs[0].inputs.clear(), 1);
        check_after(|truth| truth.runs[0].change = false, 1);
        check_after(
            |truth| {
                let step = truth.orders[0].order.step.as_mut().unwrap();
                step.filter.facts.push("hagroup=b".to_owned());
            },
            1,
        );
        check_after(
            |truth| {
                let step = truth.orders[0].order.step.as_mut().unwrap();
                step.audience = Audience::Matching;
            },
            1,
        );
    }
}
