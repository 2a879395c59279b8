//! Tables over small databases and offers.

use super::*;

fn index(lines: &[&str]) -> Index {
    let paragraph = |line: &&str| {
        let [name, version, arch, source, want] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {arch}\nSource: {source}\n\
             Status: {want} ok installed\n\n"
        )
    };
    Index::parse(lines.iter().map(paragraph).collect::<String>().as_bytes()).unwrap()
}

fn offers(lines: &[&str]) -> Vec<Offer> {
    let offer = |line: &&str| {
        let [name, version, arch, source] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (name, version, arch) = (name.to_owned(), version.to_owned(), arch.to_owned());
        let source_version = version.split('+').next().unwrap_or_default().to_owned();
        let source = source.to_owned();
        Offer { name, version, arch, source, source_version, ..Offer::default() }
    };
    lines.iter().map(offer).collect()
}

const INSTALLED: [&str; 6] = [
    "dpkg 1 amd64 dpkg install",
    "libtls3 1 amd64 tls install",
    "libtls3 1 i386 tls install",
    "other 1 amd64 other install",
    "tls 1 amd64 tls install",
    "tls-doc 1 all tls install",
];

/// What an update of a package is to do, as apt-get is told.
fn check(asked: &str, offered: &[&str], want: &[&str]) {
    let index = index(&INSTALLED);
    let named = named(&index, asked);
    let siblings = siblings(&index, &named);
    let work = update(&index, &named, &siblings, &offers(offered));
    let words: Vec<String> = work
        .targets
        .iter()
        .map(|target| format!("{}={}", target.name, target.version.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(words, want, "{asked}");
}

#[test]
fn siblings_go_along_to_the_same_version() {
    let all = ["tls 2 amd64 tls", "libtls3 2 amd64 tls", "libtls3 2 i386 tls", "tls-doc 2 all tls"];
    check("tls", &all, &["tls=2", "libtls3=2", "libtls3:i386=2", "tls-doc=2"]);
    check("libtls3:i386", &all, &["libtls3:i386=2", "libtls3=2", "tls=2", "tls-doc=2"]);
    check("src:tls", &all, &["libtls3=2", "libtls3:i386=2", "tls=2", "tls-doc=2"]);
    check("other", &all, &[]);
    check("nosuch", &all, &[]);
}

#[test]
fn a_sibling_of_another_version_stays() {
    check("tls", &["tls 2 amd64 tls", "libtls3 3 amd64 tls"], &["tls=2"]);
    check("tls", &["tls 2 amd64 tls", "libtls3 2 amd64 tls3"], &["tls=2"]);
    // Built once more, from the same source.
    check("tls", &["tls 2 amd64 tls", "tls-doc 2+b1 all tls"], &["tls=2", "tls-doc=2+b1"]);
    // Left behind by an earlier update.
    check("tls", &["tls 1 amd64 tls", "libtls3 2 amd64 tls"], &[]);
}

#[test]
fn nothing_becomes_older() {
    check("tls", &["tls 0 amd64 tls", "libtls3 0 amd64 tls"], &[]);
    check("tls", &["tls 1 amd64 tls"], &[]);
}

#[test]
fn what_was_left_behind_comes_after() {
    let index = index(&[
        "dpkg 1 amd64 dpkg install",
        "libtls3 1 amd64 tls install",
        "tls 2 amd64 tls install",
    ]);
    let named = named(&index, "tls");
    let offered = offers(&["tls 2 amd64 tls", "libtls3 2 amd64 tls"]);
    let work = update(&index, &named, &siblings(&index, &named), &offered);
    assert_eq!(work.targets, [Target { name: "libtls3".into(), version: Some("2".into()) }]);
}

#[test]
fn what_is_in_the_way() {
    let held = index(&["tls 1 amd64 tls hold", "rival 1 amd64 rival install"]);
    let step = |name: &str| super::super::packages::Step {
        name: name.into(),
        from: Some("1".into()),
        to: "2".into(),
    };
    let target = Target { name: "rival".into(), version: None };
    let work = |verb| Work { verb, targets: vec![target.clone()] };
    let rehearsal = |installs: &[&str], removes: &[&str]| Rehearsal {
        installs: installs.iter().map(|name| step(name)).collect(),
        removes: removes.iter().map(|name| (*name).to_owned()).collect(),
        ..Rehearsal::default()
    };
    let check = |verb, installs: &[&str], removes: &[&str], want: Option<Reason>| {
        let allowed = allow(&work(verb), &rehearsal(installs, removes), &held);
        assert_eq!(allowed.err().map(|trouble| trouble.reason), want, "{installs:?} {removes:?}");
    };
    check(Verb::Update, &["rival"], &[], None);
    check(Verb::Update, &["tls"], &[], Some(Reason::Held));
    check(Verb::Update, &["other"], &["rival"], Some(Reason::WouldRemove));
    check(Verb::Remove, &[], &["rival"], None);
    check(Verb::Remove, &[], &["rival", "more"], Some(Reason::WouldRemove));
    check(Verb::Purge, &[], &["rival", "tls"], Some(Reason::Held));
}

#[test]
fn what_was_not_done_all_the_same() {
    let index = index(&INSTALLED);
    let check = |name: &str, version: Option<&str>, want: Option<&str>| {
        let target = Target { name: name.into(), version: version.map(str::to_owned) };
        let work = Work { verb: Verb::Install, targets: vec![target] };
        assert_eq!(missed(&work, &index).as_deref(), want, "{name} {version:?}");
    };
    check("tls", Some("1"), None);
    check("libtls3:i386", Some("1"), None);
    check("tls", Some("2"), Some("tls is at 1 all the same"));
    check("nosuch", Some("2"), Some("nosuch is not installed all the same"));
    check("nosuch", None, None);
    check("tls-doc", None, Some("tls-doc is at 1 all the same"));
}

#[test]
fn what_is_left_of_another_architecture_is_no_failure() {
    let index = index(&["dpkg 1 amd64 dpkg install", "libtls3 1 i386 tls install"]);
    let target = Target { name: "libtls3".into(), version: None };
    let work = Work { verb: Verb::Remove, targets: vec![target] };
    assert_eq!(missed(&work, &index), None);
}

#[test]
fn an_installation_names_what_is_offered() {
    let index = index(&INSTALLED);
    let check = |asked: &str, offered: &str, want: &str| {
        let work = install(&index, asked, None, &[], &offers(&[offered])).unwrap();
        assert_eq!(work.targets[0].name, want, "{asked}");
    };
    check("new", "new 1 amd64 new", "new");
    check("new:amd64", "new 1 amd64 new", "new");
    check("new:i386", "new 1 i386 new", "new:i386");
    check("new:amd64", "new 1 all new", "new");
}

#[test]
fn differences() {
    let before =
        index(&["a 1 amd64 a install", "b 1 amd64 b install", "gone 1 amd64 gone install"]);
    let after = index(&["a 2 amd64 a install", "b 1 amd64 b hold", "new 1 amd64 new install"]);
    let difference = Difference::between(&before, &after);
    assert!(difference.changed);
    let there: Vec<&str> = difference.there.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(there, ["a", "new"]);
    let want = json!({
        "gone": { "before": "1", "after": "" }, "new": { "before": "", "after": "1" },
    });
    assert_eq!(Value::from(difference.also(&["a".to_owned()])), want);
    assert_eq!(Difference::between(&after, &after), Difference::default());
}
