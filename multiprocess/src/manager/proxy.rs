//! Proxies: a manager's state, as its clients see it.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::exposed::{self, Method};
use crate::manager::request::{Done, Reply, Request, StateId, What};
use crate::manager::{Address, CallError, Client};
use crate::process::{Arguments, frame};

thread_local! {
    /// The connections of this thread, one for each server.
    static CLIENTS: RefCell<HashMap<Address, Client<Request, Reply>>> = RefCell::default();
}

/// A manager's state of type `S`, which lives in the manager's server. Python: a proxy, such as
/// `Manager().dict()` returns.
///
/// It is plain data, an address: it can be an argument, an item of a queue, a result, or part of
/// another manager's state, and a clone is the same state. It connects at its first call, with a
/// connection for each thread. See [`Manager`](crate::manager::Manager).
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
            Done::Built(_) | Done::TimedOut => Err(nonsense()),
        }
    }

    /// Calls the function until it returns `Some`: first at once, then after each call of other
    /// clients; at most for the timeout (`None`: without limit), then `None`. Python: a `Condition`
    /// or `Queue` of a manager.
    ///
    /// The server gives the call up within 100 ms if this process dies. The function must change
    /// nothing when it returns `None`; it gets its arguments anew each time.
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
            Done::Built(_) => Err(nonsense()),
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
        Done::Answered(_) | Done::TimedOut => Err(nonsense()),
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
    let function = exposed::name_of::<F>()?.to_owned();
    let not_sent = |error: frame::Error| CallError::ArgumentsNotSent(error.to_string());
    let arguments = Arguments::pack(&arguments).map_err(not_sent)?;
    let request = Request { function, arguments, what };
    let ended = |how: String| CallError::Ended { how };
    let mut client = match CLIENTS.with_borrow_mut(|clients| clients.remove(address)) {
        Some(client) => client,
        None => Client::connect(address).map_err(|error| ended(error.to_string()))?,
    };
    match client.send(&request) {
        Ok(()) => {}
        Err(error @ (frame::Error::Encode { .. } | frame::Error::TooLong { .. })) => {
            return Err(not_sent(error));
        }
        Err(error) => return Err(ended(error.to_string())),
    }
    let reply = match client.recv() {
        Ok(reply) => reply,
        Err(error @ frame::Error::Decode { .. }) => Err(not_received(error)),
        Err(error) => return Err(ended(error.to_string())),
    };
    CLIENTS.with_borrow_mut(|clients| {
        // Servers that have ended since leave no descriptors here.
        if !clients.contains_key(address) {
            clients.retain(|_, client| !client.poll(Duration::ZERO).unwrap_or(true));
        }
        clients.insert(address.clone(), client);
    });
    reply
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
