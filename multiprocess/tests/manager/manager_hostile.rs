//! Clients that send what they should not, functions that fail in every way, and servers at the
//! limits of the system: each is a clear error for the call that it concerns, and the others go on.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use multiprocess::exposed;
use multiprocess::manager::{Address, CallError, Client, Manager, Proxy};
use multiprocess::pipe::Error;
use multiprocess::process::ends::AsEnd;
use multiprocess::process::frame;
use multiprocess::queue::Words;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use testing::{Deadline, LONG, Random, Report, SHORT, reports};

multiprocess::test_entry!();

/// A state that does what it should not.
struct Bad {
    calls: u32,
}

exposed![
    Bad::new,
    Bad::count,
    Bad::huge,
    Bad::panic_with_no_text,
    Bad::take,
    Bad::give,
    Bad::abort,
    Bad::nap,
    Bad::first
];

impl Bad {
    fn new((): ()) -> Self {
        Self { calls: 0 }
    }

    fn count(&mut self, (): ()) -> u32 {
        self.calls += 1;
        self.calls
    }

    fn huge(&self, length: usize) -> Vec<u8> {
        vec![5; length]
    }

    fn panic_with_no_text(&mut self, (): ()) {
        std::panic::panic_any(5_u8);
    }

    fn take(&mut self, value: Stubborn) -> u8 {
        value.0
    }

    fn give(&self, value: u8) -> Stubborn {
        Stubborn(value)
    }

    fn abort(&mut self, (): ()) {
        std::process::abort();
    }

    fn nap(&self, seconds: Words) {
        while seconds[0].load(std::sync::atomic::Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn first(&mut self, (): ()) -> Option<u32> {
        (self.calls > 0).then_some(self.calls)
    }
}

/// A value that fails on its way: 1 can't be serialised, 2 can't be deserialised, 3 and 4 panic
/// then, and 5 panics when it is dropped.
struct Stubborn(u8);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            1 => Err(ser::Error::custom("it stays here")),
            3 => panic!("this panic is wanted"),
            other => other.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u8::deserialize(input)? {
            2 => Err(de::Error::custom("it came to nothing")),
            4 => panic!("this panic is wanted"),
            other => Ok(Self(other)),
        }
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        assert!(self.0 != 5 || thread::panicking(), "this panic is wanted");
    }
}

/// Starts a manager; returns also its server's address.
fn manager() -> (Manager<Bad>, Proxy<Bad>, Address) {
    let manager = Manager::start(Bad::new, ()).unwrap();
    let proxy = manager.proxy();
    let address = form(&proxy)["address"].as_str().unwrap().parse().unwrap();
    (manager, proxy, address)
}

fn form<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

/// Connects to a server behind the library's back.
fn stranger(address: &Address) -> Client<(), ()> {
    Client::connect(address).unwrap()
}

fn write_raw<S, R>(client: &Client<S, R>, bytes: &[u8]) {
    let mut raw = File::from(client.as_end().try_clone_to_owned().unwrap());
    raw.write_all(bytes).unwrap();
}

#[test]
fn garbage_half_messages_and_silence_end_or_keep_no_client_but_their_own() {
    let _deadline = Deadline::seconds(120);
    let (_manager, proxy, address) = manager();
    let silent = stranger(&address);
    let half = stranger(&address);
    write_raw(&half, &[9; 7]);
    let mut long = stranger(&address);
    write_raw(&long, &[0xff; 64]);
    assert!(matches!(long.recv_bytes(None), Err(Error::EndOfFile)));
    // Announced, but never sent.
    let announced = stranger(&address);
    write_raw(&announced, &[&frame::LIMIT.to_le_bytes()[..], &[0; 56]].concat());
    let mut random = Random(7);
    for _ in 0..100 {
        let garbage = stranger(&address);
        let length = random.below(300);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        bytes.splice(0..0, random.below(400).to_le_bytes());
        write_raw(&garbage, &bytes);
        assert!(proxy.call(Bad::count, ()).is_ok());
    }
    assert_eq!(proxy.call(Bad::count, ()).unwrap(), 101);
    drop((silent, half, announced));
}

#[test]
fn a_message_that_is_no_request_is_answered_by_an_error_and_its_client_may_go_on() {
    let _deadline = Deadline::seconds(60);
    let (_manager, _proxy, address) = manager();
    let mut client = Client::<Vec<String>, Result<(), CallError>>::connect(&address).unwrap();
    for _ in 0..2 {
        client.send(&vec!["what?".to_owned()]).unwrap();
        let refused = client.recv().unwrap().unwrap_err();
        assert!(matches!(refused, CallError::ArgumentsNotReceived(_)), "{refused}");
    }
}

#[test]
fn proxies_made_by_hand_are_refused() {
    let _deadline = Deadline::seconds(60);
    let (manager, proxy, _) = manager();
    let list = manager.list::<u32>().unwrap();
    let mut wrong = form(&proxy);
    // A list's state by a function for another, and a state that isn't there.
    for id in [1, 2, u32::MAX] {
        wrong["id"] = id.into();
        let wrong: Proxy<Bad> = serde_json::from_value(wrong.clone()).unwrap();
        let refused = wrong.call(Bad::count, ()).unwrap_err();
        assert!(matches!(refused, CallError::WrongState { .. }), "{refused}");
        let refused = wrong.wait(Bad::first, (), None).unwrap_err();
        assert!(matches!(refused, CallError::WrongState { .. }), "{refused}");
    }
    wrong["address"] = "nobody-listens-here".into();
    let nowhere: Proxy<Bad> = serde_json::from_value(wrong.clone()).unwrap();
    assert!(matches!(nowhere.call(Bad::count, ()), Err(CallError::Ended { .. })));
    wrong["address"] = "a/b".into();
    assert!(serde_json::from_value::<Proxy<Bad>>(wrong).is_err());
    list.push(&1).unwrap();
    assert_eq!(proxy.call(Bad::count, ()).unwrap(), 1);
}

#[test]
fn a_huge_answer_and_huge_arguments_arrive() {
    let _deadline = Deadline::seconds(120);
    let (_manager, proxy, _) = manager();
    const HUGE: usize = 30 << 20;
    let answer = proxy.call(Bad::huge, HUGE).unwrap();
    assert!(answer.len() == HUGE && answer.iter().all(|byte| *byte == 5));
    let list = _manager.list().unwrap();
    list.push(&answer).unwrap();
    assert!(list.pop().unwrap() == Some(answer));
}

#[test]
fn what_fails_on_its_way_is_told_where_and_the_state_serves_on() {
    let _deadline = Deadline::seconds(60);
    let (_manager, proxy, _) = manager();
    let told = |error: Result<_, CallError>| match error {
        Err(error) => error.to_string(),
        Ok(()) => "nothing".to_owned(),
    };
    let take = |value| told(proxy.call(Bad::take, Stubborn(value)).map(drop));
    let give = |value| told(proxy.call(Bad::give, value).map(drop));
    assert!(take(1).starts_with("the call's arguments can't be sent: "), "{}", take(1));
    assert!(take(2).starts_with("the call's arguments can't be received: "), "{}", take(2));
    assert!(take(4).starts_with("the call panicked: this panic is wanted ("), "{}", take(4));
    assert!(give(1).starts_with("the call's answer can't be sent: "), "{}", give(1));
    assert!(give(2).starts_with("the call's answer can't be received: "), "{}", give(2));
    assert!(give(3).starts_with("the call panicked: this panic is wanted ("), "{}", give(3));
    assert!(give(2).ends_with("it came to nothing") && take(1).ends_with("it stays here"));
    let panicked = told(proxy.call(Bad::panic_with_no_text, ()));
    assert!(panicked.contains("with a value that is no text"), "{panicked}");
    // The state is as new, but for what was counted.
    assert_eq!((proxy.call(Bad::count, ()).unwrap(), take(0).as_str()), (1, "nothing"));
}

#[test]
fn a_panic_of_the_caller_in_the_middle_of_a_call_leaves_its_next_call_whole() {
    let _deadline = Deadline::seconds(60);
    let (_manager, proxy, _) = manager();
    for _ in 0..3 {
        let panicked = std::panic::catch_unwind(|| proxy.call(Bad::take, Stubborn(3)));
        assert!(panicked.is_err(), "when it is serialised");
        let panicked = std::panic::catch_unwind(|| proxy.call(Bad::give, 4).map(drop));
        assert!(panicked.is_err(), "when it is deserialised");
        let panicked = proxy.call(Bad::give, 5).map(drop).unwrap_err();
        assert!(matches!(panicked, CallError::Panicked { .. }), "when it is dropped: {panicked}");
    }
    assert_eq!(proxy.call(Bad::count, ()).unwrap(), 1);
}

#[test]
fn a_function_that_ends_the_server_ends_its_call_and_the_others() {
    let _deadline = Deadline::seconds(60);
    let (manager, proxy, _) = manager();
    let waits = proxy.clone();
    let waits = thread::spawn(move || waits.wait(Bad::first, (), None));
    assert!(matches!(proxy.call(Bad::abort, ()), Err(CallError::Ended { .. })));
    assert!(matches!(waits.join().unwrap(), Err(CallError::Ended { .. })));
    drop(manager);
}

/// A state whose drop panics.
struct Grim(#[expect(dead_code, reason = "held only to be dropped")] Report);

exposed![Grim::new];

impl Grim {
    fn new(report: Report) -> Self {
        // What the server says on standard error.
        report.another().takes_standard_error();
        Self(report)
    }
}

impl Drop for Grim {
    fn drop(&mut self) {
        panic!("this panic is wanted");
    }
}

#[test]
fn a_drop_of_a_state_that_panics_is_told_and_the_other_states_are_dropped() {
    let _deadline = Deadline::seconds(60);
    let (reports, report) = reports();
    let manager = Manager::start(Grim::new, report.another()).unwrap();
    manager.build(Grim::new, report).unwrap();
    drop(manager);
    let text = reports.rest_as_text();
    let line = "a manager's state can't be dropped: ";
    assert_eq!(text.matches(line).count(), 2, "{text}");
}

/// There are as many handles on Windows as one likes.
#[cfg(unix)]
mod at_the_limit {
    use std::sync::atomic::Ordering;

    use multiprocess::tasks;
    use testing::{ends_well, limit_descriptors, start, until};

    use super::*;

    tasks![many_threads, few_descriptors];

    /// Number of threads that call at once.
    const THREADS: usize = 80;

    /// Runs in the child: all its threads call while they live.
    fn many_threads((proxy, gate): (Proxy<Bad>, Words)) {
        let gate = &gate;
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    proxy.call(Bad::count, ()).unwrap();
                    gate[1].fetch_add(1, Ordering::SeqCst);
                    while gate[0].load(Ordering::SeqCst) == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    proxy.call(Bad::count, ()).unwrap();
                });
            }
        });
    }

    /// Runs in a process of its own, which has few descriptors, as its server has.
    fn few_descriptors(report: Report) {
        let silent = report.another();
        silent.takes_standard_error();
        limit_descriptors(40);
        let (manager, proxy, _) = manager();
        // That its own process has no descriptor left, a thread doesn't take for the server's end.
        let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let refused = thread::scope(|s| s.spawn(|| proxy.call(Bad::count, ())).join().unwrap());
        assert!(matches!(refused, Err(CallError::NotConnected(_))), "{refused:?}");
        drop(all);
        // The server keeps its limit.
        limit_descriptors(1000);
        let gate = Words::new(2).unwrap();
        let child = start(many_threads, (proxy, gate.clone()));
        let connected = || gate[1].load(Ordering::SeqCst) as usize;
        until("some are connected", || connected() > 10);
        thread::sleep(4 * SHORT);
        assert!(connected() < 40, "{}", connected());
        // As those end that are connected, the others come.
        gate[0].store(1, Ordering::SeqCst);
        ends_well(&child);
        assert_eq!(manager.proxy().call(Bad::count, ()).unwrap() as usize, 2 * THREADS + 1);
    }

    #[test]
    fn at_the_limit_of_descriptors_clients_wait_and_the_server_says_so_once() {
        let _deadline = Deadline::seconds(120);
        let (reports, report) = reports();
        let child = start(few_descriptors, report);
        let text = reports.rest_as_text();
        println!("{text}");
        ends_well(&child);
        let line = "a manager can't accept more clients now: ";
        assert_eq!(text.matches(line).count(), 1, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn waiting_calls_of_many_clients_see_each_change_once() {
    let _deadline = Deadline::seconds(60);
    let (_manager, proxy, _) = manager();
    thread::scope(|scope| {
        let waits: Vec<_> =
            (0..20).map(|_| scope.spawn(|| proxy.wait(Bad::first, (), LONG))).collect();
        thread::sleep(SHORT);
        assert_eq!(proxy.call(Bad::count, ()).unwrap(), 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap(), Some(1));
        }
    });
}
