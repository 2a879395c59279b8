//! Sources of facts that come, break and go.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use marcato_core::limits::facts::{CLASSES_BYTES_MAX, FACTS_BYTES_MAX, FILE_BYTES_MAX};
use marcato_core::limits::node::CONFIG_BYTES_MAX;
use rustix::fs::{Mode, chmod};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

fn sources(dir: &Path) -> Sources {
    Sources {
        files: vec![dir.join("facts.yaml")],
        files_required: false,
        classes: Some(dir.join("classes.txt")),
        folders: ["a.d", "b.d"].map(|folder| dir.join(folder)).to_vec(),
        facter: true,
        private: Private::default(),
        root: dir.to_owned(),
    }
}

fn health(source: &FactSource, dir: &Path) -> Vec<String> {
    let dir = format!("{}/", dir.display());
    source.health().iter().map(|line| line.replace(&dir, "")).collect()
}

#[test]
fn a_broken_file_keeps_its_last_good_values_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("facts.yaml");
    let classes = "\u{feff}common\n\nrole::web\ncommon\n";
    fs::write(dir.path().join("classes.txt"), classes).unwrap();
    fs::write(&path, "hagroup: a\nkernel: mine\n").unwrap();
    let mut source = FactSource::new(sources(dir.path()));
    assert_eq!(source.facts()["hagroup"], json!("a"));
    assert_eq!(source.facts()["kernel"], json!("mine"), "a person's word comes first");
    assert!(source.facts().contains_key("kernelrelease"));
    assert_eq!(source.classes(), ["common", "role::web"]);
    assert!(source.health().is_empty());
    assert!(!source.refresh());

    fs::write(&path, "hagroup: b\nhagroup: c\n").unwrap();
    assert!(source.refresh());
    assert_eq!(source.facts()["hagroup"], json!("a"));
    let want = "facts.yaml:2: the key \"hagroup\" stands twice; the values read before hold";
    assert_eq!(health(&source, dir.path()), [want]);
    assert_eq!(source.errors().next().unwrap().line, Some(2));
    assert!(!source.refresh());

    fs::remove_file(&path).unwrap();
    assert!(source.refresh());
    assert_eq!(source.facts()["hagroup"], json!("a"));
    let want = "facts.yaml: there is no such file; the values read before hold";
    assert_eq!(health(&source, dir.path()), [want]);

    fs::write(&path, "hagroup: b\n").unwrap();
    assert!(source.refresh());
    assert_eq!(source.facts()["hagroup"], json!("b"));
    assert_eq!(source.facts()["kernel"], json!("Linux"));
    assert!(source.health().is_empty());
}

/// What the next start finds of this one.
fn next_start(source: &FactSource, sources: Sources) -> FactSource {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(KEPT);
    keep(&file, &source.kept().to_text()).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = Kept::read(&file).unwrap();
    assert_eq!(kept, source.kept());
    FactSource::resume(sources, kept)
}

#[tokio::test]
async fn what_is_broken_at_the_start_gives_what_it_gave_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(
        dir.path(),
        &[
            ("facts.yaml", "hagroup: c\npin: 1\n"),
            ("classes.txt", "common\n"),
            ("a.d/a.yaml", "role: web\n"),
            ("b.d/b.yaml", "site: x\n"),
            ("b.d/c", "#!/bin/sh\necho printed=1\n"),
            ("usr/bin/facter", "#!/bin/sh\necho '{\"custom\": 1, \"uptime\": \"old\"}'\n"),
        ],
    );
    let private = Private::try_from(vec!["pin".to_owned()]).unwrap();
    let sources = Sources { private, ..sources(dir.path()) };
    let mut source = FactSource::new(sources.clone());
    run(&mut source).await;
    assert!(!source.kept().to_text().contains("uptime"), "what changes all the time is not kept");

    write(
        dir.path(),
        &[
            ("facts.yaml", "hagroup: [\n"),
            ("classes.txt", "bad\x07\n"),
            ("a.d/a.yaml", "role: [\n"),
            ("b.d/c", "#!/bin/sh\nexit 3\n"),
        ],
    );
    fs::remove_file(path("b.d/b.yaml")).unwrap();
    let mut source = next_start(&source, sources.clone());
    let check = |source: &FactSource, health: usize| {
        let facts = source.facts();
        assert_eq!((&facts["hagroup"], &facts["role"]), (&json!("c"), &json!("web")));
        assert_eq!((&facts["printed"], &facts["custom"]), (&json!("1"), &json!(1)));
        assert!(!facts.contains_key("site") && !facts.contains_key("pin"));
        assert_eq!(source.classes(), ["common"]);
        let said = source.health();
        assert!(
            said.iter().all(|line| line.ends_with("; the values read before hold")),
            "{said:?}"
        );
        assert_eq!(said.len(), health, "{said:?}");
    };
    check(&source, 3);
    run(&mut source).await;
    check(&source, 4);
    fs::remove_file(path("facts.yaml")).unwrap();
    let without = next_start(&source, sources.clone());
    assert_eq!((without.facts().get("hagroup"), without.health().len()), (None, 2));
    let sources = Sources { files_required: true, ..sources };
    let source = next_start(&source, sources.clone());
    check(&source, 3);

    chmod(path("b.d/c"), Mode::from_raw_mode(0o775)).unwrap();
    let source = next_start(&source, sources.clone());
    assert!(!source.facts().contains_key("printed"), "nobody knows whose word that was");
    let fewer = Sources { files: Vec::new(), classes: None, folders: Vec::new(), ..sources };
    let source = next_start(&source, Sources { facter: false, ..fewer });
    assert!(!["hagroup", "role", "custom"].iter().any(|name| source.facts().contains_key(*name)));
    assert_eq!((source.classes().len(), source.health().len()), (0, 0));
    assert_eq!(source.kept(), Kept::default());
}

#[test]
fn what_was_kept_and_cannot_be_read_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(KEPT);
    assert_eq!(Kept::read(&file).unwrap(), Kept::default());
    let check = |text: &str, mode: u32, want: &str| {
        fs::write(&file, text).unwrap();
        chmod(&file, Mode::from_raw_mode(mode)).unwrap();
        let said = Kept::read(&file).unwrap_err().to_string();
        assert!(said.contains(want) && !said.contains("secret"), "{said}");
    };
    check("", 0o600, "damaged in line 1, column 0");
    check("{\"facts\": {\"/f\": \"secret\"}}", 0o600, "damaged in line 1, column ");
    check("{\"facts\": {}, \"classes\": null}", 0o644, "others may read it (mode 644)");
    let long = "x".repeat(usize::try_from(CONFIG_BYTES_MAX).unwrap() + 1);
    assert!(keep(&file, &long).unwrap_err().to_string().contains("at most 1048576 are kept"));
    assert!(!file.exists(), "older values must not pass for the last ones");
}

#[test]
fn files_that_are_missing_from_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    assert!(source.health().is_empty() && source.errors().next().is_none());
    assert!(source.facts().contains_key("hostname"));
    let required = Sources { files_required: true, ..sources(dir.path()) };
    let source = FactSource::new(required);
    assert_eq!(
        health(&source, dir.path()),
        [
            "facts.yaml: there is no such file; nothing is taken",
            "classes.txt: there is no such file; nothing is taken",
        ]
    );
}

#[test]
fn errors_name_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8], want: &str| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = match name {
            "classes" => read_classes(&path).unwrap_err(),
            _ => read_facts(&path).unwrap_err(),
        };
        let said = error.to_string();
        let said = said.strip_prefix(&format!("{}/", dir.path().display())).unwrap();
        assert!(said.starts_with(want), "{said}");
    };
    check("f.yaml", b"a: b\nc: \xff\n", "f.yaml:2: not UTF-8");
    check("f.yaml", b"a: b\n  c: d\n", "f.yaml:2: ");
    check("f.yaml", b"'': x\n", "f.yaml: \"\" cannot be a fact's name");
    check("f.yaml", b"trusted.role: db\n", "f.yaml: the fact \"trusted.role\" is the authority's");
    check("f.yaml", &b"# ".repeat(FILE_BYTES_MAX), "f.yaml: longer than");
    let large = format!("a: '{}'\n", "x".repeat(FACTS_BYTES_MAX));
    check("f.yaml", large.as_bytes(), "f.yaml: 163848 bytes of facts, at most 163840");
    check(
        "f.json",
        b"{\"a\": 1,\n\"a\": 2}",
        "f.json: not acceptable JSON: the key \"a\" stands twice",
    );
    check("f.json", b"[]", "f.json: not a map of facts");
    check("classes", b"a\nb\x07\n", "classes:2: a control character");
    check("classes", &b"a\n".repeat(CLASSES_BYTES_MAX), "classes: 131072 bytes of classes");
    let folder = read_facts(dir.path()).unwrap_err();
    assert!(folder.to_string().ends_with(": not a file"), "{folder}");
}

#[test]
fn json_files_are_taken_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("facts.json");
    let text = r#"{"role": "web", "ports": [80, 443], "a": {"b": 1.5}, "big": 9007199254740993}"#;
    fs::write(&path, text).unwrap();
    let facts = read_facts(&path).unwrap().unwrap();
    let want =
        json!({"role": "web", "ports": [80, 443], "a": {"b": 1.5}, "big": "9007199254740993"});
    assert_eq!(json!(facts), want);
}

#[test]
fn the_same_facts_are_the_same_bytes() {
    let facts = |text: &str| -> Facts { serde_json::from_str(text).unwrap() };
    let one = facts(r#"{"b": {"y": 1, "x": null}, "a": "ü"}"#);
    let other = facts(r#" {"a":"\u00fc","b":{"x":null,"y":1}}"#);
    assert_eq!(canonical(&one), canonical(&other));
    assert_eq!(canonical(&one), "{\"a\":\"ü\",\"b\":{\"x\":null,\"y\":1}}".as_bytes());
}

/// The facts files with which the ancestor's answers were recorded, read as the ancestor read
/// them: filters are compared with its answers on these.
#[test]
fn the_ancestors_files() {
    let truth = include_str!("../../../../filter/tests/filter-truth.jsonl");
    let lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let files: Vec<Facts> = lines
        .filter(|line| line["type"] == "facts")
        .map(|line| yaml::parse(line["facts_yaml"].as_str().unwrap(), yaml::Rules::Strict).unwrap())
        .collect();
    let [main, typed] = &files[..] else { panic!("{} files", files.len()) };
    assert_eq!(main["operatingsystemrelease"], json!("8.5"));
    assert_eq!(main["lead0"], json!("007"));
    assert_eq!(main["lines"], json!("one\ntwo"));
    assert_eq!(main["日本"], json!("東京"));
    assert_eq!(main["sp name"], json!("spaced"));
    assert_eq!((&typed["int"], &typed["float2"]), (&json!(42), &json!(8.5)));
    assert_eq!((&typed["sci"], &typed["bigf"]), (&json!(1000.0), &json!("1.0e+20")));
    assert_eq!((&typed["t"], &typed["nil"]), (&json!(true), &Value::Null));
    assert_eq!(typed["arr"], json!(["a", "b", 3, "10"]));
    assert_eq!(typed["arr_nested"], json!([["x", "y"], "z"]));
    assert_eq!(typed["intkey"], json!({"1": "one"}));
    assert_eq!((&typed["7"], &typed["sym"]), (&json!("seven"), &json!("symkey")));
    assert_eq!(typed["symval"], json!("sv"));
}
/// Writes files under a folder; one that begins like a script is executable.
fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        chmod(&path, Mode::from_raw_mode(mode)).unwrap();
    }
}

#[test]
fn who_gives_a_fact_last() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, want: Value| {
        let two = ["facts.yaml", "more.json"].map(|file| dir.path().join(file)).to_vec();
        let source = FactSource::new(Sources { files: two, classes: None, ..sources(dir.path()) });
        assert_eq!(source.health(), [] as [&str; 0]);
        assert_eq!(source.facts()[name], want);
    };
    write(dir.path(), &[("b.d/z.txt", "kernel=b\n")]);
    check("kernel", json!("b"));
    write(
        dir.path(),
        &[("a.d/a.yaml", "Kernel: a\nnothing:\nn: 12:30:45\n"), ("a.d/none.md", "x")],
    );
    check("kernel", json!("a"));
    check("n", json!(45045));
    write(dir.path(), &[("a.d/b.json", "{\"kernel\": \"b of a\"}"), ("a.d/.c.yaml", "kernel: c")]);
    check("kernel", json!("b of a"));
    write(dir.path(), &[("facts.yaml", "kernel: mine\nn: 12:30:45\n")]);
    check("kernel", json!("mine"));
    check("n", json!("12:30:45"));
    write(dir.path(), &[("more.json", "{\"kernel\": \"last\"}")]);
    check("kernel", json!("last"));
}

#[test]
fn a_file_that_leaves_a_folder_takes_its_facts_along_and_a_broken_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("a.d/a.yaml", "role: web\n"), ("a.d/b.yaml", "site: x\n")]);
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    write(dir.path(), &[("a.d/a.yaml", "role: [\n")]);
    fs::remove_file(dir.path().join("a.d/b.yaml")).unwrap();
    assert!(source.refresh());
    assert_eq!(source.facts()["role"], json!("web"));
    assert!(!source.facts().contains_key("site"));
    let [said] = &health(&source, dir.path())[..] else { panic!("{:?}", source.health()) };
    assert!(said.starts_with("a.d/a.yaml:"), "{said}");
    assert!(said.ends_with("; the values read before hold"), "{said}");
}

#[tokio::test]
async fn what_is_no_file_any_more_keeps_its_last_good_values_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("a.d/a.yaml", "role: web\n"), ("a.d/b", "#!/bin/sh\necho printed=1\n")];
    write(dir.path(), &files);
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    run(&mut source).await;
    for (name, link, want) in [
        ("a.yaml", Some("nothing"), "there is no such file"),
        (
            "a.yaml",
            Some("a.yaml"),
            "cannot be read: Too many levels of symbolic links (os error 40)",
        ),
        ("a.yaml", None, "not a file"),
        ("b", Some("nothing"), "a link that leads nowhere"),
        ("b", Some("b"), "a link that leads nowhere"),
    ] {
        let path = dir.path().join("a.d").join(name);
        fs::remove_file(&path).unwrap();
        match link {
            Some(to) => symlink(to, &path).unwrap(),
            None => fs::create_dir(&path).unwrap(),
        }
        source.refresh();
        let facts = source.facts();
        assert_eq!((&facts["role"], &facts["printed"]), (&json!("web"), &json!("1")), "{want}");
        let want = format!("a.d/{name}: {want}; the values read before hold");
        assert_eq!(health(&source, dir.path()), [want]);
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
        write(dir.path(), &files);
        source.refresh();
        run(&mut source).await;
        assert_eq!(source.health(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn one_odd_fact_takes_no_other_along() {
    let dir = tempfile::tempdir().unwrap();
    let facter = "#!/bin/sh\necho '{\"trusted\": {}, \"custom\": 12345678901234567890}'\n";
    let deep = "[".repeat(9) + &"]".repeat(9);
    write(
        dir.path(),
        &[
            ("usr/bin/facter", facter),
            ("a.d/a.json", &format!("{{\"deep\": {deep}, \"role\": \"web\"}}")),
            (
                "a.d/b",
                &format!(
                    "#!/bin/sh\necho '{{a: {deep}, b: {deep}, c: {deep}, d: {deep}, e: 1}}'\n"
                ),
            ),
        ],
    );
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    run(&mut source).await;
    let facts = source.facts();
    assert_eq!((&facts["custom"], &facts["role"]), (&json!("12345678901234567890"), &json!("web")));
    assert_eq!(facts["e"], json!(1));
    assert!(!["trusted", "deep", "a", "d"].iter().any(|name| facts.contains_key(*name)));
    let deep = |name: &str| format!("the fact \"{name}\" is nested deeper than 8 levels");
    assert_eq!(
        health(&source, dir.path()),
        [
            "usr/bin/facter: the fact \"trusted\" is the authority's to give; take it out or rename it; \
             all others are taken"
                .to_owned(),
            format!("a.d/a.json: {}; all others are taken", deep("deep")),
            format!(
                "a.d/b: {}; {}; {}; and 1 more; all others are taken",
                deep("a"),
                deep("b"),
                deep("c")
            ),
        ]
    );
    write(dir.path(), &[("a.d/a.json", "{\"role\": }")]);
    assert!(source.refresh());
    assert_eq!(source.facts()["role"], json!("web"));
    let said =
        "a.d/a.json: not JSON: expected value at line 1 column 10; the values read before hold";
    assert_eq!(health(&source, dir.path())[1], said);
}

/// Runs all programs of a source once.
async fn run(source: &mut FactSource) -> bool {
    let printed = run_all(source.programs()).await;
    source.take(printed)
}

#[tokio::test]
async fn programs_print_facts() {
    let dir = tempfile::tempdir().unwrap();
    let facter = "#!/bin/sh\necho '{\"custom\": \"'$*'\", \"uptime\": \"old\", \"kernel\": \"F\"}'\nexit 1\n";
    let yaml = "#!/bin/sh\necho \"by_yaml: [$HOME]\"\n";
    write(
        dir.path(),
        &[
            ("usr/bin/facter", facter),
            ("a.d/one", "#!/bin/sh\necho by_pairs=1\necho kernel=mine\n"),
            ("a.d/two.sh", yaml),
        ],
    );
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    assert_eq!(source.programs().len(), 3);
    assert!(!source.facts().contains_key("custom"));
    assert!(run(&mut source).await);
    assert_eq!(source.health(), [] as [&str; 0]);
    let facts = source.facts();
    assert_eq!(facts["custom"], json!("--json --no-color --no-external-facts"));
    assert_eq!((&facts["by_pairs"], &facts["by_yaml"]), (&json!("1"), &json!([])));
    assert_eq!(facts["kernel"], json!("mine"), "an external fact comes before Facter's");
    assert!(!facts.contains_key("uptime"), "the node's own is newer");

    write(
        dir.path(),
        &[
            ("usr/bin/puppet", "#!/bin/sh\n"),
            ("a.d/one", "#!/bin/sh\necho by_pairs=2\necho why >&2\nexit 3\n"),
            ("a.d/two.sh", "#!/bin/sh\nexec yes\n"),
        ],
    );
    source.refresh();
    assert!(run(&mut source).await);
    assert_eq!(source.facts()["custom"], json!("--json --no-color --puppet"));
    assert_eq!(source.facts()["by_pairs"], json!("1"));
    assert_eq!(
        health(&source, dir.path()),
        [
            "a.d/one: exit status: 3; what it said is in the node's log; the values read before hold",
            "a.d/two.sh: it printed more than 524288 bytes; the values read before hold",
        ]
    );
    fs::remove_file(dir.path().join("a.d/one")).unwrap();
    fs::remove_file(dir.path().join("a.d/two.sh")).unwrap();
    assert!(source.refresh());
    assert!(!source.facts().contains_key("by_pairs"));
    assert_eq!(source.facts()["custom"], json!("--json --no-color --puppet"));
    let no_facter = Sources { facter: false, classes: None, ..sources(dir.path()) };
    assert_eq!(FactSource::new(no_facter).programs(), []);
}

#[tokio::test]
async fn one_that_hangs_keeps_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("usr/bin/facter", "#!/bin/sh\nexec sleep 1000\n"),
            ("a.d/one", "#!/bin/sh\necho one=1\n"),
            ("a.d/two", "#!/bin/sh\necho two=2\n"),
        ],
    );
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    let mut programs = Programs::default();
    assert_eq!(programs.start(source.programs(), false, Instant::now()), None);
    for (name, value) in [("one", "1"), ("two", "2")] {
        assert!(source.take(programs.next().await));
        assert_eq!(source.facts()[name], json!(value));
    }
    assert!(programs.is_running());
}

#[tokio::test]
async fn an_executable_that_others_can_write_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("a.d/x", "#!/bin/sh\necho x=1\n"), ("a.d/y.yaml", "y: 1\n")]);
    let mut source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    run(&mut source).await;
    assert_eq!(source.facts()["x"], json!("1"));
    let check = |source: &mut FactSource, file: &str, mode: u32, want: &str| {
        let path = dir.path().join(file);
        chmod(&path, Mode::from_raw_mode(mode)).unwrap();
        source.refresh();
        assert!(source.programs().is_empty());
        assert!(!source.facts().contains_key("x"));
        assert_eq!(source.facts()["y"], json!(1));
        let said = health(source, dir.path());
        assert!(said[0].starts_with(want) && said[0].ends_with("; nothing is taken"), "{said:?}");
        chmod(&path, Mode::from_raw_mode(0o755)).unwrap();
    };
    let open = "writable by group or others (mode 0775); run: chmod go-w";
    check(&mut source, "a.d/x", 0o775, &format!("a.d/x: it is not run: a.d/x: {open} a.d/x"));
    check(&mut source, "a.d", 0o775, &format!("a.d/x: it is not run: a.d: {open} a.d"));
    chmod(dir.path(), Mode::from_raw_mode(0o777)).unwrap();
    write(dir.path(), &[("usr/bin/facter", "#!/bin/sh\n")]);
    source.refresh();
    assert!(
        source.programs().is_empty(),
        "of these two each lies in a folder that others can write"
    );
    assert_eq!(source.health().len(), 2);
}

#[test]
fn volatile_facts_are_measured_and_registered_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let memory = "MemTotal: 8 kB\nMemAvailable: 2 kB\n";
    write(
        dir.path(),
        &[
            ("proc/uptime", "93784.5 1\n"),
            ("proc/loadavg", "0.5 0.25 1.00 1/2 3\n"),
            ("proc/meminfo", memory),
            ("facts.yaml", "uptime_days: 9\n"),
        ],
    );
    let source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
    let facts = source.facts();
    assert_eq!(facts["memory"], json!({"system": {"total": "8.00 KiB", "total_bytes": 8192}}));
    assert!(!facts.keys().any(|name| name.starts_with("uptime") || name == "load_averages"));
    let measured = source.measured();
    assert_eq!(measured["uptime"], json!("1 day"));
    assert_eq!(measured["uptime_days"], json!(9), "a person's word comes first");
    assert_eq!(measured["load_averages"], json!({"1m": 0.5, "5m": 0.25, "15m": 1.0}));
    assert_eq!(measured["memory"]["system"]["used_bytes"], json!(6144));
    assert_eq!(measured["memory"]["system"]["capacity"], json!("75.00%"));
    assert_eq!(measured["memory"]["system"]["total_bytes"], json!(8192));
    write(dir.path(), &[("proc/uptime", "60.0 1\n")]);
    assert_eq!(source.measured()["uptime"], json!("0:01 hours"));
}

#[test]
fn private_facts_are_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("proc/uptime", "60 1\n"),
            ("sys/class/dmi/id/product_uuid", "u\n"),
            ("facts.yaml", "role: web\ncost: {center: 1, name: x}\nmemory: {a: 1}\n"),
        ],
    );
    let names = ["cost.center", "uuid", "system_uptime", "memory"].map(str::to_owned).to_vec();
    let private = Private::try_from(names).unwrap();
    let source = FactSource::new(Sources { classes: None, private, ..sources(dir.path()) });
    for facts in [source.facts().as_ref(), &source.measured()] {
        assert_eq!(facts["cost"], json!({"name": "x"}));
        let hidden = ["uuid", "dmi", "system_uptime", "uptime", "memory"];
        assert!(!hidden.iter().any(|name| facts.contains_key(*name)), "{facts:?}");
    }
}
