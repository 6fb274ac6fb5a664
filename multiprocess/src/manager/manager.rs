//! Managers: owners of a server process.

use std::any::Any;
use std::fmt;

use serde::Serialize;

use crate::exposed;
use crate::manager::counter::Number;
use crate::manager::list::Elements;
use crate::manager::map::Items;
use crate::manager::proxy::{self, Proxy};
use crate::manager::server::{GRACE, Start, serve};
use crate::manager::{Address, CallError, Counter, List, Map, Namespace, connections};
use crate::pipe::{Sender, one_way};
use crate::process::Process;

/// A server process that owns values, and the calls that other processes make on them. Python:
/// `multiprocessing.Manager`, or a subclass of `BaseManager`.
///
/// A value that is no plain data, such as a map or an open file, can't lie in memory that processes
/// share. It lies in the server instead, and others call functions on it, one after the other:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use multiprocess::manager::{Manager, Proxy};
/// use multiprocess::{Failure, Process, exposed, tasks};
///
/// #[derive(Default)]
/// struct Ledger {
///     stock: BTreeMap<String, u32>,
/// }
///
/// impl Ledger {
///     fn new((): ()) -> Self {
///         Self::default()
///     }
///
///     fn book(&mut self, (count, what): (u32, String)) -> u32 {
///         let stock = self.stock.entry(what).or_default();
///         *stock += count;
///         *stock
///     }
///
///     fn total(&self, (): ()) -> u32 {
///         self.stock.values().sum()
///     }
/// }
///
/// exposed![Ledger::new, Ledger::book, Ledger::total];
/// tasks![work];
///
/// fn work(ledger: Proxy<Ledger>) -> Result<(), Failure> {
///     for _ in 0..100 {
///         ledger.call(Ledger::book, (1, "milk".to_owned()))?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Failure> {
/// let manager = Manager::start(Ledger::new, ())?;
/// let ledger = manager.proxy();
/// let mut workers = [(); 2].map(|()| Process::new(work, ledger.clone()));
/// for worker in &mut workers {
///     worker.start()?;
/// }
/// for worker in &workers {
///     worker.join()?;
/// }
/// // A call is whole: no booking is lost. (Python's `d["milk"] += 1` is two calls.)
/// assert_eq!(ledger.call(Ledger::total, ())?, 200);
/// # Ok(()) }) }
/// ```
///
/// The server ends when its manager is dropped, or its owner's process ends in whatever way; calls
/// fail then with [`CallError::Ended`]. It leaves nothing behind. Only processes of the same user
/// can connect. Ctrl-C is left to the owner.
///
/// **Panics.** A call that panics is [`CallError::Panicked`]. Its state stays as the function has
/// left it, and serves further calls.
///
/// **Calls inside calls.** A function may call others, through proxies that it has in its state or
/// its arguments; but not on the state that it is called on, nor on one whose call it is made in,
/// which is [`CallError::Nested`]. Two states that call each other at the same time wait for each
/// other for ever, as two threads do that lock two mutexes in different orders.
///
/// **Limits.** A state lives as long as its server; a proxy is too little to count. In the server,
/// each thread that calls has a thread and a descriptor, until it ends. At a limit of the system
/// further threads wait for their first call until others have ended; the server says so once, on
/// standard error.
///
/// **Other programs.** A proxy may travel to any program of the same user, in any form that serde
/// has. The functions are those of the same build of the same crate: two programs share them in a
/// library, and any other function is refused.
pub struct Manager<S> {
    proxy: Proxy<S>,
    server: Server,
}

/// The process of a server. It ends when this is dropped.
struct Server {
    process: Process,
    /// Tells the server to end.
    line: Sender<()>,
    address: Address,
}

exposed![std::convert::identity::<()>];

/// A server without a state of its own, for ready-made ones.
impl Manager<()> {
    /// Starts a server. Python: `Manager()`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn new() -> Result<Self, CallError> {
        Self::start(std::convert::identity::<()>, ())
    }
}

impl<S: Any> Manager<S> {
    /// Starts a server, and builds its state there by a function that
    /// [`exposed!`](crate::exposed) lists. Python: `Manager()`, `BaseManager.start`.
    ///
    /// # Errors
    /// [`CallError::NotStarted`] if the process can't be started, for example because this one is a
    /// daemon, such as a worker of a pool; and the errors of a call. No process is left then.
    pub fn start<F, A>(build: F, arguments: A) -> Result<Self, CallError>
    where
        F: Fn(A) -> S + Any,
        A: Serialize,
    {
        drop(build);
        let server = Server::start().map_err(CallError::NotStarted)?;
        let proxy = proxy::build::<F, A, S>(&server.address, arguments)?;
        Ok(Self { proxy, server })
    }

    /// Returns a proxy of the state, for this process and others.
    pub fn proxy(&self) -> Proxy<S> {
        self.proxy.clone()
    }

    /// Builds one more state in the same server, by a listed function; it lives as long as the
    /// server. Calls on different states don't wait for each other. Python: `manager.dict()` and
    /// the like.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn build<F, A, T>(&self, build: F, arguments: A) -> Result<Proxy<T>, CallError>
    where
        F: Fn(A) -> T + Any,
        A: Serialize,
    {
        drop(build);
        proxy::build::<F, A, T>(&self.server.address, arguments)
    }

    /// Makes a map in the server, with no entry. Python: `manager.dict()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn map<K, V>(&self) -> Result<Map<K, V>, CallError> {
        self.build(Items::new, ()).map(Map::of)
    }

    /// Makes a list in the server, with no element. Python: `manager.list()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn list<T>(&self) -> Result<List<T>, CallError> {
        self.build(Elements::new, ()).map(List::of)
    }

    /// Makes a counter in the server, at 0. Python: `manager.Value("q", 0)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn counter(&self) -> Result<Counter, CallError> {
        self.build(Number::new, ()).map(Counter::of)
    }

    /// Makes a namespace in the server, with no value. Python: `manager.Namespace()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn namespace(&self) -> Result<Namespace, CallError> {
        self.build(Items::new, ()).map(Namespace::of)
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.process.pid()
    }

    /// Ends the server: the calls that are running are done, if they take less than a second; those
    /// that wait fail; the states are dropped. Dropping the manager does the same. Python:
    /// `Manager.shutdown`.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Server {
    /// Starts a server, and waits until it listens.
    fn start() -> Result<Self, String> {
        let address = Address::fresh().map_err(text)?;
        let (mut is_ready, ready) = one_way().map_err(text)?;
        let (owner, line) = one_way().map_err(text)?;
        let start = Start { address: address.clone(), ready, owner };
        let process =
            Process::new(serve, start).named("manager").daemonic(true).ignoring_interrupts(true);
        let mut server = Self { process, line, address };
        server.process.start().map_err(text)?;
        is_ready.recv().map_err(text)??;
        Ok(server)
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.line.send(&());
        // It ends by itself even then when a call takes longer, unless it was stopped.
        if !matches!(self.process.join_timeout(5 * GRACE), Ok(true)) {
            let _ = self.process.kill();
            let _ = self.process.join();
        }
        connections::forget(&self.address);
    }
}

impl<S> fmt::Debug for Manager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manager({:?})", self.proxy)
    }
}
