//! Starting processes under difficulties: large arguments, many descriptors, none left, children
//! that never get as far as their function.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt;
#[cfg(target_os = "linux")]
use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::sync::Mutex;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, thread};

use multiprocess::process::Error;
use multiprocess::{
    Exit, Gate, Process, Waiting, active_children, current_process, parent_process, tasks, wait,
};
#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testing::{Deadline, Report, Signal, alone, ended, reports, room_for_descriptors};
#[cfg(unix)]
use testing::{children, descriptors, whole_text};

multiprocess::test_entry!();

const LARGE: usize = 100_000_000;

/// Bytes that are serialised as bytes, not one by one.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Copied;
        impl Visitor<'_> for Copied {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        input.deserialize_bytes(Copied)
    }
}

impl Bytes {
    /// No two pages are alike.
    fn large(length: usize) -> Self {
        let mut bytes = vec![0; length];
        for (number, page) in bytes.chunks_mut(4096).enumerate() {
            let number = number.to_le_bytes();
            let length = number.len().min(page.len());
            page[..length].copy_from_slice(&number[..length]);
        }
        Self(bytes)
    }
}

tasks![compare];

/// Runs in the child.
fn compare((length, bytes): (usize, Bytes)) -> Exit {
    Exit(if bytes.0 == Bytes::large(length).0 { 17 } else { 1 })
}

#[test]
fn arguments_of_any_size_arrive_whole() {
    let _deadline = Deadline::seconds(100);
    for length in [0, 40, 50, 60, 70, 4096, 65_536, 212_992, 1 << 20, LARGE] {
        let arguments = (length, Bytes::large(length));
        assert_eq!(ended(Process::new(compare, arguments)), Some(17), "{length}");
    }
}

#[cfg(target_os = "linux")]
tasks![arguments_under_signals];

/// Runs in a process of its own.
#[cfg(target_os = "linux")]
fn arguments_under_signals((): ()) {
    let _deadline = Deadline::seconds(100);
    let arrived = Arc::new(AtomicUsize::new(0));
    signal_hook::flag::register_usize(Signal::USR1.as_raw(), Arc::clone(&arrived), 1).unwrap();
    let starter = rustix::thread::gettid().as_raw_nonzero().get();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                testing::signal_thread(starter, Signal::USR1);
                thread::yield_now();
            }
        });
        for _ in 0..3 {
            let arguments = (LARGE / 20, Bytes::large(LARGE / 20));
            let mut process = Process::new(compare, arguments);
            process.start().unwrap();
            process.join().unwrap();
            assert_eq!(process.exitcode(), Some(17));
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn signals_during_a_start_do_not_break_it() {
    alone(arguments_under_signals);
}

/// An argument on which its child fails before it has it, in some way.
#[derive(Serialize, Deserialize)]
struct Trap<W> {
    before: Option<Bytes>,
    trap: W,
    after: Option<Bytes>,
}

/// Calls exit in the child.
#[derive(Serialize)]
struct Exits;

impl<'de> Deserialize<'de> for Exits {
    fn deserialize<D: Deserializer<'de>>(_input: D) -> Result<Self, D::Error> {
        assert!(parent_process().is_some(), "only a child deserialises it");
        std::process::exit(3);
    }
}

/// Panics in the child.
#[derive(Serialize)]
struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(_input: D) -> Result<Self, D::Error> {
        panic!("this panic is wanted");
    }
}

/// Makes the child wait until its parent has gone.
#[derive(Serialize)]
struct Hangs;

impl<'de> Deserialize<'de> for Hangs {
    fn deserialize<D: Deserializer<'de>>(_input: D) -> Result<Self, D::Error> {
        parent_process().unwrap().join();
        std::process::exit(4);
    }
}

tasks![never_runs::<Exits>, never_runs::<Panics>, never_runs::<Hangs>];

/// Its argument never comes.
fn never_runs<W>((_trap, report): (Trap<W>, Report)) {
    report.say("it ran");
}

/// What start and join say of a child that can't get this argument.
fn fate<W>(trap: W, before: usize, after: usize, name: &str) -> (Result<(), Error>, Option<i32>)
where
    W: Serialize + DeserializeOwned + Send + 'static,
{
    let some = |length| (length > 0).then(|| Bytes(vec![7; length]));
    let trap = Trap { before: some(before), trap, after: some(after) };
    let (answers, report) = reports();
    let mut process = Process::new(never_runs::<W>, (trap, report)).named(name);
    let outcome = process.start().and_then(|()| process.join());
    let code = process.exitcode();
    assert!(!process.is_alive());
    assert!(!active_children().iter().any(|child| child.name() == name));
    drop(process);
    answers.end();
    (outcome, code)
}

#[test]
fn a_child_that_ends_before_it_has_its_arguments_never_ran() {
    let _deadline = Deadline::seconds(60);
    for (before, after) in [(0, 0), (LARGE / 20, 0), (0, LARGE / 20)] {
        let (outcome, code) = fate(Exits, before, after, "exits");
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("never ran") && text.contains("exit code 3"), "{text}");
        assert_eq!(code, Some(3));
        let (outcome, code) = fate(Panics, before, after, "panics");
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("never ran") && text.contains("exit code 1"), "{text}");
        assert_eq!(code, Some(1));
    }
}

#[test]
fn signals_to_a_child_that_never_ran_do_not_change_what_join_says() {
    let _deadline = Deadline::seconds(60);
    let trap = Trap { before: None, trap: Exits, after: None };
    let mut process = Process::new(never_runs::<Exits>, (trap, reports().1));
    process.start().unwrap();
    assert!(matches!(process.join(), Err(Error::NeverRan { .. })));
    process.terminate().unwrap();
    process.kill().unwrap();
    assert!(matches!(process.join(), Err(Error::NeverRan { .. })));
}

/// The process id of the child of this process with this name.
#[cfg(target_os = "linux")]
fn find(name: &str) -> Option<u32> {
    children().into_iter().find(|child| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        line.split('\0').next().is_some_and(|first| first.ends_with(name))
    })
}

/// Has a child killed from outside as soon as it is there.
#[cfg(target_os = "linux")]
fn killed_on_the_way(round: usize, length: usize) -> (Result<(), Error>, Option<i32>) {
    let name = &format!("killed on the way {round} {length}");
    thread::scope(|scope| {
        scope.spawn(|| {
            let child = std::iter::repeat_with(|| find(name)).flatten().next().unwrap();
            testing::signal(child, Signal::KILL);
        });
        fate(Hangs, 0, length, name)
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_killed_while_its_arguments_are_on_the_way_never_ran() {
    let _deadline = Deadline::seconds(60);
    for round in 0..4 {
        let (outcome, code) = killed_on_the_way(round, LARGE);
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("never ran") && text.contains("signal 9"), "{text}");
        assert_eq!(code, None, "start gave the child up itself");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_killed_before_its_function_began_is_joined_and_has_its_exit_code() {
    let _deadline = Deadline::seconds(60);
    for round in 0..4 {
        match killed_on_the_way(round, 0) {
            (Ok(()), code) => assert_eq!(code, Some(-9)),
            (Err(error), code) => {
                assert!(error.to_string().contains("signal 9"), "{error}");
                assert_eq!(code, None, "start gave the child up itself");
            }
        }
    }
}

#[test]
fn a_child_killed_from_outside_after_its_start_is_no_error_of_join() {
    let _deadline = Deadline::seconds(60);
    for signal in [Signal::KILL, Signal::TERM] {
        let trap = Trap { before: None, trap: Hangs, after: None };
        let mut process = Process::new(never_runs::<Hangs>, (trap, reports().1));
        process.start().unwrap();
        testing::signal(process.pid().unwrap(), signal);
        wait(&[process.sentinel().unwrap()], None).unwrap();
        process.join().unwrap();
        assert!(process.join_timeout(Duration::ZERO).unwrap());
        let number = if signal == Signal::KILL { -9 } else { -15 };
        assert_eq!(process.exitcode(), Some(number));
    }
}

#[test]
fn whoever_ends_a_child_before_it_has_its_arguments_does_not_get_an_error() {
    let _deadline = Deadline::seconds(60);
    let trap = Trap { before: None, trap: Hangs, after: None };
    let mut process = Process::new(never_runs::<Hangs>, (trap, reports().1));
    process.start().unwrap();
    process.terminate().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-15));
}

const MANY: usize = 600;

#[derive(Serialize, Deserialize)]
struct Numbered(#[serde(with = "multiprocess::process::handover")] PipeWriter);

tasks![write_numbers];

/// Runs in the child.
fn write_numbers(writers: Vec<Numbered>) {
    for (number, mut writer) in writers.into_iter().enumerate() {
        write!(writer.0, "{number}").unwrap();
    }
}

tasks![send_descriptors];

/// Runs in a process of its own.
fn send_descriptors((): ()) {
    let _deadline = Deadline::seconds(60);
    // Two ends each, and one more on its way.
    let most = room_for_descriptors() / 3;
    for count in [1, 252, 253, 254, 506, 507, MANY].map(|count| count.min(most)) {
        let (readers, writers): (Vec<PipeReader>, Vec<Numbered>) =
            (0..count).map(|_| pipe().unwrap()).map(|(r, w)| (r, Numbered(w))).unzip();
        let mut process = Process::new(write_numbers, writers);
        process.start().unwrap();
        for (number, reader) in readers.into_iter().enumerate() {
            assert_eq!(io::read_to_string(reader).unwrap(), number.to_string());
        }
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
    }
}

#[test]
fn any_number_of_descriptors_arrives_in_order() {
    alone(send_descriptors);
}

#[cfg(unix)]
tasks![no_descriptor_left, do_nothing];
tasks![write_one_number];

/// Runs in the child.
#[cfg(unix)]
fn do_nothing((): ()) {}

/// Runs in the child.
fn write_one_number(mut writer: Numbered) {
    write!(writer.0, "1").unwrap();
}

/// Runs in a process of its own: lets it start processes with so many descriptors left.
#[cfg(unix)]
fn no_descriptor_left((): ()) {
    let _deadline = Deadline::seconds(60);
    assert_eq!(ended(Process::new(do_nothing, ())), Some(0), "to warm up");
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let before = descriptors();
    let mut refused = 0;
    for left in 0..12 {
        let (reader, writer) = pipe().unwrap();
        let mut with = Process::new(write_one_number, Numbered(writer));
        let mut without = Process::new(do_nothing, ());
        let mut all: Vec<File> = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            all.push(file);
        }
        all.truncate(all.len() - left);
        for process in [&mut without, &mut with] {
            let started = process.start().and_then(|()| process.join());
            let Err(error) = started else { continue };
            let text = whole_text(&error);
            assert!(text.contains("oo many open files"), "{left} left: {text}");
            assert!(matches!(error, Error::Start { .. } | Error::Arguments { .. }), "{text}");
            refused += 1;
            // The question takes descriptors of its own.
            all.truncate(all.len().saturating_sub(3));
            assert_eq!(children(), [0; 0], "{left} left");
            assert!(active_children().is_empty() && process.pid().is_none());
        }
        drop(all);
        for mut process in [without, with] {
            if process.pid().is_none() {
                process.start().unwrap();
                process.join().unwrap();
            }
            assert_eq!(process.exitcode(), Some(0), "{left} left");
        }
        assert_eq!(io::read_to_string(reader).unwrap(), "1");
        assert_eq!(descriptors(), before, "{left} left");
    }
    assert!((2..24).contains(&refused), "{refused}");
}

#[test]
#[cfg(unix)]
fn without_a_descriptor_left_a_start_is_an_error_and_leaves_nothing() {
    alone(no_descriptor_left);
}

tasks![report_name];

/// Runs in the child.
fn report_name(report: Report) {
    report.say(current_process().name());
}

#[test]
fn threads_may_start_processes_at_the_same_time() {
    let _deadline = Deadline::seconds(60);
    let names = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let (mut answers, report) = reports();
                    let mut process = Process::new(report_name, report);
                    process.start().unwrap();
                    assert_eq!(answers.next::<String>(), process.name());
                    answers.end();
                    process.join().unwrap();
                    assert_eq!(process.exitcode(), Some(0));
                    names.lock().unwrap().push(process.name().to_owned());
                }
            });
        }
    });
    let mut names = names.into_inner().unwrap();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 40);
}

tasks![gates_are_independent];

/// Runs in the child.
fn gates_are_independent((first, second, report): (Waiting, Waiting, Report)) {
    first.wait();
    report.say("first");
    second.wait();
    report.say("second");
}

#[test]
fn a_gate_opens_for_all_who_wait_at_it_and_for_nobody_else() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (first, waiting_first) = Gate::new().unwrap();
    let (second, waiting_second) = Gate::new().unwrap();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let gates = [&waiting_first, &waiting_second].map(|waiting| waiting.another().unwrap());
        let [one, two] = gates;
        let mut process = Process::new(gates_are_independent, (one, two, report.another()));
        process.start().unwrap();
        processes.push(process);
    }
    drop((waiting_first, waiting_second, report));
    for (gate, word) in [(first, "first"), (second, "second")] {
        gate.open();
        for _ in 0..3 {
            assert_eq!(answers.next::<String>(), word);
        }
    }
    answers.end();
    processes.iter().for_each(|process| process.join().unwrap());
}

#[test]
fn the_parents_copies_of_descriptors_go_with_the_start() {
    let _deadline = Deadline::seconds(60);
    let (mut reader, writer) = pipe().unwrap();
    let mut process = Process::new(write_one_number, Numbered(writer));
    process.start().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "1", "the end of file came, although the handle is still here");
    process.join().unwrap();
}
