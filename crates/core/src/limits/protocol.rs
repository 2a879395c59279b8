//! What a message of the protocol may weigh; both sides refuse what exceeds it.

/// The longest signed body of an order (order and step), in bytes. Keeps a message, with its
/// headers, well under the 1 MiB that brokers take by default.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The longest block of headers of one message, in bytes: a signature (at most 1.5 KiB in base64),
/// a proof of 32 levels (1.5 KiB), a certificate and room to grow.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The longest inner part of a receipt before sealing, in bytes; an agent's longer answer is cut
/// and marked.
pub const REPLY_BYTES_MAX: usize = 256 * 1024;

/// The longest outer part of a receipt, progress message or heartbeat, in bytes.
pub const OUTER_BYTES_MAX: usize = 8 * 1024;

/// The longest sealed part of a progress message before sealing, in bytes: a short text, whatever
/// JSON makes of it.
pub const PROGRESS_INNER_BYTES_MAX: usize = 2 * 1024;

/// The longest registration, in bytes: some hundred facts with structured values.
pub const REGISTRATION_BYTES_MAX: usize = 256 * 1024;

/// The longest certificate in its text form, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 4 * 1024;

/// The longest binary SSHSIG, in bytes: RSA with 16,384 bits needs 4.2 KiB.
pub const SIGNATURE_BYTES_MAX: usize = 6 * 1024;

/// The longest part of a hub's answer, in bytes; a longer answer comes in several. It is the hub's
/// aim and no wall: a reader takes twice as much, for one long entry behind a full part.
pub const ANSWER_PART_BYTES_MAX: usize = 512 * 1024;

/// The most parts of one answer of a hub: the certificates of the largest registry.
pub const ANSWER_PARTS_MAX: u32 = 1024;

/// How deep JSON may nest, in levels.
pub const JSON_DEPTH_MAX: usize = 16;

/// How many nodes one set may hold, and how many steps one order.
pub const SET_NODES_MAX: u64 = 1_000_000;

/// How many steps one order may hold.
pub const ORDER_STEPS_MAX: u64 = 100_000;

/// How many reader keys an order may name.
pub const READER_KEYS_MAX: usize = 4;

/// How many terms a filter may hold.
pub const FILTER_TERMS_MAX: usize = 256;

/// The longest reason that an operator may give for an order, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;
