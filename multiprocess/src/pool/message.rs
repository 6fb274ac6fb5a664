//! Messages from the pool to its workers and back, and the [`Sink`] that a job's outcomes go to.
//!
//! ```text
//!   a task     ┌────────┬──────────────────────┬────────┬──────┬────────┬──────┬───
//!              │ length │ job, first, function │ length │ item │ length │ item │ …  (empty: end)
//!              └────────┴──────────────────────┴────────┴──────┴────────┴──────┴───
//!   a report   ┌────────┬────────┬────────┬────────┬───┬───────────────────────────────────┐
//!              │ length │ result │ length │ result │ … │ 7 words: kind of report, progress │
//!              └────────┴────────┴────────┴────────┴───┴───────────────────────────────────┘
//! ```
//!
//! Items and results are padded to whole words of 8 bytes; numbers are little-endian words. A
//! report ends with its header, because that is known last.
//!
//! A *job* is a call of `apply`, `map` and so on; its *items* are its single calls of the function.
//! A *task* is what a worker takes at once: one item, or a chunk of consecutive items.

use std::cell::Cell;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::TaskError;
use crate::future::panics::caught;
use crate::process::{FunctionId, frame};
use crate::queue::MAX_REUSED;

/// Header of a task's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub job: u64,
    /// The first item of the task.
    pub first: u64,
    pub function: FunctionId,
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

/// Buffer for a task's message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

thread_local! {
    /// The last buffer used, for the next message.
    static USED: Cell<Message> = const { Cell::new(Message(Vec::new())) };
}

impl Message {
    /// Calls `work` with an empty message.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut message = USED.take();
        let done = work(&mut message);
        if message.0.capacity() <= MAX_REUSED {
            USED.set(message);
        }
        done
    }

    /// Starts the message with the header.
    pub(crate) fn begin(&mut self, task: Task) {
        self.0.clear();
        push(&mut self.0, |bytes| task.append(bytes)).expect("three numbers can be serialised");
    }

    /// Appends an item; or nothing, if it can't be serialised.
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

    /// Returns the same task without the items before `item`; `None` if none is left.
    pub(crate) fn from(bytes: &[u8], item: u64) -> Option<Self> {
        let (task, mut items) = Items::of(bytes)?;
        for _ in task.first..item {
            // A damaged record may hold any number: take no more steps than there are items.
            items.next()?;
        }
        let mut message = Self::default();
        message.begin(Task { first: item, ..task });
        message.0.extend_from_slice(items.rest);
        (!items.rest.is_empty()).then_some(message)
    }
}

/// Appends an item or a result in whole words, preceded by its length; or nothing, if `write`
/// fails.
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

/// Size of a word in bytes.
pub(crate) const WORD: usize = size_of::<u64>();

/// Iterator over the items of a task, or over the results of a report, as bytes.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    pub rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Splits a message into the task's header and its items; `None` if it is no task.
    pub(crate) fn of(message: &'a [u8]) -> Option<(Task, Self)> {
        let mut items = Self { rest: message };
        let task = Task::of(items.next()?)?;
        Some((task, items))
    }

    /// Pairs each item with its number, counting from `first`.
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

/// A message to the manager: from workers, from the threads that watch them, or from the owner.
#[derive(Debug)]
pub(crate) enum Report {
    /// The worker is ready for tasks.
    Ready { worker: usize },
    /// The items are done; the message holds their results.
    Done(Progress),
    /// The item `progress.to` has no result.
    Failed(Progress, TaskError),
    /// The worker has ended. Comes after all its own reports.
    Ended { worker: usize },
    /// There may be something to do.
    Wake,
}

/// How far a worker is with its task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The worker's slot.
    pub worker: usize,
    pub job: u64,
    /// The first item of the task.
    pub first: u64,
    /// The first item of the report.
    pub from: u64,
    /// The last item of the report.
    pub to: u64,
    /// The size of the task's message in bytes, if the task ends here.
    pub ends: Option<u64>,
}

/// Numbers of the kinds of reports.
mod kind {
    pub(super) const READY: u64 = 0;
    pub(super) const DONE: u64 = 1;
    pub(super) const FAILED: u64 = 2;
    pub(super) const ENDED: u64 = 3;
    pub(super) const WAKE: u64 = 4;
}

impl Report {
    /// Appends the report's header to the results in the buffer.
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
            Self::Wake => (kind::WAKE, Progress::default()),
        };
        let Progress { worker, job, first, from, to, ends } = progress;
        for number in [kind, worker as u64, job, first, from, to, ends.unwrap_or(0)] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Returns the message of a report without results.
    pub(crate) fn alone(&self) -> Vec<u8> {
        let mut message = Vec::new();
        self.end(&mut message);
        message
    }

    /// Returns how far the worker is with its task; the default if the report isn't about a task.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Done(progress) | Self::Failed(progress, _) => *progress,
            _ => Progress::default(),
        }
    }

    /// Pairs the report's items with their outcomes; `results` are those that [`of`](Self::of)
    /// split off.
    pub(crate) fn outcomes<'r>(
        &self,
        results: &Items<'r>,
    ) -> impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)> {
        let failed = match self {
            Self::Failed(progress, error) => Some((progress.to, Err(error.clone()))),
            _ => None,
        };
        let results = results.clone().numbered(self.progress().from);
        results.map(|(item, result)| (item, Ok(result))).chain(failed)
    }

    /// Splits a message into the report and its results; `None` if it is no report.
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
            kind::WAKE => Self::Wake,
            _ => return None,
        };
        Some((report, Items { rest: &[] }))
    }
}

/// Receiver of the outcomes of a job's items.
pub(crate) trait Sink: Send + Sync {
    /// Takes an item's outcome: the bytes of its result, or an error. Returns true if no item is
    /// left.
    ///
    /// Called once for each item, mostly by the manager's thread, and perhaps after the job was
    /// given up.
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool;

    /// Returns true if this is the sink of a job of one item, and no callback would run now.
    fn is_quiet(&self) -> bool {
        false
    }

    /// Takes the only item's outcome, as [`done`](Self::done) does, and returns true, if it [is
    /// quiet](Self::is_quiet) at that moment. Otherwise `done` is to be called.
    fn done_quietly(&self, _outcome: Result<&[u8], TaskError>) -> bool {
        false
    }

    /// Ends all items that are left in this error.
    fn give_up(&self, error: &TaskError);

    /// Ends the job, which was cancelled before an item started.
    fn cancelled(&self) {
        self.give_up(&TaskError::Terminated);
    }
}

/// Shared handle to a job's sink. A sink runs users' code (callbacks, destructors of results): its
/// panics end here.
#[derive(Clone, Default)]
pub(crate) struct GuardedSink(pub Option<Arc<dyn Sink>>);

impl GuardedSink {
    pub(crate) fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let sink = self.0.as_ref();
        sink.is_some_and(|sink| caught(|| sink.done(item, outcome)).unwrap_or(false))
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.is_quiet())
    }

    pub(crate) fn done_quietly(&self, outcome: Result<&[u8], TaskError>) -> bool {
        let sink = self.0.as_ref();
        sink.is_some_and(|sink| caught(|| sink.done_quietly(outcome)).unwrap_or(false))
    }

    pub(crate) fn cancelled(&self) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.cancelled());
        }
    }

    pub(crate) fn give_up(&self, error: &TaskError) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.give_up(error));
        }
    }
}

impl Drop for GuardedSink {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = caught(|| drop(sink));
    }
}

/// Deserialises an item's outcome.
///
/// # Errors
/// The item's error; [`TaskError::ResultNotReceived`] if its result can't be deserialised.
pub(crate) fn decoded<R: DeserializeOwned>(
    outcome: Result<&[u8], TaskError>,
) -> Result<R, TaskError> {
    let bytes = outcome?;
    let reason = match caught(|| frame::decode(bytes)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("its deserialisation panicked: {panic}"),
    };
    Err(TaskError::ResultNotReceived(reason))
}

/// Parses arbitrary bytes as each kind of message, for tests with hostile input; returns the number
/// of items and results found.
#[cfg(any(test, fuzzing))]
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "fuzzers need it outside"))]
#[must_use]
pub fn read_any(bytes: &[u8]) -> usize {
    let results = Report::of(bytes).map_or(0, |(_, results)| results.numbered(u64::MAX).count());
    let Some((task, items)) = Items::of(bytes) else { return results };
    let last = task.first.wrapping_add(items.clone().count() as u64);
    for item in [0, task.first, last.wrapping_sub(1), last, u64::MAX] {
        if let Some(rest) = Message::from(bytes, item) {
            assert!(rest.bytes().len() <= bytes.len() + MAX_HEADER);
        }
    }
    results + items.count()
}

/// Upper bound in bytes of a task's header: three numbers and its length.
#[cfg(any(test, fuzzing))]
const MAX_HEADER: usize = 64;

/// Makes up a function for tests.
#[cfg(test)]
pub(crate) fn some_function() -> FunctionId {
    let mut bytes = Vec::new();
    frame::append(&3_usize, &mut bytes).expect("a number can be serialised");
    frame::decode(&bytes).expect("a function's id is a number")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use testing::Deadline;

    use super::*;

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
    /// Generates messages, some bytes of which were changed, and some added behind.
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

    /// Checks that parsing ends, after at most as many items as there are bytes.
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
