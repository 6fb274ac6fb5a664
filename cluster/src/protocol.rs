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
//! Headers are small, and have the library's own form ([`frame`]). Arguments and results follow
//! them as they are, so they are serialised once and decoded where they are needed.
//!
//! Bytes may come from anyone with a right to send them. So each decoder checks all lengths against
//! its limits and against the bytes that are there before it allocates anything, and each text that
//! becomes part of a subject or of a line on the screen.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use multiprocess::futures::TaskError;
use multiprocess::process::{FunctionId, frame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest header in bytes.
const MAX_HEADER: usize = 1 << 20;

/// Largest number of calls of a task, of questions and of outcomes in a message.
pub(crate) const MAX_CALLS: usize = 1 << 16;

/// Longest name of a client, of a worker or of a cluster.
const MAX_NAME: usize = 128;

/// Longest description of an agent's end in bytes.
const MAX_PHRASE: usize = 256;

/// Largest part in bytes of arguments and results in one message: a mebibyte, with what its type
/// adds, has two.
const MAX_PART: usize = 520 << 10;

/// Returns the largest part in bytes of arguments and results in one message to a server with this
/// limit, so that a header fits in, too.
pub(crate) fn part_size(max_payload: usize) -> usize {
    MAX_PART.min(max_payload.saturating_sub(4 << 10)).max(1)
}

/// Reason why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

/// A cluster of one build: the tasks of its clients are for its workers alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Identity of the executable.
    pub(crate) build: String,
}

impl Place {
    /// Returns the name of the stream that keeps the tasks. The build's length is always the same,
    /// so no two places share a name.
    pub(crate) fn stream(&self) -> String {
        format!("T_{}_{}", self.cluster, self.build)
    }

    /// Returns the subject of a client's tasks; `*` for those of all clients.
    pub(crate) fn tasks(&self, client: &str) -> String {
        format!("t.{}.{}.{client}", self.cluster, self.build)
    }

    /// Returns the subject of news about workers, of all builds.
    pub(crate) fn news(&self) -> String {
        format!("hello.{}", self.cluster)
    }
}

/// Returns the subject of questions to a client.
pub(crate) fn may(client: &str) -> String {
    format!("may.{client}")
}

/// Returns the subject of questions for large arguments.
pub(crate) fn part(client: &str) -> String {
    format!("part.{client}")
}

/// Returns the subject of outcomes.
pub(crate) fn done(client: &str) -> String {
    format!("done.{client}")
}

/// Returns the subject of answers to an agent's hellos. Every user may listen to such a one.
pub(crate) fn inbox(worker: &WorkerId) -> String {
    format!("_INBOX.{:016x}", worker.random)
}

/// Returns the subject on which a client hears itself.
pub(crate) fn echo(client: &str) -> String {
    format!("echo.{client}")
}

/// Makes a client's name, which ends in 128 random bits: its subjects can't be guessed.
///
/// # Errors
/// The system's, if it has no random numbers.
pub(crate) fn client_name(cluster: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{cluster}-{}-{:032x}", std::process::id(), u128::from_le_bytes(random)))
}

/// Identity of an agent: two machines may have the same name, and an agent that starts anew is
/// another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct WorkerId {
    /// The machine's name.
    pub(crate) name: String,
    /// Process id of the agent.
    pub(crate) pid: u32,
    /// Random number, chosen when the agent starts.
    pub(crate) random: u64,
}

/// Shows name and process id: `host-3 (4711)`.
impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

impl WorkerId {
    fn check(&self) -> Result<(), Malformed> {
        ensure(is_token(&self.name), "a worker has no such name")
    }
}

/// A task: one call of a function, or a chunk of calls. Call `i` of the task has the id
/// `id + i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Name of the client.
    pub(crate) client: String,
    /// Id of the first call.
    pub(crate) id: u64,
    /// Largest length of a call's result in bytes that the client takes.
    pub(crate) most_bytes: u64,
    /// The function.
    pub(crate) function: FunctionId,
    /// Name of the function, which must be the same at the worker.
    pub(crate) name: String,
    /// Lengths of the calls' arguments in bytes, at least one.
    pub(crate) lengths: Vec<u64>,
    /// The calls' arguments, one behind the other; `None` if the client keeps them to be asked for.
    pub(crate) arguments: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct TaskHeader {
    client: String,
    id: u64,
    most_bytes: u64,
    function: FunctionId,
    name: String,
    lengths: Vec<u64>,
    here: bool,
}

impl Task {
    /// Returns the task's bytes.
    pub(crate) fn encode(self) -> Bytes {
        let Self { client, id, most_bytes, function, name, lengths, arguments } = self;
        let here = arguments.is_some();
        let header = TaskHeader { client, id, most_bytes, function, name, lengths, here };
        pack(&header, arguments.as_slice())
    }

    /// Reads a task whose arguments have at most so many bytes.
    pub(crate) fn decode(message: &Bytes, limit: u64) -> Result<Self, Malformed> {
        let (header, payload) = unpack::<TaskHeader>(message)?;
        let TaskHeader { client, id, most_bytes, function, name, lengths, here } = header;
        ensure(is_token(&client), "a client has no such name")?;
        ensure((1..=MAX_CALLS).contains(&lengths.len()), "a task has no such number of calls")?;
        ensure(id.checked_add(lengths.len() as u64).is_some(), "the calls' ids are too large")?;
        let whole = sum(&lengths).filter(|whole| *whole <= limit);
        let whole = whole.ok_or(Malformed("a task's arguments are too long"))?;
        let expected = if here { whole } else { 0 };
        ensure(payload.len() as u64 == expected, "a task's arguments don't have their length")?;
        let arguments = here.then_some(payload);
        Ok(Self { client, id, most_bytes, function, name, lengths, arguments })
    }

    /// Returns the number of bytes of all arguments.
    pub(crate) fn whole(&self) -> u64 {
        sum(&self.lengths).unwrap_or(u64::MAX)
    }
}

/// Splits bytes into pieces of these lengths; `None` if they don't fit.
pub(crate) fn split(mut bytes: Bytes, lengths: &[u64]) -> Option<Vec<Bytes>> {
    (sum(lengths) == Some(bytes.len() as u64)).then_some(())?;
    let length = |length: &u64| usize::try_from(*length).expect("they fit into the bytes");
    Some(lengths.iter().map(|it| bytes.split_to(length(it))).collect())
}

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

/// Outcomes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The agent.
    pub(crate) worker: WorkerId,
    /// Ids of calls, numbers of the attempts, and what came of them.
    pub(crate) outcomes: Vec<(u64, u32, Outcome)>,
}

/// Outcome of a call, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The bytes of the whole result.
    Result(Bytes),
    /// A part of the bytes of the result.
    Part(ResultPart),
    /// The reason why there is no result.
    Failed(TaskError),
    /// There was an outcome, and the agent has dropped it: the client was away for too long.
    Dropped,
}

/// A part of a result that is too large for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultPart {
    /// Length of the whole result in bytes.
    pub(crate) whole: u64,
    /// Number of bytes before this part.
    pub(crate) from: u64,
    /// The part, at least one byte.
    pub(crate) bytes: Bytes,
}

#[derive(Serialize, Deserialize)]
struct DoneHeader {
    worker: WorkerId,
    outcomes: Vec<(u64, u32, OutcomeHeader)>,
}

#[derive(Serialize, Deserialize)]
enum OutcomeHeader {
    Result { length: u64 },
    Part { whole: u64, from: u64, length: u64 },
    Failed(TaskError),
    Dropped,
}

impl Done {
    /// Returns the message's bytes.
    pub(crate) fn encode(self) -> Bytes {
        let mut payload = Vec::new();
        let headers = self.outcomes.into_iter().map(|(id, attempt, outcome)| {
            let mut keep = |bytes: Bytes| {
                let length = bytes.len() as u64;
                payload.push(bytes);
                length
            };
            let header = match outcome {
                Outcome::Result(bytes) => OutcomeHeader::Result { length: keep(bytes) },
                Outcome::Part(ResultPart { whole, from, bytes }) => {
                    OutcomeHeader::Part { whole, from, length: keep(bytes) }
                }
                Outcome::Failed(error) => OutcomeHeader::Failed(error),
                Outcome::Dropped => OutcomeHeader::Dropped,
            };
            (id, attempt, header)
        });
        let outcomes = headers.collect();
        pack(&DoneHeader { worker: self.worker, outcomes }, &payload)
    }

    /// Reads outcomes, each of at most so many bytes.
    pub(crate) fn decode(message: &Bytes, most_bytes: u64) -> Result<Self, Malformed> {
        let (DoneHeader { worker, outcomes }, mut payload) = unpack(message)?;
        worker.check()?;
        ensure(outcomes.len() <= MAX_CALLS, "too many outcomes")?;
        let mut take = |length: u64| {
            let length = usize::try_from(length).ok().filter(|it| *it <= payload.len());
            Ok(payload.split_to(length.ok_or(Malformed("an outcome is cut off"))?))
        };
        let read = |(id, attempt, header)| {
            let outcome = match header {
                OutcomeHeader::Failed(error) => Outcome::Failed(error),
                OutcomeHeader::Dropped => Outcome::Dropped,
                OutcomeHeader::Result { length } => {
                    ensure(length <= most_bytes, "a result is too long")?;
                    Outcome::Result(take(length)?)
                }
                OutcomeHeader::Part { whole, from, length } => {
                    let fits = from.checked_add(length).is_some_and(|end| end <= whole);
                    ensure(length > 0 && fits && whole <= most_bytes, "no part of a result")?;
                    Outcome::Part(ResultPart { whole, from, bytes: take(length)? })
                }
            };
            Ok((id, attempt, outcome))
        };
        let outcomes = outcomes.into_iter().map(read).collect::<Result<_, Malformed>>()?;
        ensure(payload.is_empty(), "bytes are left behind the outcomes")?;
        Ok(Self { worker, outcomes })
    }
}

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

/// Messages that are a header alone.
pub(crate) trait Plain: Serialize + DeserializeOwned {
    /// Checks names and numbers.
    fn check(&self) -> Result<(), Malformed>;

    /// Returns the message's bytes.
    fn encode(&self) -> Bytes {
        pack(self, &[])
    }

    /// Reads a message.
    fn decode(message: &Bytes) -> Result<Self, Malformed> {
        let (message, rest) = unpack::<Self>(message)?;
        ensure(rest.is_empty(), "bytes are left behind the message")?;
        message.check().map(|()| message)
    }
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

/// Parts of a byte string that come in any order, perhaps more than once. Nothing is allocated for
/// a part that isn't there.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    whole: u64,
    have: u64,
    parts: BTreeMap<u64, Bytes>,
}

impl Parts {
    /// Waits for so many bytes.
    pub(crate) fn of(whole: u64) -> Self {
        Self { whole, have: 0, parts: BTreeMap::new() }
    }

    /// Returns the length of the whole in bytes.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }

    /// Adds a part, unless it is there already; returns true if none is missing.
    ///
    /// # Errors
    /// [`Malformed`] if it overlaps another part, or ends beyond the whole.
    pub(crate) fn add(&mut self, from: u64, bytes: Bytes) -> Result<bool, Malformed> {
        let end = from.checked_add(bytes.len() as u64).filter(|end| *end <= self.whole);
        let end = end.ok_or(Malformed("a part ends beyond the whole"))?;
        let end_of = |(from, bytes): (&u64, &Bytes)| from + bytes.len() as u64;
        if self.parts.get(&from).is_some_and(|there| there.len() == bytes.len()) {
            return Ok(self.have == self.whole);
        }
        let before = self.parts.range(..=from).next_back().map_or(0, end_of);
        let behind = self.parts.range(from..).next().map_or(self.whole, |(from, _)| *from);
        ensure(before <= from && end <= behind, "parts overlap")?;
        self.have += bytes.len() as u64;
        if !bytes.is_empty() {
            self.parts.insert(from, bytes);
        }
        Ok(self.have == self.whole)
    }

    /// Joins the parts, none of which is missing.
    pub(crate) fn join(self) -> Bytes {
        let mut parts = self.parts.into_values();
        if parts.len() == 1 {
            return parts.next().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(self.have).unwrap_or(0));
        parts.for_each(|part| whole.put(part));
        whole.freeze()
    }
}

/// Returns true for a text that can be one token of a subject, and be shown on a screen.
pub(crate) fn is_token(text: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits)
}

/// Returns true for a text that can be part of a line on a screen.
fn is_phrase(text: &str) -> bool {
    text.len() <= MAX_PHRASE && !text.chars().any(char::is_control)
}

fn pack<H: Serialize>(header: &H, payload: &[Bytes]) -> Bytes {
    let mut message = vec![0; 4];
    frame::append(header, &mut message).expect("numbers and texts can be serialised");
    let length = u32::try_from(message.len() - 4).expect("a header is short");
    message[..4].copy_from_slice(&length.to_le_bytes());
    message.reserve_exact(payload.iter().map(Bytes::len).sum());
    payload.iter().for_each(|bytes| message.extend_from_slice(bytes));
    message.into()
}

fn unpack<H: DeserializeOwned>(message: &Bytes) -> Result<(H, Bytes), Malformed> {
    let (length, rest) = message.split_first_chunk().ok_or(Malformed("a message has no header"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    ensure(length <= MAX_HEADER.min(rest.len()), "a header is longer than its message")?;
    let header = frame::decode(&rest[..length]);
    let header = header.map_err(|_| Malformed("a header has another form"))?;
    Ok((header, message.slice(4 + length..)))
}

fn sum(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length))
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed(otherwise)) }
}
