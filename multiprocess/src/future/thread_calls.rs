//! The calls of a [`ThreadPoolExecutor`](crate::future::ThreadPoolExecutor), and the threads that
//! run them.
//!
//! ```text
//!   submit, spawn ──call──▶ channel ──┬──▶ ThreadPoolExecutor-0_0 ──▶ future
//!                                     └──▶ ThreadPoolExecutor-0_1 ──▶ future
//! ```
//!
//! **A call is one allocation**, with its future and its result: it may be so short that its
//! overhead counts. One thread gets it, the one that marks its future as running or cancelled: the
//! thread that takes it out of the channel, the one that waits for it, or the one that cancels it.
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
//! - `.await` counts as waiting, or `block_on` in the only thread would never end. Only a poll that
//!   is made while a waker is being called doesn't: that async executor has other work.
//! - A call that waits for itself is an error at once.

use std::cell::Cell;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::future::TaskError;
use crate::future::{at_exit::Awaited, panics::text_of};
use crossbeam_channel::{Receiver, Sender};
use crossbeam_utils::CachePadded;

use crate::future::callbacks::{contained, together, waking};
use crate::future::error::SubmitError;
use crate::future::future::{CallControl, Ends};
use crate::future::progress::Phase;

/// State shared by the executor's handle, its calls and its threads.
pub(crate) struct Shared {
    pub sender: Sender<Message>,
    pub receiver: Receiver<Message>,
    /// Number of calls that have ended. Callers write the state all the time, and workers this
    /// counter, so each has a cache line of its own.
    pub ended: CachePadded<AtomicUsize>,
    pub state: CachePadded<Mutex<State>>,
    pub prefix: String,
    pub initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub handles: Vec<JoinHandle<()>>,
    /// Number of calls that were submitted.
    pub submitted: usize,
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
    fn run(self: Arc<Self>, shared: &Shared);
    /// Returns true if the call has neither started nor been given up.
    fn is_waiting(&self) -> bool;
    /// Gives the call up and cancels its future.
    fn cancel(&self);
    /// Gives the call up: its future ends in [`TaskError::Broken`].
    fn fail(&self, reason: &str);
}

/// A call, inside of the [`Ends`] of its future.
pub(crate) struct Call<F> {
    step: Mutex<Step<F>>,
    /// Address of the executor's [`Shared`], which its workers know.
    executor: usize,
}

/// Progress of a call, beside that of its future.
enum Step<F> {
    Waiting(F),
    /// The call runs, or has run, in this thread.
    Begun(ThreadId),
    /// The call was given up, and never runs.
    Over,
}

impl<F> Call<F> {
    pub(crate) fn new(work: F, shared: &Arc<Shared>) -> Self {
        Self { step: Mutex::new(Step::Waiting(work)), executor: shared.address() }
    }

    fn step(&self) -> MutexGuard<'_, Step<F>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the work of a call whose future the calling thread has begun or cancelled.
    fn take(&self, next: Step<F>) -> Option<F> {
        match replace(&mut *self.step(), next) {
            Step::Waiting(work) => Some(work),
            _ => None,
        }
    }

    /// Drops the work of a call that won't run.
    fn give_up(&self) {
        drop(self.take(Step::Over));
    }

    /// Runs the call, if it has not started; calls `has_ended` before its result is there.
    fn run<R>(&self, ends: &Ends<R>, has_ended: impl FnOnce())
    where
        F: FnOnce() -> R,
    {
        let begins = ends.core.begin() == Phase::Pending;
        let work = if begins { self.take(Step::Begun(ME.with(|me| *me))) } else { None };
        let Some(work) = work else { return has_ended() };
        let outcome = catch_unwind(AssertUnwindSafe(work));
        has_ended();
        ends.complete(outcome.map_err(|panic| {
            let message = text_of(&*panic).to_owned();
            // Dropping a panic's payload may panic, too.
            contained(|| panic);
            TaskError::Panicked { message }
        }));
    }
}

thread_local! {
    /// Address of the [`Shared`] whose worker this thread is.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
    /// This thread's id; `thread::current` would count a reference each time.
    static ME: ThreadId = thread::current().id();
}

impl<F, R> Work for Ends<R, Call<F>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + Sync,
{
    fn run(self: Arc<Self>, shared: &Shared) {
        // Counted as ended before its result is there: a caller that gets that and then submits
        // another call must find this thread free.
        let has_ended = || shared.have_ended(1);
        // A result that no handle is left for is dropped in there, too.
        contained(move || self.call.run(&*self, has_ended));
    }

    fn is_waiting(&self) -> bool {
        self.core.progress().phase() == Phase::Pending
    }

    fn cancel(&self) {
        contained(|| {
            if Ends::<R>::cancel(self, || true).is_ok() {
                self.call.give_up();
            }
        });
    }

    fn fail(&self, reason: &str) {
        contained(|| {
            if self.core.begin() == Phase::Pending {
                Ends::<R>::complete(self, Err(TaskError::Broken(reason.to_owned())));
                self.call.give_up();
            }
        });
    }
}

impl<F, R> CallControl<R> for Call<F>
where
    F: FnOnce() -> R + Send,
{
    fn before_waiting(&self, ends: &Ends<R>, has_limit: bool) -> bool {
        if let Step::Begun(thread) = *self.step() {
            // A call must not wait for its own result.
            return thread != ME.with(|me| *me);
        }
        if !has_limit && self.executor == WORKER_OF.get() {
            // The call stays in the channel, and counts as ended when it comes out.
            waking(false, || self.run(ends, || ()));
        }
        true
    }

    fn forget(&self) {
        self.give_up();
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the calling thread is one of this executor's workers.
    pub(crate) fn is_worker_thread(&self) -> bool {
        self.address() == WORKER_OF.get()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    fn have_ended(&self, calls: usize) {
        // Relaxed: whoever has a call's result knows that it has ended, because the result was
        // published after this.
        self.ended.fetch_add(calls, Ordering::Relaxed);
    }

    /// Returns the number of calls that have not ended. One that was cancelled, or run by a thread
    /// that waits for it, counts until it comes out of the channel: at once, if a thread is free.
    fn unfinished(&self, state: &State) -> usize {
        state.submitted.wrapping_sub(self.ended.load(Ordering::Relaxed))
    }

    /// Starts a thread for another call, if none is free for it.
    pub(crate) fn start_for_one_more(
        self: &Arc<Self>,
        state: &mut State,
        most: usize,
    ) -> Result<(), SubmitError> {
        let number = state.handles.len();
        if number >= most || number > self.unfinished(state) {
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
        WORKER_OF.set(self.address());
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
        let waiting = self.take_waiting();
        self.have_ended(waiting.len());
        together(|| waiting.iter().for_each(|call| call.fail(reason)));
    }

    /// Cancels the calls that have not started, except those that a free thread is about to take.
    pub(crate) fn cancel_waiting(&self) {
        let mut waiting = self.take_waiting();
        let state = self.state();
        let threads = state.handles.len();
        let running = self.unfinished(&state).saturating_sub(waiting.len());
        // An initializer may have panicked meanwhile: behind the ends of all threads no call runs.
        let free = if state.closed { 0 } else { threads.saturating_sub(running) };
        let late = waiting.split_off(free.min(waiting.len()));
        for call in waiting {
            let _ = self.sender.send(Message::Call(call));
        }
        drop(state);
        self.have_ended(late.len());
        together(|| late.iter().for_each(|call| call.cancel()));
    }

    /// Takes the calls that have not started out of the channel.
    fn take_waiting(&self) -> Vec<Arc<dyn Work>> {
        let (mut calls, mut ends) = (Vec::new(), 0);
        for message in self.receiver.try_iter() {
            match message {
                Message::Call(call) if call.is_waiting() => calls.push(call),
                Message::Call(_) => self.have_ended(1),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// More lines of the cache would travel between the threads than the work is worth.
    #[test]
    fn a_small_call_with_its_future_and_its_result_takes_two_cache_lines() {
        fn size_of_call<R, F: FnOnce() -> R>(_: &F) -> usize {
            size_of::<Ends<R, Call<F>>>()
        }
        let number = 7_u64;
        let counts_of_the_arc = 2 * size_of::<usize>();
        assert!(counts_of_the_arc + size_of_call(&move || number * number) <= 128);
    }
}
