//! What Python promises of `Semaphore` and `BoundedSemaphore`, and what it doesn't: the permits of
//! the dead come back.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{mem, process, thread};

use multiprocess::process::frame;
use multiprocess::shared::{Semaphore, Words};
use multiprocess::{Gate, Pool, Process, Queue, Waiting, tasks};
use testing::{
    Deadline, LONG, Other, Report, SHORT, alone, ends_well, kill_child, leaves_nothing,
    own_program, reports, rounds, start, until, whole_text,
};

multiprocess::test_entry!();
tasks![
    add_many,
    consume_many,
    consume_when_told,
    end_with,
    end_with_the_programs,
    exit_with,
    hold,
    holders_are_killed,
    keep,
    make_and_end_many,
    move_about,
    permits_held_at_once,
    take_and_say
];

/// Runs in the child: holds so many permits until the gate opens, or for ever.
fn hold((semaphore, permits, report, gate): (Semaphore, usize, Report, Waiting)) {
    let all: Vec<_> = (0..permits).map(|_| semaphore.acquire().unwrap()).collect();
    report.say(all.iter().map(|permit| permit.number()).collect::<Vec<_>>());
    gate.wait();
}

/// Starts a child that holds so many permits until the gate opens; returns their numbers, too.
fn holder(semaphore: &Semaphore, permits: usize) -> (Process, Gate, Vec<usize>) {
    let ((mut said, report), (gate, waiting)) = (reports(), Gate::new().unwrap());
    let child = start(hold, (semaphore.clone(), permits, report, waiting));
    let numbers = said.next();
    (child, gate, numbers)
}

/// SEM-01, SEM-03
#[test]
fn permits_are_counted_down_and_up_again() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(2).unwrap();
    assert_eq!(semaphore.available(), 2);
    let first = semaphore.acquire().unwrap();
    assert_eq!(semaphore.available(), 1);
    let (child, gate, numbers) = holder(&semaphore, 1);
    assert_eq!(semaphore.available(), 0);
    assert!(semaphore.try_acquire().is_none());
    assert_ne!(numbers, [first.number()]);
    drop(first);
    assert_eq!(semaphore.available(), 1);
    gate.open();
    ends_well(&child);
    assert_eq!(semaphore.available(), 2);
}

/// SEM-04
#[test]
fn without_a_permit_each_form_refuses_at_once_or_after_its_time() {
    let _deadline = Deadline::seconds(120);
    for semaphore in [Semaphore::new(1).unwrap(), Semaphore::with_room(1, 2).unwrap()] {
        let (child, gate, _) = holder(&semaphore, 1);
        assert!(semaphore.try_acquire().is_none());
        for timeout in [0, 1, 30, 99, 200].map(Duration::from_millis) {
            let begun = Instant::now();
            assert!(semaphore.acquire_timeout(timeout).is_none());
            assert!(begun.elapsed() >= timeout);
        }
        gate.open();
        assert!(semaphore.acquire_timeout(Duration::MAX).is_some());
        ends_well(&child);
    }
}

/// Runs in a process of its own.
fn holders_are_killed((): ()) {
    let semaphore = Semaphore::new(3).unwrap();
    for looks in [
        |semaphore: &Semaphore| drop(semaphore.try_acquire().expect("a dead one's permit")),
        |semaphore: &Semaphore| drop(semaphore.acquire().unwrap()),
        |semaphore: &Semaphore| assert_eq!(semaphore.available(), 3),
        |semaphore: &Semaphore| drop(semaphore.acquire_timeout(Duration::ZERO).unwrap()),
    ] {
        let (first, _gate, one) = holder(&semaphore, 1);
        let (second, _gate, two) = holder(&semaphore, 2);
        assert_eq!(one.into_iter().chain(two).collect::<BTreeSet<_>>(), (0..3).collect());
        assert_eq!(semaphore.available(), 0);
        kill_child(&first);
        kill_child(&second);
        looks(&semaphore);
        let all = [(); 3].map(|()| semaphore.try_acquire().unwrap());
        assert!(semaphore.try_acquire().is_none());
        drop(all);
    }
}

/// SEM-B01
#[test]
fn the_permits_of_killed_holders_are_there_at_once_for_a_thread_that_asks() {
    alone(holders_are_killed);
}

/// SEM-B01
#[test]
fn threads_that_sleep_when_the_holder_is_killed_get_its_permits() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(2).unwrap();
    let (child, _gate, _) = holder(&semaphore, 2);
    thread::scope(|scope| {
        let waiting = [(); 2].map(|()| scope.spawn(|| semaphore.acquire_timeout(LONG)));
        assert!(semaphore.acquire_timeout(SHORT).is_none());
        kill_child(&child);
        // Each keeps its permit, so they are two.
        let permits = waiting.map(|waiting| waiting.join().unwrap().unwrap());
        assert_ne!(permits[0].number(), permits[1].number());
    });
    assert_eq!(semaphore.available(), 2);
}

/// Runs in the child: returns with a permit.
fn end_with(semaphore: Semaphore) {
    mem::forget(semaphore.acquire());
    assert_eq!(semaphore.available(), 0);
}

/// Runs in the child: exits with a permit.
fn exit_with(semaphore: Semaphore) {
    let _permit = semaphore.acquire();
    process::exit(0);
}

/// SEM-B01
#[test]
fn the_permit_of_a_process_that_ends_in_the_ordinary_way_comes_back_too() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(1).unwrap();
    for child in [start(end_with, semaphore.clone()), start(exit_with, semaphore.clone())] {
        ends_well(&child);
        assert!(semaphore.acquire_timeout(LONG).is_some());
    }
}

#[test]
fn a_stopped_holder_keeps_its_permit_and_gives_it_back_later() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(1).unwrap();
    let (child, gate, _) = holder(&semaphore, 1);
    let other = Other::of(child.pid().unwrap()).unwrap();
    assert!(other.stop());
    gate.open();
    assert!(semaphore.acquire_timeout(Duration::from_millis(300)).is_none());
    assert!(semaphore.try_acquire().is_none());
    assert_eq!(semaphore.available(), 0);
    assert!(other.go_on());
    assert!(semaphore.acquire_timeout(LONG).is_some());
    ends_well(&child);
}

/// Runs in the child: waits for a permit.
fn take_and_say((semaphore, report): (Semaphore, Report)) {
    report.say("waits");
    let _permit = semaphore.acquire().unwrap();
    report.say("has it");
}

/// SEM-B05
#[test]
fn a_killed_waiter_takes_nothing_with_it() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(1).unwrap();
    for _ in 0..5 {
        let permit = semaphore.acquire().unwrap();
        let (mut said, report) = reports();
        let waiter = start(take_and_say, (semaphore.clone(), report.another()));
        assert_eq!(said.next::<String>(), "waits");
        // Perhaps it sleeps by then.
        assert!(semaphore.acquire_timeout(Duration::from_millis(3)).is_none());
        kill_child(&waiter);
        drop(permit);
        assert_eq!(semaphore.available(), 1);
        ends_well(&start(take_and_say, (semaphore.clone(), report)));
        assert_eq!(said.next::<String>(), "waits");
        assert_eq!(said.next::<String>(), "has it");
        said.end();
    }
}

#[test]
fn permits_belong_to_a_process_and_another_thread_of_it_may_give_them_back() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(3).unwrap();
    let mine = [semaphore.acquire().unwrap(), semaphore.acquire().unwrap()];
    thread::scope(|scope| {
        let others = scope.spawn(|| semaphore.acquire().unwrap()).join().unwrap();
        let numbers: BTreeSet<_> = mine.iter().map(|permit| permit.number()).collect();
        assert!(!numbers.contains(&others.number()) && numbers.len() == 2);
        assert!(semaphore.try_acquire().is_none());
        scope.spawn(move || drop(mine)).join().unwrap();
        assert_eq!(semaphore.available(), 2);
    });
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn the_text_of_a_semaphore_names_the_holders_also_a_dead_one() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::with_room(4, 6).unwrap();
    assert_eq!(format!("{semaphore:?}"), "Semaphore(4 of 4 permits free, room for 2 more)");
    let ((mut said, report), (_gate, waiting)) = (reports(), Gate::new().unwrap());
    let child = Process::new(hold, (semaphore.clone(), 2_usize, report, waiting));
    let mut child = child.named("weaver");
    child.start().unwrap();
    said.next::<Vec<usize>>();
    let permit = semaphore.acquire().unwrap();
    let by = format!("2 held by weaver (process {})", child.pid().unwrap());
    let text = format!("1 of 4 permits free, 1 held by this process, {by}, room for 2 more");
    assert_eq!(format!("{semaphore:?}"), format!("Semaphore({text})"));
    assert!(format!("{permit:?}").starts_with("Permit"), "{permit:?}");
    kill_child(&child);
    let text = text.replace(&by, &format!("{by}, which is dead"));
    until("it is seen as dead", || format!("{semaphore:?}") == format!("Semaphore({text})"));
    drop(permit);
    until("its permits come back", || semaphore.available() == 4);
    assert_eq!(format!("{semaphore:?}"), "Semaphore(4 of 4 permits free, room for 2 more)");
}

#[test]
fn a_semaphore_goes_only_into_the_arguments_of_a_new_process() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(1).unwrap();
    let error = frame::encode(&semaphore, &mut Vec::new()).unwrap_err();
    assert!(whole_text(&error).contains("can't be sent in a message"), "{error}");
    let refused = Queue::bounded(1).unwrap().put(semaphore.clone()).unwrap_err();
    assert!(whole_text(&refused).contains("can't be sent in a message"), "{refused}");
    assert_eq!(semaphore.available(), 1);
}

/// The semaphore of a pool's worker, and a word for each permit, of which the first is the highest
/// number that were held at once.
static OF_WORKER: std::sync::OnceLock<(Semaphore, Words)> = std::sync::OnceLock::new();

/// An initializer.
fn keep(given: (Semaphore, Words)) {
    assert!(OF_WORKER.set(given).is_ok());
}

/// A task: returns how many tasks had a permit while this one had.
fn permits_held_at_once(_: u64) -> u64 {
    let (semaphore, words) = OF_WORKER.get().unwrap();
    let _permit = semaphore.acquire().unwrap();
    let at_once = words[0].fetch_add(1, Ordering::SeqCst) + 1;
    thread::yield_now();
    words[0].fetch_sub(1, Ordering::SeqCst);
    at_once
}

#[test]
fn a_pools_workers_get_a_semaphore_by_their_initializer() {
    let _deadline = Deadline::seconds(120);
    let given = (Semaphore::new(2).unwrap(), Words::new(1).unwrap());
    let pool = Pool::builder().processes(4).initializer(keep, given).build().unwrap();
    let at_once = pool.map(permits_held_at_once, 0..500).unwrap();
    assert!(at_once.iter().all(|at_once| (1..=2).contains(at_once)), "{at_once:?}");
}

#[test]
fn no_permits_no_room_and_absurd_numbers_are_refused_in_words() {
    let refused = |made: std::io::Result<Semaphore>| {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    let text = refused(Semaphore::new(0));
    assert!(text.contains("0 permits") && text.contains("with_room"), "{text}");
    let text = refused(Semaphore::with_room(0, 0));
    assert!(text.contains("without room"), "{text}");
    let text = refused(Semaphore::with_room(4, 3));
    assert!(text.contains("room for 3 permits can't begin with 4"), "{text}");
    for absurd in [(1 << 16) + 1, 1 << 32, usize::MAX] {
        for made in [Semaphore::new(absurd), Semaphore::with_room(1, absurd)] {
            let text = refused(made);
            assert!(text.contains("65536") && text.contains(&absurd.to_string()), "{text}");
        }
    }
}

#[test]
fn the_largest_semaphore_has_all_its_permits() {
    let _deadline = Deadline::seconds(120);
    const MOST: usize = 1 << 16;
    let semaphore = Semaphore::new(MOST).unwrap();
    let all: Vec<_> = (0..MOST).map(|_| semaphore.acquire().unwrap()).collect();
    assert!(all.iter().map(|permit| permit.number()).eq(0..MOST));
    assert!(semaphore.try_acquire().is_none() && semaphore.add(1).is_err());
    drop(all);
    assert_eq!(semaphore.available(), MOST);
}

#[test]
fn permits_are_added_up_to_the_room_and_all_or_none() {
    let semaphore = Semaphore::with_room(0, 3).unwrap();
    assert!(semaphore.try_acquire().is_none());
    semaphore.add(2).unwrap();
    for more in [2, 3, usize::MAX] {
        let full = semaphore.add(more).unwrap_err();
        assert_eq!((full.more, full.permits, full.room), (more, 2, 3));
        let text = full.to_string();
        assert!(text.contains("2 of at most 3 permits"), "{text}");
        assert!(text.contains(&format!("no room for {more} more")), "{text}");
        assert_eq!(semaphore.available(), 2);
    }
    semaphore.add(0).unwrap();
    semaphore.add(1).unwrap();
    assert_eq!(semaphore.available(), 3);
    // One that is acquired is still there; only a consumed one is room.
    let permit = semaphore.acquire().unwrap();
    assert!(semaphore.add(1).is_err());
    permit.consume();
    assert_eq!(semaphore.available(), 2);
    semaphore.add(1).unwrap();
    assert_eq!(semaphore.available(), 3);
    // A bounded one is full from the beginning.
    let full = Semaphore::new(5).unwrap().add(1).unwrap_err();
    assert_eq!((full.permits, full.room), (5, 5));
}

/// Runs in the child: adds so many permits one by one, as room permits.
fn add_many((semaphore, count): (Semaphore, usize)) {
    (0..count).for_each(|_| until("there is room", || semaphore.add(1).is_ok()));
}

/// Runs in the child: consumes so many.
fn consume_many((semaphore, count): (Semaphore, usize)) {
    (0..count).for_each(|_| semaphore.acquire_timeout(LONG).unwrap().consume());
}

#[test]
fn what_processes_add_others_consume_each_once() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::with_room(0, 7).unwrap();
    let adders = [(); 2].map(|()| start(add_many, (semaphore.clone(), 1500_usize)));
    let consumers = [(); 3].map(|()| start(consume_many, (semaphore.clone(), 1000_usize)));
    adders.iter().chain(&consumers).for_each(ends_well);
    assert_eq!(semaphore.available(), 0);
    semaphore.add(7).unwrap();
}

/// Runs in the child: acquires a permit, and consumes it when the gate opens.
fn consume_when_told((semaphore, report, gate): (Semaphore, Report, Waiting)) {
    let permit = semaphore.acquire().unwrap();
    report.say("has it");
    gate.wait();
    permit.consume();
}

#[test]
fn a_consumer_that_is_killed_before_it_consumes_leaves_the_permit_to_the_next() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::with_room(1, 1).unwrap();
    let ((mut said, report), (gate, waiting)) = (reports(), Gate::new().unwrap());
    let arguments = (semaphore.clone(), report.another(), waiting.another().unwrap());
    let first = start(consume_when_told, arguments);
    assert_eq!(said.next::<String>(), "has it");
    kill_child(&first);
    let second = start(consume_when_told, (semaphore.clone(), report, waiting));
    assert_eq!(said.next::<String>(), "has it");
    gate.open();
    ends_well(&second);
    assert!(semaphore.try_acquire().is_none());
    semaphore.add(1).unwrap();
    assert_eq!(semaphore.available(), 1);
}

/// Runs in the child, until it is told to end: has one permit or two, and goes from slot to slot.
fn move_about((semaphore, words): (Semaphore, Words)) {
    let mut permit = semaphore.acquire().unwrap();
    while words[0].load(Ordering::Relaxed) == 0 {
        let next = semaphore.acquire().unwrap();
        drop(mem::replace(&mut permit, next));
        words[1 + permit.number()].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_free_permit_is_found_although_others_are_given_back_and_taken_all_the_time() {
    let _deadline = Deadline::seconds(120);
    // Two others have two each at most, so one of five is always free.
    let (semaphore, words) = (Semaphore::new(5).unwrap(), Words::new(6).unwrap());
    let others = [(); 2].map(|()| {
        let mut other = Process::new(move_about, (semaphore.clone(), words.clone())).daemonic(true);
        other.start().unwrap();
        other
    });
    let moves = || words[1..].iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
    until("both are at work", || moves() > 1000);
    for _ in 0..50_000 {
        let found = semaphore.try_acquire();
        assert!(found.is_some(), "one of five is free");
    }
    words[0].store(1, Ordering::Relaxed);
    others.iter().for_each(ends_well);
}

/// Runs in a process of its own.
fn make_and_end_many((): ()) {
    leaves_nothing(rounds(100), |round| {
        let semaphore = Semaphore::with_room(round % 3, 3).unwrap();
        let (child, gate, _) = holder(&semaphore, round % 3);
        if round % 2 == 0 {
            gate.open();
            ends_well(&child);
        } else {
            kill_child(&child);
        }
        assert_eq!(semaphore.available(), round % 3);
    });
}

#[test]
fn nothing_is_left_of_a_semaphore() {
    alone(make_and_end_many);
}

/// A semaphore that lives as long as the program.
static OF_PROGRAM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1).unwrap());

/// Runs in the child: ends while it has the program's semaphore, and a permit.
fn end_with_the_programs(said: Report) {
    said.takes_standard_error();
    mem::forget(OF_PROGRAM.acquire());
}

/// RES-03
#[test]
fn a_semaphore_that_lives_as_long_as_the_program_leaves_no_warning() {
    let _deadline = Deadline::seconds(60);
    let (all, said) = reports();
    ends_well(&start(end_with_the_programs, said));
    assert_eq!(all.rest_as_text(), "");
}

/// Makes semaphores of which children hold permits, until it is killed.
#[test]
fn program_of_its_own() {
    if own_program::name().is_none() {
        return;
    }
    let semaphores = [1, 2, 3, 4, 5].map(|permits| Semaphore::new(permits).unwrap());
    let holders = semaphores.each_ref().map(|semaphore| holder(semaphore, 1));
    println!("\nheld {}", holders.len());
    thread::sleep(LONG);
    unreachable!("it is killed");
}

/// A whole process group is killed.
#[cfg(unix)]
mod in_a_group {
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::*;

    /// Lists the names of shared memory, where the system has them in a folder, but those which
    /// Python's processes leave there.
    fn names() -> BTreeSet<String> {
        let all = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        let names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with("sem.mp-") && !name.starts_with("psm_")).collect()
    }

    /// SEM-B03
    #[test]
    fn a_process_group_that_is_killed_leaves_no_name_behind() {
        let _deadline = Deadline::seconds(60);
        let before = names();
        let mut command = own_program::command("holders");
        let mut program = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|line| line == "held 5"), "all are held");
        assert!(names().is_subset(&before), "none while they live, either");
        kill_process_group(Pid::from_child(&program), Signal::KILL).unwrap();
        program.wait().unwrap();
        assert!(names().is_subset(&before));
    }
}
