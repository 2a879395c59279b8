//! The official Python client against the broker, and against real nats-servers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::servers::{self, Server};

#[test]
fn the_python_client_is_content() {
    let Some(python) = std::env::var_os("MARCATO_PYTHON").filter(|name| !name.is_empty()) else {
        println!("skipped: MARCATO_PYTHON names no Python; `cargo xtask tools` makes one");
        return;
    };
    let run = |name: &str, address: SocketAddr| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/nats_py.py");
        let url = format!("nats://{address}");
        let output = Command::new(&python).arg(script).arg(url).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "on {name}:\n{said}{complained}");
        assert_eq!(said.lines().count(), 8, "on {name}:\n{said}");
    };
    run("ours", Server::ours("default").address());
    for (version, path) in servers::nats_servers() {
        run(&version, Server::nats(&path, "default").address());
    }
}
