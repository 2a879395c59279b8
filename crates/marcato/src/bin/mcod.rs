//! The binary `mcod`.

fn main() {}
