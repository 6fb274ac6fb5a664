//! The executor.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use multiprocess::futures::{
    Control, Executor, Future, Kept, Promise, SubmitError, TaskError, together,
};
use multiprocess::process::{FunctionId, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::{Encoded, Piece};
use crate::buffers;
use crate::builder::ClusterBuilder;
use crate::client::{Completion, End, Network, Shared};
use crate::engine::Engine;
use crate::error::ConnectError;
use crate::presence::Machine;
use crate::protocol::{Task, part_size};
use crate::tasks::NewTask;

/// An executor whose calls run on the machines of a cluster. Python: `distributed.Client`,
/// `ray.init`, `MPIPoolExecutor`.
///
/// ```no_run
/// use cluster::ClusterExecutor;
/// use multiprocess::futures::Executor;
/// use multiprocess::tasks;
///
/// tasks![power];
///
/// fn power((base, exponent): (u64, u32)) -> u64 {
///     base.pow(exponent)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let executor = ClusterExecutor::connect("nats://127.0.0.1:4222")?;
/// assert_eq!(executor.submit(power, (2, 8))?.into_result()?, 256);
/// # Ok(())
/// # }
/// ```
///
/// A call runs **at most once**, unless [`retries`](ClusterBuilder::retries) are set. If the
/// machine dies on which it runs, it ends in [`TaskError::WorkerDied`], and all other calls are
/// done. A call that has not begun waits for another machine.
///
/// Calls get values: no queues, no pipes. They find the folder, the environment and the files of
/// the machine that they run on, and begin roughly in the order in which they were submitted. A
/// call must not wait for another call of the same cluster: with all processes waiting, nothing
/// goes on.
///
/// Callbacks run in a thread of the executor's own, which must not wait for another of its futures:
/// [`FutureError::Deadlock`](multiprocess::futures::FutureError::Deadlock). At the end of the
/// program's `main` all calls are waited for.
pub struct ClusterExecutor {
    shared: Arc<Shared>,
    /// Largest message in bytes.
    max_payload: usize,
    /// Threads of the network and of the results; none once shut down.
    threads: Vec<JoinHandle<()>>,
}

/// Error of waiting for processes that don't come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{there} of {wanted} processes are there after {timeout:?}")]
pub struct TooFewProcesses {
    /// Number of processes that are there.
    pub there: usize,
    /// Number of processes that were waited for.
    pub wanted: usize,
    /// Time that was waited.
    pub timeout: Duration,
}

impl ClusterExecutor {
    /// Connects to the cluster `default` at this server. Python: `distributed.Client(address)`.
    ///
    /// # Errors
    /// As [`ClusterBuilder::connect`].
    pub fn connect(server: &str) -> Result<Self, ConnectError> {
        Self::builder().server(server).connect()
    }

    /// Returns a builder, for more settings than a server.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Returns the machines that are there, also those of other builds. Dask:
    /// `client.scheduler_info()["workers"]`.
    #[must_use]
    pub fn workers(&self) -> Vec<Machine> {
        self.shared.state().presence.machines()
    }

    /// Waits until at least so many processes of this program's build are there; returns their
    /// number. Dask: `client.wait_for_workers`.
    ///
    /// # Errors
    /// [`TooFewProcesses`] after `timeout`.
    pub fn wait_for_processes(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> Result<usize, TooFewProcesses> {
        let there = self.shared.wait_for_processes(wanted, timeout);
        if there < wanted {
            return Err(TooFewProcesses { there, wanted, timeout });
        }
        Ok(there)
    }

    /// Starts the threads of an executor with a connection. `run` runs the network's loops.
    pub(crate) fn start<E: Engine>(
        network: impl FnOnce(mpsc::Sender<Vec<(Completion, End)>>) -> Network<E>,
        run: impl FnOnce(Network<E>) + Send + 'static,
    ) -> Result<Self, io::Error> {
        let (sender, results) = mpsc::channel();
        let network = network(sender);
        let shared = Arc::clone(&network.shared);
        let max_payload = network.engine.max_payload();
        let completed = Arc::clone(&shared);
        let completes = thread::Builder::new()
            .name(String::from("cluster-results"))
            // That of a program's main thread, which results were made for.
            .stack_size(8 << 20)
            .spawn(move || completed.complete(&results))?;
        // On an error the channel closes, and the other thread ends.
        let net = thread::Builder::new().name(String::from("cluster-net"));
        let net = net.spawn(move || run(network))?;
        let awaited = Arc::downgrade(&shared);
        multiprocess::at_exit(move || {
            if let Some(shared) = awaited.upgrade() {
                shared.close();
                shared.wait_until_over();
            }
        });
        Ok(Self { shared, max_payload, threads: vec![net, completes] })
    }

    fn submit_all<A, R, F>(
        &self,
        function: F,
        arguments: &[A],
    ) -> Result<Vec<Future<R>>, SubmitError>
    where
        A: Serialize,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        let function = FunctionId::of(&function).map_err(SubmitError::Unlisted)?;
        let name = function.name().map_err(|error| SubmitError::Broken(error.to_string()))?;
        let Encoded { pieces, failed } = Encoded::of(arguments, self.shared.limits.most_bytes);
        let id = self.shared.reserve(failed.iter().filter(|failed| failed.is_none()).count());
        let (mut futures, mut calls) = (Vec::new(), Vec::new());
        for failed in failed {
            let call = id + calls.len() as u64;
            let (promise, future) =
                Promise::with_control(Call { shared: Arc::clone(&self.shared), id: call });
            futures.push(future);
            match failed {
                Some(error) => drop(promise.set_exception(error)),
                None => calls.push(completion(promise)),
            }
        }
        if calls.is_empty() {
            return Ok(futures);
        }
        let (mut id, mut calls) = (id, calls.into_iter());
        let tasks = pieces.into_iter().map(|piece| {
            let (first, count) = (id, piece.lengths.len());
            id += count as u64;
            let calls = calls.by_ref().take(count).collect();
            (first, self.task(first, function, name, piece, calls))
        });
        self.shared.submit(tasks.collect())?;
        Ok(futures)
    }

    /// Makes a task; its arguments are in its message if they fit in.
    fn task(
        &self,
        id: u64,
        function: FunctionId,
        name: &str,
        piece: Piece,
        calls: Vec<Completion>,
    ) -> NewTask<Completion> {
        let bytes = buffers::filled(piece.bytes);
        let task = Task {
            client: self.shared.name.clone(),
            id,
            most_bytes: self.shared.limits.most_bytes,
            function,
            name: name.to_owned(),
            lengths: piece.lengths,
            arguments: None,
        };
        if bytes.len() <= part_size(self.max_payload) {
            let with_arguments = Task { arguments: Some(bytes.clone()), ..task.clone() };
            let message = with_arguments.encode();
            if message.len() <= self.max_payload {
                return NewTask { message, arguments: None, calls };
            }
        }
        NewTask { message: task.encode(), arguments: Some(bytes), calls }
    }

    fn finish(&mut self, wait: bool) {
        self.shared.close();
        // A callback that drops the executor would wait for itself.
        if wait && !self.shared.is_completing() {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
        self.threads.clear();
    }
}

/// Control over a call, for its future.
struct Call {
    shared: Arc<Shared>,
    id: u64,
}

impl Control for Call {
    fn cancel(&self) -> Option<Kept> {
        self.shared.cancel(self.id).map(Kept::new)
    }

    fn has_begun(&self) -> bool {
        self.shared.state().tasks.has_begun(self.id)
    }

    fn may_wait(&self) -> bool {
        !self.shared.is_completing()
    }
}

/// Returns the function that fulfils a promise.
fn completion<R: DeserializeOwned + Send + Sync + 'static>(promise: Promise<R>) -> Completion {
    Box::new(move |end| {
        let fulfil = || match end {
            // An error means that the future was cancelled meanwhile.
            End::Outcome(outcome) => match outcome.and_then(|bytes| decoded(&bytes)) {
                Ok(result) => drop(promise.set_result(result)),
                Err(error) => drop(promise.set_exception(error)),
            },
            End::Cancelled => promise.cancel(),
        };
        // Users' code runs in there: a panic ends here, and so does one in its payload's drop.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(fulfil)) {
            std::mem::forget(panic);
        }
    })
}

fn decoded<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, TaskError> {
    let reason = match catch_unwind(AssertUnwindSafe(|| frame::decode(bytes))) {
        Ok(Ok(result)) => return Ok(result),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => {
            std::mem::forget(panic);
            String::from("its deserialisation panicked")
        }
    };
    Err(TaskError::ResultNotReceived(reason))
}

impl Executor for ClusterExecutor {
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        let mut futures = self.submit_all(function, &[argument])?;
        Ok(futures.pop().expect("each argument has a future"))
    }

    fn submit_chunk<A, R, F>(
        &self,
        function: F,
        arguments: Vec<A>,
    ) -> Result<Vec<Future<R>>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        self.submit_all(function, &arguments)
    }

    fn shutdown(mut self, wait: bool, cancel_futures: bool) {
        self.shared.close();
        if cancel_futures {
            let cancelled = self.shared.cancel_waiting();
            together(|| cancelled.into_iter().for_each(|it| it(End::Cancelled)));
        }
        self.finish(wait);
    }
}

/// Waits for all calls.
impl Drop for ClusterExecutor {
    fn drop(&mut self) {
        // After `shutdown` there is nothing to wait for.
        if !self.threads.is_empty() {
            self.finish(true);
        }
    }
}

impl fmt::Debug for ClusterExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, _) = self.shared.state().presence.count();
        write!(f, "ClusterExecutor({}, {ours} workers)", self.shared.servers)
    }
}
