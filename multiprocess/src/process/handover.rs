//! Descriptors as arguments: an open pipe, file or socket goes to a new process with its
//! arguments, or to another program in a message of a [`Client`](crate::manager::Client), and in no
//! other way. Python: `multiprocessing.reduction.DupFd`.
//!
//! ```text
//!   parent                                              child
//!   Process::new(f, value)
//!     serialise(value) ──▶ bytes, with "0", "1" … ──────▶ deserialise ──▶ f(value)
//!            └──────────▶ descriptors 0, 1 … ──(kernel)────────┘
//! ```
//!
//! A type with a descriptor inside marks that field and can then be (part of) an argument:
//!
//! ```
//! use std::io::{PipeWriter, Write};
//!
//! use multiprocess::{Failure, Process, tasks};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Log {
//!     #[serde(with = "multiprocess::process::handover")]
//!     pipe: PipeWriter,
//! }
//!
//! tasks![write];
//!
//! fn write(mut log: Log) -> Result<(), Failure> {
//!     Ok(log.pipe.write_all(b"done")?)
//! }
//!
//! # fn main() -> std::process::ExitCode {
//! # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
//! let (reader, pipe) = std::io::pipe()?;
//! let mut process = Process::new(write, Log { pipe });
//! process.start()?;
//! process.join()?;
//! assert_eq!(std::io::read_to_string(reader)?, "done");
//! # Ok(()) }) }
//! ```
//!
//! The descriptor is duplicated when the process starts, so parent and child hold one each until
//! the parent drops its own: `Process::start` does that once the child's copy is on its way.
//!
//! A copy on its way is open: the kernel holds it until the child takes it or dies. So the parent
//! need not wait for the child before it drops its own, and the end of file comes when the child's
//! end goes. (Not on macOS, where the child answers first: see `sys/process/macos.rs`.)

use std::cell::RefCell;
use std::thread::LocalKey;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::process::ends::{AsEnd, OwnedEnd};

thread_local! {
    /// Descriptors met so far, while the arguments of a new process are being serialised.
    static OUTGOING: Slot<Vec<OwnedEnd>> = const { RefCell::new(None) };
    /// Descriptors that came with the arguments, while these are being deserialised.
    static INCOMING: Slot<Vec<Option<OwnedEnd>>> = const { RefCell::new(None) };
}

type Slot<T> = RefCell<Option<T>>;

/// Duplicates a descriptor, and serialises its number in its place: for a field with
/// `#[serde(with = "multiprocess::process::handover")]`. Python: `DupFd(fd)`.
///
/// ```
/// # use std::fs::File;
/// #[derive(serde::Serialize)]
/// struct Log(#[serde(serialize_with = "multiprocess::process::handover::serialize")] File);
///
/// let log = Log(File::open(std::env::current_exe()?)?);
/// multiprocess::process::Arguments::pack(&log)?;
/// let elsewhere = multiprocess::process::frame::encode(&log, &mut Vec::new()).unwrap_err();
/// assert!(elsewhere.to_string().contains("can only be in the arguments of a new process"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Outside the arguments of a new process and the messages of a client, and at the limit of open
/// files.
pub fn serialize<F: AsEnd, S: Serializer>(holder: &F, serializer: S) -> Result<S::Ok, S::Error> {
    let index = in_slot(&OUTGOING, |outgoing| {
        let outgoing = outgoing.ok_or(
            "an end of a pipe, a queue, a lock or other shared memory, or a file can't be sent in \
             a message of a pipe or a queue: it can only be in the arguments of a new process, \
             Process::new(function, arguments), of the initializer of a pool or an executor, or in \
             a message of a manager::Client",
        )?;
        let copy = holder.as_end().try_clone_to_owned();
        outgoing.push(copy.map_err(|error| format!("can't duplicate a descriptor: {error}"))?);
        Ok::<_, String>(outgoing.len() - 1)
    });
    index.map_err(ser::Error::custom)?.serialize(serializer)
}

/// Returns the descriptor that came along under the number in the input: the other direction of
/// [`serialize`]. Python: `DupFd.detach()`.
///
/// # Errors
/// Outside the arguments of a new process and the messages of a client.
pub fn deserialize<'de, F: From<OwnedEnd>, D: Deserializer<'de>>(input: D) -> Result<F, D::Error> {
    let index = usize::deserialize(input)?;
    let taken = in_slot(&INCOMING, |incoming| {
        let incoming = incoming.ok_or(
            "a descriptor (of a connection, a queue, a lock, a file) can only arrive in the \
             arguments of a new process, or in a message of a manager::Client",
        )?;
        incoming
            .get_mut(index)
            .and_then(Option::take)
            .ok_or("this descriptor did not come along: the limit of open files may be reached")
    });
    taken.map(F::from).map_err(de::Error::custom)
}

/// Runs the work, in which descriptors may be serialised; returns their copies.
pub(crate) fn collect<T>(work: impl FnOnce() -> T) -> (T, Vec<OwnedEnd>) {
    let (done, descriptors) = with_slot(&OUTGOING, Vec::new(), work);
    (done, descriptors.unwrap_or_default())
}

/// Runs the work, in which these descriptors may be deserialised; closes those that weren't.
pub(crate) fn supply<T>(descriptors: Vec<OwnedEnd>, work: impl FnOnce() -> T) -> T {
    with_slot(&INCOMING, descriptors.into_iter().map(Some).collect(), work).0
}

/// Does something with the thread's value. A thread that is ending has none any more.
fn in_slot<C, T>(slot: &'static LocalKey<Slot<C>>, work: impl Fn(Option<&mut C>) -> T) -> T {
    let done = slot.try_with(|slot| work(slot.borrow_mut().as_mut()));
    done.unwrap_or_else(|_| work(None))
}

fn with_slot<C, T>(
    slot: &'static LocalKey<Slot<C>>,
    content: C,
    work: impl FnOnce() -> T,
) -> (T, Option<C>) {
    /// Empties the thread's value even if the work panics.
    struct Emptied<C: 'static>(&'static LocalKey<Slot<C>>);
    impl<C> Drop for Emptied<C> {
        fn drop(&mut self) {
            let _ = self.0.try_with(RefCell::take);
        }
    }
    let _ = slot.try_with(|slot| slot.replace(Some(content)));
    let emptied = Emptied(slot);
    let done = work();
    (done, emptied.0.try_with(RefCell::take).ok().flatten())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, PipeWriter, Write, pipe, read_to_string};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use testing::Deadline;

    use super::*;
    use crate::process::frame;

    #[derive(Debug, Serialize, Deserialize)]
    struct Holder<F: AsEnd + From<OwnedEnd>>(#[serde(with = "super")] F);

    fn some_file() -> File {
        File::open(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn descriptors_go_through_and_what_is_not_taken_is_closed() {
        let _deadline = Deadline::seconds(60);
        let (reader, writer) = pipe().unwrap();
        let mut frame = Vec::new();
        let value = (Holder(writer), 5);
        let (done, mut descriptors) = collect(|| frame::encode(&value, &mut frame));
        done.unwrap();
        drop(value);
        descriptors.push(pipe().unwrap().1.into());
        let mut body = Vec::new();
        frame::read(&mut &frame[..], frame::LIMIT, &mut body).unwrap();
        let (Holder(mut writer), five): (Holder<PipeWriter>, i32) =
            supply(descriptors, || frame::decode(&body)).unwrap();
        write!(writer, "{five}").unwrap();
        drop(writer);
        assert_eq!(read_to_string(reader).unwrap(), "5", "end of file: no copy is left");
    }

    /// QUEUE-B11
    #[test]
    fn elsewhere_it_is_an_error_that_says_where_it_may_be() {
        let holder = Holder(some_file());
        let error = frame::encode(&holder, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("arguments of a new process"), "{error}");
        let error = frame::decode::<Holder<PipeReader>>(&[0]).unwrap_err().to_string();
        assert!(error.contains("arguments of a new process"), "{error}");
    }

    #[test]
    fn a_false_or_repeated_number_is_an_error() {
        let one = || vec![some_file().into()];
        let decoded: Result<(Holder<File>, Holder<File>), _> =
            supply(one(), || frame::decode(&[0, 0]));
        assert!(decoded.is_err());
        assert!(supply(one(), || frame::decode::<Holder<File>>(&[9])).is_err());
    }

    #[test]
    fn a_panic_while_serialising_closes_the_way_again() {
        let panicked = catch_unwind(AssertUnwindSafe(|| collect(|| panic!("in Serialize"))));
        assert!(panicked.is_err());
        assert!(OUTGOING.with_borrow(Option::is_none));
    }
}
