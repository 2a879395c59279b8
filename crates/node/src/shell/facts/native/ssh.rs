//! The public keys by which SSH's clients know the host.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Found, read};

/// Facter's name of a key, its type, and the type's number in RFC 4255 and what followed it.
const KEYS: [(&str, &str, u8); 4] = [
    ("rsa", "ssh-rsa", 1),
    ("dsa", "ssh-dss", 2),
    ("ecdsa", "ecdsa-sha2-nistp256", 3),
    ("ed25519", "ssh-ed25519", 4),
];

/// Adds each public key with its fingerprint.
pub(super) fn add(found: &mut Found, root: &Path) {
    for (name, kind, number) in KEYS {
        let line = read(root, &format!("etc/ssh/ssh_host_{name}_key.pub"));
        let mut words = line.split_ascii_whitespace();
        let (Some(written), Some(key)) = (words.next(), words.next()) else { continue };
        let Ok(bytes) = STANDARD.decode(key) else { continue };
        if written != kind {
            continue;
        }
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        found.put_at(&["ssh", name, "key"], key);
        found.put_at(&["ssh", name, "type"], kind);
        let record = format!("SSHFP {number} 2 {hex}");
        found.put_at(&["ssh", name, "fingerprints", "sha256"], record);
    }
}
