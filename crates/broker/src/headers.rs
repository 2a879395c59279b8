//! Whether a header block is one that every client can read.
//!
//! nats-server passes on any bytes. The official Rust client gives the connection up when it gets
//! a block that it cannot read, so one publisher could disconnect every subscriber; and a status
//! line (`503` above all) is the broker's own word, which no client may put into its mouth.

/// What every block begins with.
const VERSION: &[u8] = b"NATS/1.0\r\n";

/// Whether `block` is `NATS/1.0`, then lines of `Name: value`, then an empty line; no status, no
/// folded lines, no control characters, UTF-8 throughout.
pub fn is_readable(block: &[u8]) -> bool {
    let Some(lines) = block.strip_prefix(VERSION) else { return false };
    let Ok(mut lines) = std::str::from_utf8(lines) else { return false };
    while let Some((line, rest)) = lines.split_once("\r\n") {
        if line.is_empty() {
            return rest.is_empty();
        }
        if !is_field(line) {
            return false;
        }
        lines = rest;
    }
    false
}

fn is_field(line: &str) -> bool {
    let Some((name, value)) = line.split_once(':') else { return false };
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_graphic())
        && value.chars().all(|c| !c.is_control() || c == '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let check =
            |block: &str, want: bool| assert_eq!(is_readable(block.as_bytes()), want, "{block:?}");
        check("NATS/1.0\r\n\r\n", true);
        check("NATS/1.0\r\nA: b\r\n\r\n", true);
        check("NATS/1.0\r\nA:b\r\nA:\r\nB-c:\tä\r\n\r\n", true);
        check("", false);
        check("NATS/1.0", false);
        check("NATS/1.0\r\n", false);
        check("NATS/1.0\r\nA: b\r\n", false);
        check("NATS/1.0\r\n\r\nA: b\r\n\r\n", false);
        check("NATS/1.0 503\r\n\r\n", false);
        check("NATS/2.0\r\n\r\n", false);
        check("NATS/1.0\r\nA b\r\n\r\n", false);
        check("NATS/1.0\r\n: b\r\n\r\n", false);
        check("NATS/1.0\r\nA b: c\r\n\r\n", false);
        check("NATS/1.0\r\nA: b\r\n folded\r\n\r\n", false);
        check("NATS/1.0\r\nA: b\nC: d\r\n\r\n", false);
        check("NATS/1.0\r\nA: \0\r\n\r\n", false);
        assert!(!is_readable(b"NATS/1.0\r\nA: \xff\r\n\r\n"));
    }
}
