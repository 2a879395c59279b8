//! The filter language: which nodes an order means.
