//! Workers of one's own, each as if on a machine of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use multiprocess::{
    Exit, Failure, Process, Receiver, Sender, active_children, at_exit, end_with_parent, one_way,
    tasks,
};

use super::{LocalError, LocalServer};
use crate::worker::{Settings, Worker, WorkerBuilder, keep};

/// The longest that a worker may take to finish what has begun when it is dropped.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

tasks![run];

/// A worker in a process of this same executable. Python: a `Worker` of `distributed.LocalCluster`.
///
/// A dropped worker ends after what has begun, or after ten seconds; so it does when the program
/// ends in whatever way.
#[derive(Debug)]
pub struct LocalWorker {
    process: Arc<Process>,
    /// Each message on it kills the agent.
    kills: Mutex<Sender<()>>,
}

impl LocalWorker {
    /// Starts the worker; doesn't wait until it is connected.
    ///
    /// # Errors
    /// [`LocalError::Worker`], also for settings that don't fit.
    pub fn start(worker: WorkerBuilder) -> Result<Self, LocalError> {
        let settings = worker.quiet(true).checked().map_err(LocalError::worker)?;
        let name = settings.name.clone();
        // Ctrl-C is the program's, which ends its workers.
        let (killed, kills) = one_way().map_err(LocalError::worker)?;
        let mut process =
            Process::new(run, (settings, killed)).named(name).ignoring_interrupts(true);
        process.start().map_err(LocalError::worker)?;
        let process = Arc::new(process);
        // The program's end waits for its children.
        let at_end = Arc::downgrade(&process);
        at_exit(move || {
            if let Some(process) = at_end.upgrade() {
                end(&process);
            }
        });
        Ok(Self { process, kills: Mutex::new(kills) })
    }

    /// Kills the whole worker, as a power cut does: no one tells of it.
    ///
    /// # Errors
    /// [`LocalError::Worker`], if the system refuses.
    pub fn kill(&self) -> Result<(), LocalError> {
        self.process.kill().and_then(|()| self.process.join()).map_err(LocalError::worker)
    }

    /// Has the agent be killed, the process that takes the tasks; its keeper tells the clients, and
    /// starts another one.
    ///
    /// # Errors
    /// [`LocalError::Worker`], if the worker has ended.
    pub fn kill_agent(&self) -> Result<(), LocalError> {
        let mut kills = self.kills.lock().unwrap_or_else(PoisonError::into_inner);
        kills.send(&()).map_err(LocalError::worker)
    }

    /// Returns the process, the keeper's, which started the agent.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for LocalWorker {
    fn drop(&mut self) {
        end(&self.process);
    }
}

/// Has the worker finish what has begun, for a while.
fn end(process: &Process) {
    // What fails here can't be told to anyone.
    let _ = process.terminate();
    if !process.join_timeout(FINISH_WITHIN).unwrap_or(true) {
        let _ = process.kill();
        let _ = process.join();
    }
}

/// Runs in the worker.
fn run((settings, mut killed): (Settings, Receiver<()>)) -> Result<Exit, Failure> {
    end_with_parent()?;
    let kill_agents = move || {
        while killed.recv().is_ok() {
            // The agent is the only one; one that has ended needn't be killed.
            for agent in active_children() {
                let _ = agent.kill();
            }
        }
    };
    thread::Builder::new().name(String::from("agent-killer")).spawn(kill_agents)?;
    Ok(keep(settings)?)
}

/// A server and workers on this machine, for trying out and for tests. Python:
/// `distributed.LocalCluster`.
///
/// ```no_run
/// use cluster::local::LocalCluster;
///
/// # fn main() -> std::process::ExitCode {
/// # cluster::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = LocalCluster::new(2, 1)?;
/// println!("{}", cluster.address());
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct LocalCluster {
    // Dropped in this order: the server is there until the workers have said what they have done.
    workers: Vec<LocalWorker>,
    server: LocalServer,
}

impl LocalCluster {
    /// Starts a server and so many workers of so many processes each, named `machine-a`,
    /// `machine-b`, …
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn new(machines: usize, processes_each: usize) -> Result<Self, LocalError> {
        let mut cluster = Self { workers: Vec::new(), server: LocalServer::start()? };
        for number in 0..machines {
            let worker = Worker::builder().name(name(number)).processes(processes_each);
            let worker = LocalWorker::start(worker.server(cluster.address()))?;
            cluster.workers.push(worker);
        }
        Ok(cluster)
    }

    /// Returns the server's address.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &LocalServer {
        &self.server
    }

    /// Returns the workers; those that are taken out and dropped end.
    pub fn workers(&mut self) -> &mut Vec<LocalWorker> {
        &mut self.workers
    }
}

/// Returns `machine-a` to `machine-z`, then `machine-26`.
fn name(number: usize) -> String {
    let letter = u8::try_from(number).ok().filter(|number| *number < 26);
    letter.map_or_else(
        || format!("machine-{number}"),
        |number| format!("machine-{}", char::from(b'a' + number)),
    )
}
