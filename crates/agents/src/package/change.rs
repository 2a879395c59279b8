//! How packages are changed: what is in the way is found first, and said with nothing changed; what
//! was begun ends by itself; and what is told of it afterwards is what the database shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::{BoxFuture, Call, Outcome};
use marcato_core::limits::agent::{LISTS_FRESH, LOCK_POLL, LOCK_WAIT};
use marcato_core::limits::service::STALE_UNITS_MAX;
use marcato_core::{Changed, Reason, Span};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::dpkg::Index;
use super::packages::{
    Done, Holder, Lock, Packages, Rehearsal, Target, Trouble, Verb, Which, Work,
};
use super::plan::{self, Difference};

/// One change that is under way.
pub(super) struct Change<'a> {
    packages: &'a dyn Packages,
    call: &'a Call,
    begun: Instant,
    /// How long it waits for locks, all of them together.
    patience: Duration,
    data: Map<String, Value>,
}

/// How it went so far: an end, or a reason why nothing was changed.
type Way<T> = Result<T, Stop>;

/// Why a change goes no further.
enum Stop {
    /// Something is in the way; nothing was changed.
    Trouble(Trouble),
    /// Nothing is to be done.
    Idle(Reason, String),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl<'a> Change<'a> {
    pub(super) fn new(packages: &'a dyn Packages, call: &'a Call) -> Self {
        let wait = call.inputs.get("lock_wait").and_then(Value::as_u64);
        let wait = wait.map_or(LOCK_WAIT, Span::from_secs).min(call.limit);
        let patience = wait.as_duration();
        Self { packages, call, begun: Instant::now(), patience, data: Map::new() }
    }

    /// Does what the call asks.
    pub(super) async fn run(mut self) -> Outcome {
        let asked = crate::text(self.call, "package").to_owned();
        let way = match self.call.action.as_str() {
            "install" => self.install(&asked).await,
            "update" => self.update(&asked).await,
            "uninstall" => self.remove(&asked, Verb::Remove).await,
            "purge" => self.remove(&asked, Verb::Purge).await,
            "refresh" => self.refresh().await,
            _ => self.repair().await,
        };
        let outcome = match way {
            Ok(outcome) => outcome,
            Err(Stop::Idle(reason, message)) => {
                Outcome::ok(Map::new()).because(reason).saying(message)
            }
            Err(Stop::Trouble(Trouble { reason: Reason::RunLimit, message })) => {
                Outcome::timed_out(Reason::RunLimit, Changed::False, message)
            }
            Err(Stop::Trouble(Trouble { reason, message })) => {
                Outcome::failed(reason, Changed::False, message)
            }
        };
        outcome.with(self.data)
    }

    async fn update(&mut self, asked: &str) -> Way<Outcome> {
        self.is_there(asked)?;
        let index = self.ready(asked).await?;
        let named = plan::named(&index, asked);
        let only = self.call.inputs.get("only").and_then(Value::as_bool).unwrap_or(false);
        let siblings = if only { Vec::new() } else { plan::siblings(&index, &named) };
        let names: Vec<String> =
            named.iter().chain(&siblings).map(|found| plan::word(found, &index)).collect();
        let offers = self.packages.offers(&names, Which::Candidate).await?;
        let work = plan::update(&index, &named, &siblings, &offers);
        if work.targets.is_empty() {
            let lists = self.lists_in_words().await?;
            return Err(Stop::Idle(Reason::Unchanged, format!("already newest ({lists})")));
        }
        self.carry_out(&work, &index, asked).await
    }

    async fn install(&mut self, asked: &str) -> Way<Outcome> {
        let version = self.call.inputs.get("version").and_then(Value::as_str);
        let installed = self.installed()?;
        let there = plan::version(&installed, asked);
        let half = plan::named(&installed, asked).iter().any(|found| found.state.is_half_done());
        if !there.is_empty() && !half && version.is_none_or(|version| version == there) {
            self.note_versions(&there, &there);
            return Err(Stop::Idle(Reason::Unchanged, format!("installed already: {there}")));
        }
        let index = self.ready(asked).await?;
        let which = if version.is_some() { Which::All } else { Which::Candidate };
        let offers = self.packages.offers(&[asked.to_owned()], which).await?;
        let mut siblings = Vec::new();
        if let Some(offer) = offers.first() {
            siblings = index.of_source(&offer.source);
            let name = asked.split(':').next();
            siblings.retain(|found| Some(found.name.as_str()) != name);
        }
        let names: Vec<String> = siblings.iter().map(|found| plan::word(found, &index)).collect();
        let others = self.packages.offers(&names, which).await?;
        let offers = [offers, others].concat();
        let work = plan::install(&index, asked, version, &siblings, &offers)?;
        self.carry_out(&work, &index, asked).await
    }

    async fn remove(&mut self, asked: &str, verb: Verb) -> Way<Outcome> {
        let index = self.unlocked(Lock::Packages).await?;
        let version = plan::version(&index, asked);
        self.note_versions(&version, &version);
        let found = plan::known(&index, asked).into_iter();
        // What was removed may still be purged.
        let left = |state: super::State| match verb {
            Verb::Purge => state != super::State::NotInstalled,
            _ => state.is_there(),
        };
        let found: Vec<_> = found.filter(|found| left(found.state)).collect();
        if found.is_empty() {
            return Err(self.absent(&index, asked));
        }
        self.whole()?;
        let targets =
            found.iter().map(|found| Target { name: plan::word(found, &index), version: None });
        let work = Work { verb, targets: targets.collect() };
        self.carry_out(&work, &index, asked).await
    }

    async fn refresh(&mut self) -> Way<Outcome> {
        let changed = match self.refreshed().await {
            Ok(true) => Changed::True,
            Ok(false) => Changed::False,
            // Where one list could not be had, others may be new.
            Err(Trouble { reason: reason @ (Reason::Lists | Reason::NoSpace), message }) => {
                return Ok(Outcome::failed(reason, Changed::Unknown, message));
            }
            Err(trouble) => return Err(trouble.into()),
        };
        Ok(Outcome::ok(Map::new()).changing(changed))
    }

    async fn repair(&mut self) -> Way<Outcome> {
        let before = self.unlocked(Lock::Packages).await?;
        if self.packages.interrupted().map_err(Trouble::other)?.is_none() {
            return Err(Stop::Idle(Reason::Unchanged, "nothing was left half done".into()));
        }
        let services = self.packages.services().await;
        let mut done = self.patiently("repairing", || self.packages.repair(self.left())).await?;
        let left = self.packages.interrupted().map_err(Trouble::other)?;
        if left.is_some() {
            done.error.get_or_insert_with(|| Trouble::other("dpkg and apt-get did not end it"));
        }
        Ok(self.account(done, &before, &[], services).await)
    }

    /// Fails unless there is something of it.
    fn is_there(&mut self, asked: &str) -> Way<()> {
        let index = self.installed()?;
        if plan::named(&index, asked).is_empty() { Err(self.absent(&index, asked)) } else { Ok(()) }
    }

    fn absent(&mut self, index: &Index, asked: &str) -> Stop {
        self.note_versions("", "");
        if let Some(nearest) = plan::nearest(index, asked) {
            self.data.insert("nearest".into(), nearest.into());
        }
        Stop::Idle(Reason::Absent, format!("{asked} is not installed"))
    }

    fn installed(&self) -> Result<Arc<Index>, Trouble> {
        self.packages.installed().map_err(Trouble::other)
    }

    /// Waits for the lock, sees that nothing is half done and that the lists are fresh; what is
    /// installed then.
    async fn ready(&mut self, asked: &str) -> Way<Arc<Index>> {
        let version = plan::version(&*self.installed()?, asked);
        self.note_versions(&version, &version);
        self.unlocked(Lock::Packages).await?;
        self.whole()?;
        self.packages.room(&Rehearsal::default()).await?;
        let lists = self.packages.lists().await?;
        self.note_lists().await?;
        let refresh = match crate::text(self.call, "refresh") {
            "never" => false,
            "always" => true,
            _ => lists.outdated || lists.age.is_none_or(|age| age > LISTS_FRESH),
        };
        if refresh {
            self.refreshed().await?;
        }
        Ok(self.installed()?)
    }

    async fn refreshed(&mut self) -> Result<bool, Trouble> {
        self.unlocked(Lock::Lists).await?;
        let refresh = || self.packages.refresh(self.left());
        let changed = self.patiently("refreshing the lists", refresh).await;
        self.note_lists().await?;
        changed
    }

    /// Fails where an earlier run was broken off.
    fn whole(&self) -> Result<(), Trouble> {
        let Some(half) = self.packages.interrupted().map_err(Trouble::other)? else {
            return Ok(());
        };
        let message = format!("dpkg was interrupted: {half}; nothing was changed");
        Err(Trouble::new(Reason::InterruptedDpkg, message))
    }

    /// Rehearses a work, and does it if it may be done.
    async fn carry_out(&mut self, work: &Work, index: &Index, asked: &str) -> Way<Outcome> {
        let rehearsal = self.packages.rehearse(work).await;
        let rehearsal = rehearsal.map_err(|trouble| held_instead(trouble, index))?;
        plan::allow(work, &rehearsal, index)?;
        if rehearsal.installs.is_empty() && rehearsal.removes.is_empty() {
            let lists = self.lists_in_words().await?;
            return Err(Stop::Idle(Reason::Unchanged, format!("nothing to do ({lists})")));
        }
        if !rehearsal.installs.is_empty() {
            self.packages.room(&rehearsal).await?;
            let fetch = || self.packages.fetch(work, &rehearsal, self.left());
            self.patiently("downloading", fetch).await?;
        }
        let services = self.packages.services().await;
        let before = self.installed()?;
        if self.left().is_zero() {
            let message = "the time limit of the order passed; nothing was changed";
            return Err(Trouble::new(Reason::RunLimit, message).into());
        }
        let carry_out = || self.packages.carry_out(work, &rehearsal);
        let mut done = self.patiently(work.verb.doing(), carry_out).await?;
        if done.error.is_none() {
            let missed = self.installed().ok().and_then(|after| plan::missed(work, &after));
            done.error = missed.map(Trouble::other);
        }
        let named = plan::named(&before, asked);
        let mut names: Vec<String> =
            named.iter().map(|found| plan::word(found, &before)).take(1).collect();
        if names.is_empty() {
            names.push(asked.to_owned());
        }
        self.note_versions(&plan::version(&before, asked), "");
        let outcome = self.account(done, &before, &names, services).await;
        let after = self.packages.installed().map(|after| plan::version(&after, asked));
        self.data.insert("after".into(), after.unwrap_or_default().into());
        Ok(outcome)
    }

    /// What came of something that was begun, by the database alone.
    async fn account(
        &mut self,
        done: Done,
        before: &Index,
        names: &[String],
        services: BTreeMap<String, u32>,
    ) -> Outcome {
        let now = self.packages.services().await;
        let other = |unit: &&String| services.get(*unit).is_some_and(|pid| now[*unit] != *pid);
        let restarted: Vec<&String> = now.keys().filter(other).collect();
        self.data.insert("restarted".into(), json!(restarted));
        self.data.insert("conffiles_kept".into(), json!(done.kept));
        self.data.insert("reboot_required".into(), self.packages.reboot_required().into());
        let difference = match self.packages.installed() {
            Ok(after) => Difference::between(before, &after),
            Err(error) => {
                let message = format!("what was changed cannot be read: {error}");
                return Outcome::failed(Reason::Action, Changed::Unknown, message);
            }
        };
        self.data.insert("also".into(), difference.also(names).into());
        if !difference.there.is_empty()
            && let Some(stale) = self.packages.stale(&difference.there).await
        {
            self.data.insert("stale".into(), stale.len().into());
            let named = stale.get(..STALE_UNITS_MAX).unwrap_or(&stale);
            self.data.insert("services".into(), json!(named));
        }
        let changed = match (difference.changed, &done.error) {
            (true, _) => Changed::True,
            (false, Some(_)) if done.touched => Changed::Unknown,
            (false, _) => Changed::False,
        };
        match done.error {
            Some(trouble) => self.broken_off(trouble, changed),
            None => Outcome::ok(Map::new()).changing(changed),
        }
    }

    /// A change that was begun and did not go well, with what it has left behind.
    fn broken_off(&self, trouble: Trouble, changed: Changed) -> Outcome {
        let Trouble { reason, message } = trouble;
        let left = match self.packages.interrupted() {
            Ok(Some(half)) => {
                format!("; left half done: {half}; when that is mended, mco package repair ends it")
            }
            Ok(None) if changed == Changed::False => "; nothing was changed".to_owned(),
            Ok(None) | Err(_) => String::new(),
        };
        // The other codes mean that nothing was changed.
        let holds = changed == Changed::False || reason == Reason::NoSpace;
        let reason = if holds { reason } else { Reason::Action };
        Outcome::failed(reason, changed, message + &left)
    }

    fn note_versions(&mut self, before: &str, after: &str) {
        self.data.insert("before".into(), before.into());
        self.data.insert("after".into(), after.into());
    }

    async fn note_lists(&mut self) -> Result<(), Trouble> {
        if let Some(age) = self.packages.lists().await?.age {
            self.data.insert("lists_age".into(), (age.as_ms() / 1000).into());
        }
        Ok(())
    }

    async fn lists_in_words(&self) -> Result<String, Trouble> {
        Ok(match self.packages.lists().await?.age {
            Some(age) => format!("lists {} old", in_words(age)),
            None => "lists of unknown age".to_owned(),
        })
    }

    /// What is left of the order's time.
    fn left(&self) -> Duration {
        self.call.limit.as_duration().saturating_sub(self.begun.elapsed())
    }

    /// Waits until nobody holds a lock; what is installed then.
    async fn unlocked(&self, lock: Lock) -> Result<Arc<Index>, Trouble> {
        while let Some(holder) = self.packages.holder(lock).await? {
            if self.begun.elapsed() >= self.patience {
                return Err(self.locked(&holder));
            }
            self.call.voice.say(&waiting_for(&holder));
            self.pause().await;
        }
        self.call.voice.say("");
        self.installed()
    }

    /// Tries something again as long as somebody else was quicker to take the lock, and says
    /// meanwhile what it is doing.
    async fn patiently<'f, T>(
        &self,
        doing: &str,
        attempt: impl Fn() -> BoxFuture<'f, Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let done = loop {
            self.call.voice.say(doing);
            match attempt().await {
                Err(trouble)
                    if trouble.reason == Reason::Locked && self.begun.elapsed() < self.patience =>
                {
                    self.call.voice.say(&trouble.message);
                    self.pause().await;
                }
                Err(trouble) if trouble.reason == Reason::Locked => {
                    let waited = in_words(Span::from_secs(self.patience.as_secs()));
                    let message =
                        format!("{}, waited {waited}; nothing was changed", trouble.message);
                    break Err(Trouble::new(Reason::Locked, message));
                }
                done => break done,
            }
        };
        self.call.voice.say("");
        done
    }

    async fn pause(&self) {
        let left = self.patience.saturating_sub(self.begun.elapsed());
        sleep(LOCK_POLL.as_duration().min(left)).await;
    }

    fn locked(&self, holder: &Holder) -> Trouble {
        let who = match (holder.name.as_str(), holder.pid) {
            ("", _) | (_, 0) => "a process that cannot be seen from here".to_owned(),
            (name, pid) => format!("{name} (pid {pid}) since {}", in_words(holder.runs)),
        };
        let waited = in_words(Span::from_secs(self.patience.as_secs()));
        let message =
            format!("{} held by {who}, waited {waited}; nothing was changed", holder.lock);
        Trouble::new(Reason::Locked, message)
    }
}

/// Whom a change waits for, such as `dpkg lock, pid 812 unattended-upgr`.
fn waiting_for(Holder { lock, name, pid, .. }: &Holder) -> String {
    match pid {
        0 => format!("{lock}, held by a process that cannot be seen from here"),
        pid => format!("{lock}, pid {pid} {name}").trim_end().to_owned(),
    }
}

/// What apt calls unmet dependencies is a held package where one of them is held.
fn held_instead(trouble: Trouble, index: &Index) -> Trouble {
    if trouble.reason != Reason::Action {
        return trouble;
    }
    let words = trouble.message.split([' ', ':', ',', ';', '(']).filter(|word| !word.is_empty());
    match words.filter_map(|word| plan::kept_back(index, word)).next() {
        Some(held) => Trouble::new(Reason::Held, format!("{held}; nothing was changed")),
        None => trouble,
    }
}

/// A length of time as a person reads it.
pub(super) fn in_words(span: Span) -> String {
    match span.as_ms() / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
