//! What the tests of faults share: machines, and tasks that leave a mark when they begin.
//!
//! ```text
//!   test ── submit(mark) ──▶ process of a machine: writes "number pid" into a file
//!                                  │
//!                                  └── waits until the gate opens ◀── the test: gate.open()
//! ```
//!
//! The file is what counts: each number in it is a run, whatever the futures say.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cluster::local::{LocalServer, LocalWorker, test_server};
use cluster::{ClusterBuilder, ClusterExecutor, Worker};
use multiprocess::futures::{Executor, Future, FutureError, TaskError};
use multiprocess::tasks;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use testing::{Deadline, LONG, Other, until};

tasks![mark];

/// The longest that a test waits for an outcome.
pub(crate) const OUTCOME: Duration = Duration::from_secs(60);

/// The argument of [`mark`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) file: PathBuf,
    pub(crate) number: u64,
    /// Port of the gate to wait at.
    pub(crate) gate: Option<u16>,
}

/// Leaves a mark, and waits at the gate; returns its number.
pub(crate) fn mark(Mark { file, number, gate }: Mark) -> u64 {
    let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{number} {}\n", std::process::id()).as_bytes()).unwrap();
    if let Some(port) = gate {
        // An open gate hangs up; so does a test that has ended.
        let _ = TcpStream::connect(("127.0.0.1", port)).map(|mut gate| gate.read(&mut [0]));
    }
    number
}

/// A gate at which tasks wait.
pub(crate) struct Gate {
    pub(crate) port: u16,
    /// Those who wait; `None` once it is open.
    waiting: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let waiting = Arc::new(Mutex::new(Some(Vec::new())));
        let all = Arc::downgrade(&waiting);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Some(all), Ok(stream)) = (all.upgrade(), stream) else { break };
                // At an open gate it is dropped.
                if let Some(all) = all.lock().unwrap().as_mut() {
                    all.push(stream);
                }
            }
        });
        Self { port, waiting }
    }

    pub(crate) fn open(&self) {
        drop(self.waiting.lock().unwrap().take());
    }
}

/// Lets the thread see that the gate is gone.
impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
        let waiting = Arc::downgrade(&self.waiting);
        self.waiting = Arc::default();
        assert!(waiting.upgrade().is_none(), "a thread holds it for a moment only");
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A server, a folder for marks, and a gate; with a time after which the test fails.
pub(crate) struct Scene {
    pub(crate) server: LocalServer,
    pub(crate) gate: Gate,
    folder: TempDir,
    _deadline: Deadline,
}

impl Scene {
    /// Starts a server, and machines of one process each, for so many seconds; returns `None` where
    /// there is no server.
    pub(crate) fn with<const N: usize>(
        seconds: u64,
        names: [&str; N],
    ) -> Option<(Self, [LocalWorker; N])> {
        let _deadline = Deadline::seconds(seconds);
        let (server, folder) = (test_server()?, TempDir::new().unwrap());
        let scene = Self { server, gate: Gate::new(), folder, _deadline };
        let machines = names.map(|name| scene.machine(name));
        Some((scene, machines))
    }

    /// Does so, and connects a client, to which the machines are there.
    pub(crate) fn opened<const N: usize>(
        seconds: u64,
        names: [&str; N],
        lost_after: Duration,
    ) -> Option<(Self, [LocalWorker; N], Client)> {
        let (scene, machines) = Self::with(seconds, names)?;
        let executor = scene.client(lost_after);
        wait_for(&executor, N);
        Some((scene, machines, executor))
    }

    /// Starts a machine of one process.
    pub(crate) fn machine(&self, name: &str) -> LocalWorker {
        let worker = Worker::builder().server(self.server.address()).name(name).processes(1);
        LocalWorker::start(worker).unwrap()
    }

    /// Connects a client that takes a machine for lost after this silence.
    pub(crate) fn client(&self, lost_after: Duration) -> Client {
        let builder = ClusterExecutor::builder().server(self.server.address());
        Client::connect(builder.lost_after(lost_after))
    }

    /// Returns the argument of a task that waits at the gate.
    pub(crate) fn held(&self, number: u64) -> Mark {
        Mark { gate: Some(self.gate.port), ..self.free(number) }
    }

    /// Returns the argument of a task that waits for nothing.
    pub(crate) fn free(&self, number: u64) -> Mark {
        Mark { file: self.file(), number, gate: None }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("marks")
    }

    /// Returns the processes that have run each number.
    pub(crate) fn runs(&self) -> BTreeMap<u64, Vec<u32>> {
        runs(&fs::read_to_string(self.file()).unwrap_or_default())
    }

    /// Waits until so many runs have begun; returns the processes of each number.
    pub(crate) fn wait_for_runs(&self, count: usize) -> BTreeMap<u64, Vec<u32>> {
        let has_begun = || self.runs().values().map(Vec::len).sum::<usize>() >= count;
        until(&format!("{count} runs"), has_begun);
        self.runs()
    }

    /// Checks that no number has run twice, and returns the outcomes of these futures, none of
    /// which hangs.
    pub(crate) fn outcomes(&self, futures: &[Future<u64>]) -> Outcomes {
        let outcomes = Outcomes::of(futures);
        let runs = self.runs();
        assert!(runs.values().all(|pids| pids.len() == 1), "twice: {runs:?}");
        assert!(outcomes.ok.iter().all(|number| runs.contains_key(number)), "{runs:?}");
        outcomes
    }
}

/// An executor that a failed test doesn't wait for.
pub(crate) struct Client(Option<ClusterExecutor>);

impl Client {
    pub(crate) fn connect(builder: ClusterBuilder) -> Self {
        Self(Some(builder.connect().unwrap()))
    }
}

impl Deref for Client {
    type Target = ClusterExecutor;

    fn deref(&self) -> &ClusterExecutor {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(executor) = self.0.take().filter(|_| thread::panicking()) {
            executor.shutdown(false, true);
        }
    }
}

/// Reads marks.
fn runs(text: &str) -> BTreeMap<u64, Vec<u32>> {
    let mut runs: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    // A line without its end is still being written.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let (number, pid) = line.split_once(' ').unwrap();
        runs.entry(number.parse().unwrap()).or_default().push(pid.parse().unwrap());
    }
    runs
}

/// Outcomes of futures.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) ok: Vec<u64>,
    /// Ends and exit codes of the workers that died.
    pub(crate) died: Vec<(String, Option<i32>)>,
    pub(crate) cancelled: usize,
}

impl Outcomes {
    fn of(futures: &[Future<u64>]) -> Self {
        let deadline = Instant::now() + OUTCOME;
        let mut outcomes = Self::default();
        for (number, future) in futures.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            match future.result_timeout(left.max(Duration::from_millis(1))) {
                Ok(number) => outcomes.ok.push(*number),
                Err(FutureError::Task(TaskError::WorkerDied { end, exitcode })) => {
                    outcomes.died.push((end, exitcode));
                }
                Err(FutureError::Cancelled) => outcomes.cancelled += 1,
                Err(error) => panic!("future {number}: {error}; before: {outcomes:?}"),
            }
        }
        outcomes
    }
}

/// Submits these tasks.
pub(crate) fn submit(
    executor: &ClusterExecutor,
    marks: impl Iterator<Item = Mark>,
) -> Vec<Future<u64>> {
    marks.map(|it| executor.submit(mark, it).unwrap()).collect()
}

/// Waits until so many processes are there.
pub(crate) fn wait_for(executor: &ClusterExecutor, processes: usize) {
    executor.wait_for_processes(processes, LONG).unwrap();
}

/// Returns the agent of the machine of this name, if it is there.
pub(crate) fn agent(executor: &ClusterExecutor, name: &str) -> Option<Other> {
    let machines = executor.workers();
    let machine = machines.iter().find(|machine| machine.name == name)?;
    Other::of(machine.pid)
}
