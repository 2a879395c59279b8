//! Merkle sets against RFC 6962's own definition, written down as it stands there.

use marcato_protocol::digest::Digest;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::merkle::{MerkleSet, Proof, ProofError, leaf, leaf_step, verify};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect()
}

/// RFC 6962, section 2.1: the largest power of two smaller than n parts the list.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// `MTH(D[n])` of RFC 6962, section 2.1; the leaves are hashes already.
fn naive_root(leaves: &[Digest]) -> Digest {
    if let [alone] = leaves {
        return *alone;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (left, right) = (naive_root(left), naive_root(right));
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// `PATH(m, D[n])` of RFC 6962, section 2.1.1.
fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, neighbour) = if index < k {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - k, right), naive_root(left))
    };
    path.push(neighbour);
    path
}

/// On which side the neighbours stand, from the leaf up: all that the count says to a verifier.
fn sides(index: u64, count: u64) -> Vec<bool> {
    if count <= 1 {
        return Vec::new();
    }
    let k = count.next_power_of_two() / 2;
    let (mut sides, right) =
        if index < k { (sides(index, k), true) } else { (sides(index - k, count - k), false) };
    sides.push(right);
    sides
}

#[test]
fn small_sets_are_rfc_6962_s_in_every_place() {
    for count in 1..=70 {
        let leaves = leaves(count);
        let set = MerkleSet::build(leaves.clone());
        assert_eq!(set.count(), count);
        assert_eq!(set.root(), naive_root(&leaves), "{count} leaves");
        for (place, leaf) in leaves.iter().enumerate() {
            let proof = set.proof(place as u64).unwrap();
            assert_eq!(proof.path, naive_path(place, &leaves), "{place} of {count}");
            assert!(verify(&set.root(), count, *leaf, &proof));
        }
        assert_eq!(set.proof(count), None);
        assert_eq!(set.proof(u64::MAX), None);
    }
}

#[test]
fn nothing_is_in_an_empty_set() {
    let set = MerkleSet::build(Vec::new());
    assert_eq!(set.count(), 0);
    assert_eq!(set.proof(0), None);
    let proof = Proof { index: 0, path: Vec::new() };
    assert!(!verify(&set.root(), 0, set.root(), &proof));
}

/// The leaf's parts are where the specification says, and each of them counts.
#[test]
fn leaves_bind_order_identity_and_key() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = NodeSignKey::generate(&mut rng);
    let other = NodeSignKey::generate(&mut rng);
    let id = [7u8; 16];
    let expected = Digest::of(
        &[&[0u8], id.as_slice(), b"web1.example.com", key.public().digest().as_bytes()].concat(),
    );
    assert_eq!(leaf(&id, "web1.example.com", key.public()), expected);
    assert_ne!(leaf(&[8; 16], "web1.example.com", key.public()), expected);
    assert_ne!(leaf(&id, "web2.example.com", key.public()), expected);
    assert_ne!(leaf(&id, "web1.example.com", other.public()), expected);
    let step = Digest::of(&[&[2u8], id.as_slice(), b"{}"].concat());
    assert_eq!(leaf_step(&id, b"{}"), step);
}

/// An inner node cannot stand in for a leaf: the way from it up has the wrong length.
#[test]
fn an_inner_node_is_not_a_leaf() {
    let set = MerkleSet::build(leaves(8));
    let mut proof = set.proof(4).unwrap();
    let neighbour = proof.path.remove(0);
    let parent =
        Digest::of_parts(&[&[1], Digest::of(&4u64.to_be_bytes()).as_bytes(), neighbour.as_bytes()]);
    for index in 0..8 {
        proof.index = index;
        assert!(!verify(&set.root(), 8, parent, &proof));
    }
    // With a count of 4 it would fit, which is why the count is signed beside the root.
    proof.index = 2;
    assert!(verify(&set.root(), 4, parent, &proof));
}

#[test]
fn fifty_thousand_leaves() {
    let leaves = leaves(50_000);
    let set = MerkleSet::build(leaves.clone());
    for place in [0, 1, 32_767, 32_768, 49_151, 49_152, 49_998, 49_999] {
        let proof = set.proof(place).unwrap();
        assert!(proof.path.len() <= 16);
        assert!(verify(&set.root(), 50_000, leaves[usize::try_from(place).unwrap()], &proof));
    }
    assert_eq!(set.proof(0).unwrap().to_base64().len(), 696);
}

#[test]
fn texts_that_are_no_proof_are_refused() {
    let check = |text: &str, expected: ProofError| {
        assert_eq!(Proof::from_base64(text).unwrap_err(), expected, "{text}");
    };
    check("", ProofError::Malformed);
    check("AAAA", ProofError::Malformed);
    check("AAAAAAAAAAAA", ProofError::Malformed);
    check("AAAAAAAAAAB=", ProofError::Malformed);
    check("????", ProofError::Malformed);
    check(&"A".repeat(1380), ProofError::TooLong);
    assert_eq!(Proof::from_base64("AAAAAAAAAAE=").unwrap(), Proof { index: 1, path: Vec::new() });
}

proptest! {
    #[test]
    fn every_proof_verifies_and_is_read_back(count in 1u64..3000, place in any::<prop::sample::Index>()) {
        let leaves = leaves(count);
        let place = place.index(leaves.len());
        let set = MerkleSet::build(leaves.clone());
        let proof = set.proof(place as u64).unwrap();
        prop_assert_eq!(&proof.path, &naive_path(place, &leaves));
        prop_assert!(verify(&set.root(), count, leaves[place], &proof));
        let text = proof.to_base64();
        prop_assert_eq!(&Proof::from_base64(&text).unwrap(), &proof);
        let json = serde_json::to_string(&proof).unwrap();
        prop_assert_eq!(serde_json::from_str::<Proof>(&json).unwrap(), proof);
    }

    #[test]
    fn what_is_changed_does_not_verify(
        count in 1u64..600,
        place in any::<prop::sample::Index>(),
        other_index in 0u64..700,
        other_count in 0u64..700,
        hash in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let leaves = leaves(count);
        let place = place.index(leaves.len());
        let set = MerkleSet::build(leaves.clone());
        let (root, leaf) = (set.root(), leaves[place]);
        let good = set.proof(place as u64).unwrap();
        let flip = |digest: Digest| {
            let mut bytes = *digest.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Digest::from_bytes(bytes)
        };
        prop_assert!(!verify(&flip(root), count, leaf, &good));
        prop_assert!(!verify(&root, count, flip(leaf), &good));
        if other_index != good.index {
            let proof = Proof { index: other_index, ..good.clone() };
            prop_assert!(!verify(&root, count, leaf, &proof), "index {}", other_index);
        }
        // The root does not bind the count, which is signed: another count passes only where it
        // says the same about this place.
        let fits = other_count > good.index
            && sides(good.index, other_count) == sides(good.index, count);
        prop_assert_eq!(verify(&root, other_count, leaf, &good), fits, "count {}", other_count);
        let mut longer = good.clone();
        longer.path.push(root);
        prop_assert!(!verify(&root, count, leaf, &longer));
        if !good.path.is_empty() {
            let changed = hash.index(good.path.len());
            let mut proof = good.clone();
            proof.path[changed] = flip(proof.path[changed]);
            prop_assert!(!verify(&root, count, leaf, &proof));
            let mut shorter = good.clone();
            shorter.path.remove(changed);
            prop_assert!(!verify(&root, count, leaf, &shorter));
        }
    }
}
