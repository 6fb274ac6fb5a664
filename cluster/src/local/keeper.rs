//! The process that keeps a server: it outlives the program for a moment, to clean up.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::interrupt;
use multiprocess::{Connection, Failure, tasks};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// The longest that a server may take until it listens.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Name of the log in the server's folder.
const LOG: &str = "log";

/// The variable that tells Go's garbage collector by how many percent the memory in use may grow
/// before it works. A server has so little in use that 100, the default, is some large messages:
/// it would spend half of its time on that.
const GARBAGE_VARIABLE: &str = "GOGC";

/// Reason why there is no server, or no workers, on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The program `nats-server` isn't there.
    #[error(
        "nats-server isn't installed: write apt install nats-server (macOS: brew install \
         nats-server; Windows: winget install NATSAuthors.NATSServer)"
    )]
    NotInstalled,
    /// The server, or the process that keeps it, doesn't start.
    #[error("nats-server doesn't start: {0}")]
    NotStarted(String),
    /// A worker doesn't start, or can't be ended.
    #[error("a local worker doesn't start, or can't be ended: {0}")]
    Worker(String),
}

impl LocalError {
    pub(super) fn not_started(error: impl ToString) -> Self {
        Self::NotStarted(error.to_string())
    }

    pub(super) fn worker(error: impl ToString) -> Self {
        Self::Worker(error.to_string())
    }
}

/// What the program wants of the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start the server at this port of 127.0.0.1.
    Start {
        port: u16,
    },
    Kill,
}

/// The server that runs now, if one does.
pub(super) type Answer = Result<Option<Running>, LocalError>;

/// A running server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) pid: u32,
    /// File with its log, also with those of the servers before it.
    pub(super) log: PathBuf,
}

tasks![keep];

/// Runs in the keeper: obeys until the pipe closes.
pub(super) fn keep((configuration, mut line): (String, Connection<Answer, Order>)) -> Kept {
    // A signal to the whole group (a terminal closes) must not end it before its work is done.
    let _signals = interrupt::listen(&Arc::default())?;
    let folder = TempDir::with_prefix("cluster-")?;
    fs::write(folder.path().join("server.conf"), configuration)?;
    let mut server = None;
    while let Ok(order) = line.recv() {
        // The one before is dead before another one opens its files.
        drop(server.take());
        let answer = match order {
            Order::Kill => Ok(None),
            Order::Start { port } => Server::start(folder.path(), port).map(|started| {
                let pid = started.child.id();
                server = Some(started);
                Some(Running { pid, log: folder.path().join(LOG) })
            }),
        };
        if line.send(&answer).is_err() {
            break;
        }
    }
    drop(server);
    Ok(folder.close()?)
}

/// How a keeper's work ends.
type Kept = Result<(), Failure>;

/// A running server, which is killed when this is dropped.
struct Server {
    child: Child,
    /// Copies the server's log until its end.
    log: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails for the dead only.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // An open log would keep the folder on Windows.
        let _ = self.log.take().map(JoinHandle::join);
    }
}

impl Server {
    /// Starts the server, and waits until it listens.
    fn start(folder: &Path, port: u16) -> Result<Self, LocalError> {
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(folder.join("server.conf"));
        command.arg("--store_dir").arg(folder.join("store"));
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        if env::var_os(GARBAGE_VARIABLE).is_none() {
            command.env(GARBAGE_VARIABLE, "400");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = match child.spawn() {
            Ok(child) => Self { child, log: None },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LocalError::NotInstalled);
            }
            Err(error) => return Err(LocalError::not_started(error)),
        };
        let said = server.child.stderr.take().expect("it is piped");
        let (ready, is_ready) = channel();
        let log = folder.join(LOG);
        let read = move || read_log(said, &log, &ready);
        let reader = thread::Builder::new().name(String::from("server-log")).spawn(read);
        server.log = Some(reader.map_err(LocalError::not_started)?);
        match is_ready.recv_timeout(START_WITHIN) {
            Ok(Ok(())) => Ok(server),
            Ok(Err(last_line)) => Err(LocalError::NotStarted(last_line)),
            Err(_) => Err(LocalError::not_started("it isn't ready after a minute")),
        }
    }
}

/// Copies the log to a file, and says when the server is ready, or its last line if it ends before.
fn read_log(said: impl Read, file: &Path, ready: &Sender<Result<(), String>>) {
    let mut copy = fs::OpenOptions::new().create(true).append(true).open(file).ok();
    let mut last = String::new();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        // A log that is lost, on a full disk for example, is no reason to leave the server alone.
        if copy.as_mut().is_some_and(|copy| writeln!(copy, "{line}").is_err()) {
            copy = None;
        }
        if line.ends_with("Server is ready") {
            let _ = ready.send(Ok(()));
        }
        if !line.trim().is_empty() {
            last = line;
        }
    }
    // Nobody listens any more if the server was ready.
    let _ = ready.send(Err(last));
}
