//! What goes from the pool to its workers and back.
//!
//! ```text
//!   a task      ┌─────┬───────┬──────────┬────────┬──────┬────────┬──────┬───
//!               │ job │ first │ function │ length │ item │ length │ item │ …     (nothing at all: end)
//!               └─────┴───────┴──────────┴────────┴──────┴────────┴──────┴───
//!   a report    ┌───────────────────────────┬──────────────────┐
//!               │ which item, what came of it │ result, if any │
//!               └───────────────────────────┴──────────────────┘
//! ```
//!
//! A *job* is a call of `apply`, `map` and so on; its *items* are its single calls of the function. A
//! *task* is what a worker takes at once: one item, or a chunk of them that follow each other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use process_basics::{Listed, frame};
use serde::{Deserialize, Serialize};

use crate::TaskError;

/// What a task's message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub job: u64,
    /// The number of its first item in the job.
    pub first: u64,
    pub function: Listed,
}

/// A task's message; or its rest, after some items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn begin(&mut self, task: Task) {
        self.0.clear();
        frame::append(&task, &mut self.0).expect("three numbers can be serialised");
    }

    /// Adds an item; or nothing, if it can't be serialised.
    pub(crate) fn push<A: Serialize>(&mut self, item: &A) -> Result<(), TaskError> {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 8]);
        let bytes = &mut self.0;
        let appended = match catch_unwind(AssertUnwindSafe(|| frame::append(item, bytes))) {
            Ok(appended) => appended.map_err(|reason| reason.to_string()),
            Err(_) => Err(String::from("their serialisation panicked")),
        };
        if let Err(reason) = appended {
            self.0.truncate(start);
            return Err(TaskError::ArgumentsNotSent(reason));
        }
        let length = (self.0.len() - start - 8) as u64;
        self.0[start..start + 8].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same task without its items before this one.
    pub(crate) fn from(bytes: &[u8], item: u64) -> Option<Self> {
        let (task, mut items) = Items::of(bytes)?;
        for _ in task.first..item {
            items.next();
        }
        let mut message = Self::default();
        message.begin(Task { first: item, ..task });
        message.0.extend_from_slice(items.rest);
        (!items.rest.is_empty()).then_some(message)
    }
}

/// The items of a task, each as its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The task of this message, and its items; `None` if the message is no task.
    pub(crate) fn of(message: &'a [u8]) -> Option<(Task, Self)> {
        let (task, rest) = postcard::take_from_bytes(message).ok()?;
        Some((task, Self { rest }))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let item;
        (item, self.rest) = rest.split_at_checked(length)?;
        Some(item)
    }
}

/// What the pool is told by its workers; by the threads that wait for their ends; by its owner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// This worker has begun.
    Ready { worker: usize },
    /// An item was done; its result follows.
    Done(Item),
    /// An item has no result.
    Failed(Item, TaskError),
    /// This worker has ended. It comes behind all that it has reported itself.
    Ended { worker: usize },
    /// There may be something to do.
    Look,
}

/// Which item a report is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    /// The place of the worker that did it.
    pub worker: usize,
    pub job: u64,
    pub number: u64,
    /// The first item of its task.
    pub first: u64,
    /// If it was the last of its task: how many bytes the task's message had.
    pub ends: Option<u64>,
}

impl Report {
    /// Puts the report into the buffer, in place of what was there; a result may follow.
    pub(crate) fn begin(&self, buffer: &mut Vec<u8>) {
        buffer.clear();
        frame::append(self, buffer).expect("numbers and texts can be serialised");
    }

    /// The report, and the result that follows it.
    pub(crate) fn of(message: &[u8]) -> Option<(Self, &[u8])> {
        postcard::take_from_bytes(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_task_has_the_items_that_are_left() {
        let mut message = Message::default();
        let function = frame::decode(&[3]).unwrap();
        message.begin(Task { job: 7, first: 10, function });
        (0..4).for_each(|item| message.push(&format!("item {item}")).unwrap());
        for left in 0..4 {
            let rest = Message::from(message.bytes(), 14 - left).unwrap_or_default();
            let Some((task, items)) = Items::of(rest.bytes()) else {
                assert_eq!(left, 0);
                continue;
            };
            assert_eq!(task, Task { job: 7, first: 14 - left, function });
            let items: Vec<String> = items.map(|item| frame::decode(item).unwrap()).collect();
            let expected: Vec<String> = (4 - left..4).map(|item| format!("item {item}")).collect();
            assert_eq!(items, expected);
        }
    }

    #[test]
    fn a_message_cut_anywhere_has_fewer_items_but_is_no_panic() {
        let mut message = Message::default();
        let function = frame::decode(&[3]).unwrap();
        message.begin(Task { job: 7, first: 0, function });
        (0..3).for_each(|item: u64| message.push(&item).unwrap());
        for cut in 0..message.bytes().len() {
            let items = Items::of(&message.bytes()[..cut]).map_or(0, |(_, items)| items.count());
            assert!(items < 3);
        }
    }
}
