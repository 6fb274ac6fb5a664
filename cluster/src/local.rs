//! A server of one's own, for trying out and for tests.
