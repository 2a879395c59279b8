//! Packages and services changed, as an operator sees it.

use serde_json::{Value, json};

use crate::kit::{Lab, on_terminal};

#[test]
fn packages() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "package count --group -I /example/",
        "package search ssl -I /example/",
        "package checkupdates -I /example/",
        "package openssl update -I /example/ --yes --expect 6",
        "package openssl update -I /example/ --yes",
        "package update openssl --only --refresh always -I web1.example.com --yes",
        "package openssl status -I /example/",
        "package nosuch install -I web1.example.com --yes",
        "package nosuch uninstall -I /web/ --yes",
        "package count --only -I web1.example.com",
    ]));
}

#[test]
fn an_update_of_many_nodes() {
    let lab = Lab::up(24);
    let words = "package openssl update --reason DSA-5999";
    let text = on_terminal(&lab.mco(words), &[("go on:", "24\n")], lab.home());
    insta::assert_snapshot!(format!("$ mco {words}\n{text}"));
}

#[test]
fn services() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "service nginx stop -I web1.example.com --yes",
        "service nginx start -I /web/ --yes",
        "service nginx reload -I /web/ --yes --group",
        "service nginx disable -I web1.example.com --yes",
        "service nginx disable -I web1.example.com --yes",
        "service failed -I /example/",
        "service failed -I /example/ --each",
        "service stale -I /example/",
        "package openssl update -I /web/ --yes",
        "service stale openssl -I /web/",
        "service restart --stale openssl -I web1.example.com --yes",
        "service stale openssl -I /web/ --each",
        "service stale opnssl -I /web/",
        "service restart --stale opnssl -I web1.example.com --yes",
    ]));
}

#[test]
fn what_a_restart_does_not_cure() {
    let lab = Lab::up(3);
    for node in ["web1", "web2"] {
        let file = lab.home().join(format!("lab/nodes/{node}.example.com/host/host.json"));
        let mut host: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let bus =
            json!({"running": true, "main_pid": 3, "since_us": 1, "maps": {"libssl3": "3.0"}});
        host["services"]["dbus"] = bus;
        std::fs::write(&file, serde_json::to_vec(&host).unwrap()).unwrap();
    }
    insta::assert_snapshot!(lab.session(&[
        "service stale -I /web/",
        "service stale openssl -I /web/ --each",
        "service restart --stale openssl -I /web/ --yes",
        "service restart --stale openssl -I /web/ --yes --group",
    ]));
}
