//! What proxies and servers send each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manager::CallError;
use crate::process::Arguments;

/// Index of a state among those of its server.
pub(crate) type StateId = u32;

/// A request to a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Type of the function, as text.
    pub function: String,
    pub arguments: Arguments,
    pub what: What,
}

/// What the function is to be called for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// To build one more state.
    Build,
    /// On this state.
    Call(StateId),
    /// On this state, again and again until it returns `Some`; for a time at most.
    Wait(StateId, Option<Duration>),
}

/// The answer of a server.
pub(crate) type Reply = Result<Done, CallError>;

/// What has come of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    Built(StateId),
    Answered(Arguments),
    /// The time of a call that waits is over.
    TimedOut,
}
