//! The calls of a [`ThreadPoolExecutor`](crate::future::ThreadPoolExecutor), and the threads that
//! run them.
//!
//! ```text
//!   submit, spawn ──call──▶ channel ──┬──▶ ThreadPoolExecutor-0_0 ──▶ promise
//!                                     └──▶ ThreadPoolExecutor-0_1 ──▶ promise
//! ```
//!
//! **A call that waits** for another one of the same executor: if all threads do, none is left for
//! the calls in the queue, and Python's executor stands still for ever. Here the thread that waits
//! does the very call that it waits for, if that has not begun; if it has, some thread is at it.
//! Therefore one thread always goes on, unless calls of several threads wait for each other in a
//! circle.
//!
//! - Another thread instead would let the number of threads grow with the depth of a recursion;
//!   `max_workers` would mean nothing.
//! - Any other call, as in work stealing, would begin inside one that it has nothing to do with:
//!   it could need a lock that the outer one holds, and a short wait could take as long as the
//!   longest call.
//! - A wait with a time limit does nothing itself, because it couldn't keep the limit.
//! - `.await` counts as waiting, or `block_on` in the only thread would never end. Only what is
//!   polled while it is woken is taken to go on with something else.
//! - A call that waits for itself is an error at once.

use std::cell::Cell;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle, ThreadId};

use crate::future::TaskError;
use crate::future::{at_exit::Awaited, panics::text_of};
use crossbeam_channel::{Receiver, Sender};
use crossbeam_utils::CachePadded;

use crate::future::callbacks::{contained, together, waking};
use crate::future::completion::CallControl;
use crate::future::error::SubmitError;
use crate::future::promise::Promise;

/// State shared by the executor's handle, its calls and its threads.
pub(crate) struct Shared {
    pub sender: Sender<Message>,
    pub receiver: Receiver<Message>,
    /// Number of calls that have not ended. Callers and workers write this counter and the state
    /// all the time, so each has a cache line of its own.
    pub unfinished: CachePadded<AtomicUsize>,
    pub state: CachePadded<Mutex<State>>,
    pub prefix: String,
    pub initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub handles: Vec<JoinHandle<()>>,
    /// True once the executor takes no more calls, and the threads have been told to end.
    pub closed: bool,
    /// The reason why the executor is broken.
    broken: Option<String>,
    /// True if dropping the executor's handle does not wait for the calls.
    pub is_detached: bool,
}

impl State {
    pub(crate) fn why_closed(&self) -> SubmitError {
        match &self.broken {
            Some(reason) => SubmitError::Broken(reason.clone()),
            None => SubmitError::Shutdown,
        }
    }
}

pub(crate) enum Message {
    Call(Arc<dyn Work>),
    End,
}

/// A call, whatever its types.
pub(crate) trait Work: Send + Sync {
    /// Runs the call in one of the executor's threads, if it has not started.
    fn run(&self, shared: &Shared);
    /// Returns true if the call has neither started nor been given up.
    fn is_waiting(&self) -> bool;
    /// Gives the call up and cancels its future.
    fn cancel(&self);
    /// Gives the call up: its future ends in [`TaskError::Broken`].
    fn fail(&self, reason: &str);
}

/// A call and its promise.
pub(crate) struct Call<F, R> {
    pub step: Mutex<Step<F, R>>,
    pub shared: Weak<Shared>,
}

/// Progress of a call.
pub(crate) enum Step<F, R> {
    Waiting(F, Promise<R>),
    /// The call runs, or has run, in this thread.
    Begun(ThreadId),
    /// The call was given up, and never runs.
    Over,
}

impl<F, R> Call<F, R> {
    fn step(&self) -> MutexGuard<'_, Step<F, R>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the call out, if it has not started.
    fn take(&self, next: Step<F, R>) -> Option<(F, Promise<R>)> {
        let mut step = self.step();
        match replace(&mut *step, next) {
            Step::Waiting(work, promise) => Some((work, promise)),
            other => {
                *step = other;
                None
            }
        }
    }

    /// Takes the call out because it won't run.
    fn give_up(&self) -> Option<(F, Promise<R>)> {
        let taken = self.take(Step::Over);
        if let Some(shared) = self.shared.upgrade().filter(|_| taken.is_some()) {
            shared.unfinished.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }
}

impl<F: FnOnce() -> R, R> Call<F, R> {
    fn do_it(&self, shared: &Shared) {
        let begun = Step::Begun(thread::current().id());
        let Some((work, promise)) = self.take(begun) else { return };
        let outcome = match promise.set_running() {
            Ok(true) => Some(catch_unwind(AssertUnwindSafe(work))),
            // The future was cancelled.
            _ => None,
        };
        // Before the result is there: a caller that gets it and then submits another call must find
        // this thread free.
        shared.unfinished.fetch_sub(1, Ordering::AcqRel);
        match outcome {
            Some(Ok(result)) => drop(promise.set_result(result)),
            Some(Err(panic)) => {
                let message = text_of(&*panic).to_owned();
                let _ = promise.set_exception(TaskError::Panicked { message });
            }
            None => {}
        }
    }
}

thread_local! {
    /// Address of the [`Shared`] whose worker this thread is.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}

impl<F, R> Work for Call<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send + Sync,
{
    fn run(&self, shared: &Shared) {
        waking(false, || self.do_it(shared));
    }

    fn is_waiting(&self) -> bool {
        matches!(*self.step(), Step::Waiting(..))
    }

    fn cancel(&self) {
        contained(|| {
            if let Some((_, promise)) = self.give_up() {
                promise.cancel();
            }
        });
    }

    fn fail(&self, reason: &str) {
        contained(|| {
            if let Some((_, promise)) = self.give_up() {
                let _ = promise.set_exception(TaskError::Broken(reason.to_owned()));
            }
        });
    }
}

impl<F, R> CallControl for Call<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send + Sync,
{
    fn before_waiting(&self, has_limit: bool) -> bool {
        match *self.step() {
            // A call must not wait for its own result.
            Step::Begun(thread) => return thread != thread::current().id(),
            Step::Over => return true,
            Step::Waiting(..) => {}
        }
        let shared = self.shared.upgrade().filter(|shared| !has_limit && shared.is_worker_thread());
        if let Some(shared) = shared {
            self.run(&shared);
        }
        true
    }

    fn forget(&self) {
        drop(self.give_up());
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the calling thread is one of this executor's workers.
    pub(crate) fn is_worker_thread(&self) -> bool {
        std::ptr::from_ref(self) as usize == WORKER_OF.get()
    }

    /// Starts a thread for another call, if none is free for it.
    pub(crate) fn start_for_one_more(
        self: &Arc<Self>,
        state: &mut State,
        most: usize,
    ) -> Result<(), SubmitError> {
        let number = state.handles.len();
        if number >= most || number > self.unfinished.load(Ordering::Acquire) {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("{}_{number}", self.prefix));
        match thread.spawn(move || shared.work()) {
            Ok(handle) => state.handles.push(handle),
            Err(error) if number == 0 => return Err(SubmitError::Start(error.to_string())),
            // Fewer threads will do.
            Err(_) => {}
        }
        Ok(())
    }

    /// Runs a worker thread.
    fn work(self: Arc<Self>) {
        WORKER_OF.set(Arc::as_ptr(&self) as usize);
        if let Some(initializer) = &self.initializer
            && let Err(panic) = catch_unwind(AssertUnwindSafe(initializer))
        {
            let reason = format!("its initializer panicked: {}", text_of(&*panic));
            return self.end_as_broken(&reason);
        }
        while let Ok(Message::Call(call)) = self.receiver.recv() {
            call.run(&self);
        }
    }

    /// Closes the executor; all calls that have not started fail.
    fn end_as_broken(&self, reason: &str) {
        self.state().broken.get_or_insert_with(|| reason.to_owned());
        self.close();
        together(|| self.take_waiting().iter().for_each(|call| call.fail(reason)));
    }

    /// Cancels the calls that have not started, except those that a free thread is about to take.
    pub(crate) fn cancel_waiting(&self) {
        let threads = self.state().handles.len();
        let mut waiting = self.take_waiting();
        let running = self.unfinished.load(Ordering::Acquire).saturating_sub(waiting.len());
        let late = waiting.split_off(threads.saturating_sub(running).min(waiting.len()));
        for call in waiting {
            let _ = self.sender.send(Message::Call(call));
        }
        together(|| late.iter().for_each(|call| call.cancel()));
    }

    /// Takes the calls that have not started out of the channel.
    fn take_waiting(&self) -> Vec<Arc<dyn Work>> {
        let (mut calls, mut ends) = (Vec::new(), 0);
        for message in self.receiver.try_iter() {
            match message {
                Message::Call(call) if call.is_waiting() => calls.push(call),
                Message::Call(_) => {}
                Message::End => ends += 1,
            }
        }
        (0..ends).for_each(|_| drop(self.sender.send(Message::End)));
        calls
    }

    /// Takes no more calls; the threads end when all are done.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if !replace(&mut state.closed, true) {
            // Behind all calls.
            state.handles.iter().for_each(|_| drop(self.sender.send(Message::End)));
        }
    }

    /// Waits until all threads have ended.
    pub(crate) fn join(&self) {
        let handles = std::mem::take(&mut self.state().handles);
        handles.into_iter().for_each(|handle| drop(handle.join()));
    }
}

impl Awaited for Shared {
    fn finish(&self) {
        self.close();
        self.join();
    }
}
