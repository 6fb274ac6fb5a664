//! An agent's questions, and a client's answers: may I begin, and with which arguments?

use serde::{Deserialize, Serialize};

use super::message::{MAX_CALLS, Malformed, Plain, ensure};
use super::worker_id::WorkerId;

/// An agent's question: may I begin with these tasks?
///
/// A task whose question may have got a yes is given up when the client is away for too long, or
/// the agent leaves. That is told on the same subject, because it must not overtake the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct May {
    /// The agent.
    pub(crate) worker: WorkerId,
    /// The tasks.
    pub(crate) questions: Vec<Question>,
    /// Earlier questions for tasks that won't begin here, whatever their answer was.
    pub(crate) given_up: Vec<Question>,
}

/// A question for one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Id of the task's first call.
    pub(crate) task: u64,
    /// Number of the task's arrival, counted by the agent: the same question once more has the same
    /// number, and gets the same answer; another delivery of the task has another.
    pub(crate) nonce: u64,
}

/// The client's answer for one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The task doesn't begin here: it is over, or has begun elsewhere.
    No,
    /// The task begins now, at this agent and nowhere else.
    Yes {
        /// Number of the attempt: 0 unless the machine of an earlier one was lost.
        attempt: u32,
        /// Calls that don't begin, by their number in the task: they were cancelled, or have ended
        /// in an earlier attempt.
        without: Vec<u32>,
    },
}

/// An agent's question for a part of a task's arguments; the answer has no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Id of the task's first call.
    pub(crate) task: u64,
    /// Number of bytes before the part.
    pub(crate) from: u64,
    /// Largest number of bytes wanted.
    pub(crate) most: u64,
}

impl Plain for May {
    fn check(&self) -> Result<(), Malformed> {
        let count = self.questions.len().max(self.given_up.len());
        ensure(count <= MAX_CALLS, "too many questions")?;
        self.worker.check()
    }
}

impl Plain for Vec<Answer> {
    fn check(&self) -> Result<(), Malformed> {
        ensure(self.len() <= MAX_CALLS, "too many answers")
    }
}

impl Plain for Part {
    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}
