//! What becomes of children when their parent ends, in whatever way.
//!
//! Nobody waits for an orphan. That it has ended is seen by its report pipe: the end of file comes
//! when the last process that holds it is gone.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::thread;
use std::time::Duration;

use multiprocess::process::Error;
use multiprocess::{Gate, Process, Waiting, at_exit, parent_process, tasks};
use serde::{Deserialize, Serialize};
use testing::{
    Deadline, Other, Random, Report, Signal, ended, ignore_sigterm, reports, rounds, signal_self,
};

multiprocess::test_entry!();

/// How the parent in the middle ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Way {
    Return,
    Panic,
    Exit,
    Abort,
    Terminated,
    Killed,
}

impl Way {
    fn go(self) {
        match self {
            Self::Return => {}
            Self::Panic => panic!("this panic is wanted"),
            Self::Exit => std::process::exit(3),
            Self::Abort => std::process::abort(),
            Self::Terminated => signal_self(Signal::TERM),
            Self::Killed => signal_self(Signal::KILL),
        }
    }

    fn exit_code(self) -> i32 {
        match self {
            Self::Return => 0,
            Self::Panic => 1,
            Self::Exit => 3,
            Self::Abort => -6,
            Self::Terminated => -15,
            Self::Killed => -9,
        }
    }
}

const WAYS: [Way; 6] =
    [Way::Return, Way::Panic, Way::Exit, Way::Abort, Way::Killed, Way::Terminated];

tasks![have_a_daemon_and_end, live_for_ever];

/// Runs in the parent in the middle.
fn have_a_daemon_and_end((report, way, stubborn): (Report, Way, bool)) {
    let (mut daemons_answers, daemons_report) = reports();
    let arguments = (report, daemons_report, stubborn);
    let mut daemon = Process::new(live_for_ever, arguments).daemonic(true);
    daemon.start().unwrap();
    daemons_answers.next::<()>();
    way.go();
}

/// Runs in the daemon.
fn live_for_ever((report, ready, stubborn): (Report, Report, bool)) {
    if stubborn {
        ignore_sigterm();
    }
    report.say("up");
    ready.say(());
    loop {
        thread::park();
    }
}

/// Also if it is killed, which Python's don't.
///
/// PROC-B07, PROC-B08
#[test]
fn a_daemon_ends_in_whatever_way_its_parent_does() {
    let _deadline = Deadline::seconds(60);
    for stubborn in [false, true] {
        for way in WAYS {
            let (mut answers, report) = reports();
            let arguments = (report, way, stubborn);
            let parent = Process::new(have_a_daemon_and_end, arguments);
            assert_eq!(ended(parent), Some(way.exit_code()), "{way:?}");
            assert_eq!(answers.next::<String>(), "up");
            answers.end();
        }
    }
}

tasks![start_daemons_without_end];

/// Runs in the parent in the middle.
fn start_daemons_without_end((report, complaints, waiting): (Report, Report, Waiting)) {
    complaints.takes_standard_error();
    report.say(());
    for _ in 0..8 {
        let arguments = (report.another(), waiting.another().unwrap());
        Process::new(ignore_sigterm_for_ever, arguments).daemonic(true).start().unwrap();
    }
    waiting.wait();
}

tasks![ignore_sigterm_for_ever];

/// Runs in the daemon.
fn ignore_sigterm_for_ever((_report, _waiting): (Report, Waiting)) {
    ignore_sigterm();
    loop {
        thread::park();
    }
}

#[test]
fn daemons_end_at_whatever_moment_their_parent_is_killed_and_do_not_complain() {
    let _deadline = Deadline::seconds(60);
    let (_gate, waiting) = Gate::new().unwrap();
    let mut random = others_in_each_run();
    for _ in 0..rounds(30) {
        let (mut answers, report) = reports();
        let (complaints, standard_error) = reports();
        let arguments = (report, standard_error, waiting.another().unwrap());
        let mut parent = Process::new(start_daemons_without_end, arguments);
        parent.start().unwrap();
        answers.next::<()>();
        kill_at_some_moment(&parent, random.below(5_000));
        answers.end();
        complaints.end();
    }
}

tasks![start_with_much, take_much];

/// Runs in the parent in the middle.
fn start_with_much((report, complaints): (Report, Report)) {
    complaints.takes_standard_error();
    let much = "much ".repeat(4_000_000);
    report.say(());
    let mut process = Process::new(take_much, (report, much));
    process.start().unwrap();
    process.join().unwrap();
}

/// Runs in the child.
fn take_much((_report, much): (Report, String)) {
    assert_eq!(much.len(), 20_000_000);
}

#[test]
fn a_child_whose_parent_is_killed_while_its_arguments_are_on_the_way_ends() {
    let _deadline = Deadline::seconds(60);
    let mut random = others_in_each_run();
    for _ in 0..rounds(20) {
        let (mut answers, report) = reports();
        let (complaints, standard_error) = reports();
        let mut parent = Process::new(start_with_much, (report, standard_error));
        parent.start().unwrap();
        answers.next::<()>();
        kill_at_some_moment(&parent, random.below(20_000));
        answers.end();
        complaints.end();
    }
}

/// Any moment will do: this sleep isn't a wait for something.
fn kill_at_some_moment(process: &Process, microseconds: u64) {
    thread::sleep(Duration::from_micros(microseconds));
    process.kill().unwrap();
    process.join().unwrap();
}

fn others_in_each_run() -> Random {
    Random(common::time::clock().as_nanos() as u64)
}

tasks![have_a_child_and_end, live_as_an_orphan];

/// Runs in the parent in the middle.
fn have_a_child_and_end((report, waiting, way): (Report, Waiting, Way)) {
    let (mut childs_answers, childs_report) = reports();
    let arguments = (report, waiting, childs_report);
    Process::new(live_as_an_orphan, arguments).start().unwrap();
    childs_answers.next::<()>();
    way.go();
}

/// Runs in the child.
fn live_as_an_orphan((report, waiting, ready): (Report, Waiting, Report)) {
    ready.say(());
    parent_process().unwrap().join();
    report.say("an orphan");
    waiting.wait();
    report.say("done");
}

#[test]
fn a_child_that_is_no_daemon_outlives_a_parent_that_could_not_wait() {
    let _deadline = Deadline::seconds(60);
    for way in [Way::Exit, Way::Abort, Way::Killed, Way::Terminated] {
        let (mut answers, report) = reports();
        let (gate, waiting) = Gate::new().unwrap();
        let parent = Process::new(have_a_child_and_end, (report, waiting, way));
        assert_eq!(ended(parent), Some(way.exit_code()), "{way:?}");
        assert_eq!(answers.next::<String>(), "an orphan");
        gate.open();
        assert_eq!(answers.next::<String>(), "done");
        answers.end();
    }
}

tasks![end_with_both_kinds];

/// Runs in the parent in the middle: ends while a stubborn daemon and a child run.
fn end_with_both_kinds((report, waiting): (Report, Waiting)) {
    let (mut answers, ready) = reports();
    let arguments = (report.another(), ready, true);
    Process::new(live_for_ever, arguments).daemonic(true).start().unwrap();
    answers.next::<()>();
    Process::new(wait_then_say_done, (report.another(), waiting)).start().unwrap();
    at_exit(move || report.say("returned"));
}

tasks![wait_then_say_done];

/// Runs in the child.
fn wait_then_say_done((report, waiting): (Report, Waiting)) {
    waiting.wait();
    report.say("done");
}

/// PROC-B06, PROC-B07
#[test]
fn at_an_ordinary_end_daemons_are_ended_and_the_others_waited_for() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut parent = Process::new(end_with_both_kinds, (report, waiting));
    parent.start().unwrap();
    assert_eq!(answers.next::<String>(), "up");
    assert_eq!(answers.next::<String>(), "returned");
    assert!(!parent.join_timeout(Duration::from_millis(50)).unwrap());
    gate.open();
    assert_eq!(answers.next::<String>(), "done");
    answers.end();
    parent.join().unwrap();
    assert_eq!(parent.exitcode(), Some(0));
}

tasks![start_for_ever, say_your_id];

/// Runs in the child. Comes to its end while a thread still starts processes.
fn start_for_ever(report: Report) {
    start_one(&report).unwrap();
    thread::spawn(move || {
        loop {
            match start_one(&report) {
                Ok(()) => {}
                Err(Error::Ending) => break,
                Err(error) => panic!("{error}"),
            }
        }
    });
}

fn start_one(report: &Report) -> Result<(), Error> {
    Process::new(say_your_id, report.another()).start()
}

/// Runs in a child's child.
fn say_your_id(report: Report) {
    report.say(std::process::id());
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_process_that_is_ending_starts_no_more_and_waits_for_those_it_has_started() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let (mut reports, report) = reports();
        let mut process = Process::new(start_for_ever, report);
        process.start().unwrap();
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
        let mut started = 0;
        while let Some(pid) = reports.try_next::<u32>() {
            let is_there = Other::of(pid).is_some_and(|child| !child.ends_within(Duration::ZERO));
            assert!(!is_there, "a child has outlived the parent that had to wait for it");
            started += 1;
        }
        assert!(started > 0, "at least the first was started before the ending");
    }
}

tasks![leave_a_stopped_daemon];

/// Runs in the parent in the middle.
fn leave_a_stopped_daemon(report: Report) {
    let (mut answers, ready) = reports();
    let mut daemon = Process::new(live_for_ever, (report, ready, false)).daemonic(true);
    daemon.start().unwrap();
    answers.next::<()>();
    assert!(Other::of(daemon.pid().unwrap()).unwrap().stop());
}

#[test]
fn a_stopped_daemon_does_not_outlive_its_parent() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(leave_a_stopped_daemon, report)), Some(0));
    assert_eq!(answers.next::<String>(), "up");
    answers.end();
}
