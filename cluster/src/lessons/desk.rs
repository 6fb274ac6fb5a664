//! A desk at which calls report that they have begun, from whatever machine, and wait until they
//! may go on.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use cluster::{ClusterExecutor, attempt};
use multiprocess::{Failure, parent_process};

/// The longest that a lesson waits for anything.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) struct Desk {
    port: u16,
    /// `None` once the desk closes.
    visits: Option<Receiver<Visit>>,
}

/// A call that has reported; dropped, it goes on.
pub(super) struct Visit {
    /// The number that it was called with.
    pub(super) number: u32,
    /// Which attempt it is: 1 is the first.
    pub(super) attempt: u32,
    /// Process id of the agent on whose machine it runs.
    pub(super) agent: u32,
    #[expect(dead_code, reason = "its end is the answer")]
    stream: TcpStream,
}

impl Desk {
    pub(super) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (sender, visits) = channel();
        thread::Builder::new().name(String::from("desk")).spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut words = [[0; 4]; 3];
                if stream.read_exact(words.as_flattened_mut()).is_err() {
                    break;
                }
                let [number, attempt, agent] = words.map(u32::from_le_bytes);
                if sender.send(Visit { number, attempt, agent, stream }).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { port, visits: Some(visits) })
    }

    /// Returns the port for [`report`].
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next call that reports.
    pub(super) fn next(&self) -> Result<Visit, Failure> {
        let visits = self.visits.as_ref().expect("it is there until the drop");
        visits.recv_timeout(LONG).map_err(|_| Failure::new("no call has reported for a minute"))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.visits = None;
        // The thread sees that all is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Returns the name of the machine whose agent has this process id.
pub(super) fn machine(executor: &ClusterExecutor, agent: u32) -> String {
    let machine = executor.workers().into_iter().find(|machine| machine.pid == agent);
    machine.map_or_else(String::new, |machine| machine.name)
}

/// Runs in the worker: reports, and waits until it may go on.
pub(super) fn report(port: u16, number: u32) -> io::Result<()> {
    let mut desk = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let agent = parent_process().map_or(0, |agent| agent.pid());
    desk.write_all([number, attempt(), agent].map(u32::to_le_bytes).as_flattened())?;
    desk.read(&mut [0]).map(drop)
}
