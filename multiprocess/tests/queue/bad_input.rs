//! What can't be put, got or made is refused in one sentence; a damaged memory costs items, but no
//! panic and no hang.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use multiprocess::process::frame;
use multiprocess::queue::{Error as QueueError, GetError, PutError};
use multiprocess::{Queue, tasks};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use testing::{Deadline, start, text};

multiprocess::test_entry!();
tasks![panic_in_get];

#[test]
fn a_queue_of_no_places_is_refused_and_what_to_use_is_named() {
    let error = Queue::<u32>::bounded(0).unwrap_err();
    assert!(matches!(error, QueueError::NoPlaces));
    assert!(error.to_string().contains("Queue::unbounded()"), "{error}");
}

#[test]
fn an_absurd_size_is_refused_and_the_largest_is_named_and_works() {
    let _deadline = Deadline::seconds(120);
    for places in [(1 << 20) + 1, 1 << 32, (1 << 32) + 1, usize::MAX] {
        let error = Queue::<u32>::bounded(places).unwrap_err();
        let QueueError::TooManyPlaces { most, .. } = error else {
            panic!("{error}");
        };
        assert!(error.to_string().contains(&most.to_string()), "{error}");
        assert!(error.to_string().contains("Queue::unbounded()"), "{error}");
        let largest = Queue::bounded(most as usize).unwrap();
        largest.put(text(1, 1 << 20)).unwrap();
        assert!(largest.get().unwrap() == text(1, 1 << 20));
    }
}

/// QUEUE-B11
#[test]
fn a_queue_elsewhere_than_in_process_arguments_says_where_it_may_be() {
    let _deadline = Deadline::seconds(120);
    let (inner, outer) = (Queue::<u32>::bounded(1).unwrap(), Queue::bounded(1).unwrap());
    for _ in 0..10 {
        let error = frame::encode(&inner, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("the arguments of a new process"));
        let error = outer.put(inner.clone()).unwrap_err();
        assert!(matches!(error, PutError::Encode(_)));
        assert!(error.to_string().contains("the arguments of a new process"));
        assert!(error.to_string().contains("can't be sent in a message"));
    }
    assert!(outer.is_empty());
    inner.put(1).unwrap();
    assert_eq!(inner.get().unwrap(), 1);
}

/// A flag that can't be serialised if it is false, nor deserialised if it was sent as 2.
#[derive(Debug, PartialEq)]
struct Stubborn(Option<bool>);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(true) => serializer.serialize_u8(1),
            Some(false) => Err(serde::ser::Error::custom("stubborn")),
            None => serializer.serialize_u8(2),
        }
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u8::deserialize(input)? {
            1 => Ok(Self(Some(true))),
            _ => Err(serde::de::Error::custom("stubborn")),
        }
    }
}

/// QUEUE-07, QUEUE-08
#[test]
fn an_item_that_cannot_be_serialised_is_an_error_of_put_and_costs_no_place() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::bounded(1).unwrap(), Queue::unbounded().unwrap()] {
        for _ in 0..10 {
            let refused = queue.put(Stubborn(Some(false)));
            let Err(PutError::Encode(reason)) = refused else {
                panic!("{refused:?}");
            };
            assert!(reason.to_string().contains("Stubborn"), "{reason}");
            let refused = queue.put_timeout(Stubborn(Some(false)), Duration::MAX);
            assert!(matches!(refused, Err(PutError::Encode(_))));
            assert_eq!(queue.qsize(), 0);
            queue.try_put(Stubborn(Some(true))).unwrap();
            assert_eq!(queue.qsize(), 1);
            assert_eq!(queue.get().unwrap(), Stubborn(Some(true)));
            assert!(queue.is_empty());
        }
    }
}

#[test]
fn an_item_that_cannot_be_deserialised_is_an_error_of_get_and_used_up() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(1).unwrap();
    for _ in 0..10 {
        queue.try_put(Stubborn(None)).unwrap();
        let got = queue.get();
        let Err(GetError::Decode(reason)) = got else {
            panic!("{got:?}");
        };
        assert!(reason.to_string().contains("Stubborn"), "{reason}");
        assert!(queue.is_empty());
    }
    queue.try_put(Stubborn(Some(true))).unwrap();
    assert_eq!(queue.try_get().unwrap(), Stubborn(Some(true)));
}

/// A value of so many bytes that goes wrong in the middle, once at least half of it has been turned
/// into bytes, or back.
#[derive(Debug, PartialEq)]
enum Moody {
    Well(usize),
    /// Can't be serialised: an error, or a panic.
    FailsToGo(usize),
    PanicsToGo(usize),
    /// Can't be deserialised.
    FailsToCome(usize),
    PanicsToCome(usize),
}

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mood, length) = match *self {
            Self::Well(length) => (0_u8, length),
            Self::FailsToCome(length) => (1, length),
            Self::PanicsToCome(length) => (2, length),
            Self::FailsToGo(length) => (3, length),
            Self::PanicsToGo(length) => (4, length),
        };
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element(&"x".repeat(length))?;
        match mood {
            3 => return Err(ser::Error::custom("not in the mood to go")),
            4 => panic!("not in the mood to go"),
            _ => parts.serialize_element(&mood)?,
        }
        parts.serialize_element(&"y".repeat(length))?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let (half, mood, _) = <(String, u8, String)>::deserialize(input)?;
        match mood {
            0 => Ok(Self::Well(half.len())),
            1 => Err(de::Error::custom("not in the mood to come")),
            _ => panic!("not in the mood to come"),
        }
    }
}

/// Nothing, if it panics.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// In a slot, in a slot's area, in a shared area, in a window.
const SIZES: [usize; 4] = [3, 5000, 100_000, 1 << 20];

/// Puts good items, and between them those that go wrong, in all forms of `put`.
fn put_moody_ones(queue: &Queue<Moody>, length: usize) {
    let put = |item| queue.put(item);
    let put_timeout = |item| queue.put_timeout(item, Duration::from_secs(60));
    let try_put = |item| queue.try_put(item);
    let forms: [&dyn Fn(Moody) -> Result<(), PutError<Moody>>; 3] = [&put, &put_timeout, &try_put];
    for form in forms {
        form(Moody::FailsToCome(length)).unwrap();
        let refused = form(Moody::FailsToGo(length));
        assert!(matches!(refused, Err(PutError::Encode(_))), "{refused:?}");
        form(Moody::PanicsToCome(length)).unwrap();
        assert!(caught(|| form(Moody::PanicsToGo(length))).is_none());
        form(Moody::Well(length)).unwrap();
    }
}

/// Gets them again, in all forms of `get`: each that goes wrong costs itself.
fn get_moody_ones(queue: &Queue<Moody>, length: usize) {
    let get = || queue.get();
    let get_timeout = || queue.get_timeout(Duration::from_secs(60));
    let try_get = || queue.try_get();
    let forms: [&dyn Fn() -> Result<Moody, GetError>; 3] = [&get, &get_timeout, &try_get];
    for form in forms {
        let got = form();
        assert!(matches!(got, Err(GetError::Decode(_))), "{got:?}");
        assert!(caught(form).is_none());
        assert_eq!(form().unwrap(), Moody::Well(length));
        (0..3).for_each(|_| queue.task_done().unwrap());
    }
    assert_eq!(queue.join().unwrap(), 0, "all count as got");
    assert_eq!((queue.qsize(), queue.is_full()), (0, false));
}

#[test]
fn an_item_whose_serialize_or_deserialize_fails_or_panics_costs_itself_and_nothing_else() {
    let _deadline = Deadline::seconds(120);
    for length in SIZES {
        for queue in [Queue::bounded(9).unwrap(), Queue::unbounded().unwrap()] {
            for _ in 0..2 {
                put_moody_ones(&queue, length);
                assert_eq!(queue.qsize(), 9);
                get_moody_ones(&queue, length);
            }
        }
    }
}

/// Runs in the child. It panics in `get` to its end.
fn panic_in_get(queue: Queue<Moody>) {
    let _ = queue.get();
}

#[test]
fn a_consumer_that_ends_by_such_a_panic_takes_only_that_item_along() {
    let _deadline = Deadline::seconds(120);
    for length in SIZES {
        let queue = Queue::bounded(2).unwrap();
        queue.put(Moody::PanicsToCome(length)).unwrap();
        queue.put(Moody::Well(length)).unwrap();
        let child = start(panic_in_get, queue.clone());
        child.join().unwrap();
        assert_eq!(child.exitcode(), Some(1));
        assert_eq!(queue.get().unwrap(), Moody::Well(length));
        queue.task_done().unwrap();
        assert_eq!(queue.join().unwrap(), 1, "what the child had got is not done");
    }
}

/// Its text, and those of its causes, of which none repeats another.
fn told(error: &(dyn Error + 'static)) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    assert!(texts.is_sorted_by(|error, cause| !error.contains(cause.as_str())), "{texts:?}");
    texts
}

#[test]
fn no_error_tells_its_cause_twice() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(3).unwrap();
    queue.put(Moody::FailsToCome(1)).unwrap();
    let system = || io::Error::other(io::Error::other("no disk"));
    for error in [
        &queue.put(Moody::FailsToGo(1)).unwrap_err() as &dyn Error,
        &queue.get().unwrap_err(),
        &PutError::<()>::System(system()),
        &GetError::System(system()),
        &QueueError::System(system()),
    ] {
        assert_eq!(told(error).len(), 1, "the whole sentence");
    }
}

/// Limits of a process, which Windows doesn't have.
#[cfg(unix)]
mod limits {
    use std::fmt::Display;
    use std::fs::File;

    use multiprocess::{Process, tasks};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use testing::{alone, ends_well, start};

    tasks![
        below_a_limit_of_file_sizes,
        do_nothing,
        get_a_large_one_below_a_limit,
        many_large_ones_below_a_limit_of_file_sizes,
        without_descriptors,
    ];

    /// Returns whether this is one sentence without its full stop, as all our errors are.
    fn is_a_sentence(error: impl Display) -> bool {
        let text = error.to_string();
        text.len() > 10 && !text.contains('\n') && !text.ends_with('.')
    }

    /// Changes what of a resource this process may use; back by `None`.
    pub(super) fn limit(resource: Resource, most: Option<u64>) {
        let maximum = getrlimit(resource).maximum;
        let current = most.or(maximum);
        setrlimit(resource, Rlimit { current, maximum }).unwrap();
    }

    /// Runs in the child. Its parent has put a large item, which nothing forbids it to read.
    fn get_a_large_one_below_a_limit(queue: Queue<String>) {
        limit(Resource::Fsize, Some(1 << 20));
        let got = queue.get();
        limit(Resource::Fsize, None);
        assert!(got.unwrap() == text(1, 2 << 20));
    }

    /// Runs in a process of its own. Nothing may be printed below the limit: the output may be a
    /// file.
    fn below_a_limit_of_file_sizes((): ()) {
        let _deadline = Deadline::seconds(120);
        let before = Queue::bounded(2).unwrap();
        for most in [0, 1, 4096, 1 << 18, 1 << 20, 1 << 24, 1 << 30] {
            limit(Resource::Fsize, Some(most));
            let below = [Queue::bounded(1), Queue::bounded(1024), Queue::unbounded()];
            let mut said = Vec::new();
            for queue in [Ok(before.clone())].into_iter().chain(below) {
                match queue {
                    Ok(queue) => {
                        said.push(put_and_get(&queue, 10));
                        said.push(put_and_get(&queue, 100_000));
                        said.push(put_and_get(&queue, 2 << 20));
                        said.push(put_and_get(&queue, 10));
                    }
                    Err(error) => said.push(Some(error.to_string())),
                }
            }
            limit(Resource::Fsize, None);
            assert_eq!(said[0], None, "a small item fits below {most}");
            assert_eq!(said[3], None, "a small item fits afterwards");
            assert!(said.iter().flatten().all(is_a_sentence), "{said:?}");
        }
        // Nor is such an item lost where others wait before it.
        limit(Resource::Fsize, Some(1 << 24));
        let queue = Queue::unbounded().unwrap();
        let waiting: Vec<bool> = (0..1100).map(|n| queue.put(text(n, 10)).is_ok()).collect();
        let put = queue.put(text(0, 1 << 16));
        let got: Vec<Option<String>> = (0..1100).map(|_| queue.get().ok()).collect();
        limit(Resource::Fsize, None);
        assert!(waiting.into_iter().all(|put| put));
        assert!((0..1100).all(|n| got[n] == Some(text(n, 10))));
        assert!(matches!(put, Err(PutError::TooLong { .. })), "{:?}", put.is_ok());
        // Nor one that waits already when the limit comes.
        let queue = Queue::unbounded().unwrap();
        (0..1024).for_each(|n| queue.put(text(n, 10)).unwrap());
        queue.put(text(0, 2 << 20)).unwrap();
        limit(Resource::Fsize, Some(1 << 20));
        let got: Vec<Option<String>> = (0..1024).map(|_| queue.get().ok()).collect();
        let too_early = queue.get_timeout(Duration::from_millis(50));
        limit(Resource::Fsize, None);
        assert!((0..1024).all(|n| got[n] == Some(text(n, 10))));
        assert!(matches!(too_early, Err(GetError::Empty)), "{:?}", too_early.is_ok());
        assert!(queue.get().unwrap() == text(0, 2 << 20));
    }

    /// Runs in a process of its own. The limit is for files: only items that would have to be
    /// written like a file's bytes are refused, and none is lost, nor in the way of others.
    fn many_large_ones_below_a_limit_of_file_sizes((): ()) {
        let _deadline = Deadline::seconds(120);
        let queue = Queue::bounded(1024).unwrap();
        limit(Resource::Fsize, Some(1 << 20));
        for _ in 0..3 {
            let puts = (0..1024).map(|n| queue.put(text(n, 100_000)));
            let put = puts.take_while(Result::is_ok).count();
            assert!((1..1024).contains(&put), "{put}");
            let refused = queue.put(text(put, 100_000));
            assert!(matches!(refused, Err(PutError::TooLong { .. })), "{refused:?}");
            queue.put(text(1, 10)).unwrap();
            assert_eq!(queue.qsize(), put + 1);
            // The next large one takes the memory of the one that is got.
            assert!(queue.get().unwrap() == text(0, 100_000));
            queue.put(text(put, 100_000)).unwrap();
            (1..put).for_each(|n| assert!(queue.get().unwrap() == text(n, 100_000)));
            assert!(queue.get().unwrap() == text(1, 10));
            assert!(queue.get().unwrap() == text(put, 100_000));
        }
        limit(Resource::Fsize, None);
        assert_eq!(queue.qsize(), 0);
    }

    /// What is said about an item of this length, if it is refused; it comes back if it isn't.
    fn put_and_get(queue: &Queue<String>, length: usize) -> Option<String> {
        let refused = queue.put(text(length, length)).err();
        if refused.is_none() {
            assert!(queue.get().unwrap() == text(length, length));
        }
        assert!(queue.is_empty());
        refused.map(|error| error.to_string())
    }

    #[test]
    fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
        alone(below_a_limit_of_file_sizes);
    }

    #[test]
    fn a_limit_of_file_sizes_forbids_no_item_that_lies_in_mapped_memory() {
        alone(many_large_ones_below_a_limit_of_file_sizes);
    }

    #[test]
    fn below_a_limit_of_file_sizes_large_items_can_still_be_got() {
        let _deadline = Deadline::seconds(120);
        let queue = Queue::bounded(1).unwrap();
        queue.put(text(1, 2 << 20)).unwrap();
        ends_well(&start(get_a_large_one_below_a_limit, queue));
    }

    /// Runs in the child.
    pub(super) fn do_nothing(_queue: Queue<String>) {}

    /// Runs in a process of its own.
    fn without_descriptors((): ()) {
        let _deadline = Deadline::seconds(120);
        let queue = Queue::bounded(1).unwrap();
        let mut all = Vec::new();
        limit(Resource::Nofile, Some(40));
        while let Ok(file) = File::open("/dev/null") {
            all.push(file);
        }
        for spare in 0..20 {
            let made = Queue::<u32>::bounded(1);
            let started = Process::new(do_nothing, queue.clone()).start();
            // The queue itself needs no more.
            for length in [1, 100_000] {
                queue.try_put(text(spare, length)).unwrap();
                assert!(queue.is_full());
                assert!(queue.try_get().unwrap() == text(spare, length));
            }
            if spare == 0 {
                let (made, started) = (made.unwrap_err(), started.unwrap_err());
                for error in [made.to_string(), started.to_string()] {
                    assert!(is_a_sentence(&error), "{error}");
                    assert!(error.contains("Too many open files"), "{error}");
                }
            }
            all.pop();
        }
        drop(all);
        let child = start(do_nothing, queue);
        ends_well(&child);
    }

    #[test]
    fn without_descriptors_making_and_handing_over_fail_and_the_rest_works() {
        alone(without_descriptors);
    }
}

/// Memories that are damaged: on Linux one can open them.
#[cfg(target_os = "linux")]
mod damaged {
    use std::thread;

    use multiprocess::{Gate, Process, Waiting, tasks};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use rustix::process::Resource;
    use testing::damage::{FIRST_WORD, Memory, play, use_queue};
    use testing::{Random, alone, ends_well};

    use super::limits::{do_nothing, limit};
    use super::*;

    tasks![
        damage_queues,
        damage_shared_queues,
        hand_over_what_is_no_queue,
        make_a_bounded_queue_look_unbounded,
        open_damaged_queues,
        use_a_damaged_queue,
    ];

    /// Runs in a process of its own.
    fn damage_queues((): ()) {
        let _deadline = Deadline::seconds(120);
        // A length that is a lie must not take all memory of the machine that tests.
        limit(Resource::As, Some(2 << 30));
        let mut random = Random(0xDD_B1A5_E5BA_D5EE);
        for _ in 0..300 {
            let places = [1, 3, 17][random.below(3) as usize];
            let queue = Queue::bounded(places).unwrap();
            let other = queue.clone();
            let memory = Memory::of(&queue, places as u64).unwrap();
            for _ in 0..10 {
                use_queue(&queue, &mut random);
            }
            for _ in 0..4 {
                for _ in 0..=random.below(20) {
                    memory.damage(&mut random);
                }
                for _ in 0..10 {
                    use_queue(&queue, &mut random);
                }
            }
            drop(other);
            let unfinished = queue.join();
            assert!(matches!(unfinished, Ok(_) | Err(QueueError::Disconnected)));
        }
    }

    #[test]
    fn a_damaged_memory_makes_errors_but_no_panic_and_no_hang() {
        alone(damage_queues);
    }

    /// Runs in a process of its own.
    fn open_damaged_queues((): ()) {
        let _deadline = Deadline::seconds(120);
        limit(Resource::As, Some(2 << 30));
        let play = |script: Vec<u8>| {
            play(&script).unwrap();
            Ok(())
        };
        let config = Config { failure_persistence: None, ..Config::with_cases(1000) };
        TestRunner::new(config).run(&vec(any::<u8>(), 0..200), play).unwrap();
    }

    #[test]
    fn a_damaged_memory_can_be_opened_and_used_or_is_refused() {
        alone(open_damaged_queues);
    }

    /// Runs in the child. When it has got the first item, its parent begins to damage the memory.
    fn use_a_damaged_queue((queue, seed, waiting): (Queue<String>, u64, Waiting)) {
        limit(Resource::As, Some(2 << 30));
        queue.get().unwrap();
        waiting.wait();
        let mut random = Random(seed);
        for _ in 0..200 {
            use_queue(&queue, &mut random);
        }
    }

    /// Runs in a process of its own.
    fn damage_shared_queues((): ()) {
        let _deadline = Deadline::seconds(120);
        let mut random = Random(0x0B5E_55ED);
        for seed in 1..=10 {
            let queue = Queue::bounded(3).unwrap();
            let memory = Memory::of(&queue, 3).unwrap();
            queue.put(text(0, 0)).unwrap();
            let (gate, waiting) = Gate::new().unwrap();
            let child = start(use_a_damaged_queue, (queue.clone(), seed, waiting));
            while !queue.is_empty() {
                thread::yield_now();
            }
            gate.open();
            while child.is_alive() {
                memory.damage(&mut random);
            }
            ends_well(&child);
        }
    }

    #[test]
    fn a_memory_that_is_being_damaged_stops_nobody() {
        alone(damage_shared_queues);
    }

    /// Runs in a process of its own.
    fn hand_over_what_is_no_queue((): ()) {
        let _deadline = Deadline::seconds(120);
        for index in 0..4 {
            let queue = Queue::bounded(1).unwrap();
            Memory::of(&queue, 1).unwrap().set(index, u64::MAX - 1);
            let mut child = Process::new(do_nothing, queue);
            match child.start().and_then(|()| child.join()) {
                Ok(()) => assert_eq!(child.exitcode(), Some(0)),
                Err(error) => assert!(error.to_string().contains("never ran"), "{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_queue_any_more_ends_a_child_before_its_function() {
        alone(hand_over_what_is_no_queue);
    }

    /// Runs in a process of its own.
    fn make_a_bounded_queue_look_unbounded((): ()) {
        let _deadline = Deadline::seconds(120);
        for index in FIRST_WORD..FIRST_WORD + 8 {
            let queue = Queue::bounded(1).unwrap();
            let memory = Memory::of(&queue, 1).unwrap();
            queue.put(text(1, 1)).unwrap();
            memory.set(index, 0);
            // Else the item would wait for a place, and the drop of this handle for the item.
            let refused = queue.try_put(text(2, 2));
            assert!(matches!(refused, Err(PutError::Full(_))), "word {index}");
        }
    }

    #[test]
    fn a_bounded_queue_stays_bounded_whatever_its_memory_says() {
        alone(make_a_bounded_queue_look_unbounded);
    }
}
