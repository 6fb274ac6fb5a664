//! The server: the process that owns the states, and runs the calls on each, one after the other.
//!
//! ```text
//!   proxy ══ client ══▶ thread 1 ─┐                ┌───────┐
//!   proxy ══ client ══▶ thread 2 ─┼─ lock, call ─▶ │ state │   a thread for each connection
//!   owner ── line ────▶ thread 0  │                └───────┘
//!              end of the owner: the states are dropped, the process ends
//! ```
//!
//! A call that waits runs its function, and if that returns `None`, waits until another call has
//! run, and runs it again. Before each run it looks whether its client is still there: what it
//! would take for a dead client stays with the others.
//!
//! # Lock order
//!
//! `states`, then one state's `value`. No lock is held while a reply is sent.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::future::TaskError;
use crate::future::panics::{guarded, keep_panics_of_tasks};
use crate::manager::exposed::{self, Invocation};
use crate::manager::request::{Done, Reply, Request, StateId, What};
use crate::manager::{Address, CallError, Client, Listener};
use crate::output::complain;
use crate::pipe::{Receiver, Sender};
use crate::process::{Arguments, Exit};
use crate::tasks;

tasks![serve];

/// Interval at which a call that waits looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(100);

/// What a server is given when it starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    pub address: Address,
    /// Tells the owner that the server listens, or why it doesn't.
    pub ready: Sender<Result<(), String>>,
    /// Comes to its end when the owner drops its manager.
    pub owner: Receiver<()>,
}

/// The states of this server.
#[derive(Default)]
struct Server {
    states: Mutex<Vec<Arc<State>>>,
}

struct State {
    value: Mutex<Value>,
    /// Notified after each call.
    changed: Condvar,
}

struct Value {
    state: Box<dyn Any + Send>,
    /// Number of calls that have run.
    calls: u64,
}

/// A client that has gone, or talks nonsense: its connection ends.
struct Gone;

/// Runs a server: the main function of its process.
pub(crate) fn serve(start: Start) -> Exit {
    let Start { address, mut ready, mut owner } = start;
    keep_panics_of_tasks();
    let listener = match Listener::at(&address) {
        Ok(listener) => listener,
        Err(error) => {
            let _ = ready.send(&Err(error.to_string()));
            return Exit::FAILURE;
        }
    };
    let server = Arc::new(Server::default());
    let accepting = {
        let server = Arc::clone(&server);
        thread::Builder::new().spawn(move || server.accept(&listener))
    };
    let started = accepting.map(drop).map_err(|error| error.to_string());
    if ready.send(&started).is_err() || started.is_err() {
        return Exit::FAILURE;
    }
    drop(ready);
    // The owner sends nothing: this is the end of its manager.
    let _ = owner.recv();
    server.drop_states();
    // Threads that still talk to clients end with the process.
    std::process::exit(0)
}

impl Server {
    /// Accepts clients, each of which has a thread.
    fn accept(self: &Arc<Self>, listener: &Listener) {
        loop {
            let accepted = listener.accept::<Reply, Request>().and_then(|mut client| {
                let server = Arc::clone(self);
                let talk = move || while server.answer(&mut client).is_ok() {};
                thread::Builder::new().name(String::from("manager-client")).spawn(talk)
            });
            if let Err(error) = accepted {
                complain(format_args!("a manager can't accept a client now: {error}"));
                // At a limit of the system, until other clients have gone.
                thread::sleep(LOOK);
            }
        }
    }

    /// Receives a request, and answers it.
    fn answer(&self, client: &mut Client<Reply, Request>) -> Result<(), Gone> {
        let reply = match client.recv() {
            Ok(request) => self.run(request, client)?,
            // Such a message is used up.
            Err(error @ crate::process::frame::Error::Decode { .. }) => {
                Err(CallError::not_received(error))
            }
            Err(_) => return Err(Gone),
        };
        match client.send(&reply) {
            Ok(()) => Ok(()),
            // Nothing was sent.
            Err(
                error @ (crate::process::frame::Error::Encode { .. }
                | crate::process::frame::Error::TooLong { .. }),
            ) => client.send(&Err(CallError::answer_not_sent(error))).map_err(|_| Gone),
            Err(_) => Err(Gone),
        }
    }

    fn run(&self, request: Request, client: &Client<Reply, Request>) -> Result<Reply, Gone> {
        let Request { function, arguments, what } = request;
        let Some(exposed) = exposed::find(&function) else {
            return Ok(Err(CallError::Unlisted { function }));
        };
        let call = |invocation: Invocation<'_>| match guarded(|| (exposed.call)(invocation)) {
            Ok(called) => called,
            Err(TaskError::Panicked { message }) => Err(CallError::Panicked { message }),
            Err(error) => Err(CallError::Panicked { message: error.to_string() }),
        };
        let (id, deadline) = match what {
            What::Build => {
                let mut state = None;
                let built = call(Invocation::Build(arguments, &mut state));
                return Ok(built.and_then(|()| {
                    let state = state.ok_or(CallError::WrongState { function })?;
                    self.add(state).map(Done::Built)
                }));
            }
            What::Call(id) => (id, None),
            What::Wait(id, timeout) => (id, Some(timeout.map(|timeout| Instant::now() + timeout))),
        };
        let Some(state) = self.state(id) else {
            return Ok(Err(CallError::WrongState { function }));
        };
        let mut arguments = Some(arguments);
        let mut value = state.lock();
        loop {
            let again =
                if deadline.is_some() { arguments.as_ref().map(Arguments::again) } else { None };
            let Some(these) = arguments.take() else { return Err(Gone) };
            let mut answer = None;
            let called = call(Invocation::Call {
                arguments: these,
                state: &mut *value.state,
                waits: deadline.is_some(),
                answer: &mut answer,
            });
            value.calls += 1;
            if called.is_err() || answer.is_some() {
                drop(value);
                state.changed.notify_all();
                let done = |()| answer.map_or(Done::TimedOut, Done::Answered);
                return Ok(called.map(done));
            }
            match again.transpose() {
                Ok(again) => arguments = again,
                Err(error) => return Ok(Err(CallError::not_received(error))),
            }
            match state.wait_for_a_call(value, deadline.flatten(), client)? {
                Some(changed) => value = changed,
                None => return Ok(Ok(Done::TimedOut)),
            }
        }
    }

    /// Adds a state; returns its index.
    fn add(&self, state: Box<dyn Any + Send>) -> Result<StateId, CallError> {
        let value = Mutex::new(Value { state, calls: 0 });
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |_| CallError::NotStarted(String::from("it has too many states"));
        let id = StateId::try_from(states.len()).map_err(full)?;
        states.push(Arc::new(State { value, changed: Condvar::new() }));
        Ok(id)
    }

    fn state(&self, id: StateId) -> Option<Arc<State>> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(usize::try_from(id).ok()?).cloned()
    }

    /// Drops the states, each after the call that is running on it.
    fn drop_states(&self) {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for state in states.iter() {
            let mut value = state.lock();
            let dropped = guarded(|| value.state = Box::new(()));
            if let Err(error) = dropped {
                complain(format_args!("a manager's state can't be dropped: {error}"));
            }
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Value> {
        // A panic in a call is caught before it gets here.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another call has run on the state; `None` if the deadline has passed.
    fn wait_for_a_call<'a>(
        &self,
        mut value: MutexGuard<'a, Value>,
        deadline: Option<Instant>,
        client: &Client<Reply, Request>,
    ) -> Result<Option<MutexGuard<'a, Value>>, Gone> {
        let seen = value.calls;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let look = left.map_or(LOOK, |left| left.min(LOOK));
            let waited = self.changed.wait_timeout(value, look);
            value = waited.unwrap_or_else(PoisonError::into_inner).0;
            // A client says nothing during its call: this is its end.
            if client.poll(Duration::ZERO).map_err(|_| Gone)? {
                return Err(Gone);
            }
            if value.calls != seen {
                return Ok(Some(value));
            }
        }
    }
}
