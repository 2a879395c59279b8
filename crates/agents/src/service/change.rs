//! One change of one service: what is to pass before it, the change, and whether the service then is
//! and stays as it should.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_agent::runner::Voice;
use marcato_agent::{ActionResult, Outcome};
use marcato_core::{Changed, Reason};
use serde_json::Map;
use tokio::time::{Instant, sleep};

use super::busy::breaks_off;
use super::unit::UNKNOWN;
use super::{Job, Services, Unit, Verb};

/// Starts, stops, restarts or reloads a service.
pub(super) async fn change(
    services: &dyn Services,
    verb: Verb,
    name: &str,
    before: Unit,
    until: Instant,
    voice: &Voice,
) -> Outcome {
    let data = |after: &Unit| {
        let mut data = crate::outputs(after.outputs(name, services.provider()));
        data.insert("before".into(), before.main_pid.into());
        data.insert("after".into(), after.main_pid.into());
        data
    };
    if let Some(outcome) = without_doing(verb, name, &before) {
        return outcome.with(data(&before));
    }
    let not_now = |reason, why: String| {
        let message = format!("{name}: {why}; nothing was done");
        Outcome::failed(reason, Changed::False, message).with(data(&before))
    };
    match breaks_off(services, verb, &before).await {
        Ok(None) => {}
        Ok(Some(why)) => return not_now(Reason::Locked, why),
        Err(error) => return not_now(Reason::Action, error),
    }
    voice.say(&format!("checking {name}"));
    let settle = match prepare(services, verb, &before, until).await {
        Ok(settle) => settle,
        Err(why) => {
            let message = format!("{name}: {why}; it was not touched");
            return Outcome::failed(Reason::Precheck, Changed::False, message).with(data(&before));
        }
    };
    let limit = left(until);
    // What it takes to see whether the service stays up belongs to the limit.
    let settle = settle.min(limit / 2);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    voice.say(&format!("{} of {name}", verb.word()));
    let job = services.act(verb, name, until - settle).await;
    voice.say(&format!("watching whether {name} stays up"));
    let (after, settled) = match watch(services, verb, &before, name, &job, settle).await {
        Ok(seen) => seen,
        Err(error) => return Outcome::failed(Reason::Action, Changed::Unknown, error),
    };
    voice.say("");
    let done = Done { verb, name, job, before: &before, after: &after, settled, limit };
    let mut outcome = done.judge();
    if outcome.result == ActionResult::Failed {
        let began = u64::try_from(began.as_micros()).unwrap_or(0);
        let log = services.log(name, began).await;
        if !log.is_empty() {
            outcome.message = format!("{}; its log: {}", outcome.message, log.join(" | "));
        }
    }
    outcome.with(data(&after))
}

/// The outcome where nothing is to be done or nothing can be.
fn without_doing(verb: Verb, name: &str, before: &Unit) -> Option<Outcome> {
    let cannot =
        |reason, why: &str| Some(Outcome::failed(reason, Changed::False, format!("{name}: {why}")));
    let so_already = match verb {
        Verb::Start => before.is_active(),
        Verb::Stop => before.is_down(),
        Verb::Restart | Verb::Reload => false,
    };
    match verb {
        _ if so_already => Some(Outcome::ok(Map::new()).because(Reason::Unchanged)),
        Verb::Start | Verb::Restart if before.masked => {
            cannot(Reason::Masked, "its unit is masked; nothing was done")
        }
        Verb::Reload if before.is_down() => {
            cannot(Reason::Action, "it does not run, so that there is nothing to reload")
        }
        Verb::Reload if !before.reloads => {
            cannot(Reason::Action, "it cannot be reloaded; a restart reads its configuration anew")
        }
        _ => None,
    }
}

/// Lets what runs be checked, and says for how long it is to be watched.
///
/// Where nothing runs there is nothing to protect, and the start itself is the check: sshd's, for
/// one, needs a folder that only its start makes.
async fn prepare(
    services: &dyn Services,
    verb: Verb,
    before: &Unit,
    until: Instant,
) -> Result<Duration, String> {
    if verb == Verb::Stop {
        return Ok(Duration::ZERO);
    }
    let care = services.care(before)?;
    if matches!(verb, Verb::Restart | Verb::Reload) && !before.is_down() {
        services.check(before, &care, left(until)).await?;
    }
    Ok(care.settle)
}

/// Looks at the unit after its job, and if it runs once more after a while: whether it is the same.
async fn watch(
    services: &dyn Services,
    verb: Verb,
    before: &Unit,
    name: &str,
    job: &Result<Job, String>,
    settle: Duration,
) -> Result<(Unit, Result<bool, String>), String> {
    let mut after = look_again(services, name).await?;
    let may_be_done = matches!(job, Ok(Job::Done | Job::TooLong | Job::Unheard(_)));
    if verb == Verb::Stop || !may_be_done || !after.is_well() {
        return Ok((after, Ok(true)));
    }
    sleep(settle).await;
    let settled = look_again(services, name).await.map(|unit| {
        let first = std::mem::replace(&mut after, unit);
        // Only a start counts them anew: what a reload kills may be back before the first look.
        let counted = if verb == Verb::Reload { before.restarts } else { first.restarts };
        after.main_pid == first.main_pid && after.restarts == counted
    });
    Ok((after, settled))
}

/// Looks at a unit that was there before; if it is no more, it has no state.
async fn look_again(services: &dyn Services, name: &str) -> Result<Unit, String> {
    services.look(name).await.map(Option::unwrap_or_default)
}

/// What was done and what then was seen.
struct Done<'a> {
    verb: Verb,
    name: &'a str,
    job: Result<Job, String>,
    before: &'a Unit,
    after: &'a Unit,
    /// Whether it stayed the same while it was watched.
    settled: Result<bool, String>,
    limit: Duration,
}

impl Done<'_> {
    fn judge(self) -> Outcome {
        let (after, changed) = (self.after, self.changed());
        let (word, done) = (self.verb.word(), self.verb.done());
        let as_asked = match self.verb {
            Verb::Stop => after.is_down() || after.active == UNKNOWN,
            Verb::Start | Verb::Restart | Verb::Reload => after.is_well(),
        };
        let failed = |reason, message: String| {
            Outcome::failed(reason, changed, format!("{}: {message}", self.name))
        };
        match (self.job, self.settled) {
            (Err(error), _) => failed(Reason::Action, error),
            (Ok(Job::NotDone(why)), _) => {
                let message = format!("the {word} ended as {why}; it is {}", after.state());
                failed(Reason::Action, message)
            }
            // A signal can be lost while systemd reads its units anew; what it did counts.
            (Ok(Job::TooLong), _) if !as_asked || changed == Changed::False => {
                let seconds = self.limit.as_secs();
                let message =
                    format!("{}: not {done} after {seconds} s; it still goes on", self.name);
                Outcome::timed_out(Reason::RunLimit, Changed::Unknown, message)
            }
            // Nor does a bus that ended say that nothing comes of it.
            (Ok(Job::Unheard(why)), _) if !as_asked || changed == Changed::False => {
                let message = format!("{}: it may still be {done}: {why}", self.name);
                Outcome::failed(Reason::Action, Changed::Unknown, message)
            }
            _ if !as_asked && after.skipped && after.is_down() => failed(
                Reason::Action,
                format!("the {word} was skipped: a condition of its unit is not met"),
            ),
            _ if !as_asked => {
                // Where nothing changed it did not come up in the first place.
                let came_up = self.verb != Verb::Stop && changed != Changed::False;
                let reason = if came_up { Reason::Unsettled } else { Reason::Action };
                failed(reason, format!("{} after the {word}", after.state()))
            }
            (_, Err(error)) => failed(
                Reason::Action,
                format!("{done}, but whether it stays up could not be seen: {error}"),
            ),
            (_, Ok(false)) => {
                failed(Reason::Unsettled, format!("it does not stay up after the {word}"))
            }
            (_, Ok(true)) => Outcome::ok(Map::new()).changing(changed),
        }
    }

    /// What was done counts where the unit does not show it: after a reload, after a run that is
    /// over, and where there is no main process to tell one run from the next.
    fn changed(&self) -> Changed {
        let after = self.after;
        let unseen = match self.verb {
            Verb::Reload => true,
            Verb::Restart if after.is_active() => true,
            _ => after.ended_well || after.active == UNKNOWN,
        };
        let done = self.job == Ok(Job::Done) && unseen;
        if done || after != self.before { Changed::True } else { Changed::False }
    }
}

/// Lets a service start with the host, or no more.
pub(super) async fn enable(
    services: &dyn Services,
    name: &str,
    before: Unit,
    on: bool,
    until: Instant,
) -> Outcome {
    let word = if on { "enabled" } else { "disabled" };
    let data = |after: &Unit| {
        let mut data = crate::outputs(after.outputs(name, services.provider()));
        data.insert("before".into(), before.enabled.clone().into());
        data.insert("after".into(), after.enabled.clone().into());
        data
    };
    let failed =
        |reason, changed, why: String| Outcome::failed(reason, changed, format!("{name}: {why}"));
    if on && before.masked {
        let why = "its unit is masked; nothing was done".to_owned();
        return failed(Reason::Masked, Changed::False, why).with(data(&before));
    }
    if on && before.enabled == "static" {
        let why = "its unit says of nothing that would start it (no [Install]); nothing was done";
        return failed(Reason::Action, Changed::False, why.into()).with(data(&before));
    }
    let unit = before.names.first().map_or(name, String::as_str);
    let done = services.enable(unit, on, until).await;
    let after = match look_again(services, name).await {
        Ok(after) => after,
        Err(error) => return failed(Reason::Action, Changed::Unknown, error),
    };
    let is_other = match on {
        true => after.enabled == "disabled",
        // Until the next boot it may still be.
        false => after.enabled.starts_with("enabled"),
    };
    let outcome = match done {
        Ok(changed) if is_other => {
            let why = format!("it is not {word} by that, but {}", after.enabled);
            let changed = if changed { Changed::True } else { Changed::False };
            failed(Reason::Action, changed, why)
        }
        Ok(true) => Outcome::ok(Map::new()).changing(Changed::True),
        Ok(false) => Outcome::ok(Map::new()).because(Reason::Unchanged),
        Err(error) if after.enabled == before.enabled => {
            failed(Reason::Action, Changed::False, error)
        }
        Err(error) => failed(Reason::Action, Changed::True, error),
    };
    outcome.with(data(&after))
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
