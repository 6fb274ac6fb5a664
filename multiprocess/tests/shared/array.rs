//! Arrays do what Python's `Array`, `RawArray` and `SharedMemory` do, and where these lose, leak or
//! hang, what is promised instead.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::shared::{Array, LockError, PartGuard, Pod, Words, Zeroable};
use multiprocess::{Failure, Gate, Process, Waiting, tasks};
use testing::{
    Deadline, LONG, Report, SHORT, Signal, alone, ends_well, kill_child, reports, start, until,
};

multiprocess::test_entry!();
tasks![
    add_up,
    add_up_words,
    another_program_ends,
    change_half,
    double_text,
    end_with_a_part,
    hold_and_wait,
    hold_for_ever,
    lock_by_two_handles,
    keep_and_wait,
    lock_in_vain,
    make_and_be_terminated,
    make_and_end,
    panic_with_a_part,
    say_howdy,
    see_wide_values,
    step_through,
];

#[cfg(target_os = "linux")]
tasks![measure_new_arrays];

/// Takes the part, whatever has happened to it.
macro_rules! take {
    ($array:expr, $part:expr) => {
        $array.lock($part).unwrap_or_else(LockError::recover)
    };
}

/// Runs in the child: each value becomes the sum of all up to it.
fn add_up(array: Array<i32>) {
    let mut values = array.lock(0).unwrap();
    for index in 1..values.len() {
        values[index] += values[index - 1];
    }
}

/// VALUE-07
#[test]
fn an_array_is_a_slice_whose_values_another_process_changes() {
    let _deadline = Deadline::seconds(120);
    let array = Array::new(10).unwrap();
    assert_eq!((array.len(), array.parts(), array.range(0)), (10, 1, 0..10));
    let numbers = [680, 626, 934, 821, 150, 233, 548, 982, 714, 831];
    array.lock(0).unwrap().copy_from_slice(&numbers);
    {
        let values = array.lock(0).unwrap();
        assert_eq!((values.len(), values[4], &values[2..5]), (10, 150, &[934, 821, 150][..]));
        assert_eq!(values.get(10), None);
    }
    array.lock(0).unwrap()[4..8].copy_from_slice(&[1, 2, 3, 4]);
    ends_well(&start(add_up, array.clone()));
    let mut sums = [680, 626, 934, 821, 1, 2, 3, 4, 714, 831];
    for index in 1..10 {
        sums[index] += sums[index - 1];
    }
    assert_eq!(*array.lock(0).unwrap(), sums);
}

/// Runs in the child.
fn add_up_words(words: Words) {
    for index in 1..words.len() {
        words[index].fetch_add(words[index - 1].load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// VALUE-09
#[test]
fn words_are_an_array_without_a_lock() {
    let _deadline = Deadline::seconds(120);
    let words = Words::new(10).unwrap();
    (0..10).for_each(|index| words[index].store(index as u64, Ordering::Relaxed));
    ends_well(&start(add_up_words, words.clone()));
    let sums = (0..10).map(|index: u64| index * (index + 1) / 2);
    assert!(words.iter().map(|word| word.load(Ordering::Relaxed)).eq(sums));
}

/// Runs in the child.
fn double_text(text: Array<u8>) {
    let mut text = text.lock(0).unwrap();
    let length = text.iter().position(|byte| *byte == 0).unwrap();
    text.copy_within(..length, length);
}

/// VALUE-10
#[test]
fn an_array_of_bytes_holds_a_text() {
    let _deadline = Deadline::seconds(120);
    let text = Array::new(20).unwrap();
    text.lock(0).unwrap()[..5].copy_from_slice(b"hello");
    ends_well(&start(double_text, text.clone()));
    assert_eq!(*text.lock(0).unwrap(), *b"hellohello\0\0\0\0\0\0\0\0\0\0");
}

/// Runs in the child: changes half of 200 numbers of part 1, and never the others.
fn change_half((array, changed): (Array<u64>, Report)) {
    let mut part = array.lock(1).unwrap();
    part[..100].fill(7);
    changed.say(());
    loop {
        thread::park();
    }
}

/// VALUE-B02, VALUE-B03
#[test]
fn a_process_killed_in_the_middle_is_told_to_the_next_holder_of_that_part_and_to_no_other() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(600, 3).unwrap();
    for _ in 0..12 {
        let (mut changes, changed) = reports();
        let process = Process::new(change_half, (array.clone(), changed));
        let mut child = process.named("half-done");
        child.start().unwrap();
        changes.next::<()>();
        let pid = child.pid().unwrap();
        assert!(array.try_lock(1).unwrap().is_none());
        for part in [0, 2] {
            assert!(array.lock(part).unwrap().iter().all(|value| *value == 0));
        }
        kill_child(&child);
        let mut told = array.lock(1).unwrap_err();
        let died = told.died();
        assert_eq!((died.pid, died.name.as_deref(), died.deaths), (pid, Some("half-done"), 1));
        assert!(!died.panicked);
        let text = told.to_string();
        assert!(text.contains("half-done") && text.contains(&pid.to_string()), "{text}");
        assert!(text.contains("part 1"), "{text}");
        assert_eq!(told.get_mut().part(), 1);
        assert_eq!(told.get_mut()[..100], [7; 100], "half is changed");
        assert_eq!(told.get_mut()[100..], [0; 100]);
        for part in [0, 2] {
            drop(array.lock(part).unwrap());
        }
        drop(told);
        let told = array.try_lock(1).unwrap_err();
        assert_eq!(told.died().deaths, 1, "told again, because no process has recovered");
        told.recover().fill(0);
        drop(array.lock(1).unwrap());
    }
}

/// Runs in the child.
fn end_with_a_part(array: Array<u64>) {
    std::mem::forget(array.lock(0).unwrap());
}

/// LOCK-B03
#[test]
fn a_process_that_ends_with_a_part_is_told_too() {
    let _deadline = Deadline::seconds(120);
    let array = Array::new(1).unwrap();
    let child = start(end_with_a_part, array.clone());
    ends_well(&child);
    let expected = (child.pid().unwrap(), 1);
    let told = |error: LockError<PartGuard<'_, u64>>| (error.died().pid, error.died().deaths);
    assert_eq!(told(array.lock_timeout(0, LONG).unwrap_err()), expected);
    assert_eq!(told(array.try_lock(0).unwrap_err()), expected);
    assert_eq!(told(array.lock(0).unwrap_err()), expected);
}

/// Runs in the child.
fn panic_with_a_part(array: Array<u64>) {
    let mut part = array.lock(1).unwrap();
    part[0] = 5;
    panic!("with part 1");
}

#[test]
fn a_panic_with_a_part_is_told_as_one() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(2, 2).unwrap();
    let child = start(panic_with_a_part, array.clone());
    child.join().unwrap();
    drop(array.lock(0).unwrap());
    let told = array.lock(1).unwrap_err();
    assert_eq!((told.died().pid, told.died().panicked), (child.pid().unwrap(), true));
    assert!(told.to_string().contains("panicked"), "{told}");
    drop(told.recover());
    // And in this process; but a guard that is taken while a panic is under way is no part of it.
    struct Writes<'a>(&'a Array<u64>);
    impl Drop for Writes<'_> {
        fn drop(&mut self) {
            self.0.lock(0).unwrap()[0] = 1;
        }
    }
    let panics = || {
        let _writes = Writes(&array);
        let _part = array.lock(1).unwrap();
        panic!("with part 1");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(array.lock(0).unwrap()[0], 1);
    assert_eq!(array.lock(1).unwrap_err().died().pid, std::process::id());
}

/// Runs in the child: has part 1 until the gate opens.
fn hold_and_wait((array, taken, waiting): (Array<u64>, Report, Waiting)) {
    let mut part = array.lock(1).unwrap();
    taken.say(());
    waiting.wait();
    part[0] += 1;
}

/// Starts a child that has part 1 until the gate opens.
fn holder(array: &Array<u64>) -> (Process, Gate) {
    let (mut all, taken) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(hold_and_wait, (array.clone(), taken, waiting)).named("holder");
    process.start().unwrap();
    all.next::<()>();
    (process, gate)
}

/// LOCK-01, LOCK-09
#[test]
fn a_part_that_another_process_has_is_none_at_once_or_after_the_timeout() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(10, 2).unwrap();
    let (child, gate) = holder(&array);
    assert!(array.try_lock(1).unwrap().is_none());
    assert!(array.lock_timeout(1, Duration::ZERO).unwrap().is_none());
    let begun = Instant::now();
    assert!(array.lock_timeout(1, SHORT).unwrap().is_none());
    assert!(begun.elapsed() >= SHORT);
    let mut other = array.lock_timeout(0, SHORT).unwrap().unwrap();
    other[4] = 1;
    gate.open();
    let part = array.lock_timeout(1, LONG).unwrap().unwrap();
    assert_eq!((part[0], other[4]), (1, 1));
    ends_well(&child);
}

/// LOCK-06
#[test]
fn the_text_form_tells_the_size_and_which_process_has_which_part() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(10, 2).unwrap();
    assert_eq!(format!("{array:?}"), "Array(10 values, 2 parts)");
    let (child, _gate) = holder(&array);
    let held = format!("{array:?}");
    assert!(held.contains("part 1 held by"), "{held}");
    assert!(held.contains("holder") && held.contains(&child.pid().unwrap().to_string()), "{held}");
    assert!(!held.contains("part 0"), "{held}");
    let part = array.lock(0).unwrap();
    assert_eq!(format!("{part:?}"), "part 0 [0, 0, 0, 0, 0]");
    assert!(format!("{array:?}").contains("part 0 held"));
    kill_child(&child);
}

/// LOCK-B06
#[cfg(not(windows))] // Nothing stops a process there.
#[test]
fn a_stopped_process_keeps_its_part_until_it_goes_on() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(10, 2).unwrap();
    let (child, gate) = holder(&array);
    let other = testing::Other::of(child.pid().unwrap()).unwrap();
    assert!(other.stop());
    gate.open();
    assert!(array.lock_timeout(1, Duration::from_millis(300)).unwrap().is_none());
    assert!(other.go_on());
    assert_eq!(array.lock(1).unwrap()[0], 1);
    ends_well(&child);
}

#[test]
fn a_thread_that_would_wait_for_itself_panics_and_says_so() {
    let _deadline = Deadline::seconds(120);
    let array = Array::<u8>::in_parts(10, 2).unwrap();
    let clone = array.clone();
    let mut part = array.lock(1).unwrap();
    assert!(array.try_lock(1).unwrap().is_none());
    assert!(clone.lock_timeout(1, Duration::from_millis(5)).unwrap().is_none());
    for again in [&array, &clone] {
        let panic = catch_unwind(AssertUnwindSafe(|| drop(again.lock(1)))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("this thread has part 1"), "{text}");
    }
    part[0] = 1;
    // Another thread of the process waits, and other parts are free.
    thread::scope(|scope| {
        let waits = scope.spawn(|| array.lock(1).unwrap()[0]);
        drop(array.lock(0).unwrap());
        thread::sleep(Duration::from_millis(5));
        assert!(!waits.is_finished());
        drop(part);
        assert_eq!(waits.join().unwrap(), 1);
    });
}

#[test]
fn threads_of_several_processes_change_each_part_one_at_a_time() {
    let _deadline = Deadline::seconds(300);
    let array = Array::<u64>::in_parts(90, 3).unwrap();
    let children = [(); 2].map(|()| start(step_through, array.clone()));
    step_through(array.clone());
    children.iter().for_each(ends_well);
    for part in 0..3 {
        assert!(take!(array, part).iter().all(|value| *value == 3 * 3 * 200), "{array:?}");
    }
}

/// Runs in a child, and in its parent: three threads add 1 to all values of all parts, 200 times.
fn step_through(array: Array<u64>) {
    let step = |first: usize| {
        for round in 0..600 {
            let mut part = array.lock((first + round) % 3).unwrap();
            let value = part[0];
            assert!(part.iter().all(|other| *other == value), "{part:?}");
            part.iter_mut().for_each(|value| *value += 1);
        }
    };
    thread::scope(|scope| (0..3).for_each(|first| drop(scope.spawn(move || step(first)))));
}

/// A value that is aligned to a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
struct Wide([u32; 16]);

/// Runs in the child.
fn see_wide_values((wide, bytes): (Array<Wide>, Array<[u8; 3]>)) {
    for part in 0..wide.parts() {
        let mut part = wide.lock(part).unwrap();
        assert!(part.as_ptr().is_aligned());
        part.iter_mut().for_each(|value| value.0[15] += 1);
    }
    for part in 0..bytes.parts() {
        bytes.lock(part).unwrap().iter_mut().for_each(|value| value[2] += 1);
    }
}

#[test]
fn values_of_any_size_and_alignment_up_to_64_lie_where_they_should() {
    let _deadline = Deadline::seconds(120);
    let (wide, bytes) = (Array::in_parts(5, 3).unwrap(), Array::in_parts(50, 7).unwrap());
    ends_well(&start(see_wide_values, (wide.clone(), bytes.clone())));
    let mut expected = Wide([0; 16]);
    expected.0[15] = 1;
    assert!((0..3).all(|part| wide.lock(part).unwrap().iter().all(|value| *value == expected)));
    assert!((0..7).all(|part| bytes.lock(part).unwrap().iter().all(|value| *value == [0, 0, 1])));
}

#[test]
fn parts_are_nearly_equal_and_follow_each_other() {
    for (length, parts) in [(1, 1), (10, 3), (12, 4), (1000, 7), (64, 64)] {
        let array = Array::<u16>::in_parts(length, parts).unwrap();
        let mut next = 0;
        for part in 0..parts {
            let range = array.range(part);
            assert_eq!((range.start, range.len()), (next, take!(array, part).len()));
            assert!(range.len() == length / parts || range.len() == length.div_ceil(parts));
            next = range.end;
        }
        assert_eq!((next, array.len(), array.parts()), (length, length, parts));
        assert!(!array.is_empty());
    }
}

#[test]
fn a_part_that_there_is_not_is_a_panic_that_tells_how_many_there_are() {
    let array = Array::<u16>::in_parts(10, 3).unwrap();
    let ways: [&dyn Fn(); 4] = [
        &|| drop(array.lock(3)),
        &|| drop(array.try_lock(usize::MAX)),
        &|| drop(array.lock_timeout(3, LONG)),
        &|| drop(array.range(3)),
    ];
    for way in ways {
        let panic = catch_unwind(AssertUnwindSafe(way)).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("there is no part") && text.contains("has 3"), "{text}");
    }
}

/// SHM-01
#[test]
fn a_clone_is_the_same_memory() {
    let array = Array::<u8>::new(512).unwrap();
    array.lock(0).unwrap()[0] = 42;
    let clone = array.clone();
    assert_eq!((clone.len(), clone.lock(0).unwrap()[0]), (512, 42));
    assert!(format!("{clone:?}").contains("512"));
}

/// SHM-03
#[test]
fn sizes_that_can_not_be_are_errors_that_say_why() {
    let refused = |length, parts| {
        let error = Array::<u64>::in_parts(length, parts).unwrap_err();
        (error.kind(), error.to_string())
    };
    for (length, parts, why) in [
        (0, 1, "at least one value"),
        (0, 0, "at least one value"),
        (5, 0, "at least one part"),
        (5, 6, "6 parts are too many for an array of 5 values"),
        (1, usize::MAX, "too many"),
    ] {
        let (kind, text) = refused(length, parts);
        assert!(kind == ErrorKind::InvalidInput && text.contains(why), "{kind}: {text}");
    }
    assert_eq!(Array::<u64>::new(0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// SHM-B08
#[test]
fn more_memory_than_there_is_is_an_error_of_new_and_no_signal() {
    for length in [1 << 47, 1 << 58, isize::MAX as usize / 8, 1 << 60, usize::MAX] {
        for parts in [1, 1000, length] {
            let error = Array::<u64>::in_parts(length, parts).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{length}, {parts}: {text}");
            assert!(text.contains("memory") && !text.contains("os error"), "{text}");
        }
    }
}

/// Runs in a process of its own: what an array takes as a file, before a value is touched.
#[cfg(target_os = "linux")]
fn measure_new_arrays((): ()) {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    let has_taken = |megabytes: usize| {
        let files = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
        let is_shared = |path: &std::path::PathBuf| {
            fs::read_link(path).is_ok_and(|target| target.starts_with("/memfd:shared (deleted)"))
        };
        let taken: Vec<u64> = files
            .filter(is_shared)
            .map(|path| fs::metadata(path).unwrap().blocks() * 512)
            .collect();
        assert!(taken.len() == 1 && taken[0] >= (megabytes as u64) << 20, "{taken:?}");
    };
    for megabytes in [1, 7, 40] {
        let array = Array::<u8>::in_parts(megabytes << 20, 3).unwrap();
        has_taken(megabytes);
        drop(array);
        let _words = Words::new(megabytes << 17).unwrap();
        has_taken(megabytes);
    }
}

/// SHM-B08
#[cfg(target_os = "linux")]
#[test]
fn all_memory_of_an_array_is_taken_when_it_is_made() {
    alone(measure_new_arrays);
}

/// Runs in the child.
fn say_howdy((array, waiting, said): (Array<u8>, Waiting, Report)) {
    array.lock(0).unwrap()[..5].copy_from_slice(b"howdy");
    said.say(());
    waiting.wait();
    assert_eq!(array.lock(0).unwrap()[..5], *b"HELLO");
}

/// SHM-05
#[test]
fn parent_and_child_read_what_the_other_has_written() {
    let _deadline = Deadline::seconds(120);
    let array = Array::new(512).unwrap();
    let (gate, waiting) = Gate::new().unwrap();
    let (mut all, said) = reports();
    let child = start(say_howdy, (array.clone(), waiting, said));
    all.next::<()>();
    assert_eq!(array.lock(0).unwrap()[..5], *b"howdy");
    array.lock(0).unwrap()[..5].copy_from_slice(b"HELLO");
    gate.open();
    ends_well(&child);
}

/// Runs in the child: makes an array, gives it to two children of its own, and ends.
fn make_and_end((there, waiting): (Report, Waiting)) -> Result<(), Failure> {
    let array = Array::new(100)?;
    array.lock(0).unwrap().fill(6);
    for _ in 0..2 {
        let child = (array.clone(), there.another(), waiting.another()?);
        Process::new(keep_and_wait, child).start()?;
    }
    drop(array);
    Ok(())
}

/// Runs in the child's children: has the array still, adds 1, and tells what there is then.
fn keep_and_wait((array, there, waiting): (Array<u64>, Report, Waiting)) {
    waiting.wait();
    let mut values = array.lock(0).unwrap();
    values.iter_mut().for_each(|value| *value += 1);
    there.say(values[99]);
}

/// SHM-B06
#[test]
fn when_its_maker_has_dropped_it_those_who_have_it_still_share_it() {
    let _deadline = Deadline::seconds(120);
    let (mut all, there) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let child = start(make_and_end, (there, waiting));
    gate.open();
    let mut told = [all.next::<u64>(), all.next::<u64>()];
    told.sort_unstable();
    assert_eq!(told, [7, 8]);
    ends_well(&child);
}

/// Runs in the child, as another program: attaches, reads, and ends.
fn another_program_ends(array: Array<u64>) {
    assert_eq!(array.lock(0).unwrap()[0], 5);
}

/// SHM-09, SHM-B02
#[test]
fn a_process_that_attached_and_ended_has_destroyed_nothing() {
    let _deadline = Deadline::seconds(120);
    let array = Array::new(10).unwrap();
    array.lock(0).unwrap()[0] = 5;
    for _ in 0..3 {
        ends_well(&start(another_program_ends, array.clone()));
        assert_eq!(array.lock(0).unwrap()[0], 5);
    }
}

/// SHM-B04
#[test]
fn bytes_stay_as_they_are_zeros_at_the_end_too() {
    let array = Array::<[u8; 4]>::new(2).unwrap();
    array.lock(0).unwrap().copy_from_slice(&[*b"abc\0", *b"x\0\0\0"]);
    assert_eq!(*array.lock(0).unwrap(), [*b"abc\0", *b"x\0\0\0"]);
}

/// SHM-B07
#[test]
fn new_memory_is_zero() {
    for parts in [1, 3] {
        let array = Array::<u32>::in_parts(100_000, parts).unwrap();
        assert!((0..parts).all(|part| array.lock(part).unwrap().iter().all(|value| *value == 0)));
        (0..parts).for_each(|part| array.lock(part).unwrap().fill(u32::MAX));
    }
}

/// Runs in the child: makes an array, and is terminated.
fn make_and_be_terminated((made, waiting): (Report, Waiting)) {
    made.takes_standard_error();
    let array = Array::<u64>::new(1 << 16).unwrap();
    let _part = array.lock(0).unwrap();
    // The pipe's end: standard error has it still.
    drop(made);
    testing::signal_self(Signal::TERM);
    waiting.wait();
}

/// SHM-08, RES-01
#[test]
fn a_terminated_maker_leaves_no_warning() {
    let _deadline = Deadline::seconds(120);
    let (all, made) = reports();
    let (_gate, waiting) = Gate::new().unwrap();
    let child = start(make_and_be_terminated, (made, waiting));
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(-15));
    assert_eq!(all.rest_as_text(), "");
}

/// Runs in a process of its own, whose children are killed one after another: each is told of all
/// before it.
fn lock_in_vain((): ()) {
    let array = Array::<u64>::in_parts(2, 2).unwrap();
    let words = Words::new(1).unwrap();
    for round in 1..=20 {
        let holding = (array.clone(), words.clone());
        let child = start(hold_for_ever, holding);
        until("it holds the part", || words[0].load(Ordering::Acquire) == round);
        kill_child(&child);
    }
    let told = array.lock(0).unwrap_err();
    assert_eq!(told.died().deaths, 20);
    drop(array.lock(1).unwrap());
}

/// Runs in the child: has part 0, and says so.
fn hold_for_ever((array, words): (Array<u64>, Words)) {
    let _part = array.lock(0);
    words[0].fetch_add(1, Ordering::Release);
    loop {
        thread::park();
    }
}

#[test]
fn deaths_are_counted_until_a_process_has_recovered() {
    alone(lock_in_vain);
}

/// Runs in the child, which has two handles of the array.
fn lock_by_two_handles([one, other]: [Array<u8>; 2]) {
    let part = one.lock(1).unwrap();
    assert!(other.try_lock(1).unwrap().is_none());
    let panic = catch_unwind(AssertUnwindSafe(|| drop(other.lock(1)))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("this thread has part 1 of the array already"), "{text}");
    drop(other.lock(0).unwrap());
    drop(part);
    other.lock(1).unwrap()[0] = 7;
    assert_eq!(one.lock(1).unwrap()[0], 7);
}

#[test]
fn a_thread_that_has_a_part_by_another_handle_panics_instead_of_waiting_for_itself() {
    let _deadline = Deadline::seconds(120);
    let array = Array::in_parts(4, 2).unwrap();
    ends_well(&start(lock_by_two_handles, [array.clone(), array.clone()]));
    assert_eq!(array.lock(1).unwrap()[0], 7);
}
