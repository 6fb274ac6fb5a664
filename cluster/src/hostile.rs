//! Bytes of any kind in place of messages, for tests and for the fuzz target `cluster_message`.

use std::time::Duration;

use bytes::Bytes;
use multiprocess::futures::TaskError;
use multiprocess::process::{FunctionId, frame};

use crate::presence::Presence;
use crate::protocol::{
    Answer, Done, Ended, Hello, May, News, OtherBuild, Outcome, Part, Plain, Question, ResultPart,
    Task, WorkerId, is_token, split,
};
use crate::tasks::{NewTask, Tasks};
use crate::worker::OtherBuilds;

/// Largest number of bytes of arguments, and of a result.
const LIMIT: u64 = 1000;

/// Number of calls of the client's one task that has begun.
const CALLS: u64 = 4;

fn worker() -> WorkerId {
    WorkerId { name: String::from("host-3"), pid: 7, random: 9 }
}

/// Returns a message of each kind, in the form that it has on its way.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let mut number = Vec::new();
    frame::append(&3_usize, &mut number).expect("a number can be serialised");
    let function: FunctionId = frame::decode(&number).expect("a function's id is a number");
    let task = |lengths: &[u64], arguments: Option<&'static [u8]>| Task {
        client: String::from("default-7-0123"),
        id: 5,
        most_bytes: LIMIT,
        function,
        name: String::from("my_crate::power"),
        lengths: lengths.to_vec(),
        arguments: arguments.map(Bytes::from_static),
    };
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    let part = |from, text| Outcome::Part(ResultPart { whole: 9, from, bytes: bytes(text) });
    let died = TaskError::WorkerDied { end: String::from("killed"), exitcode: Some(-9) };
    let outcomes = vec![
        (0, 0, part(6, "end")),
        (0, 0, part(0, "begin ")),
        (1, 0, Outcome::Result(bytes("whole"))),
        (2, 0, Outcome::Failed(died)),
        (3, 0, Outcome::Dropped),
    ];
    let questions = vec![Question { task: 0, nonce: 1 }, Question { task: CALLS, nonce: 2 }];
    let hello = Hello { worker: worker(), processes: 8, build: String::from("9c12b26ad4c87340") };
    let [client, host, build] = ["default-7-0123", "host-3", "9c12"].map(String::from);
    let end = String::from("was killed by signal 9 (SIGKILL)");
    let messages = [
        task(&[2, 0, 1], Some(b"abc")).encode(),
        task(&[900], None).encode(),
        Done { worker: worker(), outcomes }.encode(),
        May { worker: worker(), questions: questions.clone(), given_up: questions }.encode(),
        vec![Answer::No, Answer::Yes { attempt: 1, without: vec![7] }].encode(),
        Part { task: 0, from: 2, most: 5 }.encode(),
        News::Hello(hello).encode(),
        News::Ended(Ended { worker: worker(), end, exitcode: Some(-9) }).encode(),
        News::Bye(worker()).encode(),
        OtherBuild { client, host, build }.encode(),
    ];
    messages.iter().map(|message| message.to_vec()).collect()
}

/// Reads the bytes as each kind of message, and lets a client act on it.
///
/// # Panics
/// If what was read isn't what its writer would have sent, brings more than there is, or doesn't
/// fit on a line of the screen.
pub fn read(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    if let Ok(task) = Task::decode(&message, LIMIT) {
        assert!(task.whole() <= LIMIT && is_token(&task.client));
        let arguments = task.arguments.clone();
        assert!(arguments.is_none_or(|it| split(it, &task.lengths).is_some()));
        assert_eq!(Task::decode(&task.clone().encode(), LIMIT), Ok(task));
    }
    if let Ok(done) = Done::decode(&message, LIMIT) {
        let again = Done { worker: done.worker.clone(), outcomes: done.outcomes.clone() };
        assert_eq!(Done::decode(&again.encode(), LIMIT).as_ref(), Ok(&done));
        take_outcomes(done, bytes.len());
    }
    if let Some(may) = read_plain::<May>(&message) {
        answer(&may);
    }
    if let Some(Part { task, from, most }) = read_plain(&message) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let part = client().part(task, from, most);
        assert!(part.is_none_or(|part| part.len() <= most));
    }
    if let Some(news) = read_plain::<News>(&message) {
        hear(news);
    }
    read_plain::<Vec<Answer>>(&message);
    if let Some(other) = read_plain::<OtherBuild>(&message) {
        let line = OtherBuilds::default().line(&worker(), "ours", &other);
        assert!(line.is_some_and(|line| fits_on_a_screen(&line)), "{other:?}");
    }
}

/// Reads a message, which must be the same when it was written and read once more.
fn read_plain<M: Plain + PartialEq + std::fmt::Debug>(message: &Bytes) -> Option<M> {
    let read = M::decode(message).ok()?;
    assert_eq!(M::decode(&read.encode()).as_ref(), Ok(&read));
    Some(read)
}

/// Returns the tasks of a client: one that has begun, and one that waits.
fn client() -> Tasks<u64> {
    let mut tasks = Tasks::new(1);
    let new = |calls: std::ops::Range<u64>| NewTask {
        message: Bytes::new(),
        arguments: Some(Bytes::from_static(b"arguments")),
        calls: calls.collect(),
    };
    tasks.insert(0, new(0..CALLS));
    tasks.insert(CALLS, new(CALLS..CALLS + 1));
    tasks.ask(&worker(), Question { task: 0, nonce: 1 });
    tasks
}

fn take_outcomes(Done { worker, outcomes }: Done, bytes: usize) {
    let mut tasks = client();
    let done = |(call, attempt, outcome)| tasks.done(&worker, call, attempt, outcome);
    let ended: Vec<_> = outcomes.into_iter().filter_map(done).collect();
    let length = |(_, outcome): &(u64, Result<Bytes, _>)| outcome.as_ref().map_or(0, Bytes::len);
    assert!(ended.iter().map(length).sum::<usize>() <= bytes);
    let mut calls: Vec<u64> = ended.into_iter().map(|(call, _)| call).collect();
    calls.sort_unstable();
    assert!(calls.is_sorted_by(|one, next| one < next), "{calls:?} have ended");
    assert!(calls.iter().all(|call| *call < CALLS), "{calls:?} have not begun");
}

fn answer(may: &May) {
    let mut tasks = client();
    for question in &may.given_up {
        tasks.given_up(&may.worker, *question);
    }
    let answers: Vec<Answer> = may.questions.iter().map(|it| tasks.ask(&may.worker, *it)).collect();
    assert_eq!(Vec::<Answer>::decode(&answers.encode()), Ok(answers));
}

fn hear(news: News) {
    let worker = news.worker().to_string();
    let mut presence = Presence::new(String::from("ours"), Duration::from_secs(10));
    let heard = presence.hear(news);
    presence.reconnected();
    presence.echo();
    let builds = heard.other_build.map(|hello| hello.build);
    let ends = heard.ended.map(|ended| ended.end);
    for text in [Some(worker), builds, ends].into_iter().flatten() {
        assert!(fits_on_a_screen(&text), "{text:?}");
    }
}

fn fits_on_a_screen(text: &str) -> bool {
    text.len() <= 1000 && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use testing::Deadline;

    use super::*;

    /// Returns bytes of any kind, and messages some bytes of which were changed.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let damaged = (prop::sample::select(messages()), damage).prop_map(|(mut bytes, damage)| {
            for (index, value) in damage {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
            bytes
        });
        prop_oneof![vec(any::<u8>(), 0..300), damaged]
    }

    #[test]
    fn bytes_of_any_kind_are_messages_or_errors_and_no_larger_than_they_are() {
        let _deadline = Deadline::seconds(60);
        let read = |bytes: Vec<u8>| {
            read(&bytes);
            Ok(())
        };
        TestRunner::default().run(&any_bytes(), read).unwrap();
    }
}
