//! Restarts the services that run code of a library's replaced files, one after the other.
//!
//! Each restart has its check and is watched. What was refused without a change (a broken
//! configuration) says nothing of the next service; but a service that does not come
//! up again may do so because of the new library, so that the others are then left alone.

use marcato_agent::runner::Voice;
use marcato_agent::{ActionResult, Outcome};
use marcato_core::limits::service::CURE_RESERVE;
use marcato_core::{Changed, Reason};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::busy::breaks_off;
use super::change::change;
use super::stale::{Left, Of, Use};
use super::{Services, Verb, no_library};

/// What has been done by now.
struct Cure {
    restarted: Vec<String>,
    failed: Vec<(String, Outcome)>,
    left: Vec<Left>,
    /// Why no further service is touched.
    ended: Option<String>,
    changed: Changed,
    late: bool,
}

pub(super) async fn cure(
    services: &dyn Services,
    library: &str,
    until: Instant,
    voice: &Voice,
) -> Outcome {
    let of = Of::Named(library.to_owned());
    let before = match services.stale(&of).await {
        Ok(Some(report)) => report,
        Ok(None) => {
            let data = Cure::new(Vec::new()).outputs(0, 0);
            return no_library(services, library, data);
        }
        Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
    };
    let count = before.services.len();
    let mut cure = Cure::new(before.left);
    for (unit, _) in before.services {
        cure.treat(services, unit, until, voice).await;
    }
    if cure.changed == Changed::False {
        return cure.judge(count, count);
    }
    match services.stale(&of).await {
        Ok(after) => cure.judge(count, after.unwrap_or_default().services.len()),
        Err(error) => {
            let data = cure.outputs(count, count);
            let message = format!("{}; what is left could not be seen: {error}", cure.words());
            Outcome::failed(Reason::Action, cure.changed, message).with(data)
        }
    }
}

impl Cure {
    fn new(left: Vec<Left>) -> Self {
        let (restarted, failed) = (Vec::new(), Vec::new());
        Self { restarted, failed, left, ended: None, changed: Changed::False, late: false }
    }

    async fn treat(
        &mut self,
        services: &dyn Services,
        unit: String,
        until: Instant,
        voice: &Voice,
    ) {
        if until.saturating_duration_since(Instant::now()) < CURE_RESERVE.as_duration() {
            self.late = true;
            self.ended.get_or_insert_with(|| "not tried: the time is over".to_owned());
        }
        if let Some(reason) = self.ended.clone() {
            return self.leave(unit, reason);
        }
        let before = match services.look(&unit).await {
            Ok(Some(before)) => before,
            // Gone meanwhile.
            Ok(None) => return,
            Err(error) => {
                let outcome = Outcome::failed(Reason::Action, Changed::False, error);
                return self.failed.push((unit, outcome));
            }
        };
        if let Some(reason) = before.left_alone() {
            return self.leave(unit, reason.to_owned());
        }
        match breaks_off(services, Verb::Restart, &before).await {
            Ok(None) => {}
            Ok(Some(reason)) => return self.leave(unit, reason),
            Err(error) => {
                let outcome = Outcome::failed(Reason::Action, Changed::False, error);
                return self.failed.push((unit, outcome));
            }
        }
        let outcome = change(services, Verb::Restart, &unit, before, until, voice).await;
        if self.changed != Changed::True && outcome.changed != Changed::False {
            self.changed = outcome.changed;
        }
        if outcome.result == ActionResult::Ok {
            return self.restarted.push(unit);
        }
        if outcome.changed != Changed::False {
            self.ended = Some(format!("not tried, for {unit} did not come up again"));
        }
        self.failed.push((unit, outcome));
    }

    fn leave(&mut self, name: String, reason: String) {
        self.left.push(Left { name, reason, uses: Use::default() });
    }

    fn outputs(&self, before: usize, after: usize) -> Map<String, Value> {
        let failed = self.failed.iter().map(|(unit, outcome)| {
            let reason = outcome.reason.map(Reason::code);
            json!({ "unit": unit, "reason": reason, "message": outcome.message })
        });
        let left = self.left.iter().map(|left| json!({ "name": left.name, "reason": left.reason }));
        crate::outputs(json!({
            "before": before,
            "after": after,
            "restarted": self.restarted,
            "failed": failed.collect::<Vec<_>>(),
            "left": left.collect::<Vec<_>>(),
        }))
    }

    fn words(&self) -> String {
        let failed = self.failed.iter().map(|(_, outcome)| outcome.message.as_str());
        let count = format!("{} restarted", self.restarted.len());
        let words = std::iter::once(count.as_str()).chain(failed).chain(self.ended.as_deref());
        words.collect::<Vec<_>>().join("; ")
    }

    fn judge(self, before: usize, after: usize) -> Outcome {
        let data = self.outputs(before, after);
        let outcome = match self.failed.first() {
            Some((_, first)) => {
                let reason = first.reason.unwrap_or(Reason::Action);
                Outcome::failed(reason, self.changed, self.words())
            }
            None if self.late => Outcome::timed_out(Reason::RunLimit, self.changed, self.words()),
            None if self.changed != Changed::False => {
                Outcome::ok(Map::new()).changing(self.changed)
            }
            None => Outcome::ok(Map::new()).because(Reason::Unchanged),
        };
        outcome.with(data)
    }
}
