//! Vectors of the cryptography: signatures, Merkle trees, sealing.

use marcato_protocol::digest::Digest;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::merkle::{self, MerkleSet, Proof};
use marcato_protocol::seal::{open, seal};
use marcato_protocol::sshsig::{Namespace, PublicKey, Signature};
use serde_json::{Value, json};

use super::world::{Given, base64, key, operator, order_id, other_kind, reader, stranger};

const MESSAGE: &str = "{\"what\":\"signed\"}\n";

pub fn signatures() -> Value {
    let message = MESSAGE.as_bytes();
    let case = |namespace: Namespace, key: &PublicKey, signature: Signature| {
        json!({
            "namespace": namespace.as_str(), "key": key, "message": MESSAGE,
            "signature": signature.to_base64(),
        })
    };
    let own = Namespace::ALL
        .map(|namespace| case(namespace, operator().public(), operator().sign(namespace, message)));
    let others = ["ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"].map(|name| {
        let key = other_kind(name);
        case(Namespace::Order, key.public(), key.sign(Namespace::Order, message).unwrap())
    });
    json!({
        "about": "SSHSIG, binary, in base64 (section 4).",
        "accepted": own.iter().chain(&others).collect::<Vec<_>>(),
        "refused": refused_signatures(),
    })
}

fn refused_signatures() -> Vec<Value> {
    let (namespace, key) = (Namespace::Order, operator());
    let good = key.sign(namespace, MESSAGE.as_bytes());
    let bytes = good.to_bytes();
    let at = |place: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = byte;
        base64(bytes)
    };
    let last = bytes.len() - 1;
    let hash_at = bytes.windows(6).position(|part| part == b"sha512").unwrap();
    let behind = base64([bytes.as_slice(), b"\0"].concat());
    let reserved = {
        let mut bytes = bytes.clone();
        // The reserved field's length stands right before the hash's.
        bytes.splice(hash_at - 8..hash_at - 4, [0, 0, 0, 1, b'x']);
        base64(bytes)
    };
    let small = small_order(&bytes);
    let cases = [
        ("another message", good.to_base64(), "{\"what\":\"else\"}\n", key.public().clone()),
        ("another key", good.to_base64(), MESSAGE, stranger().public().clone()),
        (
            "another namespace",
            key.sign(Namespace::Receipt, MESSAGE.as_bytes()).to_base64(),
            MESSAGE,
            key.public().clone(),
        ),
        ("a changed bit", at(last, bytes[last] ^ 1), MESSAGE, key.public().clone()),
        ("another version", at(9, 2), MESSAGE, key.public().clone()),
        ("another hash", at(hash_at + 3, b'2'), MESSAGE, key.public().clone()),
        ("a reserved field", reserved, MESSAGE, key.public().clone()),
        ("bytes behind it", behind, MESSAGE, key.public().clone()),
        ("cut short", base64(&bytes[..last]), MESSAGE, key.public().clone()),
        ("a key of small order, with which anything is signed", small.0, MESSAGE, small.1),
        ("no base64", "!".to_owned(), MESSAGE, key.public().clone()),
        ("nothing", String::new(), MESSAGE, key.public().clone()),
    ];
    cases
        .into_iter()
        .map(|(why, signature, message, key)| {
            json!({
                "why": why, "namespace": namespace.as_str(), "key": key, "message": message,
                "signature": signature,
            })
        })
        .collect()
}

/// The neutral element as the key and as the signature's point, and zero: 0·B = R + k·A for any k.
fn small_order(good: &[u8]) -> (String, PublicKey) {
    let mut point = [0; 32];
    point[0] = 1;
    let mut bytes = good.to_vec();
    // Behind the magic, the version, three lengths and the kind's name.
    bytes[33..65].copy_from_slice(&point);
    let raw = bytes.len() - 64;
    bytes[raw..].fill(0);
    bytes[raw] = 1;
    let key = PublicKey::from_ed25519(&point);
    assert_eq!(Signature::parse(&bytes).unwrap().key(), &key);
    (base64(bytes), key)
}

pub fn merkle() -> Value {
    let sizes = [1, 2, 3, 4, 5, 7, 8, 13];
    json!({
        "about": "Sets of nodes and of steps, and proofs of a place in them (section 6).",
        "sets": sizes.map(set),
        "steps": steps(),
        "refused": refused_proofs(),
        "not_proofs": [
            "", "AAAAAAAAAA==", base64([0; 39]), base64([0; 41]), base64([0; 8 + 33 * 32]),
            "AAAAAAAAAAB=",
        ],
    })
}

fn members(count: u64) -> Vec<(String, NodeSignKey)> {
    (1..=count).map(|n| (format!("node{n:02}.example.com"), key(100 + n))).collect()
}

fn tree(count: u64) -> MerkleSet {
    let id = order_id(7);
    let leaf =
        |(name, key): &(String, NodeSignKey)| merkle::leaf(id.as_bytes(), name, key.public());
    MerkleSet::build(members(count).iter().map(leaf).collect())
}

fn set(count: u64) -> Value {
    let tree = tree(count);
    let id = order_id(7);
    let member = |(index, (name, key)): (u64, &(String, NodeSignKey))| {
        json!({
            "identity": name, "key": key.public(),
            "leaf": merkle::leaf(id.as_bytes(), name, key.public()),
            "proof": tree.proof(index).unwrap().to_base64(),
        })
    };
    let nodes: Vec<_> = (0..).zip(&members(count)).map(member).collect();
    json!({ "order": id, "root": tree.root(), "count": tree.count(), "nodes": nodes })
}

fn steps() -> Value {
    let (id, texts) = (order_id(7), ["{\"a\":1}", "{\"a\":2}", "{\"a\":1}"]);
    let leaves: Vec<_> =
        texts.iter().map(|text| merkle::leaf_step(id.as_bytes(), text.as_bytes())).collect();
    let tree = MerkleSet::build(leaves.clone());
    let steps: Vec<_> = (0..)
        .zip(texts.iter().zip(&leaves))
        .map(|(index, (text, leaf))| {
            let proof = tree.proof(index).unwrap().to_base64();
            json!({ "text": text, "leaf": leaf, "proof": proof })
        })
        .collect();
    json!({ "order": id, "root": tree.root(), "count": tree.count(), "steps": steps })
}

fn refused_proofs() -> Vec<Value> {
    let tree = tree(5);
    let names = members(5);
    let leaf = |n: usize| merkle::leaf(order_id(7).as_bytes(), &names[n].0, names[n].1.public());
    let (root, proof) = (tree.root(), tree.proof(2).unwrap());
    let path = |index: u64, path: &[Digest]| Proof { index, path: path.to_vec() };
    let same = |index| path(index, &proof.path);
    let mut flipped = proof.path.clone();
    flipped.swap(0, 1);
    let longer = [proof.path.as_slice(), &[root]].concat();
    let other_order = merkle::leaf(order_id(8).as_bytes(), &names[2].0, names[2].1.public());
    let other_key = merkle::leaf(order_id(7).as_bytes(), &names[2].0, stranger().public());
    let as_step = merkle::leaf_step(order_id(7).as_bytes(), names[2].0.as_bytes());
    let cases = [
        ("a neighbour's proof", root, 5, leaf(2), tree.proof(3).unwrap()),
        ("another place", root, 5, leaf(2), same(3)),
        ("a place behind the last", root, 5, leaf(2), same(7)),
        ("a huge place", root, 5, leaf(2), same(u64::MAX)),
        ("a count too large", root, 9, leaf(2), proof.clone()),
        ("a count too small", root, 3, leaf(2), proof.clone()),
        ("a count of nothing", root, 0, leaf(2), proof.clone()),
        ("another root", leaf(0), 5, leaf(2), proof.clone()),
        ("hashes in another sequence", root, 5, leaf(2), path(2, &flipped)),
        ("a hash too few", root, 5, leaf(2), path(2, &proof.path[..2])),
        ("a hash too many", root, 5, leaf(2), path(2, &longer)),
        ("no hashes", root, 5, leaf(2), path(2, &[])),
        ("another order's leaf", root, 5, other_order, proof.clone()),
        ("a rebuilt host's leaf", root, 5, other_key, proof.clone()),
        ("a step's leaf", root, 5, as_step, proof.clone()),
        ("an inner node as a leaf", root, 5, proof.path[1], path(0, &proof.path[1..])),
        ("the root as the only leaf of more", root, 5, root, path(0, &[])),
    ];
    cases
        .into_iter()
        .map(|(why, root, count, leaf, proof)| {
            json!({
                "why": why, "root": root, "count": count, "leaf": leaf, "proof": proof.to_base64(),
            })
        })
        .collect()
}

pub fn sealing() -> Value {
    json!({
        "about": "Sealing (section 7). The ephemeral keys of the stanzas are DeriveKeyPair(ikm) of RFC 9180, section 7.1.3, so that every byte can be computed again.",
        "sealed": [
            sealed(&[41], b"info", b"{\"message\":\"one reader\"}"),
            sealed(&[41, 42], b"", b""),
            sealed(&[44, 43, 42, 41], &[7; 100], &[b'x'; 200]),
        ],
        "refused": refused_seals(),
    })
}

/// What is sealed to readers with a content key and ephemeral keys that are given.
fn sealed(readers: &[u8], info: &[u8], plain: &[u8]) -> Value {
    let content_key = [0x5a; 32];
    let ikm: Vec<[u8; 32]> = readers.iter().map(|reader| [reader ^ 0x80; 32]).collect();
    let random = [content_key.as_slice(), ikm.as_flattened()].concat();
    let public: Vec<_> = readers.iter().map(|seed| *reader(*seed).0.public()).collect();
    let sealed = seal(&mut Given(&random), &public, info, &[], plain).unwrap();
    let shown = readers.iter().zip(&ikm).map(|(seed, ikm)| {
        let (key, secret) = reader(*seed);
        assert_eq!(open(&key, info, &[], &sealed).unwrap(), plain);
        json!({
            "secret": base64(secret), "public": key.public(), "ephemeral_ikm": base64(ikm),
        })
    });
    json!({
        "readers": shown.collect::<Vec<_>>(),
        "info": base64(info), "plain": base64(plain), "content_key": base64(content_key),
        "stanzas": sealed.stanzas_to_base64(), "body": base64(&sealed.body),
        "digest": sealed.digest(),
    })
}

fn refused_seals() -> Vec<Value> {
    let given = [0x5a; 32 + 64];
    let public = [*reader(41).0.public(), *reader(42).0.public()];
    let good = seal(&mut Given(&given), &public, b"info", &[], b"text").unwrap();
    let mut body = good.clone();
    *body.body.last_mut().unwrap() ^= 1;
    let mut commitment = good.clone();
    commitment.body[0] ^= 1;
    let mut stanza = good.clone();
    stanza.stanzas[0][79] ^= 1;
    let mut short = good.clone();
    short.body.truncate(47);
    let cases = [
        ("sealed to somebody else", &good, 43, "info"),
        ("moved to another message", &good, 41, "else"),
        ("the text changed", &body, 41, "info"),
        ("another content key's digest", &commitment, 42, "info"),
        ("the reader's stanza changed", &stanza, 41, "info"),
        ("cut short", &short, 41, "info"),
    ];
    cases
        .map(|(why, sealed, seed, info)| {
            json!({
                "why": why, "secret": base64(reader(seed).1), "info": base64(info),
                "stanzas": sealed.stanzas_to_base64(), "body": base64(&sealed.body),
            })
        })
        .to_vec()
}
