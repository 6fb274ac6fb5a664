//! The tests that executors of threads and of processes have in common, on a cluster.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use cluster::local::{LocalServer, LocalWorker, test_server};
use cluster::{ClusterExecutor, Worker};
use multiprocess::futures::{Executor, Future, SubmitError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testing::relay::Relay;
use testing::stage::enter_far;
use testing::{LONG, OnStage, Stage};

multiprocess::test_entry!();
testing::test_calls!(cluster crate::Clustered);
testing::test_maps!(cluster crate::Clustered);
testing::test_waiting!(cluster crate::Clustered);
testing::test_cancelling!(cluster crate::Clustered);
testing::test_hostile!(cluster crate::Clustered);

/// An executor with a machine of its own.
struct Clustered {
    // Dropped in this order: the machine is there until all calls are done.
    executor: ClusterExecutor,
    machine: Machine,
}

/// A machine in a cluster of its own. Dropped, it serves the next executor of as many processes.
struct Machine {
    /// `None` once it is handed on.
    worker: Option<Named>,
    processes: usize,
    /// The way to the stage of the executor that it serves.
    relay: Option<Relay>,
}

/// A worker, and the name of its cluster.
type Named = (String, LocalWorker);

/// Machines that serve no executor, by their number of processes.
static IDLE: Mutex<BTreeMap<usize, Vec<Named>>> = Mutex::new(BTreeMap::new());
/// Machines whose executors have not waited for their calls.
static LEFT_ALONE: Mutex<Vec<(Option<Named>, Option<Relay>)>> = Mutex::new(Vec::new());

/// Returns the server of all clusters of this program; `None` where there is none.
fn server() -> Option<&'static LocalServer> {
    static SERVER: OnceLock<Option<LocalServer>> = OnceLock::new();
    SERVER.get_or_init(test_server).as_ref()
}

impl Machine {
    fn of(processes: usize) -> Self {
        let worker = IDLE.lock().unwrap().entry(processes).or_default().pop();
        let worker = worker.unwrap_or_else(|| {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name = format!("cluster-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            let worker = Worker::builder().server(server().unwrap().address()).cluster(&name);
            (name, LocalWorker::start(worker.processes(processes)).unwrap())
        });
        Self { worker: Some(worker), processes, relay: None }
    }

    /// Lets it do what its executor has not waited for.
    fn leave_alone(&mut self) {
        LEFT_ALONE.lock().unwrap().push((self.worker.take(), self.relay.take()));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::current().name() == Some("cluster-results") {
            // A callback has dropped the executor, and could not wait.
            self.leave_alone();
        } else if let Some(worker) = self.worker.take().filter(|_| !thread::panicking()) {
            IDLE.lock().unwrap().entry(self.processes).or_default().push(worker);
        }
    }
}

impl OnStage for Clustered {
    const IS_OF_PROCESSES: bool = true;
    const ENDS_ITS_WORKERS: bool = false;
    const BEGINS_AT_ONCE: bool = false;
    // Each has its way to another machine: a minute for 100,000.
    const MANY: u64 = 5_000;
    const SECONDS: u64 = 300;

    fn is_here() -> bool {
        server().is_some()
    }

    fn on(stage: &Stage, workers: usize) -> Self {
        let mut machine = Machine::of(workers);
        let name = &machine.worker.as_ref().unwrap().0;
        let builder = ClusterExecutor::builder().server(server().unwrap().address()).name(name);
        let executor = builder.most_waiting(1_000_000).connect().unwrap();
        executor.wait_for_processes(workers, LONG).unwrap();
        let relay = Relay::of(stage, workers);
        let enter = |_| executor.submit(enter_far, relay.address()).unwrap();
        let entered: Vec<_> = (0..workers).map(enter).collect();
        assert!(entered.iter().all(|it| it.result_timeout(LONG).is_ok()), "{entered:?}");
        machine.relay = Some(relay);
        Self { executor, machine }
    }
}

impl Executor for Clustered {
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        self.executor.submit(function, argument)
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
        self.executor.submit_chunk(function, arguments)
    }

    fn shutdown(self, wait: bool, cancel_futures: bool) {
        let Self { executor, mut machine } = self;
        executor.shutdown(wait, cancel_futures);
        if !wait {
            machine.leave_alone();
        }
    }
}
