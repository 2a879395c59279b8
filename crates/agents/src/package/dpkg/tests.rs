//! Tables over small databases; the real dpkg as an oracle is in `tests/dpkg.rs`.

use std::fs;

use proptest::prelude::*;

use super::*;

fn index(text: &str) -> Index {
    Index::parse(text.as_bytes()).unwrap()
}

/// What is found of a package, a word for each: `version arch state`, with `held` where it is.
fn check(text: &str, asked: &str, want: &[&str]) {
    let found: Vec<String> = index(text)
        .find(asked)
        .iter()
        .map(|found| {
            let held = if found.held { " held" } else { "" };
            format!("{} {} {}{held}", found.version, found.arch, found.state.word())
        })
        .collect();
    assert_eq!(found, want, "{asked} in {text}");
}

fn paragraph(name: &str, status: &str, arch: &str, version: &str) -> String {
    format!("Package: {name}\nStatus: {status}\nArchitecture: {arch}\nVersion: {version}\n\n")
}

#[test]
fn every_state_is_understood() {
    for (_, word) in State::ALL {
        let text = paragraph("x", &format!("install ok {word}"), "amd64", "1.0-1");
        check(&text, "x", &[&format!("1.0-1 amd64 {word}")]);
    }
    check(&paragraph("x", "hold ok installed", "all", "1"), "x", &["1 all installed held"]);
    check(
        &paragraph("x", "install reinstreq half-installed", "all", "1"),
        "x",
        &["1 all half-installed"],
    );
    check(
        &paragraph("x", "install ok from-the-future", "all", "1"),
        "x",
        &["1 all half-installed"],
    );
    check("Package: x\n", "x", &["  not-installed"]);
}

#[test]
fn what_is_for_all_architectures_is_of_the_hosts_own() {
    let text = paragraph("dpkg", "install ok installed", "amd64", "1")
        + &paragraph("doc", "install ok installed", "all", "2");
    check(&text, "doc:amd64", &["2 all installed"]);
    check(&text, "doc:all", &["2 all installed"]);
    check(&text, "doc:i386", &[]);
    check(&text, "dpkg:i386", &[]);
}

#[test]
fn paragraphs_of_all_kinds() {
    check("", "x", &[]);
    check("\n\n\nStatus: install ok installed\n\n", "", &[]);
    let strange = "PACKAGE:x\nversion:\t2:1.0~rc1+dfsg-1 \nDescription: d\n Version: 9\n .\nStatus: install ok installed";
    check(strange, "x", &["2:1.0~rc1+dfsg-1  installed"]);
    let long = format!("Package: x\nDepends: {}\nVersion: 1\n", "y, ".repeat(10_000));
    check(&long, "x", &["1  not-installed"]);
    let twice = paragraph("x", "install ok installed", "all", "1")
        + &paragraph("x", "deinstall ok config-files", "all", "2");
    check(&twice, "x", &["2 all config-files"]);
}

#[test]
fn architectures() {
    let both = paragraph("libc6", "install ok installed", "i386", "2.36")
        + &paragraph("dpkg", "install ok installed", "amd64", "1.21")
        + &paragraph("libc6", "install ok installed", "amd64", "2.36")
        + &paragraph("old", "deinstall ok config-files", "amd64", "1")
        + &paragraph("old", "install ok installed", "i386", "2");
    check(&both, "libc6", &["2.36 amd64 installed", "2.36 i386 installed"]);
    check(&both, "libc6:i386", &["2.36 i386 installed"]);
    check(&both, "libc6:arm64", &[]);
    check(&both, "libc", &[]);
    check(&both, "old", &["2 i386 installed", "1 amd64 config-files"]);
}

#[test]
fn sources() {
    let of = |source: &str, name: &str| {
        let text = format!(
            "{}Source: {source}\n",
            paragraph(name, "install ok installed", "all", "1-1+b1")
                .trim_end_matches('\n')
                .to_owned()
                + "\n"
        );
        let found = index(&text).find(name).remove(0);
        (found.source, found.source_version)
    };
    let pair = |source: &str, version: &str| (source.to_owned(), version.to_owned());
    assert_eq!(of("tls", "libtls3"), pair("tls", "1-1+b1"));
    assert_eq!(of("tls (1-1)", "libtls3"), pair("tls", "1-1"));
    assert_eq!(of("tls (1-1)", "tls"), pair("tls", "1-1"));
    assert_eq!(of("", "tls"), pair("tls", "1-1+b1"));
    let of_tls = |name: &str, state: &str| {
        format!("Source: tls\n{}", paragraph(name, &format!("install ok {state}"), "amd64", "1"))
    };
    let text = of_tls("libtls3", "installed")
        + &of_tls("tls-doc", "config-files")
        + &paragraph("tls", "install ok installed", "amd64", "1")
        + &paragraph("dpkg", "install ok installed", "amd64", "1");
    let index = index(&text);
    let names: Vec<String> = index.of_source("tls").into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["libtls3", "tls"]);
    assert_eq!(index.arch(), Some("amd64"));
}

#[test]
fn what_changes_is_read_anew() {
    let dir = tempfile::tempdir().unwrap();
    let status = dir.path().join("status");
    assert!(Dpkg::at(dir.path()).is_none());
    fs::write(&status, paragraph("x", "install ok installed", "all", "1")).unwrap();
    let dpkg = Dpkg::at(dir.path()).unwrap();
    let version = |dpkg: &Dpkg| dpkg.index().unwrap().find("x")[0].version.clone();
    assert_eq!(version(&dpkg), "1");
    let before = dpkg.index().unwrap();
    assert!(Arc::ptr_eq(&before, &dpkg.index().unwrap()), "kept while nothing changes");
    // As dpkg does it: a new file in the place of the old one.
    fs::write(dir.path().join("status-new"), paragraph("x", "install ok installed", "all", "2"))
        .unwrap();
    fs::rename(dir.path().join("status-new"), &status).unwrap();
    assert_eq!(version(&dpkg), "2");
    // A transaction under way.
    fs::create_dir(dir.path().join("updates")).unwrap();
    let update = |name: &str, version: &str| {
        let text = paragraph("x", "install ok unpacked", "all", version);
        fs::write(dir.path().join("updates").join(name), text).unwrap();
    };
    update("0001", "4");
    update("0000", "3");
    update("tmp.i", "5");
    assert_eq!(version(&dpkg), "4");
    fs::remove_file(&status).unwrap();
    assert!(dpkg.index().unwrap_err().contains("No such file"));
}

/// dpkg merges what a transaction has written while an old `status` is read: in the order of its
/// `modstatdb_checkpoint`, the new `status` first.
#[test]
fn a_checkpoint_while_it_is_read_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let unpacked = |version| paragraph("x", "install ok unpacked", "all", version);
    fs::write(at("status"), "").unwrap();
    let dpkg = Dpkg::at(dir.path()).unwrap();
    fs::create_dir(at("updates")).unwrap();
    fs::write(at("updates/0000"), unpacked("2")).unwrap();
    fs::write(at("status-new"), unpacked("2")).unwrap();
    // A pipe in its place holds the reader until everything has happened.
    fs::remove_file(at("status")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("status"), mode).unwrap();
    std::thread::scope(|scope| {
        let found = scope.spawn(|| dpkg.index().unwrap().find("x"));
        let mut old = fs::OpenOptions::new().write(true).open(at("status")).unwrap();
        fs::rename(at("status-new"), at("status")).unwrap();
        fs::remove_file(at("updates/0000")).unwrap();
        io::Write::write_all(&mut old, unpacked("1").as_bytes()).unwrap();
        drop(old);
        assert_eq!(found.join().unwrap()[0].version, "2");
    });
}

#[test]
fn what_is_too_large_is_not_read_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("status");
    let text = paragraph("x", "install ok installed", "all", "1");
    fs::write(&path, &text).unwrap();
    let read = |most: usize| Builder::default().read_file(&path, most as u64);
    assert!(read(text.len()).is_ok());
    assert_eq!(read(text.len() - 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    let packages = |count: usize| Index::parse("Package: x\n\n".repeat(count).as_bytes());
    assert!(packages(DPKG_PACKAGES_MAX).is_ok());
    let error = packages(DPKG_PACKAGES_MAX + 1).unwrap_err();
    assert_eq!(error.to_string(), "more than 200000 packages");
}

proptest! {
    #[test]
    fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let index = Index::parse(bytes.as_slice()).unwrap();
        prop_assert_eq!(index.all().count(), index.len());
    }

    #[test]
    fn what_stands_there_is_found(
        packages in proptest::collection::btree_map("[a-z0-9][a-z0-9+.-]{0,20}", "[0-9][0-9a-z.+:~-]{0,20}", 0..50),
    ) {
        let text: String = packages
            .iter()
            .map(|(name, version)| paragraph(name, "install ok installed", "amd64", version))
            .collect();
        let index = index(&text);
        prop_assert_eq!(index.len(), packages.len());
        for (name, version) in &packages {
            let found = index.find(name);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].version, version);
        }
    }
}
