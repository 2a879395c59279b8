//! The project's own tools: `cargo xtask NAME`.

fn main() {}
