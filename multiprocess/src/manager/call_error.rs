//! Why a call has no answer.

use serde::{Deserialize, Serialize};

use crate::process::frame;

/// Reason why a call on a manager's state has no answer. A function that returns `Err` has that as
/// its answer, and none of these. Python: `RemoteError`, `EOFError`, `ConnectionRefusedError`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server has ended: with its owner, or because it was killed. The call may have been done,
    /// if it was under way.
    #[error("the manager's server has ended: {how}")]
    Ended {
        /// What showed that.
        how: String,
    },
    /// The function panicked. The state is as the function has left it, and serves further calls.
    #[error("the call panicked: {message}")]
    Panicked {
        /// The panic's message and source location.
        message: String,
    },
    /// The function isn't listed by [`exposed!`](crate::exposed).
    #[error(
        "the function {function} is not listed: write exposed![{short}]; next to its definition"
    )]
    Unlisted {
        /// Full name of the function.
        function: String,
        /// Name of the function as written in `exposed!` beside it.
        short: String,
    },
    /// A function pointer or a closure, which the server couldn't find. Python: `PicklingError`, as
    /// for a lambda.
    #[error(
        "{function} has no name by which the server could find it: write a fn, pass it by its \
         name, and list it with exposed![name];"
    )]
    NotAFunctionItem {
        /// Type of the value that was passed.
        function: String,
    },
    /// The server's program doesn't have the function; nothing was called.
    #[error(
        "the manager's server has no function {function}: its program is another one, or was \
         built at another time"
    )]
    OtherProgram {
        /// Full name of the function.
        function: String,
    },
    /// The call is made inside another call on the same state, and would wait for that for ever.
    #[error(
        "the call of {function} is made inside a call on the same state, and would wait for it"
    )]
    Nested {
        /// Full name of the function.
        function: String,
    },
    /// The function is for another type of state, or for another use, or there is no such state: a
    /// proxy was made by hand.
    #[error("the function {function} is not for this state of the manager")]
    WrongState {
        /// Type of the function.
        function: String,
    },
    /// The system refused a connection, for example at the limit of open files; nothing was called.
    #[error("can't connect to the manager's server: {0}")]
    NotConnected(String),
    /// The arguments can't be sent; nothing was called.
    #[error("the call's arguments can't be sent: {0}")]
    ArgumentsNotSent(String),
    /// The arguments arrived as something else; nothing was called.
    #[error("the call's arguments can't be received: {0}")]
    ArgumentsNotReceived(String),
    /// The function has run, but its answer can't be sent.
    #[error("the call's answer can't be sent: {0}")]
    AnswerNotSent(String),
    /// The function has run, but its answer can't be received here.
    #[error("the call's answer can't be received: {0}")]
    AnswerNotReceived(String),
    /// The server can't be started, or its state can't be built.
    #[error("the manager can't be started: {0}")]
    NotStarted(String),
}

impl CallError {
    pub(crate) fn not_received(error: frame::Error) -> Self {
        Self::ArgumentsNotReceived(error.to_string())
    }

    pub(crate) fn answer_not_sent(error: frame::Error) -> Self {
        Self::AnswerNotSent(error.to_string())
    }
}
