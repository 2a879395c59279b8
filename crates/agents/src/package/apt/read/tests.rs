//! What apt 2.6 of Debian 12 really said, and some forms of other releases.

use proptest::prelude::*;

use super::*;

macro_rules! said {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/apt/", $name, ".txt"))
    };
}

#[test]
fn offers_of_installed_and_newer_versions() {
    let shown: Vec<String> = offers(said!("show"))
        .iter()
        .map(|o| {
            let local = if o.local { " local" } else { "" };
            let Offer { name, version, source, source_version, installed_bytes, .. } = o;
            format!("{name} {version} of {source} {source_version} {installed_bytes}{local}")
        })
        .collect();
    let want = [
        "tls 3.0.22-1 of tls 3.0.22-1 102400",
        "tls 3.0.20-1 of tls 3.0.20-1 102400 local",
        "libtls3 3.0.22-1 of tls 3.0.22-1 102400",
        "libtls3 3.0.20-1 of tls 3.0.20-1 102400 local",
        "tls-doc 3.0.22-1 of tls 3.0.22-1 102400",
        "tls-doc 3.0.20-1+b1 of tls 3.0.20-1 102400 local",
    ];
    assert_eq!(shown, want);
}

#[test]
fn simulations() {
    let step = |name: &str, from: Option<&str>, to: &str| Step {
        name: name.into(),
        from: from.map(str::to_owned),
        to: to.into(),
    };
    let (installs, removes) = simulation(said!("simulate"));
    let old = Some("3.0.20-1");
    assert_eq!(installs, [step("libtls3", old, "3.0.22-1"), step("tls", old, "3.0.22-1")]);
    assert_eq!(removes, [""; 0]);
    let (installs, removes) = simulation(said!("simulate-remove"));
    assert_eq!((installs, removes), (vec![], vec!["tls".to_owned(), "libtls3".to_owned()]));
    let lines = "Inst libc6:i386 (2.36-9 Debian:12.11/stable [i386]) []\n\
                 Inst new (1:2-3 Debian:12.11/stable [all])\n\
                 Purg old* [1]\nInst broken\nInst x [1] broken\n";
    let (installs, removes) = simulation(lines);
    assert_eq!(installs, [step("libc6:i386", None, "2.36-9"), step("new", None, "1:2-3")]);
    assert_eq!(removes, ["old*"]);
}

#[test]
fn addresses_and_settings() {
    let file = "file:/srv/x/repo/./libtls3_3.0.22-1_amd64.deb";
    assert_eq!(uris(said!("uris"))[0], (file, 840));
    assert_eq!(uris(said!("uris")).len(), 2);
    assert_eq!(uris("'http://x/a b.deb' a.deb 7 SHA256:0\n'x\n"), [("http://x/a b.deb", 7)]);
    let all: Vec<_> = settings(said!("settings")).collect();
    assert_eq!(all[0], ("lists", "/srv/x/apt/lists/".to_owned()));
    assert_eq!(all.len(), 4);
    assert_eq!(settings(r"a='it'\''s'").next(), Some(("a", "it's".to_owned())));
    assert_eq!(hits(said!("search"))[1], ("tls-doc".to_owned(), "test tls-doc".to_owned()));
}

#[test]
fn configuration_that_was_kept() {
    assert_eq!(kept(said!("conffile")), ["/etc/libtls3.conf"]);
    assert_eq!(kept(said!("script")), [""; 0]);
}

#[test]
fn what_went_wrong() {
    fn check(said: &str, reason: Reason, part: &str) {
        let trouble = trouble(said);
        assert_eq!(trouble.reason, reason, "{trouble:?}");
        assert!(trouble.message.contains(part), "{trouble:?}");
        assert!(!trouble.message.starts_with("E: "), "{trouble:?}");
    }
    check(said!("locked"), Reason::Locked, "held by process 812 (python3)");
    check(said!("interrupted"), Reason::InterruptedDpkg, "dpkg was interrupted");
    check(said!("held"), Reason::Held, "Held packages were changed");
    check(said!("no-remove"), Reason::WouldRemove, "remove is disabled");
    check(said!("unknown"), Reason::NoCandidate, "Unable to locate package nosuch");
    check(said!("no-version"), Reason::NoCandidate, "Version '9' for 'tls' was not found");
    check(said!("gone"), Reason::Download, "tls-doc_3.0.22-1_amd64.deb");
    check(said!("mirror"), Reason::Download, "http://127.0.0.1:1");
    check(said!("mirror-passed-over"), Reason::Download, "http://127.0.0.1:1");
    check("E: Write error - write (28: No space left on device)", Reason::NoSpace, "No space");
    check(said!("script"), Reason::Action, "returned error exit status 3 broken");
    check(
        said!("unmet"),
        Reason::Action,
        "unmet dependencies: tls : Depends: libtls3 (>= 3.0.22-1)",
    );
    check("", Reason::Action, "it says nothing");
    let killed = "Setting up x (2) ...\n\nE: apt-get was killed by signal 9\n";
    check(killed, Reason::Action, "apt-get was killed by signal 9");
}

#[test]
fn how_far_it_went() {
    let check = |said: &str, want: bool| assert_eq!(touched(said), want, "{said}");
    for said in [said!("locked"), said!("gone"), said!("held"), ""] {
        check(said, false);
    }
    for said in [said!("script"), said!("conffile"), "x\rRemoving tls (1) ..."] {
        check(said, true);
    }
}

#[test]
fn the_words_of_a_script_are_not_those_of_apt() {
    let said = "Setting up x (2) ...\nE: Could not get lock /x\ndpkg: error processing package x \
        (--configure):\n installed x package post-installation script returned error exit status 1\n";
    assert_eq!(failure(said).reason, Reason::Action);
}

/// What was begun may have changed something, whatever went wrong.
#[test]
fn what_went_wrong_in_a_transaction() {
    let check = |said: &str, reason: Reason, is_touched: bool, want: &str| {
        assert_eq!(failure(said), Trouble::new(reason, want), "{said}");
        assert_eq!(touched(said), is_touched, "{said}");
    };
    let full = "Preparing to unpack .../tls-doc_3.0.22-1_all.deb ...\n\
        Unpacking tls-doc (3.0.22-1) over (3.0.20-1) ...\n\
        dpkg: error processing archive /a/tls-doc_3.0.22-1_all.deb (--unpack):\n \
        cannot copy extracted data for './opt/x' to '/opt/x.dpkg-new': failed to write (No space left \
        on device)\n\
        dpkg-deb: error: paste subprocess was killed by signal (Broken pipe)\n\
        Errors were encountered while processing:\n /a/tls-doc_3.0.22-1_all.deb\n\
        E: Sub-process /usr/bin/dpkg returned an error code (1)\n";
    let why = "dpkg: error processing archive /a/tls-doc_3.0.22-1_all.deb (--unpack): cannot copy \
        extracted data for './opt/x' to '/opt/x.dpkg-new': failed to write (No space left on device)";
    check(full, Reason::NoSpace, true, why);
    let database = "dpkg: unrecoverable fatal error, aborting:\n unable to flush updated status of \
        'tls' (No space left on device)\nE: Sub-process /usr/bin/dpkg returned an error code (2)\n";
    let why = "dpkg: unrecoverable fatal error, aborting: unable to flush updated status of 'tls' (No \
        space left on device)";
    check(database, Reason::NoSpace, true, why);
    let copied = "E: Write error - write (28: No space left on device)";
    check(copied, Reason::NoSpace, false, "Write error - write (28: No space left on device)");
    check(
        "E: Unable to fetch some archives\n",
        Reason::Action,
        false,
        "Unable to fetch some archives",
    );
}

proptest! {
    #[test]
    fn anything_can_be_read(text in "(?s).{0,400}") {
        let _ = (offers(&text), simulation(&text), uris(&text), hits(&text), kept(&text));
        let _ = settings(&text).count();
        prop_assert!(trouble(&text).message.chars().count() <= COMPLAINT_CHARS_MAX.max(60));
    }

    #[test]
    fn lines_in_any_order_can_be_read(parts in proptest::collection::vec(
        prop_oneof!["E: [a-z ]{0,9}", Just("dpkg: error x".to_owned()), " [a-z:]{0,9}",
            Just("The following packages have unmet dependencies:".to_owned()),
            Just("Inst a [1".to_owned()), Just("'x' y".to_owned())], 0..8)) {
        let text = parts.join("\n");
        let _ = (failure(&text), touched(&text), simulation(&text), uris(&text));
    }
}
