//! What waits to be written to one client.
//!
//! Short messages are copied into one buffer, because that costs less than keeping count of them;
//! long ones are shared between all receivers of a fan-out. Empty, it holds no memory.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;
use marcato_core::limits::broker::WRITE_PIECES_MAX;

/// Whole lines and messages, in order.
#[derive(Debug, Default)]
pub struct Outbound {
    /// What comes before `tail`.
    front: VecDeque<Bytes>,
    /// Where short pieces are collected.
    tail: Vec<u8>,
    /// How much of the first piece is written already.
    written: usize,
    /// How many bytes wait.
    len: usize,
}

impl Outbound {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends `bytes` without a copy.
    pub fn share(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if !self.tail.is_empty() {
            self.front.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
        self.len += bytes.len();
        self.front.push_back(bytes);
    }

    /// The pieces to write next, and how many there are.
    pub fn pieces(&self) -> ([IoSlice<'_>; WRITE_PIECES_MAX], usize) {
        let mut pieces = [IoSlice::new(&[]); WRITE_PIECES_MAX];
        let mut count = 0;
        let mut skip = self.written;
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        for piece in self.front.iter().map(|b| &b[..]).chain(tail).take(WRITE_PIECES_MAX) {
            pieces[count] = IoSlice::new(&piece[skip..]);
            skip = 0;
            count += 1;
        }
        (pieces, count)
    }

    /// Takes off the `count` bytes that were written.
    pub fn advance(&mut self, count: usize) {
        self.len -= count;
        self.written += count;
        while let Some(first) = self.front.front() {
            if self.written < first.len() {
                return;
            }
            self.written -= first.len();
            self.front.pop_front();
        }
        if self.len == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is put in, in whatever way, comes out once and in order, however it is taken.
        #[test]
        fn in_is_out(
            items in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..100),
            takes in prop::collection::vec(1usize..200, 1..50),
        ) {
            let mut outbound = Outbound::default();
            let mut want = Vec::new();
            let mut got = Vec::new();
            let mut takes = takes.into_iter().cycle();
            for (index, (shared, bytes)) in items.into_iter().enumerate() {
                want.extend_from_slice(&bytes);
                if shared { outbound.share(Bytes::from(bytes)) } else { outbound.copy(&bytes) }
                if index % 3 == 0 {
                    take(&mut outbound, takes.next().unwrap(), &mut got);
                }
            }
            while !outbound.is_empty() {
                take(&mut outbound, takes.next().unwrap(), &mut got);
            }
            prop_assert_eq!(got, want);
            prop_assert_eq!(outbound.tail.capacity() + outbound.front.capacity(), 0);
        }
    }

    fn take(outbound: &mut Outbound, most: usize, got: &mut Vec<u8>) {
        let before = got.len();
        let (pieces, count) = outbound.pieces();
        for piece in &pieces[..count] {
            got.extend_from_slice(piece);
        }
        got.truncate(before + most);
        let took = got.len() - before;
        outbound.advance(took);
    }
}
