//! The command `cluster-worker`.
