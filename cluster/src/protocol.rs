//! The messages between clients and workers.
