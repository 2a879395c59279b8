//! The binary `mco`.

fn main() {}
