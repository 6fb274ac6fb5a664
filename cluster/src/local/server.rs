//! A server of one's own.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use multiprocess::{Connection, Process, at_exit, pipe};

use super::keeper::{Answer, LocalError, Order, Running, keep};

/// The configuration of a server that a cluster can use, and nothing else.
const CONFIGURATION: &str = "jetstream {}\nping_interval: \"10s\"\nping_max: 2\n";
/// Ports to choose from: below those that systems give to outgoing connections. A client that tries
/// and tries to reach a dead server on one of those is connected to itself one day.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried: each may be taken.
const TRIES: usize = 8;
/// The longest that a keeper may take to answer, or to clean up.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A nats-server with JetStream on a free port of 127.0.0.1, in a temporary folder. Python:
/// the scheduler of `distributed.LocalCluster`.
///
/// The server ends, and its folder is removed, when this is dropped, and when the program ends in
/// whatever way: a process of its own sees to that.
///
/// ```no_run
/// use cluster::local::LocalServer;
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let server = LocalServer::start()?;
/// println!("{}", server.address()); // nats://127.0.0.1:24913
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct LocalServer {
    port: u16,
    keeper: Arc<Mutex<Option<Keeper>>>,
}

impl LocalServer {
    /// Starts a server, and waits until it listens.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn start() -> Result<Self, LocalError> {
        Self::with_configuration(CONFIGURATION)
    }

    /// Starts a server with this configuration, whose address, port and folder are replaced.
    ///
    /// # Errors
    /// [`LocalError`]; `NotStarted` has the server's own words, if the configuration is wrong.
    pub fn with_configuration(configuration: &str) -> Result<Self, LocalError> {
        let mut keeper = Keeper::start(configuration)?;
        let mut tried = Ok(None);
        for _ in 0..TRIES {
            let port = random_port()?;
            tried = keeper.order(&Order::Start { port });
            if matches!(tried, Ok(_) | Err(LocalError::NotInstalled)) {
                tried?;
                let keeper = Arc::new(Mutex::new(Some(keeper)));
                end_at_exit(&keeper);
                return Ok(Self { port, keeper });
            }
        }
        Err(tried.err().unwrap_or_else(|| LocalError::not_started("no port is free")))
    }

    /// Returns the address for clients and workers: `nats://127.0.0.1:24913`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Returns the server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the server's process id; `None` after [`kill`](Self::kill).
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        Some(keeper.as_ref()?.running.as_ref()?.pid)
    }

    /// Returns what the server has logged: for example which rights somebody lacked.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] after [`kill`](Self::kill).
    pub fn log(&self) -> io::Result<String> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let running = keeper.as_ref().and_then(|keeper| keeper.running.as_ref());
        fs::read_to_string(&running.ok_or(io::ErrorKind::NotFound)?.log)
    }

    /// Kills the server, as SIGKILL or a power cut does, and waits until it is dead. Its folder
    /// stays.
    ///
    /// # Errors
    /// [`LocalError::NotStarted`], if the keeper is gone.
    pub fn kill(&self) -> Result<(), LocalError> {
        self.order(&Order::Kill).map(drop)
    }

    /// Starts the server again with the same folder and port, and returns its process id. It is
    /// killed before, if it runs.
    ///
    /// # Errors
    /// [`LocalError::NotStarted`], for example if another program has taken the port.
    pub fn restart(&self) -> Result<u32, LocalError> {
        self.order(&Order::Start { port: self.port })?.map(|it| it.pid).ok_or_else(gone)
    }

    fn order(&self, order: &Order) -> Answer {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_mut().map_or_else(|| Err(gone()), |keeper| keeper.order(order))
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        drop(taken(&self.keeper));
    }
}

/// The process that starts and kills the server, and the pipe to it.
#[derive(Debug)]
struct Keeper {
    /// `None` once the keeper has to end.
    line: Option<Connection<Order, Answer>>,
    process: Process,
    /// The server, if it runs.
    running: Option<Running>,
}

impl Keeper {
    fn start(configuration: &str) -> Result<Self, LocalError> {
        let (line, keepers_end) = pipe().map_err(LocalError::not_started)?;
        let arguments = (configuration.to_owned(), keepers_end);
        // Ctrl-C ends the program first, then the keeper has something to do.
        let process = Process::new(keep, arguments).named("nats-server").ignoring_interrupts(true);
        let mut keeper = Self { line: Some(line), process, running: None };
        keeper.process.start().map_err(LocalError::not_started)?;
        Ok(keeper)
    }

    fn order(&mut self, order: &Order) -> Answer {
        let line = self.line.as_mut().ok_or_else(gone)?;
        self.running = None;
        line.send(order).map_err(LocalError::not_started)?;
        if !line.poll(ANSWER_WITHIN).map_err(LocalError::not_started)? {
            return Err(gone());
        }
        self.running = line.recv().map_err(LocalError::not_started)??;
        Ok(self.running.clone())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.line = None;
        // What fails here can't be told to anyone, and a keeper that hangs must not hang this.
        if !self.process.join_timeout(ANSWER_WITHIN).unwrap_or(true) {
            let _ = self.process.kill();
            let _ = self.process.join();
        }
    }
}

/// Has the keeper end with the program, even if its server is never dropped.
fn end_at_exit(keeper: &Arc<Mutex<Option<Keeper>>>) {
    let keeper: Weak<_> = Arc::downgrade(keeper);
    at_exit(move || drop(keeper.upgrade().and_then(|keeper| taken(&keeper))));
}

fn taken(keeper: &Mutex<Option<Keeper>>) -> Option<Keeper> {
    keeper.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn gone() -> LocalError {
    LocalError::not_started("the process that keeps it is gone")
}

fn random_port() -> Result<u16, LocalError> {
    let random = getrandom::u32().map_err(LocalError::not_started)?;
    let span = u32::from(PORTS.end - PORTS.start);
    Ok(PORTS.start + u16::try_from(random % span).expect("the span fits into it"))
}
