//! An order that goes from node to node: the turns say whose it is, and the job sends.

use marcato_client::core::{Effect, Event, Job, JobSetup, Machine, TaskError};
use marcato_core::{EndState, Identity, Span, Timestamp};

use crate::{Plan, Turns, turns};

/// A job and the turns of its nodes. See the module.
#[derive(Debug)]
pub struct Rollout {
    job: Job,
    turns: Turns,
    wait: Span,
}

impl Rollout {
    /// Makes the order and asks for its signature; the first nodes get it as soon as it is signed.
    ///
    /// # Errors
    /// Where nodes would refuse the task as it is.
    pub fn new(
        plan: Plan,
        setup: JobSetup,
        now: Timestamp,
    ) -> Result<(Self, Vec<Effect>), TaskError> {
        let nodes: Vec<_> = setup.selection.chosen.iter().map(|n| n.identity.clone()).collect();
        let wait = setup.task.wait;
        let setup = JobSetup { paced: Some(plan.valid), ..setup };
        let (job, mut effects) = Job::new(setup, now)?;
        let mut rollout = Self { job, turns: Turns::new(plan, nodes), wait };
        rollout.decide(&mut effects, now);
        Ok((rollout, effects))
    }

    /// Tells the turns what moved, and does what they decide, until nothing moves any more.
    fn decide(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        let mut told = 0;
        let wake = loop {
            let moved = effects[told..].iter().filter_map(|effect| match effect {
                Effect::Moved(node) => Some(self.word(node)),
                _ => None,
            });
            let mut events: Vec<_> = moved.collect();
            // Each node has its whole wait.
            let last = self.job.start_by().map(|start_by| start_by - self.wait);
            events.extend(last.map(|last| turns::Event::Tick { last }));
            told = effects.len();
            let decided: Vec<_> =
                events.into_iter().flat_map(|event| self.turns.step(event, now)).collect();
            let mut wake = None;
            for decision in decided {
                let event = match decision {
                    turns::Effect::Release(nodes) => Event::Release(nodes),
                    turns::Effect::Stop(why) => Event::Stop(why),
                    turns::Effect::WakeAt(at) => {
                        wake = Some(at);
                        continue;
                    }
                };
                effects.extend(self.job.step(event, now));
            }
            if effects.len() == told {
                break wake;
            }
        };
        wake_once(effects, wake);
    }

    /// How far a node is whose account moved.
    fn word(&self, node: &Identity) -> turns::Event {
        let node = node.clone();
        let Some(line) = self.job.node(&node) else { return turns::Event::Runs(node) };
        let reached = !matches!(line.state, EndState::Down | EndState::Skipped);
        // Of a node that was down all along nobody learns anything.
        let was_down = line.state == EndState::Down && line.down_since.is_some();
        turns::Event::Ended { node, reached, fault: line.state != EndState::Ok && !was_down }
    }
}

impl Machine for Rollout {
    fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = self.job.step(event, now);
        self.decide(&mut effects, now);
        effects
    }

    fn job(&self) -> &Job {
        &self.job
    }
}

/// Leaves one time to wake at, the earliest: a later one would replace an earlier one.
fn wake_once(effects: &mut Vec<Effect>, own: Option<Timestamp>) {
    let mut times = effects.iter().filter_map(|effect| match effect {
        Effect::WakeAt(at) => Some(*at),
        _ => None,
    });
    // The job's last word counts: it knows what the steps before it did.
    let earliest = times.next_back().into_iter().chain(own).min();
    effects.retain(|effect| !matches!(effect, Effect::WakeAt(_)));
    effects.extend(earliest.map(Effect::WakeAt));
}
