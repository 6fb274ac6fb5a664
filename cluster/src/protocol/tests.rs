//! Messages there and back, and bytes that are none.

use bytes::Bytes;
use multiprocess::futures::TaskError;
use multiprocess::process::{FunctionId, frame};

use super::news::MAX_PHRASE;
use super::*;

const LIMIT: u64 = 1000;

fn worker() -> WorkerId {
    WorkerId { name: String::from("host-3"), pid: 4711, random: u64::MAX }
}

fn function() -> FunctionId {
    let mut bytes = Vec::new();
    frame::append(&3_usize, &mut bytes).unwrap();
    frame::decode(&bytes).unwrap()
}

fn task(lengths: &[u64], arguments: Option<&'static [u8]>) -> Task {
    Task {
        client: String::from("default-7-0123"),
        id: 5,
        most_bytes: LIMIT,
        function: function(),
        name: String::from("my_crate::power"),
        lengths: lengths.to_vec(),
        arguments: arguments.map(Bytes::from_static),
    }
}

fn done(outcomes: Vec<(u64, u32, Outcome)>) -> Done {
    Done { worker: worker(), outcomes }
}

fn part(whole: u64, from: u64, bytes: &'static [u8]) -> Outcome {
    Outcome::Part(ResultPart { whole, from, bytes: Bytes::from_static(bytes) })
}

#[test]
fn messages_come_as_they_were() {
    for task in [task(&[2, 0, 1], Some(b"abc")), task(&[900], None)] {
        assert_eq!(Task::decode(&task.clone().encode(), LIMIT), Ok(task));
    }
    let done = done(vec![
        (1, 0, Outcome::Result(Bytes::from_static(b"one"))),
        (2, 1, Outcome::Failed(TaskError::Terminated)),
        (3, 0, part(10, 7, b"end")),
    ]);
    assert_eq!(Done::decode(&done.clone().encode(), LIMIT), Ok(done));
    let question = Question { task: 1, nonce: 2 };
    let given_up = vec![Question { task: 1, nonce: 2 }];
    let may = May { worker: worker(), questions: vec![question], given_up };
    assert_eq!(May::decode(&may.encode()), Ok(may));
    let answers = vec![Answer::No, Answer::Yes { attempt: 1, without: vec![7] }];
    assert_eq!(Vec::<Answer>::decode(&answers.encode()), Ok(answers));
    let hello = Hello { worker: worker(), processes: 8, build: String::from("9c12") };
    let ended = Ended { worker: worker(), end: String::from("exit code 3"), exitcode: Some(3) };
    for news in [News::Hello(hello), News::Ended(ended), News::Bye(worker())] {
        assert_eq!(News::decode(&news.encode()), Ok(news));
    }
    let [client, host, build] = ["default-7-0123", "host-3", "9c12"].map(String::from);
    let other = OtherBuild { client, host, build };
    assert_eq!(OtherBuild::decode(&other.encode()), Ok(other));
}

#[test]
fn a_task_that_does_not_fit_is_refused() {
    let refused = |task: Task| Task::decode(&task.encode(), LIMIT).unwrap_err();
    refused(task(&[], Some(b"")));
    refused(task(&[2], Some(b"abc")));
    refused(task(&[4], Some(b"abc")));
    refused(task(&[LIMIT + 1], None));
    refused(task(&[u64::MAX, 2], None));
    refused(Task { id: u64::MAX, ..task(&[1], Some(b"a")) });
    for client in ["", "a.b", "a b", ">", "*"] {
        refused(Task { client: client.to_owned(), ..task(&[1], Some(b"a")) });
    }
}

#[test]
fn an_outcome_that_does_not_fit_is_refused() {
    for outcome in [part(LIMIT + 1, 0, b"a"), part(4, 2, b"abc"), part(4, u64::MAX, b"a")] {
        Done::decode(&done(vec![(0, 0, outcome)]).encode(), LIMIT).unwrap_err();
    }
    Done::decode(&done(vec![(0, 0, part(4, 2, b""))]).encode(), LIMIT).unwrap_err();
    let long = Outcome::Result(Bytes::from(vec![0; 1001]));
    Done::decode(&done(vec![(0, 0, long)]).encode(), LIMIT).unwrap_err();
    let whole = done(vec![(0, 0, Outcome::Result(Bytes::from_static(b"abc")))]).encode();
    Done::decode(&whole.slice(..whole.len() - 1), LIMIT).unwrap_err();
    Done::decode(&Bytes::from([&whole[..], b"x"].concat()), LIMIT).unwrap_err();
}

#[test]
fn a_text_that_would_change_the_screen_is_refused() {
    let refused = |news: News| News::decode(&news.encode()).unwrap_err();
    for text in ["\n", "\x1b[2J", "\0"] {
        let [name, build, end] = [(); 3].map(|()| format!("a{text}"));
        refused(News::Bye(WorkerId { name, ..worker() }));
        refused(News::Hello(Hello { worker: worker(), processes: 1, build }));
        refused(News::Ended(Ended { worker: worker(), end, exitcode: None }));
    }
    let end = "a".repeat(MAX_PHRASE + 1);
    refused(News::Ended(Ended { worker: worker(), end, exitcode: None }));
}

#[test]
fn parts_that_overlap_or_end_beyond_the_whole_are_refused() {
    let bytes = |length| Bytes::from_static(&b"0123456789"[..length]);
    let mut parts = Parts::of(10);
    assert_eq!(parts.add(4, bytes(2)), Ok(false));
    for (from, length) in [(9, 2), (11, 0), (u64::MAX, 2), (3, 2), (5, 1), (5, 2), (0, 10)] {
        parts.add(from, bytes(length)).unwrap_err();
    }
    assert_eq!(parts.add(4, bytes(2)), Ok(false));
    assert_eq!(parts.add(0, bytes(4)), Ok(false));
    assert_eq!(parts.add(6, bytes(4)), Ok(true));
    assert_eq!(parts.join(), "0123010123");
}

#[test]
fn names_of_clients_are_tokens_and_differ() {
    let names = [(); 2].map(|()| client_name("nightly").unwrap());
    assert!(names.iter().all(|name| is_token(name)));
    assert_ne!(names[0], names[1]);
}
