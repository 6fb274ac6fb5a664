//! What Python promises of `Event`, and what it doesn't: no death stops it, and a thread that waits
//! misses no set.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::process::frame;
use multiprocess::shared::{Event, Words};
use multiprocess::{Pool, Process, Queue, tasks};
use testing::{
    Deadline, LONG, Other, Report, SHORT, alone, ends_well, kill_child, leaves_nothing, reports,
    rounds, start, until, whole_text,
};

multiprocess::test_entry!();
tasks![
    answer,
    ask_for_ever,
    keep,
    make_and_end_many,
    set,
    set_and_clear_for_ever,
    wait_and_count,
    wait_and_say,
    wait_for_the_workers_event
];

/// Runs in the child.
fn set(event: Event) {
    event.set();
}

/// EVENT-01
#[test]
fn a_wait_ends_after_its_time_or_when_another_process_sets_the_event() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    assert!(!event.is_set() && !event.wait_timeout(Duration::ZERO));
    for timeout in [1, 30, 99, 200].map(Duration::from_millis) {
        let begun = Instant::now();
        assert!(!event.wait_timeout(timeout));
        assert!(begun.elapsed() >= timeout);
    }
    let child = start(set, event.clone());
    assert!(event.wait_timeout(Duration::MAX));
    ends_well(&child);
    for _ in 0..2 {
        assert!(event.is_set() && event.wait_timeout(Duration::ZERO) && event.wait_timeout(LONG));
        event.wait();
        event.set();
    }
    for _ in 0..2 {
        event.clear();
        assert!(!event.is_set() && !event.wait_timeout(SHORT));
    }
}

/// EVENT-03
#[test]
fn the_text_of_an_event_says_whether_it_is_set() {
    let event = Event::new().unwrap();
    assert_eq!(format!("{event:?}"), "Event(unset)");
    event.set();
    assert_eq!(format!("{event:?}"), "Event(set)");
    event.clear();
    assert_eq!(format!("{event:?}"), "Event(unset)");
}

/// Runs in the child.
fn wait_and_say((event, report): (Event, Report)) {
    report.say("waits");
    event.wait();
    report.say("goes on");
}

/// EVENT-B01
#[test]
fn a_killed_waiter_keeps_no_other_from_setting_asking_or_waiting() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    for _ in 0..5 {
        let (mut said, report) = reports();
        let [victim, other] =
            [(); 2].map(|()| start(wait_and_say, (event.clone(), report.another())));
        assert_eq!([(); 2].map(|()| said.next::<String>()), ["waits", "waits"]);
        // Perhaps they sleep by then.
        assert!(!event.wait_timeout(Duration::from_millis(3)));
        kill_child(&victim);
        event.set();
        assert!(event.is_set());
        assert_eq!(said.next::<String>(), "goes on");
        ends_well(&other);
        event.clear();
    }
}

/// Runs in the child, until it is killed.
fn ask_for_ever((event, report): (Event, Report)) {
    report.say("asks");
    loop {
        assert!(!event.is_set());
        assert!(!event.wait_timeout(Duration::ZERO));
    }
}

/// EVENT-B02
#[test]
fn a_killed_process_that_only_asked_takes_nothing_with_it() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    for _ in 0..10 {
        let (mut said, report) = reports();
        let mut child = Process::new(ask_for_ever, (event.clone(), report)).daemonic(true);
        child.start().unwrap();
        assert_eq!(said.next::<String>(), "asks");
        thread::yield_now();
        kill_child(&child);
        assert!(!event.wait_timeout(Duration::from_millis(1)));
    }
    event.set();
    assert!(event.wait_timeout(Duration::ZERO));
}

/// Runs in the child: waits, and counts that it has.
fn wait_and_count((event, words): (Event, Words)) {
    event.wait();
    words[0].fetch_add(1, Ordering::SeqCst);
}

/// EVENT-B03
#[test]
fn processes_that_sleep_when_the_event_is_set_go_on_although_it_is_cleared_at_once() {
    let _deadline = Deadline::seconds(120);
    let (event, words) = (Event::new().unwrap(), Words::new(1).unwrap());
    let children = [(); 4].map(|()| {
        let mut child = Process::new(wait_and_count, (event.clone(), words.clone())).daemonic(true);
        child.start().unwrap();
        child
    });
    let others = children.each_ref().map(|child| Other::of(child.pid().unwrap()).unwrap());
    until("all four have gone on", || {
        // Most often each sleeps by now, and needs but this one. Stopped, it sees nothing of it.
        thread::sleep(SHORT);
        others.iter().for_each(|other| {
            other.stop();
        });
        thread::sleep(SHORT);
        event.set();
        event.clear();
        others.iter().for_each(|other| {
            other.go_on();
        });
        words[0].load(Ordering::SeqCst) == 4
    });
    children.iter().for_each(ends_well);
}

/// Runs in the child, until it is killed.
fn set_and_clear_for_ever(event: Event) {
    loop {
        event.set();
        event.clear();
    }
}

#[test]
fn processes_that_are_killed_or_stopped_while_they_set_and_clear_keep_no_other_from_it() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    for round in 0..10 {
        let mut child = Process::new(set_and_clear_for_ever, event.clone()).daemonic(true);
        child.start().unwrap();
        (0..100).for_each(|_| event.wait());
        if round % 2 == 0 {
            // It may go on for a moment.
            assert!(Other::of(child.pid().unwrap()).unwrap().stop());
            event.set();
            event.clear();
        }
        kill_child(&child);
        event.set();
        assert!(event.is_set() && event.wait_timeout(Duration::ZERO));
        event.clear();
        assert!(!event.is_set() && !event.wait_timeout(Duration::from_millis(1)));
    }
}

const ROUNDS: usize = 1000;

/// Runs in the child.
fn answer((ping, pong, words): (Event, Event, Words)) {
    for round in 0..ROUNDS as u64 {
        ping.wait();
        ping.clear();
        assert_eq!(words[0].load(Ordering::Relaxed), round, "what was done before is seen");
        words[1].store(round, Ordering::Relaxed);
        pong.set();
    }
}

#[test]
fn two_processes_that_set_events_in_turn_never_miss_one() {
    let _deadline = Deadline::seconds(120);
    let (ping, pong, words) =
        (Event::new().unwrap(), Event::new().unwrap(), Words::new(2).unwrap());
    let child = start(answer, (ping.clone(), pong.clone(), words.clone()));
    for round in 0..ROUNDS as u64 {
        words[0].store(round, Ordering::Relaxed);
        ping.set();
        pong.wait();
        pong.clear();
        assert_eq!(words[1].load(Ordering::Relaxed), round);
    }
    ends_well(&child);
}

#[test]
fn an_event_goes_only_into_the_arguments_of_a_new_process() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    let error = frame::encode(&event, &mut Vec::new()).unwrap_err();
    assert!(whole_text(&error).contains("can't be sent in a message"), "{error}");
    let refused = Queue::bounded(1).unwrap().put(event).unwrap_err();
    assert!(whole_text(&refused).contains("can't be sent in a message"), "{refused}");
}

/// The event of a pool's worker.
static OF_WORKER: OnceLock<Event> = OnceLock::new();

/// An initializer.
fn keep(event: Event) {
    assert!(OF_WORKER.set(event).is_ok());
}

/// A task.
fn wait_for_the_workers_event(number: u64) -> u64 {
    OF_WORKER.get().unwrap().wait();
    number
}

#[test]
fn a_pools_workers_get_an_event_by_their_initializer() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    let pool = Pool::builder().processes(3).initializer(keep, event.clone()).build().unwrap();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(pool.map(wait_for_the_workers_event, 0..6).unwrap(), [0, 1, 2, 3, 4, 5]);
            done.store(1, Ordering::SeqCst);
        });
        assert!(!event.wait_timeout(SHORT));
        assert_eq!(done.load(Ordering::SeqCst), 0);
        event.set();
    });
}

/// Runs in a process of its own.
fn make_and_end_many((): ()) {
    leaves_nothing(rounds(100), |round| {
        let event = Event::new().unwrap();
        let (mut said, report) = reports();
        let child: Process = start(wait_and_say, (event.clone(), report));
        assert_eq!(said.next::<String>(), "waits");
        if round % 2 == 0 {
            event.set();
            ends_well(&child);
        } else {
            kill_child(&child);
        }
    });
}

#[test]
fn nothing_is_left_of_an_event() {
    alone(make_and_end_many);
}
