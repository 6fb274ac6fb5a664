//! [`Patience`]: time limits of a request, and limits of what it may bring.

use std::time::Duration;

/// The time limits of a request, and the limits of what it may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The time for a connection, the look-up of the host's name and TLS included.
    pub(super) connect: Duration,
    /// The time for the head of an answer.
    pub(super) first_byte: Duration,
    /// The time for the next bytes of a body.
    pub(super) stall: Duration,
    /// The time for all of an attempt, redirects included.
    pub(super) total: Duration,
    /// The longest pause that a server may ask for.
    pub(super) pause: Duration,
    pub(super) redirects: u32,
    /// The longest file, in bytes.
    pub(super) bytes: u64,
}
