//! Sealing: every reader opens, nobody else does, and nothing can be moved or changed.

use marcato_protocol::keys::OpenKey;
use marcato_protocol::seal::{
    BODY_OVERHEAD_BYTES, OpenPublicKey, STANZA_BYTES, SealError, Sealed, open, seal,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const INFO: &[u8] = b"order 1";
const AAD: &[u8] = b"web1.example.com";
const TEXT: &[u8] = b"{\"outputs\":{}}";

fn keys(count: u64) -> Vec<OpenKey> {
    (0..count).map(|seed| OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))).collect()
}

fn seal_to(readers: &[OpenKey], text: &[u8]) -> Sealed {
    let public: Vec<_> = readers.iter().map(|key| *key.public()).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    seal(&mut rng, &public, INFO, AAD, text).unwrap()
}

#[test]
fn each_reader_opens_and_nobody_else() {
    let all = keys(5);
    for count in 1..=4 {
        let (readers, others) = all.split_at(count);
        let sealed = seal_to(readers, TEXT);
        assert_eq!(sealed.stanzas.len(), count);
        assert_eq!(STANZA_BYTES, 80);
        assert_eq!(sealed.body.len(), TEXT.len() + BODY_OVERHEAD_BYTES);
        for reader in readers {
            assert_eq!(open(reader, INFO, AAD, &sealed).unwrap(), TEXT);
        }
        for other in others {
            assert_eq!(open(other, INFO, AAD, &sealed), Err(SealError::NotForThisKey));
        }
    }
}

#[test]
fn the_number_of_readers_is_bounded() {
    let public: Vec<_> = keys(5).iter().map(|key| *key.public()).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    for readers in [&public[..0], &public[..5]] {
        assert_eq!(
            seal(&mut rng, readers, INFO, AAD, TEXT),
            Err(SealError::Readers(readers.len()))
        );
    }
}

#[test]
fn a_key_without_a_secret_is_no_reader() {
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    let mut sealed = |bytes: [u8; 32]| {
        let reader = OpenPublicKey::from_bytes(bytes);
        let read = reader.to_string().parse::<OpenPublicKey>();
        let sealed = seal(&mut rng, &[reader], INFO, AAD, TEXT);
        assert_eq!(read.is_ok(), sealed.is_ok(), "{reader}");
        sealed.is_ok()
    };
    let orders_of_8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ];
    let mut points: Vec<[u8; 32]> = orders_of_8
        .map(|hex| *hex.parse::<marcato_protocol::digest::Digest>().unwrap().as_bytes())
        .to_vec();
    for low in [0, 1] {
        points.push(std::array::from_fn(|at| if at == 0 { low } else { 0 }));
    }
    for high in [0xec, 0xed, 0xee] {
        points.push(std::array::from_fn(|at| match at {
            0 => high,
            31 => 0x7f,
            _ => 0xff,
        }));
    }
    for point in points {
        assert!(!sealed(point));
        let mut written_otherwise = point;
        written_otherwise[31] |= 0x80;
        assert!(!sealed(written_otherwise));
        let mut next = point;
        next[0] ^= 0x10;
        assert!(sealed(next));
    }
}

#[test]
fn sealed_bytes_do_not_open_elsewhere() {
    let readers = keys(2);
    let sealed = seal_to(&readers, TEXT);
    for reader in &readers {
        for (info, aad) in
            [(b"order 2".as_slice(), AAD), (INFO, b"web2.example.com".as_slice()), (b"", b"")]
        {
            assert_eq!(open(reader, info, aad, &sealed), Err(SealError::NotForThisKey));
        }
    }
}

/// The same randomness gives the same bytes, so that a simulated fleet can be replayed; the next
/// randomness gives others.
#[test]
fn sealing_is_a_function_of_its_randomness() {
    let readers = keys(2);
    assert_eq!(seal_to(&readers, TEXT), seal_to(&readers, TEXT));
    let public: Vec<_> = readers.iter().map(|key| *key.public()).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    let first = seal(&mut rng, &public, INFO, AAD, TEXT).unwrap();
    let second = seal(&mut rng, &public, INFO, AAD, TEXT).unwrap();
    assert_ne!(first.stanzas, second.stanzas);
    assert_ne!(first.body, second.body);
}

#[test]
fn every_changed_bit_is_refused_and_changes_the_digest() {
    let readers = keys(1);
    let sealed = seal_to(&readers, TEXT);
    for bit in 0..STANZA_BYTES * 8 {
        let mut changed = sealed.clone();
        changed.stanzas[0][bit / 8] ^= 1 << (bit % 8);
        assert_ne!(changed.digest(), sealed.digest());
        // X25519 ignores the top bit of a point; the key schedule over the encapsulated bytes
        // does not.
        assert!(open(&readers[0], INFO, AAD, &changed).is_err(), "bit {bit}");
    }
    for bit in 0..sealed.body.len() * 8 {
        let mut changed = sealed.clone();
        changed.body[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(changed.digest(), sealed.digest());
        assert_eq!(open(&readers[0], INFO, AAD, &changed), Err(SealError::Body), "bit {bit}");
    }
    for length in 0..sealed.body.len() {
        let mut changed = sealed.clone();
        changed.body.truncate(length);
        assert_eq!(open(&readers[0], INFO, AAD, &changed), Err(SealError::Body));
    }
}

/// Two readers cannot be given two keys: the second one's does not fit what the body commits to.
#[test]
fn a_reader_with_another_content_key_is_told() {
    let readers = keys(2);
    let sealed = seal_to(&readers[..1], TEXT);
    let public = [*readers[1].public()];
    let mut rng = ChaCha20Rng::seed_from_u64(100);
    let other = seal(&mut rng, &public, INFO, AAD, b"another text").unwrap();
    let mixed = Sealed { stanzas: vec![sealed.stanzas[0], other.stanzas[0]], body: sealed.body };
    assert_eq!(open(&readers[0], INFO, AAD, &mixed).unwrap(), TEXT);
    assert_eq!(open(&readers[1], INFO, AAD, &mixed), Err(SealError::Body));
}

#[test]
fn the_header_s_text_is_checked() {
    let readers = keys(4);
    let sealed = seal_to(&readers, TEXT);
    let header = sealed.stanzas_to_base64();
    assert_eq!(header.len(), 428);
    let read = Sealed::from_parts(&header, sealed.body.clone()).unwrap();
    assert_eq!(read, sealed);
    assert_eq!(read.digest(), sealed.digest());
    let check = |text: &str, expected: SealError| {
        assert_eq!(Sealed::from_parts(text, Vec::new()), Err(expected));
    };
    check("", SealError::Readers(0));
    check("AAAA", SealError::Stanzas);
    check("!", SealError::Stanzas);
    check(&header[4..], SealError::Stanzas);
    check(&"A".repeat(536), SealError::Stanzas);
}

#[test]
fn reader_keys_have_one_text() {
    let public = *keys(1)[0].public();
    let text = public.to_string();
    assert_eq!(text.len(), 44);
    assert_eq!(text.parse::<OpenPublicKey>().unwrap(), public);
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(serde_json::from_str::<OpenPublicKey>(&json).unwrap(), public);
    for bad in ["", "AAAA", &text[1..], &format!("{text} "), &text.replace('=', "")] {
        assert!(bad.parse::<OpenPublicKey>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in prop::collection::vec(any::<u8>(), 0..5000)) {
        let readers = keys(2);
        let sealed = seal_to(&readers, &text);
        prop_assert_eq!(open(&readers[1], INFO, AAD, &sealed).unwrap(), text);
    }
}
