//! How an order goes over its nodes: what the flags mean, and how it is said.

use marcato_client::core::Task;
use marcato_core::limits::rollout::{BATCH_SLEEP, PACED_WAIT_MAX, PACKAGE_PARALLEL};
use marcato_core::{Exit, Span};
use marcato_rollout::{Pace, Plan};

use super::cli::PaceArgs;
use crate::words::Failure;
use crate::words::time::{about, took};

/// What the flags mean for this task.
pub fn of(args: &PaceArgs, task: &Task) -> Pace {
    let is_package_change = task.changes && task.agent.as_str() == "package";
    Pace {
        batch: args.batch,
        rest: args.batch_sleep.unwrap_or(BATCH_SLEEP),
        keep_going: args.keep_going,
        parallel: args.parallel.or(is_package_change.then_some(PACKAGE_PARALLEL)),
    }
}

/// Refuses a wait that leaves no time for the nodes whose turn comes later.
///
/// # Errors
/// With exit 64; nothing was sent.
pub fn check(plan: &Plan, task: &Task) -> Result<(), Failure> {
    if task.wait <= PACED_WAIT_MAX {
        return Ok(());
    }
    let text = format!(
        "-t {}: the order goes to {} nodes at a time, and each of them may be waited for for {} \
         seconds at most. Nothing was sent",
        task.wait.as_ms() / 1000,
        plan.width,
        PACED_WAIT_MAX.as_ms() / 1000
    );
    Err(Failure::new(Exit::Usage, text).hint("a shorter -t, or --parallel for all nodes at once"))
}

/// `2 at a time, 1 s rest after each, no further once one goes wrong; at most 75 s each, valid for 3 min`
pub fn in_words(plan: &Plan) -> String {
    let mut text = format!("{} at a time", plan.width);
    if plan.rest > Span::default() {
        text.push_str(&format!(", {} rest after each", span(plan.rest)));
    }
    if plan.stops {
        text.push_str(", no further once one goes wrong");
    }
    text.push_str(&format!("; at most {} each, valid for {}", span(plan.turn), span(plan.valid)));
    text
}

fn span(span: Span) -> String {
    if span < Span::from_secs(1) { took(span) } else { about(span) }
}

#[cfg(test)]
mod tests {
    use marcato_client::core::{Aim, Limit};

    use super::*;

    #[test]
    fn what_the_flags_mean() {
        let check = |agent: &str, changes: bool, args: PaceArgs, want: Pace| {
            let task = Task {
                agent: agent.parse().unwrap(),
                action: "update".parse().unwrap(),
                inputs: Default::default(),
                changes,
                to_read_only: false,
                filter: Default::default(),
                aim: Aim::Set,
                reason: None,
                wait: Span::from_secs(10),
                run_limit: Span::from_secs(60),
            };
            assert_eq!(of(&args, &task), want, "{agent}");
        };
        let no_flags = PaceArgs::default;
        check("service", true, no_flags(), Pace::default());
        check("package", false, no_flags(), Pace::default());
        check("package", true, no_flags(), Pace { parallel: Some(200), ..Pace::default() });
        let parallel = Some(7);
        let flags = PaceArgs { parallel, ..no_flags() };
        check("package", true, flags.clone(), Pace { parallel, ..Pace::default() });
        let (batch, rest) = (Some(Limit::Nodes(2)), Span::from_secs(30));
        let flags = PaceArgs { batch, batch_sleep: Some(rest), keep_going: true, ..flags };
        check("service", true, flags, Pace { batch, rest, keep_going: true, parallel });
    }

    #[test]
    fn a_pace_in_words() {
        let plan = Plan {
            width: 2,
            rest: Span::from_secs(1),
            stops: true,
            turn: Span::from_secs(75),
            valid: Span::from_secs(220),
        };
        let check = |plan: Plan, want: &str| assert_eq!(in_words(&plan), want);
        check(
            plan,
            "2 at a time, 1 s rest after each, no further once one goes wrong; \
             at most 75 s each, valid for 3 min",
        );
        let plan = Plan { width: 200, rest: Span::default(), stops: false, ..plan };
        check(plan, "200 at a time; at most 75 s each, valid for 3 min");
    }
}
