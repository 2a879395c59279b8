//! The broker from outside: on its socket, by raw lines and by official clients; and its pure parts
//! on what the wire suite sends. `MARCATO_NATS_SERVER` names nats-servers that the same tests run
//! on (paths as in `PATH`), `MARCATO_PYTHON` a Python that has nats-py.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod clients;
mod limits;
mod nats_py;
mod router;
mod servers;
mod session;
mod wire;
