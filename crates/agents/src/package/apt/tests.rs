//! What is computed around apt's runs.

use super::*;

#[test]
fn room_for_packages() {
    let step = |name: &str, from: Option<&str>, to: &str| Step {
        name: name.into(),
        from: from.map(str::to_owned),
        to: to.into(),
    };
    let offer = |name: &str, version: &str, bytes| Offer {
        name: name.into(),
        version: version.into(),
        installed_bytes: bytes,
        ..Offer::default()
    };
    let offers = [offer("a", "1", 10), offer("a", "2", 15), offer("b", "1", 7), offer("c", "2", 3)];
    let check = |steps: &[Step], want| assert_eq!(install_bytes(steps, &offers), want, "{steps:?}");
    check(&[], 0);
    check(&[step("b", None, "1")], 7);
    // Both versions lie there while it is unpacked.
    check(&[step("a", Some("1"), "2")], 15);
    check(&[step("a:i386", Some("1"), "2"), step("b", None, "1")], 22);
    check(&[step("a", Some("2"), "1")], 10);
    check(&[step("unknown", None, "1")], 0);
}

#[test]
fn main_processes_of_units() {
    let text = "MainPID=812\nId=nginx.service\n\nMainPID=0\nId=oneshot.service\n\nId=x\n";
    assert_eq!(main_processes(text), BTreeMap::from([("nginx.service".to_owned(), 812)]));
    assert_eq!(main_processes(""), BTreeMap::new());
}

#[test]
fn queries_are_words() {
    assert_eq!(words("libstdc++ a.b"), [r"libstdc\+\+", r"a\.b"]);
}
