//! The real dpkg as an oracle: what it says of every package of this machine is what the index says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use marcato_agents::package::Dpkg;

#[test]
fn every_package_is_as_dpkg_says() {
    let Some(dpkg) = Dpkg::available() else {
        return eprintln!("skipped: this machine has no dpkg");
    };
    let format = "${Package} ${Architecture} ${Version} ${db:Status-Status} ${db:Status-Want} \
                  ${source:Package} ${source:Version}\n";
    let said = Command::new("dpkg-query").args(["-W", "-f", format]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.lines().count() > 50, "{said}");
    for line in said.lines() {
        let [name, arch, version, state, want, source @ ..] =
            &line.split(' ').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let found = dpkg.index().unwrap().find(&format!("{name}:{arch}"));
        assert_eq!(found.len(), 1, "{line}");
        let got = (found[0].version.as_str(), found[0].state.word(), found[0].held);
        assert_eq!(got, (*version, *state, *want == "hold"), "{line}");
        assert_eq!([&*found[0].source, &*found[0].source_version], *source, "{line}");
    }
}
