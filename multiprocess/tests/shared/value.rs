//! A value between processes does what Python's `Value` does, and where that loses updates, tears
//! or hangs, what is promised instead.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::queue::PutError;
use multiprocess::shared::{Pod, Value, Words, Zeroable};
use multiprocess::{Exit, Failure, Gate, Pool, Process, Queue, Waiting, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testing::{
    Deadline, LONG, Other, SHORT, alone, ended, ends_well, kill_child, leaves_nothing, start, until,
};

multiprocess::test_entry!();
tasks![
    set::<i32>,
    set::<f64>,
    set::<i16>,
    set::<i64>,
    set::<u8>,
    set::<Odd>,
    double_all,
    rename,
    hold_and_wait,
    add_many,
    end_inside,
    fill_until_told,
    hold_inside,
    nest_by_two_handles,
    receive_another_size,
    set_step_by_step,
    touch_and_wait_inside,
    use_many,
    wait_for_both,
];
tasks![adopt, add_to_adopted];

/// Not a whole word.
type Odd = [u8; 3];

/// Runs in the child.
fn set<T: Pod>((value, new): (Value<T>, T)) {
    value.update(|value| *value = new);
}

fn a_child_sets<T>(first: T, second: T)
where
    T: Pod + Serialize + PartialEq + std::fmt::Debug + Send,
    for<'de> T: Deserialize<'de>,
{
    let value = Value::new(first).unwrap();
    assert_eq!(value.get(), first);
    let mut child = Process::new(set::<T>, (value.clone(), second));
    assert_eq!(value.get(), first);
    child.start().unwrap();
    ends_well(&child);
    assert_eq!(value.get(), second);
}

/// VALUE-01
#[test]
fn a_value_has_its_first_number_until_a_child_sets_another() {
    let _deadline = Deadline::seconds(120);
    a_child_sets(7_i32, i32::MIN);
    a_child_sets(3.5_f64, f64::NEG_INFINITY);
    a_child_sets(-3_i16, i16::MAX);
    a_child_sets(1_i64 << 40, -1);
    a_child_sets(b'c', b'd');
    a_child_sets([1_u8, 2, 3], [250, 251, 252]);
}

#[test]
fn nothing_and_64_kib_are_values_too() {
    let _deadline = Deadline::seconds(120);
    let nothing = Value::new(()).unwrap();
    assert_eq!(nothing.update(|()| 7), 7);
    assert_eq!(nothing.wait_until(|()| true, None), Some(()));
    let largest = Value::new([1_u8; 64 << 10]).unwrap();
    largest.update(|bytes| bytes[65_535] = 2);
    let bytes = largest.get();
    assert_eq!((bytes[65_534], bytes[65_535]), (1, 2));
}

/// Tells that this process is inside of an update, and waits there.
fn wait_inside<T: Pod>(value: &Value<T>, inside: &Words, change: impl FnOnce(&mut T)) {
    value.update(|value| {
        change(value);
        inside[0].store(1, Ordering::Release);
        until("it is told to go on", || inside[0].load(Ordering::Acquire) == 2);
    });
}

/// Runs in the child.
fn hold_inside((value, inside): (Value<[u64; 8]>, Words)) {
    wait_inside(&value, &inside, |value| *value = [9; 8]);
}

/// Starts a child, which is in the middle of an update.
fn child_inside(value: &Value<[u64; 8]>) -> (Process, Words) {
    let inside = Words::new(1).unwrap();
    let child = Process::new(hold_inside, (value.clone(), inside.clone()));
    let mut child = child.named("holder");
    child.start().unwrap();
    until("the child is inside", || inside[0].load(Ordering::Acquire) == 1);
    (child, inside)
}

/// VALUE-02
#[test]
fn reading_takes_no_lock_and_does_not_wait_for_a_writer_not_even_a_stopped_one() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new([1_u64; 8]).unwrap();
    let (child, inside) = child_inside(&value);
    let other = Other::of(child.pid().unwrap()).unwrap();
    assert_eq!(value.get(), [1; 8]);
    assert!(other.stop());
    assert_eq!(value.get(), [1; 8]);
    assert_eq!(value.wait_until(|value| *value == [1; 8], None), Some([1; 8]));
    assert_eq!(value.wait_until(|value| *value == [9; 8], SHORT), None);
    let is_updated = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            value.update(|value| value[0] += 1);
            is_updated.store(true, Ordering::Release);
        });
        thread::sleep(2 * SHORT);
        assert!(!is_updated.load(Ordering::Acquire), "stopped isn't dead");
        inside[0].store(2, Ordering::Release);
        assert!(other.go_on());
    });
    ends_well(&child);
    assert_eq!(value.get(), [10, 9, 9, 9, 9, 9, 9, 9]);
}

/// VALUE-03
#[test]
fn each_value_has_a_lock_of_its_own() {
    let _deadline = Deadline::seconds(120);
    let [first, second] = [1, 2].map(|number| Value::new(number).unwrap());
    first.update(|first| {
        let taken = second.update(std::mem::take);
        *first += taken;
    });
    assert_eq!((first.get(), second.get()), (3, 0));
}

/// Python's has an `int`, a `double` and a `long long`; in this order no byte is unused.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "multiprocess::shared")]
#[repr(C)]
struct Several {
    z: i64,
    y: f64,
    x: i32,
    t: [i16; 2],
}

/// Runs in the child.
fn double_all(value: Value<Several>) {
    value.update(|value| {
        value.x *= 2;
        value.y *= 2.0;
        value.z *= 2;
    });
}

/// VALUE-04, VALUE-05, SHM-15
#[test]
fn a_child_doubles_the_fields_of_a_struct_and_a_copy_stays_as_it_is() {
    let _deadline = Deadline::seconds(120);
    let before = Several { x: 7, y: 3.5, z: 1 << 33, t: [1, 2] };
    let value = Value::new(before).unwrap();
    let copy = value.get();
    ends_well(&start(double_all, value.clone()));
    assert_eq!(value.get(), Several { x: 14, y: 7.0, z: 1 << 34, t: [1, 2] });
    assert_eq!(copy, before);
    let kept = value.update(|value| {
        let kept = *value;
        value.x = 1;
        kept
    });
    assert_eq!((kept.x, value.get().x), (14, 1));
}

/// A text has so many bytes at most; the rest is 0.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[bytemuck(crate = "multiprocess::shared")]
#[repr(C)]
struct Listed {
    text: [u8; 12],
    bytes: [u8; 4],
    float: f64,
    int: i64,
}

/// Runs in the child.
fn rename(value: Value<Listed>) {
    value.update(|listed| listed.text[..6].copy_from_slice("木星".as_bytes()));
}

/// SHM-13: what a list of values of several types would hold is a struct.
#[test]
fn texts_bytes_and_numbers_lie_in_a_struct_and_keep_their_zeros() {
    let _deadline = Deadline::seconds(120);
    let mut text = [0; 12];
    text[..5].copy_from_slice(b"earth");
    let listed = Listed { text, bytes: *b"ab\0\0", float: -0.5, int: -7 };
    let value = Value::new(listed).unwrap();
    ends_well(&start(rename, value.clone()));
    let Listed { text, bytes, float, int } = value.get();
    assert_eq!(std::str::from_utf8(&text).unwrap().trim_end_matches('\0'), "木星");
    assert_eq!((&bytes, float, int), (b"ab\0\0", -0.5, -7));
}

/// Runs in the child.
fn hold_and_wait((value, waiting): (Value<u64>, Waiting)) {
    value.update(|value| *value = 1);
    waiting.wait();
}

/// SHM-11: on Windows there is no Ctrl-C for one process.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_process_that_has_shared_memory() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(0_u64).unwrap();
    let (_gate, waiting) = Gate::new().unwrap();
    let child = start(hold_and_wait, (value.clone(), waiting));
    value.wait_until(|value| *value == 1, None);
    child.interrupt().unwrap();
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(-2));
    assert_eq!(value.get(), 1);
}

const MANY: u64 = 50_000;

/// Runs in the children.
fn add_many(value: Value<u64>) {
    for _ in 0..MANY {
        value.update(|value| *value += 1);
    }
}

/// VALUE-B01
#[test]
fn two_processes_add_one_many_times_and_no_addition_is_lost() {
    let _deadline = Deadline::seconds(300);
    let value = Value::new(0_u64).unwrap();
    let children = [(); 2].map(|()| start(add_many, value.clone()));
    children.iter().for_each(ends_well);
    assert_eq!(value.get(), 2 * MANY);
}

/// VALUE-B02
#[test]
fn a_writer_that_is_killed_has_changed_nothing_and_the_next_one_goes_on() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new([1_u64; 8]).unwrap();
    let (child, _inside) = child_inside(&value);
    let pid = child.pid().unwrap();
    let held = format!("lock: held by holder (process {pid})");
    let told = format!("{value:?}");
    assert!(told.contains("value: [1, 1, 1") && told.ends_with(&format!("{held} }}")), "{told}");
    kill_child(&child);
    let told = format!("{value:?}");
    assert!(told.ends_with(&format!("{held}, which is dead }}")), "{told}");
    assert_eq!(value.get(), [1; 8]);
    assert_eq!(value.update(|value| std::mem::replace(value, [2; 8])), [1; 8]);
    assert_eq!(value.get(), [2; 8]);
    assert!(format!("{value:?}").ends_with("lock: free }"), "{value:?}");
}

/// Ways to end in the middle of an update.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum End {
    Exits,
    Panics,
    Aborts,
}

/// Runs in the child.
fn end_inside((value, end): (Value<u64>, End)) {
    value.update(|value| {
        *value = 2;
        match end {
            End::Exits => std::process::exit(0),
            End::Panics => panic!("this panic is wanted"),
            End::Aborts => std::process::abort(),
        }
    });
}

/// VALUE-B02
#[test]
fn a_process_that_ends_in_an_update_in_whatever_way_has_changed_nothing() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(1_u64).unwrap();
    for end in [End::Exits, End::Panics, End::Aborts] {
        let code = ended(Process::new(end_inside, (value.clone(), end)));
        match end {
            End::Exits => assert_eq!(code, Some(0)),
            End::Panics => assert_eq!(code, Some(1)),
            End::Aborts => assert_ne!(code, Some(0)),
        }
        assert_eq!(value.get(), 1, "{end:?}");
        assert_eq!(value.update(|value| *value), 1, "{end:?}");
    }
}

/// Fits into words, and is copied by them.
type Eight = [u64; 8];

/// Numbers so many that they may be copied by another instruction.
type Large = [u64; 300];

/// Runs in the child. If the test fails, nothing tells it.
fn fill_until_told((small, large, told): (Value<Eight>, Value<Large>, Words)) {
    let begun = Instant::now();
    for number in 1.. {
        if told[0].load(Ordering::Acquire) == 1 || begun.elapsed() > 2 * LONG {
            return;
        }
        small.update(|all| *all = [number; 8]);
        large.update(|all| *all = [number; 300]);
        told[1].store(number, Ordering::Release);
    }
}

/// Returns what all numbers are.
fn the_one_number(all: &[u64]) -> u64 {
    assert!(all.iter().all(|number| *number == all[0]), "torn: {all:?}");
    all[0]
}

/// VALUE-B06
#[test]
fn a_reader_never_sees_old_and_new_numbers_mixed_or_an_older_value_after_a_newer_one() {
    let _deadline = Deadline::seconds(300);
    let (small, large) = (Value::new([0; 8]).unwrap(), Value::new([0; 300]).unwrap());
    let told = Words::new(2).unwrap();
    let child = start(fill_until_told, (small.clone(), large.clone(), told.clone()));
    let (mut last, mut last_large) = (0, 0);
    let mut reads = 0;
    while reads < 20_000 || told[1].load(Ordering::Acquire) < 2000 {
        let number = the_one_number(&small.get());
        let number_large = the_one_number(&large.get());
        assert!(number >= last && number_large >= last_large);
        (last, last_large) = (number, number_large);
        reads += 1;
    }
    told[0].store(1, Ordering::Release);
    ends_well(&child);
}

/// Runs in the child.
fn set_step_by_step((value, steps): (Value<u64>, u64)) {
    for _ in 0..steps {
        value.update(|value| *value += 1);
    }
}

#[test]
fn a_wait_ends_with_the_value_that_was_waited_for_or_without_one_after_the_timeout() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(1_u64).unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(1), SHORT, Duration::from_millis(101)] {
        let begun = Instant::now();
        let mut looks = 0;
        let found = value.wait_until(
            |value| {
                looks += 1;
                *value == 2
            },
            timeout,
        );
        assert_eq!(found, None);
        assert!(begun.elapsed() >= timeout && looks > 0);
    }
    let child = start(set_step_by_step, (value.clone(), 9));
    let found = value.wait_until(|value| *value >= 3, None).unwrap();
    assert!((3..=10).contains(&found), "{found}");
    assert_eq!(value.wait_until(|value| *value == 10, LONG), Some(10));
    assert_eq!(value.wait_until(|value| *value == 10, Duration::MAX), Some(10));
    ends_well(&child);
}

#[test]
fn each_update_wakes_all_that_wait_whatever_they_wait_for() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(0_u32).unwrap();
    let other = value.clone();
    thread::scope(|scope| {
        let waiting = [1, 2, 3, 3].map(|limit| {
            let other = &other;
            scope.spawn(move || other.wait_until(|value| *value >= limit, None))
        });
        for (thread, limit) in waiting.into_iter().zip([1, 2, 3, 3]) {
            value.update(|value| *value = limit);
            assert_eq!(thread.join().unwrap(), Some(limit));
        }
    });
}

/// Runs in the children: each adds one, and waits until the other one has.
fn wait_for_both(value: Value<u64>) -> Result<(), Failure> {
    for round in 1..=500 {
        value.update(|value| *value += 1);
        let both = value.wait_until(|value| *value >= 2 * round, LONG);
        both.ok_or_else(|| Failure::new("the other process didn't come"))?;
    }
    Ok(())
}

#[test]
fn two_processes_go_in_step_by_waiting_for_each_other() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(0_u64).unwrap();
    let children = [(); 2].map(|()| start(wait_for_both, value.clone()));
    children.iter().for_each(ends_well);
    assert_eq!(value.get(), 1000);
}

/// LOCK-B07
#[test]
fn a_value_elsewhere_than_in_the_arguments_of_a_process_says_where_it_may_be() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(1_u32).unwrap();
    let queue = Queue::bounded(1).unwrap();
    for _ in 0..10 {
        let error = queue.put(value.clone()).unwrap_err();
        assert!(matches!(error, PutError::Encode(_)));
        assert!(error.to_string().contains("the arguments of a new process"), "{error}");
    }
    assert_eq!(value.update(|value| *value), 1);
}

/// What a program gets if its two ends disagree.
struct Disguised(Option<Value<u64>>);

impl Serialize for Disguised {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().unwrap().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Disguised {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let received = Value::<[u64; 100]>::deserialize(deserializer);
        let Err(error) = received else { panic!("it has a hundred numbers") };
        assert!(error.to_string().contains("another size"), "{error}");
        Ok(Self(None))
    }
}

/// Runs in the child.
fn receive_another_size(disguised: Disguised) -> Exit {
    if disguised.0.is_none() { Exit::SUCCESS } else { Exit::FAILURE }
}

#[test]
fn a_value_of_another_size_than_was_sent_is_refused() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(1_u64).unwrap();
    ends_well(&start(receive_another_size, Disguised(Some(value.clone()))));
    assert_eq!(value.update(|value| *value), 1);
}

/// Runs in the child, which has the value twice.
fn nest_by_two_handles((first, second): (Value<u64>, Value<u64>)) {
    first.update(|_| second.update(|value| *value = 7));
}

#[test]
fn an_update_inside_of_another_panics_also_if_a_process_has_the_value_twice() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(1_u64).unwrap();
    let child = Process::new(nest_by_two_handles, (value.clone(), value.clone()));
    assert_eq!(ended(child), Some(1));
    assert_eq!(value.update(|value| *value), 1);
}

/// An initializer: keeps the value for the tasks of this worker.
fn adopt(value: Value<u64>) {
    ADOPTED.set(value).unwrap();
}

static ADOPTED: std::sync::OnceLock<Value<u64>> = std::sync::OnceLock::new();

/// Runs in the workers.
fn add_to_adopted(number: u64) -> u64 {
    ADOPTED.get().unwrap().update(|value| {
        *value += number;
        *value
    })
}

#[test]
fn the_workers_of_a_pool_get_a_value_by_its_initializer() {
    let _deadline = Deadline::seconds(120);
    let value = Value::new(0_u64).unwrap();
    let pool = Pool::builder().processes(2).initializer(adopt, value.clone()).build().unwrap();
    let sums = pool.map_chunked(add_to_adopted, 1..=100, 1).unwrap();
    assert_eq!((value.get(), sums.into_iter().max()), (5050, Some(5050)));
    pool.close();
    pool.join().unwrap();
}

/// Runs in the child.
fn touch_and_wait_inside((value, waiting): (Value<[u64; 8]>, Waiting)) {
    value.update(|value| {
        value[0] += 1;
        waiting.wait();
    });
}

/// Makes, uses and drops a value, whose child ends in one of several ways.
fn use_and_drop(round: usize) {
    let value = Value::new([round as u64; 8]).unwrap();
    let (gate, waiting) = Gate::new().unwrap();
    match round % 3 {
        0 => drop(Process::new(touch_and_wait_inside, (value.clone(), waiting))),
        1 => kill_child(&start(touch_and_wait_inside, (value.clone(), waiting))),
        _ => {
            let child = start(touch_and_wait_inside, (value.clone(), waiting));
            gate.open();
            ends_well(&child);
        }
    }
    value.update(|value| value[1] += 1);
    assert_eq!(value.get()[2], round as u64);
    let queue = Queue::bounded(1).unwrap();
    queue.put(value).unwrap_err();
}

/// Runs in a process of its own.
fn use_many((): ()) {
    leaves_nothing(60, use_and_drop);
}

/// VALUE-13
#[test]
fn nothing_is_left_of_values_that_were_used() {
    alone(use_many);
}
