//! What keys, signatures, proofs and the files that name signers may weigh.

/// The longest SSH public key in its binary form, in bytes: RSA with 8,192 bits needs 1,048.
pub const PUBLIC_KEY_BYTES_MAX: usize = 2 * 1024;

/// The shortest RSA modulus that is accepted, in bits: what NIST SP 800-57 rates at 128 bits of
/// security.
pub const RSA_BITS_MIN: usize = 3072;

/// The longest RSA modulus that is accepted, in bits: a longer one only costs the verifier time.
pub const RSA_BITS_MAX: usize = 8192;

/// The longest raw signature inside an SSHSIG, in bytes: RSA with 8,192 bits needs 1,024.
pub const RAW_SIGNATURE_BYTES_MAX: usize = 2 * 1024;

/// The longest SSHSIG namespace that is read, in bytes; ours are under 32.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// The longest private key file that is read, in bytes: RSA with 8,192 bits needs 7 KiB.
pub const KEY_FILE_BYTES_MAX: usize = 64 * 1024;

/// The longest message of the ssh-agent protocol, in bytes: OpenSSH's own limit.
pub const AGENT_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// How many keys an ssh-agent may list: OpenSSH's own limit is 2,048.
pub const AGENT_KEYS_MAX: usize = 2048;

/// The longest `allowed_signers` file, in bytes: ten thousand lines of the common length.
pub const ALLOWED_SIGNERS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest line of an `allowed_signers` file, in bytes.
pub const ALLOWED_SIGNERS_LINE_BYTES_MAX: usize = 16 * 1024;

/// How many bad lines of an `allowed_signers` file are told at once: more help nobody.
pub const ALLOWED_SIGNERS_ERRORS_MAX: usize = 50;

/// The most hashes in a Merkle proof, one for each level: enough for 2^32 leaves.
pub const PROOF_HASHES_MAX: usize = 32;
