//! Discovery, orders and the collation of receipts.
