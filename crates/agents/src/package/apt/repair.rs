//! Ends what an earlier run left half done, each package in the way in which it was going.

use std::slice;
use std::time::Duration;

use marcato_core::Reason;
use tokio::time::Instant;

use super::run::Said;
use super::{ALWAYS, Apt, KEEP_FILES, ended, half_done, read};
use crate::package::packages::{Done, Found, State, Trouble, Verb};
use crate::package::plan;

/// What was done so far, and what went wrong last.
#[derive(Default)]
struct Course(Done);

impl Course {
    /// Takes what a step has done. Whether it came to it; who is kept from the first one by a lock may
    /// try again.
    fn take(&mut self, step: Result<Done, Trouble>) -> Result<bool, Trouble> {
        match step {
            Ok(step) => {
                self.0.touched |= step.touched;
                self.0.kept.extend(step.kept);
                self.0.error = step.error.or(self.0.error.take());
                Ok(true)
            }
            Err(trouble) if trouble.reason == Reason::Locked && !self.0.touched => Err(trouble),
            Err(trouble) => {
                self.0.error = Some(trouble);
                Ok(false)
            }
        }
    }
}

impl Apt {
    /// dpkg first, as apt refuses while it is interrupted; then apt for what is still missing.
    pub(super) async fn repaired(&self, limit: Duration) -> Result<Done, Trouble> {
        let until = Instant::now() + limit;
        let mut course = Course::default();
        course.take(self.by_dpkg(&["--configure", "-a"], &[]).await)?;
        for (verb, how) in [(Verb::Remove, "--remove"), (Verb::Purge, "--purge")] {
            let leave = self.left(|found| found.leaves == Some(verb))?;
            if !leave.is_empty() {
                course.take(self.by_dpkg(&[how], &leave).await)?;
            }
        }
        let is_unpacked = |found: &Found| found.state != State::HalfInstalled;
        let stays = self.left(|found| found.leaves.is_none())?;
        let (configure, unpack): (Vec<Found>, Vec<Found>) =
            stays.iter().cloned().partition(is_unpacked);
        let mut are_tried = !stays.is_empty();
        for group in [unpack, configure] {
            are_tried &= self.mend(&group, until, &mut course).await?;
        }
        let before = course.0.error.take();
        if !are_tried {
            // What a package lacks apt only looks for without a name.
            course.take(self.by_apt(&[], until).await)?;
        }
        // What went wrong on the way does not matter where all is well at last.
        let is_half_done = !self.left(|_| true)?.is_empty();
        course.0.error = course.0.error.or(before.filter(|_| is_half_done));
        Ok(course.0)
    }

    /// Has apt mend packages, all at once, or one after the other where one of them cannot be. Whether
    /// it came to all of them.
    async fn mend(
        &self,
        group: &[Found],
        until: Instant,
        course: &mut Course,
    ) -> Result<bool, Trouble> {
        if group.is_empty() || course.take(self.by_apt(group, until).await)? {
            return Ok(true);
        }
        let mut are_tried = group.len() > 1;
        for one in group.iter().filter(|_| group.len() > 1) {
            are_tried &= course.take(self.by_apt(slice::from_ref(one), until).await)?;
        }
        Ok(are_tried)
    }

    /// The half-done packages of a kind.
    fn left(&self, is_meant: impl Fn(&Found) -> bool) -> Result<Vec<Found>, Trouble> {
        let index = self.dpkg.index().map_err(Trouble::other)?;
        Ok(half_done(&index).filter(is_meant).collect())
    }

    fn words(&self, packages: &[Found]) -> Result<Vec<String>, Trouble> {
        let index = self.dpkg.index().map_err(Trouble::other)?;
        Ok(packages.iter().map(|found| plan::word(found, &index)).collect())
    }

    /// With the options that apt gives to dpkg.
    async fn by_dpkg(&self, how: &[&str], packages: &[Found]) -> Result<Done, Trouble> {
        let dump = ["dump", "--no-empty", "--format", "%v%n", "DPkg::Options"];
        let own = self.tools.ask("apt-config", &dump).await?;
        let names = self.words(packages)?;
        let mut arguments: Vec<&str> = own.lines().collect();
        arguments.extend(["--force-confdef", "--force-confold"]);
        arguments.extend(how);
        arguments.extend(names.iter().map(String::as_str));
        self.done(self.tools.run_to_end("dpkg", &arguments).await?).await
    }

    /// By their names: so they are unpacked once more where they must be, or come in a newer version that
    /// can be. What is held stays at its version.
    async fn by_apt(&self, packages: &[Found], until: Instant) -> Result<Done, Trouble> {
        let names = self.words(packages)?;
        let targets: Vec<String> = packages
            .iter()
            .zip(&names)
            .map(|(found, name)| match found.held {
                true => format!("{name}={}", found.version),
                false => name.clone(),
            })
            .collect();
        let mut fix =
            [&ALWAYS[..], &KEEP_FILES, &["--yes", "--no-remove", "--fix-broken"]].concat();
        if packages.iter().any(|found| found.state == State::HalfInstalled) {
            fix.push("--reinstall");
        }
        fix.push("install");
        fix.extend(targets.iter().map(String::as_str));
        // What is missing is downloaded first, as before any change.
        let fetch = [&fix[..], &["--download-only"]].concat();
        let left = until.saturating_duration_since(Instant::now());
        let fetched = self.tools.run("apt-get", &fetch, left).await?;
        if !fetched.well {
            return Err(read::trouble(&fetched.text));
        }
        let automatic = self.automatic(names).await?;
        let said = self.tools.run_to_end("apt-get", &fix).await?;
        let done = self.done(said).await;
        self.mark(&automatic).await;
        done
    }

    async fn done(&self, said: Said) -> Result<Done, Trouble> {
        self.quiet(&said).await?;
        ended(said)
    }
}
