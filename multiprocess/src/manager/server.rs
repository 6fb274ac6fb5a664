//! The server: the process that owns the states, and runs the calls on each, one after the other.
//!
//! ```text
//!   proxy ══ client ══▶ thread 1 ─┐                ┌───────┐
//!   proxy ══ client ══▶ thread 2 ─┼─ lock, call ─▶ │ state │   a thread for each connection
//!   owner ── line ────▶ thread 0  │                └───────┘
//!              end of the manager: the states are dropped, the process ends
//! ```
//!
//! A call that waits runs its function, and if that returns `None`, waits until another call has
//! run, and runs it again. Before each run it looks whether its client is still there: what it
//! would take for a dead client stays with the others.
//!
//! A thread waits for each client before it is accepted. So where the system has no thread or no
//! descriptor left, clients wait at the listener, and none is turned away.
//!
//! # Lock order
//!
//! `states` is left before a state's `value` is locked, and no thread locks two states. A state
//! stays locked while its function calls another, in another thread: see `nesting.rs`. No lock is
//! held while a reply is sent, and while a state is dropped.

use std::any::Any;
use std::io;
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::deadline::{deadline, time_left};
use crate::future::TaskError;
use crate::future::panics::{guarded, keep_panics_of_tasks};
use crate::manager::exposed::{self, Exposed, Invocation};
use crate::manager::request::{Done, Place, Reply, Request, StateId, What};
use crate::manager::{Address, CallError, Client, Listener, nesting};
use crate::output::complain;
use crate::pipe::{Receiver, Sender};
use crate::process::frame::Error;
use crate::process::{Arguments, Exit};
use crate::tasks;

tasks![serve];

/// Interval at which a call that waits looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Time that the server has for the calls that are running when its manager is dropped, and for
/// dropping its states.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What a server is given when it starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    pub address: Address,
    /// Tells the owner that the server listens, or why it doesn't.
    pub ready: Sender<Result<(), String>>,
    /// Gets a message when the owner drops its manager, and comes to its end if the owner dies.
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
    /// `None` once the manager was dropped.
    state: Option<Box<dyn Any + Send>>,
    /// Number of calls that have run and may have changed the state.
    calls: u64,
    /// Number of calls that wait for another.
    waiting: usize,
}

/// A client that has gone, or talks nonsense: its connection ends.
struct Gone;

/// Runs a server: the main function of its process.
pub(crate) fn serve(start: Start) -> Exit {
    let Start { address, mut ready, mut owner } = start;
    keep_panics_of_tasks();
    nesting::begin(&address);
    let server = Arc::new(Server::default());
    let (tell, told) = channel();
    let begun = Listener::at(&address).and_then(|listener| {
        let accepting = Arc::clone(&server);
        thread::Builder::new()
            .name(String::from("manager-accept"))
            .spawn(move || accepting.accept(&listener))?;
        let end = move || {
            if owner.recv().is_err() {
                // The owner has died, and this daemon dies of that. An end of its own at the same
                // moment would race with it, which Wine doesn't survive.
                loop {
                    thread::park();
                }
            }
            let _ = tell.send(());
            server.drop_states();
            let _ = tell.send(());
        };
        thread::Builder::new().name(String::from("manager-owner")).spawn(end).map(drop)
    });
    let begun = begun.map_err(|error| error.to_string());
    if ready.send(&begun).is_err() || begun.is_err() {
        return Exit::FAILURE;
    }
    drop(ready);
    let _ = told.recv();
    // A call that never returns doesn't keep the server.
    let _ = told.recv_timeout(GRACE);
    // Threads that still talk to clients end with the process.
    Exit::SUCCESS
}

impl Server {
    /// Accepts clients, each of which has a thread.
    fn accept(self: &Arc<Self>, listener: &Listener) {
        let mut has_complained = false;
        loop {
            let thread = patiently(&mut has_complained, || self.thread_for_a_client());
            let client = patiently(&mut has_complained, || listener.accept());
            let _ = thread.send(client);
        }
    }

    /// Starts a thread that talks to the client that it is sent.
    fn thread_for_a_client(self: &Arc<Self>) -> io::Result<mpsc::Sender<Client<Reply, Request>>> {
        let (sender, receiver) = channel::<Client<Reply, Request>>();
        let server = Arc::clone(self);
        let accepting = thread::current();
        let talk = move || {
            let Ok(mut client) = receiver.recv() else { return };
            while server.answer(&mut client).is_ok() {}
            drop(client);
            // There is a descriptor again, and soon a thread.
            accepting.unpark();
        };
        thread::Builder::new().name(String::from("manager-client")).spawn(talk)?;
        Ok(sender)
    }

    /// Receives a request, and answers it.
    fn answer(&self, client: &mut Client<Reply, Request>) -> Result<(), Gone> {
        let reply = match client.recv() {
            Ok(request) => self.run(request, client)?,
            // Such a message is used up.
            Err(error @ Error::Decode { .. }) => Err(CallError::not_received(error)),
            Err(_) => return Err(Gone),
        };
        match client.send(&reply) {
            Ok(()) => Ok(()),
            // Nothing was sent.
            Err(error @ (Error::Encode { .. } | Error::TooLong { .. })) => {
                client.send(&Err(CallError::answer_not_sent(error))).map_err(|_| Gone)
            }
            Err(_) => Err(Gone),
        }
    }

    fn run(&self, request: Request, client: &Client<Reply, Request>) -> Result<Reply, Gone> {
        let Request(key, what, arguments, outer) = request;
        let Some(function) = exposed::find(key) else { return Ok(Ok(Done::Unlisted)) };
        match what {
            What::Build => {
                let mut state = None;
                let build = || invoke(function, Invocation::Build(arguments, &mut state));
                let built = nesting::enter(outer, None, build);
                Ok(built.and_then(|()| {
                    let state = state.ok_or_else(|| function.wrong_state())?;
                    self.add(state).map(Done::Built)
                }))
            }
            What::Call(id) => self.call(function, id, arguments, outer),
            What::Wait(id, timeout) => {
                // A time that is longer than the clock can tell is no limit.
                let deadline = deadline(timeout);
                self.wait(function, id, deadline, arguments, outer, client)
            }
        }
    }

    fn call(
        &self,
        function: &Exposed,
        id: StateId,
        arguments: Arguments,
        outer: Option<Vec<Place>>,
    ) -> Result<Reply, Gone> {
        let state = match self.state(function, id, outer.as_ref()) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        let mut value = state.lock();
        let mut answer = None;
        let called = value.call(function, id, arguments, outer, false, &mut answer)?;
        state.has_changed(value);
        Ok(called.and_then(|()| answer.map(Done::Answered).ok_or_else(|| function.wrong_state())))
    }

    fn wait(
        &self,
        function: &Exposed,
        id: StateId,
        deadline: Option<Instant>,
        mut arguments: Arguments,
        outer: Option<Vec<Place>>,
        client: &Client<Reply, Request>,
    ) -> Result<Reply, Gone> {
        let state = match self.state(function, id, outer.as_ref()) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        let mut value = state.lock();
        // What it would take for a dead client stays with the others.
        if is_gone(client) {
            return Err(Gone);
        }
        loop {
            let again = arguments.again();
            let mut answer = None;
            let called = value.call(function, id, arguments, outer.clone(), true, &mut answer)?;
            if called.is_err() || answer.is_some() {
                state.has_changed(value);
                return Ok(called.map(|()| answer.map_or(Done::TimedOut, Done::Answered)));
            }
            arguments = match again {
                Ok(again) => again,
                Err(error) => return Ok(Err(CallError::not_received(error))),
            };
            match state.wait_for_a_call(value, deadline, client)? {
                Some(changed) => value = changed,
                None => return Ok(Ok(Done::TimedOut)),
            }
        }
    }

    /// Adds a state; returns its index.
    fn add(&self, state: Box<dyn Any + Send>) -> Result<StateId, CallError> {
        let value = Mutex::new(Value { state: Some(state), calls: 0, waiting: 0 });
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |_| CallError::NotStarted(String::from("it has too many states"));
        let id = StateId::try_from(states.len()).map_err(full)?;
        states.push(Arc::new(State { value, changed: Condvar::new() }));
        Ok(id)
    }

    /// Finds a state that a call may wait for.
    fn state(
        &self,
        function: &Exposed,
        id: StateId,
        outer: Option<&Vec<Place>>,
    ) -> Result<Arc<State>, CallError> {
        if nesting::is_inside(outer, id) {
            return Err(CallError::Nested { function: function.name().to_owned() });
        }
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let found = usize::try_from(id).ok().and_then(|index| states.get(index));
        found.cloned().ok_or_else(|| function.wrong_state())
    }

    /// Drops the states, each after the call that is running on it.
    fn drop_states(&self) {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for state in &states {
            let last = state.lock().state.take();
            // Calls that wait see that there is nothing to wait for.
            state.changed.notify_all();
            if let Err(error) = guarded(|| drop(last)) {
                complain(format_args!("a manager's state can't be dropped: {error}"));
            }
        }
    }
}

/// Tries again and again what a limit of the system may prevent, until other clients have gone. It
/// says so once.
fn patiently<T>(has_complained: &mut bool, attempt: impl Fn() -> io::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => {
                if !*has_complained {
                    complain(format_args!("a manager can't accept more clients now: {error}"));
                }
                *has_complained = true;
                thread::park_timeout(LOOK);
            }
        }
    }
}

/// Calls a function; its panic becomes the call's error.
fn invoke(function: &Exposed, invocation: Invocation<'_>) -> Result<(), CallError> {
    match guarded(|| (function.call)(invocation)) {
        Ok(called) => called,
        Err(TaskError::Panicked { message }) => Err(CallError::Panicked { message }),
        Err(error) => Err(CallError::Panicked { message: error.to_string() }),
    }
}

/// Returns true if the client is dead: one that waits for its call says nothing.
fn is_gone(client: &Client<Reply, Request>) -> bool {
    client.poll(Duration::ZERO).unwrap_or(true)
}

impl Value {
    fn call(
        &mut self,
        function: &Exposed,
        id: StateId,
        arguments: Arguments,
        outer: Option<Vec<Place>>,
        waits: bool,
        answer: &mut Option<Arguments>,
    ) -> Result<Result<(), CallError>, Gone> {
        // The server is ending.
        let Some(state) = &mut self.state else { return Err(Gone) };
        let invocation = Invocation::Call { arguments, state: &mut **state, waits, answer };
        Ok(nesting::enter(outer, Some(id), || invoke(function, invocation)))
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Value> {
        // A panic in a call is caught before it gets here.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a call that has run: those that wait run again. Without any, the kernel isn't asked.
    fn has_changed(&self, mut value: MutexGuard<'_, Value>) {
        value.calls += 1;
        let has_waiting = value.waiting > 0;
        drop(value);
        if has_waiting {
            self.changed.notify_all();
        }
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
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let look = left.map_or(LOOK, |left| left.min(LOOK));
            value.waiting += 1;
            let waited = self.changed.wait_timeout(value, look);
            value = waited.unwrap_or_else(PoisonError::into_inner).0;
            value.waiting -= 1;
            if value.state.is_none() || is_gone(client) {
                return Err(Gone);
            }
            if value.calls != seen {
                return Ok(Some(value));
            }
        }
    }
}
