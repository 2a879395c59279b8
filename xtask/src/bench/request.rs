//! The requests that are timed, on our fleet and on peers' alike, and what is promised of them.

use std::process::Command;

use super::page::Value;

/// What an operator asks of every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Who is there.
    Find,
    /// Whether they answer.
    Ping,
    /// Which openssl is installed.
    Package,
    /// One fact of each.
    Facts,
}

impl Request {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Find, Self::Ping, Self::Package, Self::Facts];

    /// The words behind `mco`.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Find => &["find"],
            Self::Ping => &["rpc", "rpcutil", "ping"],
            Self::Package => &["package", "openssl", "status"],
            Self::Facts => &["facts", "operatingsystem"],
        }
    }

    /// As it is typed.
    pub fn typed(self) -> String {
        format!("mco {}", self.words().join(" "))
    }

    /// The command, made of `mco` with its configuration.
    pub fn of(self, mut mco: Command) -> Command {
        mco.args(self.words());
        mco
    }

    /// What its wall time must not exceed with so many nodes.
    pub const fn at_most(self, nodes: usize) -> Option<Value> {
        match (self, nodes) {
            (Self::Find, 50) => Some(Value::Ms(20.0)),
            (Self::Ping, 50) => Some(Value::Ms(40.0)),
            (Self::Package, 50) => Some(Value::Ms(50.0)),
            (Self::Ping, 200) => Some(Value::Ms(120.0)),
            (Self::Ping, 500) => Some(Value::Ms(300.0)),
            _ => None,
        }
    }
}
