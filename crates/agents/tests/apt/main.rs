//! The agent over the real apt and dpkg, on a small system of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test says that it was skipped")]

mod kit;

use std::fs;
use std::pin::Pin;
use std::time::Duration;

use kit::{Deb, Kit, Small};
use marcato_agent::ActionResult::{self, Failed, Ok as Well};
use marcato_agent::Outcome;
use marcato_agents::package::State;
use marcato_core::{Changed, Reason};
use serde_json::json;

const NEEDS: &str = "Depends: libtls3 (>= 3.0.9)\n";
const OF_TLS: &str = "Source: tls\n";

/// A program and its library of one source, as openssl and libssl3 are, and its documentation in a
/// version of its own.
fn tls(version: &str) -> Vec<Deb<'_>> {
    vec![
        Deb { name: "libtls3", version, control: OF_TLS, conffile: version, ..Deb::default() },
        Deb { name: "tls", version, control: NEEDS, ..Deb::default() },
        Deb { name: "tls-doc", version, control: OF_TLS, ..Deb::default() },
    ]
}

const OLD: &str = "3.0.20-1";
const NEW: &str = "3.0.22-1";

/// The old version installed, the new one offered.
fn outdated() -> Option<Kit> {
    let kit = Kit::with(&tls(OLD))?;
    kit.publish(&tls(NEW));
    Some(kit)
}

/// How it ended.
fn end(outcome: &Outcome) -> (ActionResult, Option<Reason>, Changed) {
    (outcome.result, outcome.reason, outcome.changed)
}

/// Checks that nothing was changed, for this reason, said in words that hold these.
fn refused(outcome: &Outcome, reason: Reason, words: &[&str]) {
    assert_eq!(end(outcome), (Failed, Some(reason), Changed::False), "{outcome:?}");
    for part in words {
        assert!(outcome.message.contains(part), "{:?} has not {part:?}", outcome.message);
    }
}

#[tokio::test]
async fn an_update_takes_the_library_along() {
    let Some(kit) = outdated() else { return };
    kit.apt("apt-mark", &["auto", "libtls3"]);
    fs::write(kit.path("root/etc/libtls3.conf"), "mine").unwrap();
    let outcome = kit.update("tls").await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    let step = json!({ "before": OLD, "after": NEW });
    assert_eq!(outcome.data["also"], json!({ "libtls3": step, "tls-doc": step }));
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!(OLD), &json!(NEW)));
    assert_eq!(outcome.data["conffiles_kept"], json!(["/etc/libtls3.conf"]));
    assert!(outcome.data["lists_age"].as_u64().unwrap() < 3600, "{outcome:?}");
    // Whatever runs old code on this host, none of it is of these packages.
    assert_eq!((&outcome.data["stale"], &outcome.data["services"]), (&json!(0), &json!([])));
    assert_eq!(kit.version("libtls3").as_deref(), Some(NEW));
    assert_eq!(fs::read_to_string(kit.path("root/etc/libtls3.conf")).unwrap(), "mine");
    assert_eq!(kit.apt("apt-mark", &["showauto"]), "libtls3\n", "marks stay");
    let outcome = kit.update("tls").await;
    assert_eq!(end(&outcome), (Well, Some(Reason::Unchanged), Changed::False));
    assert!(outcome.message.starts_with("already newest (lists "), "{outcome:?}");
    assert_eq!(outcome.data["after"], NEW);
}

#[tokio::test]
async fn only_leaves_the_library_which_status_then_shows() {
    let Some(kit) = outdated() else { return };
    let outcome = kit.ask("update", json!({ "package": "tls", "only": true })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(outcome.data["also"], json!({}));
    let outcome = kit.ask("status", json!({ "package": "tls" })).await;
    assert_eq!(outcome.data["ensure"], NEW);
    assert_eq!(outcome.data["siblings"], json!({ "libtls3": OLD, "tls-doc": OLD }));
    let outcome = kit.ask("checkupdates", json!({})).await;
    assert_eq!(outcome.data["count"], 2, "{outcome:?}");
    // The library that was left behind comes with the next update of the program.
    let outcome = kit.update("tls").await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("libtls3").as_deref(), Some(NEW));
}

#[tokio::test]
async fn a_source_is_updated_as_a_whole() {
    let Some(kit) = outdated() else { return };
    let outcome = kit.update("src:tls").await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    let outcome = kit.ask("status", json!({ "package": "src:tls" })).await;
    assert_eq!(outcome.data["name"], "libtls3");
    assert_eq!(outcome.data["siblings"], json!({ "tls": NEW, "tls-doc": NEW }));
}

#[tokio::test]
async fn what_is_held_stays() {
    let Some(kit) = outdated() else { return };
    for held in ["tls", "libtls3"] {
        kit.apt("apt-mark", &["hold", held]);
        let outcome = kit.update("tls").await;
        let words = [held, "kept at 3.0.20-1 by apt-mark hold"];
        refused(&outcome, Reason::Held, &words);
        kit.apt("apt-mark", &["unhold", held]);
    }
    assert_eq!(kit.version("tls").as_deref(), Some(OLD));
}

#[tokio::test]
async fn what_would_remove_others_is_not_done() {
    let rival = Deb { name: "rival", version: "1", ..Deb::default() };
    let Some(kit) = Kit::with(&tls(OLD).into_iter().chain([rival]).collect::<Vec<_>>()) else {
        return;
    };
    let control = "Conflicts: rival\nDepends: libtls3 (>= 3.0.9)\n";
    kit.publish(&[Deb { name: "tls", version: NEW, control, ..Deb::default() }]);
    refused(&kit.update("tls").await, Reason::WouldRemove, &["would remove rival"]);
    let outcome = kit.ask("uninstall", json!({ "package": "libtls3" })).await;
    refused(&outcome, Reason::WouldRemove, &["would remove tls"]);
    let outcome = kit.ask("uninstall", json!({ "package": "rival" })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!("1"), &json!("")));
    assert_eq!(kit.version("rival"), None);
}

#[tokio::test]
async fn a_purge_takes_the_configuration_too() {
    let conffile = "x";
    let Some(kit) = Kit::with(&[Deb { name: "x", version: "1", conffile, ..Deb::default() }])
    else {
        return;
    };
    kit.publish(&[]);
    let outcome = kit.ask("uninstall", json!({ "package": "x" })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert!(kit.path("root/etc/x.conf").exists());
    let outcome = kit.ask("uninstall", json!({ "package": "x" })).await;
    assert_eq!(end(&outcome), (Well, Some(Reason::Absent), Changed::False));
    let outcome = kit.ask("purge", json!({ "package": "x" })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert!(!kit.path("root/etc/x.conf").exists());
    let outcome = kit.update("x").await;
    assert_eq!(end(&outcome), (Well, Some(Reason::Absent), Changed::False));
}

#[tokio::test]
async fn a_version_is_installed_and_another_one_over_it() {
    let Some(kit) = Kit::with(&tls(NEW)[..1]) else { return };
    kit.publish(&tls(OLD).into_iter().chain(tls(NEW)).collect::<Vec<_>>());
    let outcome = kit.ask("install", json!({ "package": "nosuch" })).await;
    refused(&outcome, Reason::NoCandidate, &["no source offers nosuch;"]);
    let outcome = kit.ask("install", json!({ "package": "tls", "version": "9" })).await;
    refused(&outcome, Reason::NoCandidate, &["no source offers tls 9;"]);
    let outcome = kit.ask("install", json!({ "package": "tls" })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!(""), &json!(NEW)));
    kit.apt("apt-mark", &["auto", "libtls3"]);
    let again = kit.ask("install", json!({ "package": "tls", "version": NEW })).await;
    assert_eq!(end(&again), (Well, Some(Reason::Unchanged), Changed::False));
    let outcome = kit.ask("install", json!({ "package": "tls", "version": OLD })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    let step = json!({ "before": NEW, "after": OLD });
    assert_eq!(outcome.data["also"], json!({ "libtls3": step }));
    assert_eq!(kit.version("tls").as_deref(), Some(OLD));
    assert_eq!(kit.apt("apt-mark", &["showauto"]), "libtls3\n", "marks stay");
    assert_eq!(kit.ask("count", json!({})).await.data["count"], 2);
    let outcome = kit.ask("search", json!({ "query": "tls tried" })).await;
    assert_eq!(outcome.data["package_count"], 3, "{outcome:?}");
}

#[tokio::test]
async fn a_script_that_fails_is_told_and_repaired() {
    let sick = |version, postinst| Deb { name: "sick", version, postinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[sick("1", "")]) else { return };
    let script = "test -e \"$DPKG_ROOT/cure\" || { echo no cure >&2; exit 3; }";
    kit.publish(&[sick("2", script)]);
    let outcome = kit.update("sick").await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::True), "{outcome:?}");
    assert!(outcome.message.contains("returned error exit status 3 no cure"), "{outcome:?}");
    assert_eq!(outcome.data["after"], "2");
    let left = "left half done: sick is half-configured; when that is mended, mco package repair";
    assert!(outcome.message.contains(left), "{outcome:?}");
    let status = kit.ask("status", json!({ "package": "sick" })).await;
    assert_eq!(end(&status), (Well, Some(Reason::InterruptedDpkg), Changed::False));
    assert_eq!(status.data["state"], "half-configured");
    let words = ["sick is half-configured"];
    refused(&kit.update("sick").await, Reason::InterruptedDpkg, &words);
    let install = kit.ask("install", json!({ "package": "sick" })).await;
    refused(&install, Reason::InterruptedDpkg, &words);
    // The script ran once more: what it did then no database says.
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::Unknown), "{outcome:?}");
    fs::write(kit.path("root/cure"), "").unwrap();
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("sick").as_deref(), Some("2"));
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, Some(Reason::Unchanged), Changed::False));
}

/// What cannot be ended as it is: a newer version can be.
#[tokio::test]
async fn a_repair_takes_the_version_that_mends_it() {
    let sick = |version, postinst| Deb { name: "sick", version, postinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[sick("1", "")]) else { return };
    kit.publish(&[sick("2", "exit 3")]);
    assert_eq!(kit.update("sick").await.result, Failed);
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::Unknown), "{outcome:?}");
    assert!(outcome.message.contains("returned error exit status 3"), "{outcome:?}");
    kit.apt("apt-mark", &["auto", "sick"]);
    kit.publish(&[sick("3", "")]);
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("sick").as_deref(), Some("3"));
    assert_eq!(kit.apt("apt-mark", &["showauto"]), "sick\n", "nobody wants it for itself");
}

/// dpkg knows then that the package must be unpacked once more, and does not do it of itself.
#[tokio::test]
async fn a_repair_unpacks_what_was_broken_off_before_that() {
    let slow = |version, preinst| Deb { name: "slow", version, preinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[slow("1", "")]) else { return };
    pipe(&kit);
    kit.publish(&[slow("2", "")]);
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    break_off(&kit, kit.spawn_dpkg(&slow("2", WAITS)));
    refused(&kit.update("slow").await, Reason::InterruptedDpkg, &["slow is half-installed"]);
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("slow").as_deref(), Some("2"));
}

/// It is unpacked once more in the version that it has.
#[tokio::test]
async fn a_repair_ends_a_first_installation() {
    let new = |preinst| Deb { name: "new", version: "1", preinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[]) else { return };
    pipe(&kit);
    kit.publish(&[new("")]);
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    break_off(&kit, kit.spawn_dpkg(&new(WAITS)));
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("new").as_deref(), Some("1"));
}

/// What was to leave the host leaves it, and does not come back in a newer version.
#[tokio::test]
async fn a_repair_ends_a_removal() {
    let once = "test -e \"$DPKG_ROOT/once\" || { : > \"$DPKG_ROOT/once\";";
    let script = format!("{once} {WAITS}; }}");
    let old = |version, prerm| Deb { name: "old", version, prerm, ..Deb::default() };
    for how in ["--remove", "--purge"] {
        let Some(kit) = Kit::with(&[old("1", script.as_str())]) else { return };
        pipe(&kit);
        kit.publish(&[old("2", "")]);
        assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
        break_off(&kit, kit.spawn(&[how, "old"]));
        refused(&kit.update("old").await, Reason::InterruptedDpkg, &["old is half-configured"]);
        let outcome = kit.ask("repair", json!({})).await;
        assert_eq!(end(&outcome), (Well, None, Changed::True), "{how}: {outcome:?}");
        assert_eq!(kit.version("old"), None, "{how}");
    }
}

/// One that cannot be mended keeps no other from it.
#[tokio::test]
async fn a_repair_mends_what_can_be() {
    let sick = |name, version, postinst, control| Deb {
        name,
        version,
        postinst,
        control,
        ..Deb::default()
    };
    let (first, second) = ("exit 3", "Depends: nosuch\n");
    let Some(kit) = Kit::with(&[sick("one", "1", "", ""), sick("two", "1", "", "")]) else {
        return;
    };
    kit.publish(&[sick("one", "2", first, ""), sick("two", "2", first, "")]);
    for name in ["one", "two"] {
        kit.unpack(&sick(name, "2", first, ""));
    }
    kit.publish(&[sick("one", "3", "", ""), sick("two", "3", "", second)]);
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::True), "{outcome:?}");
    assert!(outcome.message.contains("left half done: two is half-configured"), "{outcome:?}");
    assert_eq!(kit.version("one").as_deref(), Some("3"));
}

/// Has a dpkg broken off whose script waits.
fn break_off(kit: &Kit, mut dpkg: std::process::Child) {
    fs::read(kit.path("root/begun")).unwrap();
    dpkg.kill().unwrap();
    dpkg.wait().unwrap();
    fs::write(kit.path("root/pipe"), "go\n").unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_while_unpacking_is_told() {
    let big = |version, bulk| Deb { name: "big", version, bulk, ..Deb::default() };
    let Some(kit) = Kit::with(&[big("1", 0)]) else { return };
    kit.publish(&[big("2", 1 << 20), Deb { name: "other", version: "1", ..Deb::default() }]);
    let Some(small) = Small::mount(kit.path("root/usr/share/big"), 64) else { return };
    let outcome = kit.update("big").await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::NoSpace), Changed::Unknown), "{outcome:?}");
    for part in ["No space left on device", "big_2_amd64.deb"] {
        assert!(outcome.message.contains(part), "{outcome:?}");
    }
    assert_eq!(outcome.data["after"], "1");
    drop(small);
    let outcome = kit.update("big").await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
}

#[tokio::test]
async fn what_ended_well_without_being_done_is_no_success() {
    let Some(kit) = outdated() else { return };
    kit.configure("APT::Get::Download-Only \"true\";");
    let outcome = kit.update("tls").await;
    refused(&outcome, Reason::Action, &["tls is at 3.0.20-1 all the same; nothing was changed"]);
    let outcome = kit.ask("purge", json!({ "package": "tls" })).await;
    refused(&outcome, Reason::Action, &["tls is at 3.0.20-1 all the same; nothing was changed"]);
}

#[tokio::test]
async fn a_source_is_removed_as_a_whole() {
    let Some(kit) = Kit::with(&tls(OLD)) else { return };
    let outcome = kit.ask("uninstall", json!({ "package": "src:tls" })).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!(OLD), &json!("")));
    let outcome = kit.ask("uninstall", json!({ "package": "src:tls" })).await;
    assert_eq!(end(&outcome), (Well, Some(Reason::Absent), Changed::False));
    assert_eq!(kit.ask("count", json!({})).await.data["count"], 0);
}

#[tokio::test]
async fn a_repair_fetches_what_is_missing() {
    let Some(kit) = Kit::with(&[]) else { return };
    kit.publish(&tls(NEW)[..1]);
    kit.unpack(&tls(NEW)[1]);
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    let (there, aside) =
        (kit.path(&format!("repo/libtls3_{NEW}_amd64.deb")), kit.path("aside.deb"));
    fs::rename(&there, &aside).unwrap();
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::Unknown), "{outcome:?}");
    for part in ["libtls3_3.0.22-1_amd64.deb", "left half done: tls is unpacked"] {
        assert!(outcome.message.contains(part), "{outcome:?}");
    }
    fs::rename(&aside, &there).unwrap();
    let outcome = kit.ask("repair", json!({})).await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("tls").as_deref(), Some(NEW));
    assert_eq!(kit.version("libtls3").as_deref(), Some(NEW));
}

/// A package whose script says that it has begun, and then waits until somebody writes to its pipe.
const WAITS: &str = "echo > \"$DPKG_ROOT/begun\"; read go < \"$DPKG_ROOT/pipe\"";

fn pipe(kit: &Kit) {
    for name in ["begun", "pipe"] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, kit.path("root").join(name), mode).unwrap();
    }
}

#[tokio::test]
async fn a_lock_is_one_only_while_somebody_holds_it() {
    let Some(kit) = outdated() else { return };
    pipe(&kit);
    let slow = Deb { name: "slow", version: "1", postinst: WAITS, ..Deb::default() };
    let mut dpkg = kit.spawn_dpkg(&slow);
    fs::read(kit.path("root/begun")).unwrap();
    let outcome = kit.ask("update", json!({ "package": "tls", "lock_wait": 0 })).await;
    let pid = format!("dpkg lock held by dpkg (pid {}) since ", dpkg.id());
    refused(&outcome, Reason::Locked, &[&pid, "waited 0 s; nothing was changed"]);
    // Broken off in the middle, it leaves its lock files, which nobody holds.
    dpkg.kill().unwrap();
    dpkg.wait().unwrap();
    assert!(kit.path("root/var/lib/dpkg/lock").exists());
    refused(&kit.update("tls").await, Reason::InterruptedDpkg, &["slow is half-configured"]);
    let repair = kit.ask("repair", json!({}));
    let release = std::thread::spawn({
        let root = kit.path("root");
        move || {
            // The script of the killed run still waits, and that of the repair comes to it.
            fs::write(root.join("pipe"), "go\n").unwrap();
            fs::read(root.join("begun")).unwrap();
            fs::write(root.join("pipe"), "go\n").unwrap();
        }
    });
    let outcome = repair.await;
    release.join().unwrap();
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("slow").as_deref(), Some("1"));
    let outcome = kit.update("tls").await;
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
}

/// Lets a change go on for so many milliseconds; it must not end.
async fn goes_on(change: Pin<&mut impl Future<Output = Outcome>>, ms: u64) {
    let ended = tokio::time::timeout(Duration::from_millis(ms), change).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn a_transaction_outlives_whoever_waits_for_it() {
    let slow = |version, postinst| Deb { name: "slow", version, postinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[slow("1", "")]) else { return };
    // What it says afterwards must not end it either.
    let talks = format!("{WAITS}; echo done; echo done >&2");
    kit.publish(&[slow("2", &talks)]);
    pipe(&kit);
    let begun = kit.path("root/begun");
    let begun = std::thread::spawn(move || fs::read(begun).unwrap());
    {
        let mut update = std::pin::pin!(kit.update("slow"));
        while !begun.is_finished() {
            goes_on(update.as_mut(), 10).await;
        }
    }
    fs::write(kit.path("root/pipe"), "go\n").unwrap();
    // apt holds its lock until it is done.
    let lock = fs::File::options().write(true).open(kit.path("root/var/lib/dpkg/lock-frontend"));
    let exclusive = rustix::fs::FlockOperation::LockExclusive;
    rustix::fs::fcntl_lock(lock.unwrap(), exclusive).unwrap();
    assert_eq!(kit.version("slow").as_deref(), Some("2"));
}

#[tokio::test]
async fn what_goes_on_when_apt_is_killed_is_waited_for() {
    let slow = |version, postinst| Deb { name: "slow", version, postinst, ..Deb::default() };
    let Some(kit) = Kit::with(&[slow("1", "")]) else { return };
    // apt-get is the parent of dpkg, which is that of the script.
    let parent = "kill -9 $(sed 's/^.*) . \\([0-9]*\\) .*/\\1/' /proc/$PPID/stat)";
    let kills = format!("{parent}; {WAITS}; : > \"$DPKG_ROOT/done\"");
    kit.publish(&[slow("2", &kills)]);
    pipe(&kit);
    let begun = kit.path("root/begun");
    let begun = std::thread::spawn(move || fs::read(begun).unwrap());
    let mut update = std::pin::pin!(kit.update("slow"));
    while !begun.is_finished() {
        goes_on(update.as_mut(), 10).await;
    }
    goes_on(update.as_mut(), 1000).await;
    fs::write(kit.path("root/pipe"), "go\n").unwrap();
    let outcome = update.await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Action), Changed::True), "{outcome:?}");
    assert!(kit.path("root/done").exists(), "dpkg and the script still run");
    // dpkg ends at its next word to apt-get.
    let words = "apt-get was killed by signal 9; left half done: slow is half-configured; ";
    assert!(outcome.message.starts_with(words), "{outcome:?}");
}

#[tokio::test]
async fn a_lock_that_is_let_go_of_was_worth_the_wait() {
    let Some(kit) = outdated() else { return };
    pipe(&kit);
    let slow = Deb { name: "slow", version: "1", postinst: WAITS, ..Deb::default() };
    let mut dpkg = kit.spawn_dpkg(&slow);
    fs::read(kit.path("root/begun")).unwrap();
    let update = kit.ask("update", json!({ "package": "tls", "lock_wait": 60 }));
    let waits = format!("dpkg lock, pid {} dpkg", dpkg.id());
    let release = async {
        // Whoever watches is told what it waits for before it is let go of.
        while kit.said() != waits {
            tokio::task::yield_now().await;
        }
        fs::write(kit.path("root/pipe"), "go\n").unwrap();
    };
    let (outcome, ()) = tokio::join!(update, release);
    assert_eq!(kit.said(), "", "nothing is waited for or done any more");
    dpkg.wait().unwrap();
    assert_eq!(end(&outcome), (Well, None, Changed::True), "{outcome:?}");
    assert_eq!(kit.version("slow").as_deref(), Some("1"));
}

#[tokio::test]
async fn mirrors_that_are_not_there() {
    let Some(kit) = outdated() else { return };
    assert_eq!(kit.ask("refresh", json!({})).await.result, Well);
    // The lists are there, the packages are gone.
    fs::remove_file(kit.path(&format!("repo/tls_{NEW}_amd64.deb"))).unwrap();
    let outcome = kit.ask("update", json!({ "package": "tls", "refresh": "never" })).await;
    refused(&outcome, Reason::Download, &["tls_3.0.22-1_amd64.deb"]);
    // Nobody listens at port 1. Old lists pass for good ones only where they were asked for.
    kit.source("http://127.0.0.1:1", "/".as_ref());
    let outcome = kit.ask("update", json!({ "package": "tls", "refresh": "always" })).await;
    refused(&outcome, Reason::Lists, &["http://127.0.0.1:1", "nothing was installed"]);
    // The sources were configured anew, so that lists of a minute ago are not fresh.
    refused(&kit.update("tls").await, Reason::Lists, &["nothing was installed"]);
    let outcome = kit.ask("refresh", json!({})).await;
    assert_eq!(end(&outcome), (Failed, Some(Reason::Lists), Changed::Unknown), "{outcome:?}");
    assert!(outcome.message.contains("http://127.0.0.1:1"), "{outcome:?}");
    assert_eq!(kit.installed().iter().filter(|(.., state)| *state == State::Installed).count(), 3);
}
