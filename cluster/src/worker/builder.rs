//! Settings of a worker.

use std::ffi::OsString;
use std::process::ExitCode;

use multiprocess::{Exit, cpu_count};
use serde::{Deserialize, Serialize};

use crate::ConnectError;
use crate::access::Access;
use crate::address::{Servers, check_name};
use crate::connecting::{Connecting, connection_setters};
use crate::engine::nats;
use crate::host_name::host_name;
use crate::protocol::{done, may, part};
use crate::worker::{command, keeper};

/// Largest number of processes: that of a [`ProcessPoolExecutor`].
///
/// [`ProcessPoolExecutor`]: multiprocess::futures::ProcessPoolExecutor
pub(crate) const MOST_PROCESSES: usize = 4094;

/// Default limit of a task's arguments, and of its result, in bytes: 1 GiB.
pub(crate) const MOST_BYTES: u64 = 1 << 30;

/// A machine that runs the tasks of a cluster's clients. Python: `distributed.Worker`, the command
/// `dask worker`.
///
/// Only clients that are the same executable are served. A program whose `main` is
/// [`cluster::main`](crate::main()) has the command `cluster-worker` for this.
///
/// ```no_run
/// use cluster::Worker;
///
/// fn main() -> std::process::ExitCode {
///     // The worker's own processes begin in this `main`, too.
///     multiprocess::main(|| {
///         Worker::builder().server("nats://127.0.0.1:4222").processes(8).name("host-3").run()
///     })
/// }
/// ```
#[derive(Debug)]
pub struct Worker(());

/// Settings of a worker; made by [`Worker::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WorkerBuilder {
    connecting: Connecting,
    processes: Option<usize>,
    name: Option<String>,
    cluster: String,
    most_bytes: u64,
    quiet: bool,
}

/// Settings of a worker, checked: what the keeper hands to its agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) servers: Servers,
    pub(crate) access: Access,
    pub(crate) processes: usize,
    /// Name of the machine.
    pub(crate) name: String,
    pub(crate) cluster: String,
    /// Largest size of a task's arguments, and of a result.
    pub(crate) most_bytes: u64,
    /// True if nothing goes to standard output.
    pub(crate) quiet: bool,
}

impl Worker {
    /// Returns a builder.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder {
            connecting: Connecting::default(),
            processes: None,
            name: None,
            cluster: "default".to_owned(),
            most_bytes: MOST_BYTES,
            quiet: false,
        }
    }

    /// Runs the command `cluster-worker` with these arguments, for a program that has it under
    /// another name: does what [`cluster::main`](crate::main()) does. Returns the exit code.
    pub fn command(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        command::run(arguments.into_iter())
    }
}

impl WorkerBuilder {
    connection_setters!();

    /// Sets the number of processes, and so of tasks at once: 1 to 4,094; by default the number of
    /// usable cores. Python: `dask worker --nworkers`.
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Sets the name of the machine, for errors and lists: up to 32 of A-Z, a-z, 0-9, - and _; by
    /// default the host name. Two machines of one name are told apart all the same. Python: `dask
    /// worker --name`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name of the cluster, of which a server may have several; by default `default`.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = name.into();
        self
    }

    /// Sets the largest size of a task's arguments, and of its result, in bytes: 1 to 4 GiB; by
    /// default 1 GiB. Nothing is allocated for more.
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Sets whether the worker says nothing when it is ready, or starts another agent (true).
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Runs the worker until Ctrl-C, SIGTERM or SIGHUP: then it takes no task any more, finishes
    /// those that have begun, and returns [`Exit::SUCCESS`]. The second signal ends it at once:
    /// what has begun is lost, and the return value is `Exit(130)`.
    ///
    /// Prints one line when it is ready. While no server answers it keeps trying, and says so on
    /// standard error every 10 s.
    ///
    /// # Errors
    /// [`ConnectError`], but for [`ConnectError::Unreachable`].
    pub fn run(self) -> Result<Exit, ConnectError> {
        keeper::keep(self.checked()?)
    }

    /// Checks the settings, and puts in the defaults.
    pub(crate) fn checked(self) -> Result<Settings, ConnectError> {
        let processes = self.processes.unwrap_or_else(cpu_count);
        let name = self.name.unwrap_or_else(host_name);
        check_name(&name)?;
        check_name(&self.cluster)?;
        in_range("processes", processes as u64, MOST_PROCESSES as u64)?;
        in_range("most_bytes", self.most_bytes, 4 << 30)?;
        Ok(Settings {
            servers: self.connecting.servers()?,
            access: self.connecting.access,
            processes,
            name,
            cluster: self.cluster,
            most_bytes: self.most_bytes,
            quiet: self.quiet,
        })
    }
}

impl Settings {
    /// Returns the settings of a connection of this machine, for the keeper or the agent.
    pub(crate) fn connection(&self, role: &str) -> nats::Settings {
        nats::Settings {
            servers: self.servers.clone(),
            access: self.access.clone(),
            name: format!("{} {role}", self.name),
            subjects: Vec::new(),
            // No client has this name.
            probes: [may, part, done].map(|subject| subject("probe")).to_vec(),
        }
    }
}

fn in_range(setting: &'static str, number: u64, most: u64) -> Result<(), ConnectError> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    let reason = format!("{number} is not between 1 and {most}");
    Err(ConnectError::Setting { setting, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> WorkerBuilder {
        Worker::builder().server("nats://127.0.0.1:4222")
    }

    #[test]
    fn a_worker_has_the_hosts_name_and_a_process_for_each_core() {
        let settings = builder().checked().unwrap();
        assert_eq!((settings.name, settings.processes), (host_name(), cpu_count()));
        assert_eq!((&*settings.cluster, settings.most_bytes), ("default", 1 << 30));
    }

    #[test]
    fn each_wrong_setting_gets_a_sentence_of_its_own() {
        let said = |builder: WorkerBuilder| builder.checked().unwrap_err().to_string();
        let none = "processes doesn't fit: 0 is not between 1 and 4094";
        assert_eq!(said(builder().processes(0)), none);
        assert!(said(builder().most_bytes(0)).starts_with("most_bytes doesn't fit"));
        for named in [builder().name("a.b"), builder().cluster("a.b")] {
            assert!(said(named).starts_with("\"a.b\" is no name"));
        }
        assert!(said(Worker::builder()).starts_with("\"\" is no address"));
        assert!(said(builder().server("nats://elsewhere")).contains("in the clear"));
    }
}
