//! What proxies and servers send each other.
//!
//! Names are short, and most fields have none: a call whose arguments have no more than some 16
//! bytes fits into the shortest frame, which costs one call to the kernel on each side.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manager::exposed::FunctionKey;
use crate::manager::{Address, CallError};
use crate::process::Arguments;

/// Index of a state among those of its server.
pub(crate) type StateId = u32;

/// A state of any server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place(pub Address, pub StateId);

/// A request to a server: the function, what it is to be called for, its arguments, and the states
/// in whose calls this call is made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request(pub FunctionKey, pub What, pub Arguments, pub Option<Vec<Place>>);

/// What the function is to be called for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// To build one more state.
    #[serde(rename = "b")]
    Build,
    /// On this state.
    #[serde(rename = "c")]
    Call(StateId),
    /// On this state, again and again until it returns `Some`; for a time at most.
    #[serde(rename = "w")]
    Wait(StateId, Option<Duration>),
}

/// The answer of a server.
pub(crate) type Reply = Result<Done, CallError>;

/// What has come of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    #[serde(rename = "b")]
    Built(StateId),
    #[serde(rename = "a")]
    Answered(Arguments),
    /// The time of a call that waits is over.
    #[serde(rename = "t")]
    TimedOut,
    /// The server's program doesn't list the function.
    #[serde(rename = "u")]
    Unlisted,
}
