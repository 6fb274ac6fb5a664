//! Nothing is left of what processes shared, however they ended: no descriptor, no mapping, no
//! name, no child, no thread.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::Ordering;
use std::thread;

use common::stock::{Stock, inventory};
use multiprocess::shared::{
    Array, Barrier, Condition, Event, Lock, LockError, ReentrantLock, Seat, Semaphore, Value, Words,
};
use multiprocess::{Process, tasks};
#[cfg(unix)]
use rustix::process::{Pid, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};
use testing::{
    Deadline, Random, Report, Reports, alone, ends_well, kill_child, leaves_nothing, reports, start,
};
#[cfg(unix)]
use testing::{LONG, Other};

multiprocess::test_entry!();
tasks![
    allocate_and_free,
    count_what_many_take,
    drop_the_last_handle,
    have_a_part_of_each,
    make_and_pass_on,
    make_use_and_end_many,
    use_each,
    without_processes,
];
#[cfg(unix)]
tasks![kill_all_at_once];

/// A thing of each kind that processes share.
#[derive(Serialize, Deserialize)]
struct All {
    lock: Lock,
    reentrant: ReentrantLock,
    value: Value<[u64; 3]>,
    array: Array<u32>,
    words: Words,
    condition: Condition,
    event: Event,
    semaphore: Semaphore,
    seat: Seat,
}

impl All {
    /// Makes one of each, for this process and for another.
    fn two(length: usize) -> [Self; 2] {
        let mut seats = Barrier::seats(2).unwrap();
        let seat = seats.pop().unwrap();
        let this = Self {
            lock: Lock::new().unwrap(),
            reentrant: ReentrantLock::new().unwrap(),
            value: Value::new([1, 2, 3]).unwrap(),
            array: Array::in_parts(length, length.min(5)).unwrap(),
            words: Words::new(length).unwrap(),
            condition: Condition::new().unwrap(),
            event: Event::new().unwrap(),
            semaphore: Semaphore::new(3).unwrap(),
            seat,
        };
        let other = this.with(seats.pop().unwrap());
        [this, other]
    }

    /// Makes a clone of each, with another seat.
    fn with(&self, seat: Seat) -> Self {
        Self {
            lock: self.lock.clone(),
            reentrant: self.reentrant.clone(),
            value: self.value.clone(),
            array: self.array.clone(),
            words: self.words.clone(),
            condition: self.condition.clone(),
            event: self.event.clone(),
            semaphore: self.semaphore.clone(),
            seat,
        }
    }

    /// Uses each once, whatever has happened to it.
    fn use_once(&self) {
        let lock = self.lock.lock().unwrap_or_else(LockError::recover);
        let reentrant = self.reentrant.lock().unwrap_or_else(LockError::recover);
        self.value.update(|value| value[1] += 1);
        for part in 0..self.array.parts() {
            self.array.lock(part).unwrap_or_else(LockError::recover)[0] += 1;
        }
        self.words[0].fetch_add(1, Ordering::Relaxed);
        self.condition.lock().unwrap_or_else(LockError::recover).notify_all();
        self.event.set();
        drop((reentrant, lock, self.semaphore.acquire().unwrap()));
    }
}

/// Runs in the child.
fn use_each((all, said): (All, Report)) {
    all.use_once();
    said.say(());
    all.seat.wait().unwrap();
}

/// Runs in the child, until it is killed: holds all that can be held.
fn have_a_part_of_each((all, said): (All, Report)) {
    let _lock = all.lock.lock();
    let _reentrant = all.reentrant.lock();
    let _part = all.array.lock(0);
    let _condition = all.condition.lock();
    let _permit = all.semaphore.acquire();
    said.say(());
    let _ = all.seat.wait();
    loop {
        thread::park();
    }
}

/// Makes one of each and a process, and uses and ends them in one of several ways.
fn make_use_and_end(round: usize) {
    let [mine, its] = All::two(1 + round * 37 % 3000);
    let (mut all, said): (Reports, Report) = reports();
    mine.use_once();
    match round % 4 {
        0 => drop(Process::new(use_each, (its, said))),
        1 => {
            let child = start(have_a_part_of_each, (its, said));
            all.next::<()>();
            kill_child(&child);
            mine.seat.wait().unwrap_err();
        }
        2 => kill_child(&start(use_each, (its, said))),
        _ => {
            let child = start(use_each, (its, said));
            mine.seat.wait().unwrap();
            ends_well(&child);
        }
    }
    mine.use_once();
}

/// Runs in a process of its own.
fn make_use_and_end_many((): ()) {
    let _deadline = Deadline::seconds(300);
    leaves_nothing(200, make_use_and_end);
}

/// RES-01, SHM-07
#[test]
fn two_hundred_of_each_kind_leave_nothing_with_processes_that_end_in_any_way() {
    alone(make_use_and_end_many);
}

/// Runs in a process of its own.
fn without_processes((): ()) {
    let _deadline = Deadline::seconds(300);
    leaves_nothing(500, |round| {
        let [one, other] = All::two(1 + round * 37 % 3000);
        thread::scope(|scope| {
            for all in [one, other] {
                scope.spawn(move || {
                    all.use_once();
                    all.seat.wait().unwrap();
                });
            }
        });
    });
}

#[test]
fn five_hundred_of_each_kind_leave_nothing_with_threads() {
    alone(without_processes);
}

/// Runs in a process of its own.
fn allocate_and_free((): ()) {
    let _deadline = Deadline::seconds(300);
    let mut random = Random(0x5EED);
    let mut blocks: Vec<(u8, Array<u8>)> = Vec::new();
    let before = Stock::now().unwrap();
    for round in 0..5000 {
        let length = 1 + random.below(10_000) as usize;
        let block = Array::in_parts(length, 1 + random.below(3).min(length as u64 - 1) as usize);
        let (mark, block) = (round as u8, block.unwrap());
        for part in 0..block.parts() {
            let mut values = block.lock(part).unwrap();
            assert!(values.iter().all(|value| *value == 0), "new memory is zero");
            values.fill(mark);
        }
        blocks.push((mark, block));
        if blocks.len() > 20 {
            let (mark, block) = blocks.swap_remove(random.below(20) as usize);
            let is_whole = |part| block.lock(part).unwrap().iter().all(|value| *value == mark);
            assert!((0..block.parts()).all(is_whole), "another has written there");
        }
    }
    drop(blocks);
    before.comes_back().unwrap();
}

/// VALUE-13
#[test]
fn of_five_thousand_arrays_no_two_overlap_and_nothing_is_left() {
    alone(allocate_and_free);
}

/// Runs in a process of its own.
fn drop_the_last_handle((): ()) {
    let (before, few) = (Stock::now().unwrap(), inventory().unwrap().descriptors.len());
    let array = Array::<u64>::in_parts(1 << 16, 3).unwrap();
    array.lock(2).unwrap()[0] = 1;
    let clone = array.clone();
    drop(array);
    assert_eq!(clone.lock(2).unwrap()[0], 1, "one handle keeps it");
    assert!(inventory().unwrap().descriptors.len() > few || cfg!(windows), "each is told");
    drop(clone);
    before.comes_back().unwrap();
}

/// SHM-07
#[test]
fn an_array_goes_with_its_last_handle() {
    alone(drop_the_last_handle);
}

/// Fails if this process has anything with a name in the folder of shared memory.
fn has_no_names() {
    let found = inventory().unwrap();
    let all = found.descriptors.iter().chain(&found.mapped);
    let named: Vec<&String> = all.filter(|what| what.contains("/dev/shm")).collect();
    assert!(named.is_empty(), "{named:?}");
}

/// Runs in a process of its own.
fn count_what_many_take((): ()) {
    let before = inventory().unwrap();
    let locks: Vec<Lock> = (0..100).map(|_| Lock::new().unwrap()).collect();
    let events: Vec<Event> = (0..100).map(|_| Event::new().unwrap()).collect();
    let array = Array::<u64>::in_parts(100, 100).unwrap();
    let now = inventory().unwrap();
    has_no_names();
    let more = now.descriptors.len() - before.descriptors.len();
    // macOS has three for each, Windows its own numbers.
    assert!(!cfg!(target_os = "linux") || more == 201, "{more}");
    drop((locks, events, array));
    takes_one("a lock", || Lock::new().unwrap());
    takes_one("a reentrant lock", || ReentrantLock::new().unwrap());
    takes_one("a value", || Value::new([1_u64; 3]).unwrap());
    takes_one("an array", || Array::<u32>::in_parts(100, 7).unwrap());
    takes_one("words", || Words::new(100).unwrap());
    takes_one("a condition", || Condition::new().unwrap());
    takes_one("an event", || Event::new().unwrap());
    takes_one("a semaphore", || Semaphore::new(3).unwrap());
    takes_one("a seat", || Barrier::seats(1).unwrap());
}

/// Fails if each of these takes more than one descriptor and one mapping, on Linux, which tells.
fn takes_one<T>(what: &str, make: impl Fn() -> T) {
    const MANY: usize = 10;
    let count = || {
        let found = inventory().unwrap();
        (found.descriptors.len(), found.mapped.len())
    };
    let before = count();
    let all: Vec<T> = (0..MANY).map(|_| make()).collect();
    let now = count();
    let more = (now.0 - before.0, now.1 - before.1);
    assert!(!cfg!(target_os = "linux") || more == (MANY, MANY), "{what}: {more:?}");
    drop(all);
}

/// RES-B01, SHM-04
#[test]
fn each_takes_one_descriptor_and_mapping_no_name_and_an_array_has_many_locks_in_one() {
    alone(count_what_many_take);
}

/// Runs in the child: makes one of each, gives it to a child of its own, and is killed like that.
fn make_and_pass_on(said: Report) {
    let [mine, its] = All::two(1000);
    let (mut all, holds) = reports();
    let child = start(have_a_part_of_each, (its, holds));
    all.next::<()>();
    has_no_names();
    said.say(child.pid().unwrap());
    let _ = mine.seat.wait();
    loop {
        thread::park();
    }
}

/// Runs in a process of its own: kills parents and their children at once, as a container is.
#[cfg(unix)]
fn kill_all_at_once((): ()) {
    let _deadline = Deadline::seconds(300);
    leaves_nothing(20, |_| {
        let (mut all, said) = reports();
        let child = start(make_and_pass_on, said);
        let grandchild = all.next::<u32>();
        let others = [grandchild, child.pid().unwrap()].map(|pid| Other::of(pid).unwrap());
        assert!(others.iter().all(Other::kill));
        assert!(others.iter().all(|other| other.ends_within(LONG)));
        child.join().unwrap();
        assert_eq!(all.rest_as_text(), "");
        // On Linux this process has adopted it.
        let _ = waitpid(Pid::from_raw(grandchild.cast_signed()), WaitOptions::empty());
    });
}

/// SHM-B01
// On Windows, children go with their parents.
#[cfg(unix)]
#[test]
fn a_group_of_processes_killed_at_once_leaves_nothing() {
    alone(kill_all_at_once);
}
