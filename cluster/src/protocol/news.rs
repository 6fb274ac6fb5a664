//! [`News`]: which agents are there, and which are gone.

use serde::{Deserialize, Serialize};

use super::message::{Malformed, Plain, ensure};
use super::subject::is_token;
use super::worker_id::WorkerId;

/// Longest description of an agent's end in bytes.
pub(super) const MAX_PHRASE: usize = 256;

/// News about a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// The agent is there.
    Hello(Hello),
    /// The agent has ended; its keeper says so.
    Ended(Ended),
    /// The agent leaves, and has reported everything that it began.
    Bye(WorkerId),
}

/// An agent's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The agent.
    pub(crate) worker: WorkerId,
    /// Number of its pool's processes.
    pub(crate) processes: u32,
    /// Identity of its executable.
    pub(crate) build: String,
}

/// A client's answer to the hello of an agent whose build is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OtherBuild {
    /// Name of the client.
    pub(crate) client: String,
    /// Name of its machine.
    pub(crate) host: String,
    /// Identity of its executable.
    pub(crate) build: String,
}

/// How an agent ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The agent.
    pub(crate) worker: WorkerId,
    /// How it ended: `was killed by signal 9 (SIGKILL)`.
    pub(crate) end: String,
    /// Exit code, or −N after signal N.
    pub(crate) exitcode: Option<i32>,
}

impl News {
    /// Returns the agent that it is about.
    pub(crate) fn worker(&self) -> &WorkerId {
        match self {
            Self::Hello(hello) => &hello.worker,
            Self::Ended(ended) => &ended.worker,
            Self::Bye(worker) => worker,
        }
    }
}

impl Plain for News {
    fn check(&self) -> Result<(), Malformed> {
        self.worker().check()?;
        match self {
            Self::Hello(hello) => ensure(is_token(&hello.build), "there is no such build"),
            Self::Ended(ended) => ensure(is_phrase(&ended.end), "an end is no part of a line"),
            Self::Bye(_) => Ok(()),
        }
    }
}

impl Plain for OtherBuild {
    fn check(&self) -> Result<(), Malformed> {
        let Self { client, host, build } = self;
        let are_tokens = [client, host, build].into_iter().all(|text| is_token(text));
        ensure(are_tokens, "a client has no such name, host or build")
    }
}

/// Returns true for a text that can be part of a line on a screen.
fn is_phrase(text: &str) -> bool {
    text.len() <= MAX_PHRASE && !text.chars().any(char::is_control)
}
