//! What the test files need: what those of the pools have, one test body for both executors, values
//! that fail on their way, programs of their own.

#![allow(dead_code, unused_imports, unused_macros, reason = "each test file needs some of it")]

#[path = "../../pool/support/mod.rs"]
mod of_pools;

use std::env;
use std::pin::pin;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use multiprocess::futures::{
    Executor, Future, FutureError, ProcessPoolExecutor, ThreadPoolExecutor,
};
use multiprocess::tasks;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use of_pools::*;

/// One body for both: `fn does_so<E: OnStage>()` becomes the tests `threads::does_so` and
/// `processes::does_so`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        on_both!(threads multiprocess::futures::ThreadPoolExecutor: $($name)+);
        on_both!(processes multiprocess::futures::ProcessPoolExecutor: $($name)+);
    };
    ($place:ident $executor:ty: $($name:ident)+) => {
        mod $place {
            $(
                #[test]
                fn $name() {
                    let _deadline = common::testing::Deadline::seconds(60);
                    super::$name::<$executor>();
                }
            )+
        }
    };
}
pub(crate) use on_both;

/// An executor whose workers are on a stage.
pub(crate) trait OnStage: Executor + Send + Sync + 'static {
    const IS_OF_PROCESSES: bool;

    fn on(stage: &Stage, workers: usize) -> Self;

    fn plain(workers: usize) -> Self {
        Self::on(&Stage::new(1), workers)
    }
}

impl OnStage for ThreadPoolExecutor {
    const IS_OF_PROCESSES: bool = false;

    fn on(stage: &Stage, workers: usize) -> Self {
        let stage = stage.clone();
        let builder = Self::builder().max_workers(workers);
        builder.initializer(move || enter(stage.clone())).build().unwrap()
    }
}

impl OnStage for ProcessPoolExecutor {
    const IS_OF_PROCESSES: bool = true;

    fn on(stage: &Stage, workers: usize) -> Self {
        Self::builder().max_workers(workers).initializer(enter, stage.clone()).build().unwrap()
    }
}

/// What became of a future, to compare it.
pub(crate) fn outcome<R: Clone>(future: &Future<R>) -> Result<R, FutureError> {
    future.result_timeout(LONG).cloned()
}

/// The kind of a future's error; `""` if it has a result.
pub(crate) fn kind_of<R>(future: &Future<R>) -> &'static str {
    match future.exception_timeout(LONG) {
        Ok(None) => "",
        Ok(Some(error)) => kind(error),
        Err(FutureError::Cancelled) => "Cancelled",
        Err(error) => panic!("{error}"),
    }
}

tasks![take, give, power];

/// A task.
pub(crate) fn power((base, exponent): (u64, u32)) -> u64 {
    base.pow(exponent)
}

/// A value that fails somewhere on its way.
#[derive(Clone, Debug)]
pub(crate) struct Trap(pub u8);

pub(crate) const FINE: u8 = 0;
pub(crate) const NOT_SENT: u8 = 1;
pub(crate) const PANICS_WHEN_SENT: u8 = 2;
pub(crate) const CRASHES_WHEN_SENT: u8 = 3;
pub(crate) const NOT_RECEIVED: u8 = 4;
pub(crate) const PANICS_WHEN_RECEIVED: u8 = 5;
pub(crate) const EXITS_WHEN_RECEIVED: u8 = 6;
pub(crate) const PANICS_WHEN_DROPPED: u8 = 7;

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            NOT_SENT => Err(serde::ser::Error::custom("no")),
            PANICS_WHEN_SENT => panic!("sent with a panic"),
            CRASHES_WHEN_SENT => end_by_signal(11),
            way => serializer.serialize_u8(way),
        }
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u8::deserialize(input)? {
            NOT_RECEIVED => Err(serde::de::Error::custom("no")),
            PANICS_WHEN_RECEIVED => panic!("received with a panic"),
            EXITS_WHEN_RECEIVED => std::process::exit(1),
            way => Ok(Self(way)),
        }
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        assert!(self.0 != PANICS_WHEN_DROPPED || std::thread::panicking(), "dropped with a panic");
    }
}

/// A task.
pub(crate) fn take(_: Trap) {}

/// A task.
pub(crate) fn give(way: u8) -> Trap {
    Trap(way)
}

/// The variable that tells which program a test file is to be, instead of its tests.
const PROGRAM: &str = "EXECUTORS_TESTS_PROGRAM";

/// Which program this is to be, if it is one: see [`run`].
pub(crate) fn program() -> Option<String> {
    env::var(PROGRAM).ok()
}

/// The test file as a program of its own, which its test `program_of_its_own` is.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["program_of_its_own", "--exact", "--nocapture", "--test-threads=1", "-q"]);
    command.env(PROGRAM, name).stdin(Stdio::null());
    command
}

/// Runs it; it has to end well and in time.
pub(crate) fn run(name: &str) -> Output {
    let _deadline = common::testing::Deadline::seconds(60);
    command(name).output().unwrap()
}

/// No test waits so long without need.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Counts how often it is woken, and wakes a thread.
pub(crate) struct Bell {
    pub(crate) rung: AtomicUsize,
    thread: thread::Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

pub(crate) fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell { rung: AtomicUsize::new(0), thread: thread::current() });
    (Arc::clone(&bell), Waker::from(bell))
}

/// Runs a future to its end in this thread.
pub(crate) fn block_on<F: std::future::Future>(future: F) -> F::Output {
    let (_, waker) = bell();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
