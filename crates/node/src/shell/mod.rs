//! The thin shell of a node: everything that touches the host on the core's behalf.

pub mod facts;
