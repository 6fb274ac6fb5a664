//! A stage for workers that can't share memory with the test: what they do goes over a connection.
//!
//! ```text
//!   far worker: hold(7) ── "begin 7 4711" ─▶ relay, threads of the test ──▶ the stage's counters
//!                       ◀── answer ─────────
//!                       ── "pass" ─────────▶ waits at the stage's gate
//!                       ◀── answer ─────────
//! ```

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::Stage;

/// The test's end: it does on the stage what far workers ask for.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Relay {
    /// Begins to listen on a free port of 127.0.0.1. Workers get on the stage by
    /// [`enter_far`](crate::stage::enter_far): so many together, so that each is another process.
    ///
    /// # Panics
    /// If the system refuses a port or a thread.
    #[must_use]
    pub fn of(stage: &Stage, workers: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stage, all_here) = (stage.clone(), Arc::new(Barrier::new(workers)));
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (stage, all_here) = (stage.clone(), Arc::clone(&all_here));
                thread::spawn(move || serve(&stage, &all_here, connection.unwrap()));
            }
        });
        Self { address, is_over }
    }

    /// Returns where workers connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // To wake it.
        let _ = TcpStream::connect(self.address);
    }
}

/// Does what one worker asks for, until its end of the connection is closed.
fn serve(stage: &Stage, all_here: &Barrier, mut connection: TcpStream) {
    let requests = BufReader::new(connection.try_clone().unwrap()).lines();
    all_here.wait();
    // The worker may have been killed meanwhile.
    let _ = connection.write_all(b"\n");
    for request in requests.map_while(Result::ok) {
        let words: Vec<&str> = request.split(' ').collect();
        match words[..] {
            ["count", task] => stage.count(task.parse().unwrap()),
            ["tell", task, pid] => stage.tell(task.parse().unwrap(), pid.parse().unwrap()),
            ["pass"] => stage.pass(),
            _ => panic!("{request}"),
        }
        if connection.write_all(b"\n").is_err() {
            break;
        }
    }
}

/// A worker's end.
#[derive(Debug)]
pub struct FarStage(BufReader<TcpStream>);

impl FarStage {
    /// Connects, and waits until all workers have.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut stage = Self(BufReader::new(stream));
        stage.hear();
        stage
    }

    /// Lets the test's end do this.
    pub(crate) fn ask(&mut self, request: &str) {
        self.0.get_ref().write_all(format!("{request}\n").as_bytes()).unwrap();
        self.hear();
    }

    fn hear(&mut self) {
        let read = self.0.read_line(&mut String::new()).unwrap();
        assert!(read > 0, "the test is over");
    }
}
