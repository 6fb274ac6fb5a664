//! What goes from the pool to its workers and back.
//!
//! ```text
//!   a task     ┌────────┬──────────────────────┬────────┬──────┬────────┬──────┬───
//!              │ length │ job, first, function │ length │ item │ length │ item │ …  (nothing: end)
//!              └────────┴──────────────────────┴────────┴──────┴────────┴──────┴───
//!   a report   ┌────────┬────────┬────────┬────────┬───┬──────────────────────────────────┐
//!              │ length │ result │ length │ result │ … │ 7 words: what it is, which items │
//!              └────────┴────────┴────────┴────────┴───┴──────────────────────────────────┘
//! ```
//!
//! Items and results are filled up to whole words of 8 bytes; numbers are words, with the lowest
//! byte first. What a report is stands at its end, because it is known last.
//!
//! A *job* is a call of `apply`, `map` and so on; its *items* are its single calls of the function.
//! A
//! *task* is what a worker takes at once: one item, or a chunk of them that follow each other.

use std::cell::Cell;

use crate::process::{Listed, frame};
use serde::Serialize;

use crate::future::TaskError;
use crate::future::panics::caught;

/// Header of a task's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub job: u64,
    /// The number of its first item in the job.
    pub first: u64,
    pub function: Listed,
}

impl Task {
    fn append(&self, bytes: &mut Vec<u8>) -> Result<(), frame::Error> {
        bytes.extend_from_slice(&self.job.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        frame::append(&self.function, bytes)
    }

    fn of(header: &[u8]) -> Option<Self> {
        let (job, rest) = header.split_first_chunk()?;
        let (first, function) = rest.split_first_chunk()?;
        Some(Self {
            job: u64::from_le_bytes(*job),
            first: u64::from_le_bytes(*first),
            function: frame::decode(function).ok()?,
        })
    }
}

/// A task's message; or its rest, after some items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

thread_local! {
    /// A message that was used, for the next.
    static USED: Cell<Message> = const { Cell::new(Message(Vec::new())) };
}

/// A buffer that grew beyond this, in bytes, is given back instead of being used again.
pub(crate) const KEPT: usize = 4 << 20;

impl Message {
    /// An empty message, for as long as the work takes.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut message = USED.take();
        let done = work(&mut message);
        if message.0.capacity() <= KEPT {
            USED.set(message);
        }
        done
    }

    pub(crate) fn begin(&mut self, task: Task) {
        self.0.clear();
        push(&mut self.0, |bytes| task.append(bytes)).expect("three numbers can be serialised");
    }

    /// Adds an item; or nothing, if it can't be serialised.
    pub(crate) fn push<A: Serialize>(&mut self, item: &A) -> Result<(), TaskError> {
        let append = |bytes: &mut Vec<u8>| match caught(|| frame::append(item, bytes)) {
            Ok(appended) => appended.map_err(|reason| reason.to_string()),
            Err(panic) => Err(format!("their serialisation panicked: {panic}")),
        };
        push(&mut self.0, append).map_err(TaskError::ArgumentsNotSent)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same task without its items before this one; `None` if none is left.
    pub(crate) fn from(bytes: &[u8], item: u64) -> Option<Self> {
        let (task, mut items) = Items::of(bytes)?;
        for _ in task.first..item {
            // The number may come from a record that was damaged: no more steps than there are items.
            items.next()?;
        }
        let mut message = Self::default();
        message.begin(Task { first: item, ..task });
        message.0.extend_from_slice(items.rest);
        (!items.rest.is_empty()).then_some(message)
    }
}

/// Adds an item or a result to the buffer, behind its length, in whole words; or nothing, if it
/// can't be written.
pub(crate) fn push<E>(
    buffer: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; WORD]);
    let written = write(buffer);
    if written.is_err() {
        buffer.truncate(start);
        return written;
    }
    let length = buffer.len() - start - WORD;
    buffer[start..start + WORD].copy_from_slice(&(length as u64).to_le_bytes());
    buffer.resize(start + WORD + length.next_multiple_of(WORD), 0);
    Ok(())
}

/// Bytes of a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// The items of a task, or the results of a report, each as its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    pub rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The task of this message, and its items; `None` if the message is no task.
    pub(crate) fn of(message: &'a [u8]) -> Option<(Task, Self)> {
        let mut items = Self { rest: message };
        let task = Task::of(items.next()?)?;
        Some((task, items))
    }

    /// With their numbers, beginning with this one.
    pub(crate) fn numbered(self, first: u64) -> impl Iterator<Item = (u64, &'a [u8])> {
        (0..).zip(self).map(move |(index, item): (u64, _)| (first.wrapping_add(index), item))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let item;
        (item, self.rest) = rest.split_at_checked(length.checked_next_multiple_of(WORD)?)?;
        item.get(..length)
    }
}

/// What the pool is told by its workers; by the threads that wait for their ends; by its owner.
#[derive(Debug)]
pub(crate) enum Report {
    /// This worker has begun.
    Ready { worker: usize },
    /// These items were done; their results are in the report.
    Done(Progress),
    /// This item has no result.
    Failed(Progress, TaskError),
    /// This worker has ended. It comes behind all that it has reported itself.
    Ended { worker: usize },
    /// There may be something to do.
    Look,
}

/// Which items a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The index of the worker that did them.
    pub worker: usize,
    pub job: u64,
    /// The first item of the task.
    pub first: u64,
    /// The first and the last item that the report is about.
    pub from: u64,
    pub to: u64,
    /// If this ends the task: how many bytes the task's message had. It had some.
    pub ends: Option<u64>,
}

/// The numbers of the kinds of reports.
mod kind {
    pub(super) const READY: u64 = 0;
    pub(super) const DONE: u64 = 1;
    pub(super) const FAILED: u64 = 2;
    pub(super) const ENDED: u64 = 3;
    pub(super) const LOOK: u64 = 4;
}

impl Report {
    /// Adds what the report is to the results that are in the buffer.
    pub(crate) fn end(&self, buffer: &mut Vec<u8>) {
        let by = |worker: &usize| Progress { worker: *worker, ..Progress::default() };
        let (kind, progress) = match self {
            Self::Ready { worker } => (kind::READY, by(worker)),
            Self::Done(progress) => (kind::DONE, *progress),
            Self::Failed(progress, error) => {
                frame::append(error, buffer).expect("numbers and texts can be serialised");
                (kind::FAILED, *progress)
            }
            Self::Ended { worker } => (kind::ENDED, by(worker)),
            Self::Look => (kind::LOOK, Progress::default()),
        };
        let Progress { worker, job, first, from, to, ends } = progress;
        for number in [kind, worker as u64, job, first, from, to, ends.unwrap_or(0)] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// The message of a report without results.
    pub(crate) fn alone(&self) -> Vec<u8> {
        let mut message = Vec::new();
        self.end(&mut message);
        message
    }

    /// The report, and the results in it.
    pub(crate) fn of(message: &[u8]) -> Option<(Self, Items<'_>)> {
        let (rest, numbers) = message.split_last_chunk::<{ 7 * WORD }>()?;
        let (words, []) = numbers.as_chunks::<WORD>() else { return None };
        let number = |index: usize| u64::from_le_bytes(words[index]);
        let worker = usize::try_from(number(1)).ok()?;
        let progress = Progress {
            worker,
            job: number(2),
            first: number(3),
            from: number(4),
            to: number(5),
            ends: Some(number(6)).filter(|bytes| *bytes > 0),
        };
        let report = match number(0) {
            kind::READY => Self::Ready { worker },
            kind::DONE => return Some((Self::Done(progress), Items { rest })),
            kind::FAILED => Self::Failed(progress, frame::decode(rest).ok()?),
            kind::ENDED => Self::Ended { worker },
            kind::LOOK => Self::Look,
            _ => return None,
        };
        Some((report, Items { rest: &[] }))
    }
}

/// Reads bytes of any kind as every kind of message; returns how many items and results they have.
/// For the tests with hostile bytes.
#[cfg(any(test, fuzzing))]
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "fuzzers need it outside"))]
#[must_use]
pub fn read_any(bytes: &[u8]) -> usize {
    let results = Report::of(bytes).map_or(0, |(_, results)| results.numbered(u64::MAX).count());
    let Some((task, items)) = Items::of(bytes) else { return results };
    let last = task.first.wrapping_add(items.clone().count() as u64);
    for item in [0, task.first, last.wrapping_sub(1), last, u64::MAX] {
        if let Some(rest) = Message::from(bytes, item) {
            assert!(rest.bytes().len() <= bytes.len() + MOST_OF_A_TASK);
        }
    }
    results + items.count()
}

/// More bytes than a task's message begins with: three numbers and their length.
#[cfg(any(test, fuzzing))]
const MOST_OF_A_TASK: usize = 64;

#[cfg(test)]
mod tests {
    use common::testing::Deadline;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn some_function() -> Listed {
        let mut bytes = Vec::new();
        frame::append(&3_usize, &mut bytes).unwrap();
        frame::decode(&bytes).unwrap()
    }

    #[test]
    fn the_rest_of_a_task_has_the_items_that_are_left() {
        let mut message = Message::default();
        let function = some_function();
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
        let function = some_function();
        message.begin(Task { job: 7, first: 0, function });
        (0..3).for_each(|item: u64| message.push(&item).unwrap());
        for cut in 0..message.bytes().len() {
            let items = Items::of(&message.bytes()[..cut]).map_or(0, |(_, items)| items.count());
            assert!(items < 3);
        }
    }
    /// A message of items, and what it has behind or in index of some of its bytes.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let items = vec(vec(any::<u8>(), 0..40), 0..6);
        let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let numbers = (any::<u64>(), any::<u64>(), any::<bool>());
        (items, damage, numbers, vec(any::<u8>(), 0..20)).prop_map(
            |(items, damage, (job, first, is_report), end)| {
                let mut message = Message::default();
                message.begin(Task { job, first, function: some_function() });
                items.iter().for_each(|item| message.push(item).unwrap());
                let Message(mut bytes) = message;
                if is_report {
                    let progress =
                        Progress { worker: 1, job, first, from: first, to: first, ends: Some(7) };
                    Report::Failed(progress, TaskError::Terminated).end(&mut bytes);
                }
                for (index, value) in damage {
                    let index = index.index(bytes.len());
                    bytes[index] = value;
                }
                bytes.extend_from_slice(&end);
                bytes
            },
        )
    }

    /// None of these bytes keep anybody for longer than they are long.
    fn are_read_to_their_end(bytes: &impl Strategy<Value = Vec<u8>>) {
        let _deadline = Deadline::seconds(60);
        let read = |bytes: Vec<u8>| {
            prop_assert!(read_any(&bytes) <= bytes.len());
            Ok(())
        };
        TestRunner::default().run(bytes, read).unwrap();
    }

    #[test]
    fn bytes_of_any_kind_are_read_to_their_end() {
        are_read_to_their_end(&vec(any::<u8>(), 0..300));
    }

    #[test]
    fn damaged_messages_are_read_to_their_end() {
        are_read_to_their_end(&damaged());
    }
}
