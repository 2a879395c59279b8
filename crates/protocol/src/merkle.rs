//! Merkle trees over the chosen nodes, and over the steps, of an order.
//!
//! The tree is that of RFC 6962 (section 2.1) with leaves of our own. The first byte of every hash
//! says what it is, so that no inner node passes for a leaf and no node's leaf for a step's. The
//! root alone does not tell how many leaves there are: an order signs root and count together, and
//! a proof is checked for exactly that count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::limits::crypto::PROOF_HASHES_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::sshsig::{PublicKey, wire};

const NODE_LEAF: &[u8] = &[0];
const INNER: &[u8] = &[1];
const STEP_LEAF: &[u8] = &[2];

/// The leaf of one node in one order: `SHA-256(0x00 ‖ order id ‖ identity ‖ SHA-256(sign key))`.
///
/// The id's 16 bytes and the last digest's 32 have fixed lengths, so what stands between them is
/// the identity and nothing else. The order's id keeps a leaf from being used in another order;
/// the key's digest keeps a rebuilt host of the same name out of the set.
#[must_use]
pub fn leaf(order_id: &[u8; 16], identity: &str, sign_key: &PublicKey) -> Digest {
    let key = sign_key.digest();
    Digest::of_parts(&[NODE_LEAF, order_id, identity.as_bytes(), key.as_bytes()])
}

/// The leaf of one step of an order of several: `SHA-256(0x02 ‖ order id ‖ step's bytes)`.
#[must_use]
pub fn leaf_step(order_id: &[u8; 16], step: &[u8]) -> Digest {
    Digest::of_parts(&[STEP_LEAF, order_id, step])
}

fn inner(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[INNER, left.as_bytes(), right.as_bytes()])
}

/// A tree over leaves in the order in which they were given: for nodes, sorted by identity.
#[derive(Debug, Clone)]
pub struct MerkleSet {
    /// The leaves, then each level above them; the last has one hash, the root.
    levels: Vec<Vec<Digest>>,
}

impl MerkleSet {
    /// Builds the whole tree: twice as many hashes as leaves.
    #[must_use]
    pub fn build(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            // A last hash without a neighbour rises unchanged: this gives RFC 6962's tree, which
            // is defined from the root down by the largest power of two.
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => inner(left, right),
                    alone => alone[0],
                })
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root; of an empty set the digest of nothing, which no proof fits.
    #[must_use]
    pub fn root(&self) -> Digest {
        let top = self.levels.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(|| Digest::of(b""))
    }

    /// The number of leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// The proof for the leaf at this place, counted from 0; nothing when there is none.
    #[must_use]
    pub fn proof(&self, index: u64) -> Option<Proof> {
        let mut place = usize::try_from(index).ok()?;
        self.levels.first()?.get(place)?;
        let mut path = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            path.extend(level.get(place ^ 1));
            place >>= 1;
        }
        Some(Proof { index, path })
    }
}

/// The way from one leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The leaf's place, counted from 0.
    pub index: u64,
    /// The neighbours' hashes from the leaf up.
    pub path: Vec<Digest>,
}

/// Why a text is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The base64 is damaged, or its bytes are not an index and whole hashes.
    #[error("a proof is base64 of an index of 8 bytes and hashes of 32 bytes")]
    Malformed,
    /// More hashes than any set needs.
    #[error("a proof has at most {PROOF_HASHES_MAX} hashes")]
    TooLong,
}

impl Proof {
    /// The text that travels in a header: padded base64 of the index (8 bytes, big-endian) and the
    /// path's hashes.
    #[must_use]
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::with_capacity(8 + 32 * self.path.len());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        for hash in &self.path {
            bytes.extend_from_slice(hash.as_bytes());
        }
        STANDARD.encode(bytes)
    }

    /// Reads what [`Proof::to_base64`] writes.
    ///
    /// # Errors
    /// [`ProofError`] for damaged or oversized text.
    pub fn from_base64(text: &str) -> Result<Self, ProofError> {
        let bytes_max: usize = 8 + 32 * PROOF_HASHES_MAX;
        if text.len() > bytes_max.div_ceil(3) * 4 {
            return Err(ProofError::TooLong);
        }
        let bytes = STANDARD.decode(text).map_err(|_| ProofError::Malformed)?;
        let (index, hashes) = bytes.split_first_chunk::<8>().ok_or(ProofError::Malformed)?;
        let (hashes, rest) = hashes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(ProofError::Malformed);
        }
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(ProofError::TooLong);
        }
        Ok(Self {
            index: u64::from_be_bytes(*index),
            path: hashes.iter().copied().map(Digest::from_bytes).collect(),
        })
    }
}

impl std::str::FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        Self::from_base64(text)
    }
}

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::deserialize_text(deserializer)
    }
}

/// Whether the leaf stands at the proof's place in the tree of exactly `count` leaves with that
/// root (the algorithm of RFC 9162, section 2.1.3.2).
#[must_use]
pub fn verify(root: &Digest, count: u64, leaf: Digest, proof: &Proof) -> bool {
    if proof.index >= count {
        return false;
    }
    let mut place = proof.index;
    let mut last = count - 1;
    let mut hash = leaf;
    for neighbour in &proof.path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = inner(neighbour, &hash);
            // A hash at the right edge rose unchanged until it had a neighbour on its left.
            let risen = place.trailing_zeros();
            place >>= risen;
            last >>= risen;
        } else {
            hash = inner(&hash, neighbour);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}
