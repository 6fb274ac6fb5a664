//! What can't be a process is refused in one sentence, and nothing is started.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::any::Any;
use std::io::{PipeWriter, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};

use multiprocess::process::{Error, frame};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testing::{Deadline, alone, children, descriptors, ended, whole_text};

multiprocess::test_entry!();

tasks![do_nothing, generic::<u8>];

/// Runs in the child.
fn do_nothing((): ()) {}

/// Runs in the child.
fn generic<T>(_value: T) {}

fn unlisted((): ()) {}

/// What a start with this function says.
fn refusal<A: Serialize + Send + 'static, F: Fn(A) + Any>(function: F, arguments: A) -> String {
    let mut process = Process::new(function, arguments);
    let text = process.start().unwrap_err().to_string();
    assert_eq!((process.pid(), process.is_alive()), (None, false));
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn a_function_that_is_not_listed_is_refused_by_name() {
    let text = refusal(unlisted, ());
    assert!(text.contains("bad_input::unlisted") && text.contains("tasks![unlisted]"), "{text}");
}

#[test]
fn an_instance_of_a_listed_generic_function_may_be_unlisted() {
    let text = refusal(generic::<String>, String::new());
    assert!(text.contains("bad_input::generic<alloc::string::String>"), "{text}");
    assert!(text.contains("tasks!["), "{text}");
    let _deadline = Deadline::seconds(60);
    assert_eq!(ended(Process::new(generic::<u8>, 1)), Some(0));
}

#[test]
fn a_function_pointer_is_refused() {
    let pointer: fn(()) = do_nothing;
    let text = refusal(pointer, ());
    assert!(text.contains("fn(())") && text.contains("tasks!["), "{text}");
}

#[test]
fn a_closure_is_refused() {
    let captured = String::from("captured");
    let text = refusal(move |()| assert!(captured.is_empty()), ());
    assert!(text.contains("a_closure_is_refused") && text.contains("tasks!["), "{text}");
    let text = refusal(|()| {}, ());
    assert!(text.contains("a_closure_is_refused") && text.contains("tasks!["), "{text}");
}

/// Can't be serialised, in one way or another; begins with a descriptor that can.
#[derive(Deserialize)]
struct Stubborn {
    #[serde(with = "multiprocess::process::handover")]
    writer: PipeWriter,
    #[serde(skip)]
    panics: bool,
}

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Writer<'a>(#[serde(serialize_with = "handed_over")] &'a PipeWriter);
        fn handed_over<S: Serializer>(writer: &&PipeWriter, to: S) -> Result<S::Ok, S::Error> {
            multiprocess::process::handover::serialize(*writer, to)
        }
        Writer(&self.writer).serialize(serializer)?;
        assert!(!self.panics, "this panic is wanted");
        Err(serde::ser::Error::custom("stubborn"))
    }
}

tasks![take_stubborn, arguments_that_cannot_travel];

/// Never runs.
fn take_stubborn(_stubborn: Stubborn) {}

/// Runs in a process of its own.
fn arguments_that_cannot_travel((): ()) {
    let _deadline = Deadline::seconds(60);
    let before = descriptors();
    for panics in [false, true] {
        let (reader, writer) = pipe().unwrap();
        let mut process = Process::new(take_stubborn, Stubborn { writer, panics });
        for _ in 0..3 {
            match catch_unwind(AssertUnwindSafe(|| process.start())) {
                Ok(started) => assert!(matches!(started, Err(Error::Arguments { .. }))),
                Err(_) => assert!(panics),
            }
            assert!(children().is_empty() && !process.is_alive());
        }
        drop(process);
        assert_eq!(std::io::read_to_string(reader).unwrap(), "", "no copy is left");
    }
    assert_eq!(descriptors(), before);
    assert_eq!(ended(Process::new(do_nothing, ())), Some(0));
}

#[test]
fn arguments_that_cannot_be_serialised_start_nothing_and_leave_nothing() {
    alone(arguments_that_cannot_travel);
}

/// A descriptor outside of the arguments of a new process is refused, also in a child.
#[test]
fn a_descriptor_travels_in_no_other_way() {
    let (_reader, report) = testing::reports();
    let error = frame::encode(&report, &mut Vec::new()).unwrap_err();
    assert!(whole_text(&error).contains("the arguments of a new process"), "{error}");
}

/// What its sender calls a number arrives as something else.
#[derive(Serialize)]
#[serde(transparent)]
struct Other(u64);

impl<'de> Deserialize<'de> for Other {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input).map(|text| Self(text.len() as u64))
    }
}

tasks![take_other];

/// Never runs.
fn take_other(_other: Other) {}

#[test]
fn arguments_that_cannot_be_deserialised_are_an_error_and_the_function_never_runs() {
    let _deadline = Deadline::seconds(60);
    for number in [7, u64::MAX] {
        let mut process = Process::new(take_other, Other(number));
        let outcome = process.start().and_then(|()| process.join());
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("never ran"), "{text}");
        assert_eq!(process.exitcode(), Some(1));
    }
}

#[test]
fn a_name_of_megabytes_is_an_error_or_works_and_does_not_hang() {
    let _deadline = Deadline::seconds(60);
    let mut process = Process::new(do_nothing, ()).named("x".repeat(2 << 20));
    match process.start().and_then(|()| process.join()) {
        Ok(()) => assert_eq!(process.exitcode(), Some(0)),
        Err(error) => assert!(matches!(error, Error::NeverRan { .. } | Error::Start { .. })),
    }
    assert!(!process.is_alive());
}
