//! Signatures, Merkle trees, sealing.

use marcato_core::OrderId;
use marcato_protocol::merkle::{MerkleSet, Proof, leaf, leaf_step, verify};
use marcato_protocol::seal::{self, Sealed};
use marcato_protocol::sshsig::{Namespace, Signature};
use serde_json::Value;

use super::{bytes, list, open_key, parse, public_key, text};
use crate::make::world::Given;
use crate::read;

fn is_signed(case: &Value) -> bool {
    let name = text(case, "namespace");
    let namespace = Namespace::ALL.into_iter().find(|n| n.as_str() == name).unwrap();
    Signature::from_base64(text(case, "signature")).is_ok_and(|signature| {
        let message = text(case, "message").as_bytes();
        signature.verify(&public_key(case, "key"), namespace, message).is_ok()
    })
}

#[test]
fn signatures() {
    let file = read("signatures.json");
    for (field, want) in [("accepted", true), ("refused", false)] {
        for case in list(&file, field) {
            assert_eq!(is_signed(case), want, "{case}");
        }
    }
}

#[test]
fn merkle() {
    let file = read("merkle.json");
    for set in list(&file, "sets") {
        let id: OrderId = parse(set, "order");
        let of =
            |node: &Value| leaf(id.as_bytes(), text(node, "identity"), &public_key(node, "key"));
        check_tree(set, list(set, "nodes"), of);
    }
    let steps = &file["steps"];
    let id: OrderId = parse(steps, "order");
    let of = |step: &Value| leaf_step(id.as_bytes(), text(step, "text").as_bytes());
    check_tree(steps, list(steps, "steps"), of);
    for case in list(&file, "refused") {
        let proof: Proof = parse(case, "proof");
        let count = case["count"].as_u64().unwrap();
        assert!(!verify(&parse(case, "root"), count, parse(case, "leaf"), &proof), "{case}");
    }
    for wrong in list(&file, "not_proofs") {
        assert!(Proof::from_base64(wrong.as_str().unwrap()).is_err(), "{wrong}");
    }
}

fn check_tree(
    set: &Value,
    members: &[Value],
    leaf_of: impl Fn(&Value) -> marcato_protocol::digest::Digest,
) {
    let tree = MerkleSet::build(members.iter().map(&leaf_of).collect());
    assert_eq!((tree.root(), Some(tree.count())), (parse(set, "root"), set["count"].as_u64()));
    for (index, member) in (0..).zip(members) {
        let leaf = leaf_of(member);
        assert_eq!(leaf, parse(member, "leaf"));
        let proof: Proof = parse(member, "proof");
        assert_eq!(tree.proof(index), Some(proof.clone()));
        assert!(verify(&tree.root(), tree.count(), leaf, &proof));
    }
}

#[test]
fn sealing() {
    let file = read("sealing.json");
    for case in list(&file, "sealed") {
        let (info, plain) = (bytes(case, "info"), bytes(case, "plain"));
        let readers = list(case, "readers");
        let ikm = readers.iter().flat_map(|reader| bytes(reader, "ephemeral_ikm"));
        let random: Vec<u8> = bytes(case, "content_key").into_iter().chain(ikm).collect();
        let public: Vec<_> = readers.iter().map(|reader| parse(reader, "public")).collect();
        let sealed = seal::seal(&mut Given(&random), &public, &info, &[], &plain).unwrap();
        assert_eq!(sealed.stanzas_to_base64(), text(case, "stanzas"));
        assert_eq!(sealed.body, bytes(case, "body"));
        assert_eq!(sealed.digest(), parse(case, "digest"));
        for reader in readers {
            let key = open_key(reader);
            assert_eq!(*key.public(), parse(reader, "public"));
            assert_eq!(seal::open(&key, &info, &[], &sealed).unwrap(), plain);
        }
    }
    for case in list(&file, "refused") {
        let sealed = Sealed::from_parts(text(case, "stanzas"), bytes(case, "body")).unwrap();
        let opened = seal::open(&open_key(case), &bytes(case, "info"), &[], &sealed);
        assert!(opened.is_err(), "{case}");
    }
}
