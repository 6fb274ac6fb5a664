//! Proxies: a manager's state, as its clients see it.

use std::any::{Any, type_name};
use std::fmt;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::connections::{self, Connection};
use crate::manager::exposed::{FunctionKey, Method};
use crate::manager::nesting;
use crate::manager::request::{Done, Request, StateId, What};
use crate::manager::{Address, CallError};
use crate::process::{Arguments, frame};

/// A manager's state of type `S`, which lives in the manager's server. Python: a proxy, such as
/// `Manager().dict()` returns.
///
/// It is plain data, an address: it can be an argument, an item of a queue, a result, or part of
/// another manager's state, and a clone is the same state. It connects at its first call, with a
/// connection for each thread, that ends with its thread. See
/// [`Manager`](crate::manager::Manager).
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proxy<S> {
    address: Address,
    id: StateId,
    state: PhantomData<fn(S)>,
}

impl<S> Proxy<S> {
    pub(crate) fn new(address: Address, id: StateId) -> Self {
        Self { address, id, state: PhantomData }
    }

    /// Calls the function on the state, in the server, and returns its answer. Calls on one state
    /// run one after the other, each whole. Python: a method call on a proxy.
    ///
    /// A call that was under way when its client or the server was killed has been done or not,
    /// never half; unless the function itself was killed with the server, and the state with it.
    ///
    /// A call takes as long as the function, and the calls that come before it. It waits also while
    /// the server is stopped; if that ends, the call fails at once.
    ///
    /// Arguments of another type don't compile, nor does a function for another state:
    ///
    /// ```compile_fail,E0308
    /// # // MGR-B09
    /// # struct Ledger;
    /// # impl Ledger { fn book(&mut self, count: u32) {} }
    /// # fn f(ledger: multiprocess::manager::Proxy<Ledger>) {
    /// ledger.call(Ledger::book, "text");
    /// # }
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # struct Ledger;
    /// # impl Ledger { fn book(&mut self, count: u32) {} }
    /// # fn f(list: multiprocess::manager::Proxy<Vec<u32>>) {
    /// list.call(Ledger::book, 1);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`]. A function's `Err` is its answer, and no error of this kind.
    pub fn call<F, A, M>(&self, function: F, arguments: A) -> Result<F::Answer, CallError>
    where
        F: Method<S, A, M> + Any,
        F::Answer: DeserializeOwned,
        A: Serialize,
    {
        drop(function);
        match request::<F, A>(&self.address, arguments, What::Call(self.id))? {
            Done::Answered(answer) => answer.unpack().map_err(not_received),
            _ => Err(nonsense()),
        }
    }

    /// Calls the function until it returns `Some`: first at once, then after each call of other
    /// clients; at most for the timeout (`None`: without limit), then `None`. Python: a `Condition`
    /// or `Queue` of a manager.
    ///
    /// If this process dies while it waits, the server gives the call up: what the function would
    /// have taken stays for the others. The function must change nothing when it returns `None`; it
    /// gets its arguments anew each time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::{exposed, manager::Manager};
    /// # #[derive(Default)]
    /// # struct Ledger(Vec<u32>);
    /// exposed![Ledger::new, Ledger::book, Ledger::next];
    ///
    /// impl Ledger {
    ///     fn new((): ()) -> Self {
    ///         Self::default()
    ///     }
    ///
    ///     fn book(&mut self, number: u32) {
    ///         self.0.push(number);
    ///     }
    ///
    ///     fn next(&mut self, (): ()) -> Option<u32> {
    ///         self.0.pop()
    ///     }
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let manager = Manager::start(Ledger::new, ())?;
    /// let ledger = manager.proxy();
    /// assert_eq!(ledger.wait(Ledger::next, (), Duration::from_millis(1))?, None);
    /// ledger.call(Ledger::book, 5)?;
    /// assert_eq!(ledger.wait(Ledger::next, (), None)?, Some(5));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError`].
    pub fn wait<F, A, M, R>(
        &self,
        function: F,
        arguments: A,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<R>, CallError>
    where
        F: Method<S, A, M, Answer = Option<R>> + Any,
        R: DeserializeOwned,
        A: Serialize,
    {
        drop(function);
        match request::<F, A>(&self.address, arguments, What::Wait(self.id, timeout.into()))? {
            Done::Answered(answer) => answer.unpack().map_err(not_received),
            Done::TimedOut => Ok(None),
            _ => Err(nonsense()),
        }
    }
}

/// Builds one more state in the server at this address.
pub(crate) fn build<F: Any, A: Serialize, S>(
    address: &Address,
    arguments: A,
) -> Result<Proxy<S>, CallError> {
    match request::<F, A>(address, arguments, What::Build)? {
        Done::Built(id) => Ok(Proxy::new(address.clone(), id)),
        _ => Err(nonsense()),
    }
}

fn not_received(error: frame::Error) -> CallError {
    CallError::AnswerNotReceived(error.to_string())
}

fn nonsense() -> CallError {
    CallError::AnswerNotReceived(String::from("it answers another question"))
}

fn request<F: Any, A: Serialize>(
    address: &Address,
    arguments: A,
    what: What,
) -> Result<Done, CallError> {
    let key = FunctionKey::find::<F>()?;
    let not_sent = |error: frame::Error| CallError::ArgumentsNotSent(error.to_string());
    let arguments = Arguments::pack(&arguments).map_err(not_sent)?;
    let request = Request(key, what, arguments, nesting::inside());
    let mut connection = match connections::take(address) {
        Some(connection) => connection,
        None => Connection::connect(address).map_err(not_connected)?,
    };
    let answered = match connection.send(&request) {
        Ok(()) => connection.recv().or_else(|error| match error {
            frame::Error::Decode { .. } => Ok(Err(not_received(error))),
            error => Err(broken(error)),
        }),
        // Nothing was sent.
        Err(error @ (frame::Error::Encode { .. } | frame::Error::TooLong { .. })) => {
            Ok(Err(not_sent(error)))
        }
        Err(error) => Err(broken(error)),
    };
    match answered {
        Ok(reply) => {
            connections::give_back(address, connection);
            match reply? {
                Done::Unlisted => {
                    Err(CallError::OtherProgram { function: type_name::<F>().to_owned() })
                }
                done => Ok(done),
            }
        }
        Err(error) => {
            connections::forget(address);
            Err(error)
        }
    }
}

fn not_connected(error: io::Error) -> CallError {
    match error.kind() {
        // It had not accepted this client when it ended.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            CallError::Ended { how: error.to_string() }
        }
        _ => CallError::NotConnected(error.to_string()),
    }
}

/// Tells the end of the server from other ends of a connection.
fn broken(error: frame::Error) -> CallError {
    match error {
        frame::Error::EndOfFile | frame::Error::Truncated { .. } | frame::Error::BrokenPipe => {
            CallError::Ended { how: error.to_string() }
        }
        error => not_received(error),
    }
}

impl<S> Clone for Proxy<S> {
    fn clone(&self) -> Self {
        Self::new(self.address.clone(), self.id)
    }
}

impl<S> fmt::Debug for Proxy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy<{}>({}, {})", type_name::<S>(), self.address, self.id)
    }
}
