//! The messages between clients and workers.
//!
//! ```text
//!   message    ┌─ 4 bytes ─┬── length bytes ──┬───────────────────────────┐
//!              │ length    │ header (serde)   │ payload: bytes as they are │
//!              └───────────┴──────────────────┴───────────────────────────┘
//! ```
//!
//! | subject | from | message | answer |
//! | --- | --- | --- | --- |
//! | `t.<cluster>.<build>.<client>` | client | [`Task`], kept by the engine | |
//! | `may.<client>` | agent | [`May`] | [`Answer`] for each question |
//! | `part.<client>` | agent | [`Part`] | bytes; none if the task is gone |
//! | `done.<client>` | agent | [`Done`] | nothing, once it is taken |
//! | `hello.<cluster>` | agent, keeper | [`News`] | [`OtherBuild`], sometimes |
//! | `echo.<client>` | client, to itself | nothing | |
//!
//! Headers are small, and have the library's own form ([frame](multiprocess::process::frame)).
//! Arguments and results follow them as they are, so they are serialised once and decoded where
//! they are needed.
//!
//! Bytes may come from anyone with a right to send them. So each decoder checks all lengths against
//! its limits and against the bytes that are there before it allocates anything, and each text that
//! becomes part of a subject or of a line on the screen.

mod message;
mod news;
mod outcome;
mod parts;
mod question;
mod subject;
mod task;
#[cfg(test)]
mod tests;
mod worker_id;

pub(crate) use message::{Malformed, Plain, part_size};
pub(crate) use news::{Ended, Hello, News, OtherBuild};
pub(crate) use outcome::{Done, Outcome, ResultPart};
pub(crate) use parts::Parts;
pub(crate) use question::{Answer, May, Part, Question};
#[cfg(any(test, fuzzing))]
pub(crate) use subject::is_token;
pub(crate) use subject::{Place, client_name, done, echo, may, part};
pub(crate) use task::{Task, split};
pub(crate) use worker_id::WorkerId;
