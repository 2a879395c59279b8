//! Orders, receipts, registrations: signing, verification, sealing, Merkle sets.
