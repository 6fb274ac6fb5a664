//! [`Future`]: the consumer's end of a result.
//!
//! A future doesn't know how its call is run. It has a call control, of which it asks three things:
//! not to start, whether the call has started, and to take note that a thread is going to wait.
//!
//! ```text
//!                        ┌──────── Ends: one allocation ────────┐
//!   Future ──handle──▶   │ outcome │ core (progress, callbacks) │  ◀── Promise, or the call's
//!   Future ──handle──▶   │ the call, or control over it         │      executor
//!                        └──────────────────────────────────────┘
//! ```

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::deadline::{deadline, has_passed};
use crate::future::TaskError;
use crate::sys::counted::{Counted, Handle};

use crate::future::callbacks::{Callback, call, contained, in_turn};
use crate::future::completion::{Core, State};
use crate::future::error::FutureError;
use crate::future::progress::{Phase, Progress};
use crate::future::waiter::Waiter;

/// A result that will come. Python: `concurrent.futures.Future`.
///
/// Clones are handles to the same future, which outlives its executor. A future can also be
/// awaited, in any async runtime; that takes the result out, as [`into_result`](Self::into_result)
/// does.
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// use multiprocess::futures::{FutureError, Promise};
///
/// let (promise, future) = Promise::new();
/// assert_eq!(future.result_timeout(Duration::from_millis(10)), Err(FutureError::TimedOut));
///
/// let (sender, results) = mpsc::channel();
/// future.add_done_callback(move |future| {
///     let _ = sender.send(future.result().copied());
/// });
/// promise.set_result(42)?;
/// assert!(future.done());
/// assert_eq!(results.recv()?, Ok(42));
/// assert_eq!(future.exception()?, None);
/// assert_eq!(future.result()?, &42);
/// assert_eq!(future.into_result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Future<R> {
    pub(crate) ends: Handle<Outcome<R>, Body<R, dyn CallControl<R>>>,
    /// Key of the future's waker in the core, once it was polled.
    pub(crate) waker: Option<NonZeroU64>,
}

type Outcome<R> = Result<R, TaskError>;

/// All that a future's handles and its producer share.
pub(crate) type Ends<R, C = dyn CallControl<R>> = Counted<Outcome<R>, Body<R, C>>;

/// What they share beside the outcome.
pub(crate) struct Body<R, C: ?Sized> {
    pub core: Core<Option<Callbacks<R>>>,
    /// The call behind the future, or control over it.
    pub call: C,
}

/// Callbacks of a future, with a handle for them, and how to run them.
pub(crate) struct Callbacks<R> {
    future: Future<R>,
    list: Vec<Callback<Future<R>>>,
    /// Function chosen where the result's type is known to be `'static`: deferred callbacks need
    /// that.
    run: fn(Self),
}

/// Control over the call behind a pending future, provided by its executor.
pub(crate) trait CallControl<R>: Send + Sync {
    /// Prevents the call from starting; returns false if it has.
    fn cancel(&self) -> bool {
        true
    }

    /// Frees what the executor keeps for the call, whose future was cancelled.
    fn forget(&self) {}

    /// Returns true if the call has started although the future is still marked pending.
    fn has_begun(&self) -> bool {
        false
    }

    /// Prepares the calling thread for waiting for the call, whose ends these are. Without a time
    /// limit it may run the call itself. Returns false if it must not wait.
    fn before_waiting(&self, _ends: &Ends<R>, _has_limit: bool) -> bool {
        true
    }

    /// Runs `look`, which looks for a while whether the call is done. It calls its argument before
    /// each look: a control may take the result there from where it arrives.
    fn look_for_result(&self, _is_done: &dyn Fn() -> bool, look: &mut dyn FnMut(&dyn Fn())) {
        look(&|| ());
    }
}

/// No control: the future of a promise.
impl<R> CallControl<R> for () {}

impl<R, C: CallControl<R> + 'static> Ends<R, C> {
    /// Makes the ends of a future, and its first handle.
    pub(crate) fn new_future(call: C) -> (Arc<Self>, Future<R>) {
        let body = Body { core: Core::new(), call };
        let (ends, handle) = Counted::new(body, |ends| ends as Arc<Ends<R>>);
        (ends, Future { ends: handle, waker: None })
    }
}

impl<R> Ends<R> {
    /// Cancels the future, if it is pending and `cancel_call` prevents the call from starting.
    ///
    /// # Errors
    /// The phase in which it is instead.
    pub(crate) fn cancel(&self, cancel_call: impl FnOnce() -> bool) -> Result<(), Phase> {
        // Many are cancelled that are done: these need no lock.
        let mut phase = self.core.progress().phase();
        if phase != Phase::Pending {
            return Err(phase);
        }
        // Under the lock, so that no other thread completes the future meanwhile.
        let state = self.core.lock();
        phase = self.core.progress().phase();
        if phase != Phase::Pending || !cancel_call() {
            return Err(phase);
        }
        self.finish(state, Phase::Cancelled);
        Ok(())
    }

    /// Completes a future that the caller has [begun](Core::begin).
    pub(crate) fn complete(&self, outcome: Outcome<R>) {
        self.set(outcome);
        if let Some(state) = self.core.finish_unwatched() {
            self.finish(state, Phase::Finished);
        }
    }

    /// Completes a future that the caller has [begun](Core::begin) if no callback would run, and no
    /// task would be woken; returns the outcome otherwise.
    pub(crate) fn complete_quietly(&self, outcome: Outcome<R>) -> Result<(), Outcome<R>> {
        let state = self.core.lock();
        if !state.is_quiet() {
            return Err(outcome);
        }
        self.set(outcome);
        self.finish(state, Phase::Finished);
        Ok(())
    }

    fn finish(&self, mut state: MutexGuard<'_, State<Option<Callbacks<R>>>>, phase: Phase) {
        let callbacks = state.kept.take();
        self.core.finish(state, phase, callbacks.is_some());
        if let Some(callbacks) = callbacks {
            (callbacks.run)(callbacks);
        }
    }
}

impl<R> State<Option<Callbacks<R>>> {
    /// Returns true if there is no callback to run, and no task to wake.
    pub(crate) fn is_quiet(&self) -> bool {
        self.kept.is_none() && self.wakers.is_empty()
    }
}

impl<R: 'static> Callbacks<R> {
    fn run(self) {
        let Self { future, list, .. } = self;
        in_turn(move || {
            list.into_iter().for_each(|callback| call(callback, &future));
            let ends = Arc::clone(future.ends.counted());
            contained(|| drop(future));
            ends.core.settle();
        });
    }
}

impl<R> Future<R> {
    /// Waits for the result. Python: `result()`.
    ///
    /// # Errors
    /// [`FutureError::Task`] with the call's error; [`FutureError::Cancelled`];
    /// [`FutureError::Taken`] if the result was taken out; [`FutureError::Deadlock`] in a callback
    /// that must not wait for it.
    pub fn result(&self) -> Result<&R, FutureError> {
        self.wait_until(None)?;
        self.outcome()
    }

    /// Waits for the result, at most `timeout`. Python: `result(timeout)`.
    ///
    /// # Errors
    /// As [`result`](Self::result); [`FutureError::TimedOut`] after `timeout`.
    pub fn result_timeout(&self, timeout: Duration) -> Result<&R, FutureError> {
        self.wait_for(timeout)?;
        self.outcome()
    }

    /// Waits for the result and takes it out.
    ///
    /// ```
    /// use multiprocess::futures::{FutureError, Promise};
    ///
    /// let (promise, future) = Promise::new();
    /// promise.set_result(vec![1, 2, 3])?;
    /// let other = future.clone();
    /// assert_eq!(other.into_result(), Err(FutureError::Shared));
    /// assert_eq!(future.into_result()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`result`](Self::result); [`FutureError::Shared`] if there is another handle.
    pub fn into_result(mut self) -> Result<R, FutureError> {
        self.wait_until(None)?;
        self.take()
    }

    /// Waits for the call's error; returns `None` if the call has a result instead. Python:
    /// `exception()`.
    ///
    /// # Errors
    /// [`FutureError::Cancelled`], [`FutureError::Taken`], [`FutureError::Deadlock`], as for
    /// [`result`](Self::result).
    pub fn exception(&self) -> Result<Option<&TaskError>, FutureError> {
        self.wait_until(None)?;
        self.error()
    }

    /// Waits for the call's error, at most `timeout`. Python: `exception(timeout)`.
    ///
    /// # Errors
    /// As [`exception`](Self::exception); [`FutureError::TimedOut`] after `timeout`.
    pub fn exception_timeout(&self, timeout: Duration) -> Result<Option<&TaskError>, FutureError> {
        self.wait_for(timeout)?;
        self.error()
    }

    /// Returns true if the future is finished or cancelled. Python: `done()`.
    #[must_use]
    pub fn done(&self) -> bool {
        self.progress().is_done()
    }

    /// Returns true if the call has started and is not done. Python: `running()`.
    #[must_use]
    pub fn running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Returns true if the future was cancelled. Python: `cancelled()`.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.progress().phase() == Phase::Cancelled
    }

    /// Cancels the call if it has not started; then it never will. Returns false if it has, or is
    /// done. Python: `cancel()`.
    ///
    /// Python's executor of processes reports the calls that are next in its queue as running, and
    /// doesn't cancel them; here the answer is exact.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use multiprocess::futures::{FutureError, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(1);
    /// let (sender, receiver) = mpsc::channel::<()>();
    /// let running = executor.spawn(move || receiver.recv().is_ok())?;
    /// let waiting = executor.spawn(|| 6 * 7)?;
    ///
    /// assert!(waiting.cancel());
    /// assert_eq!(waiting.result(), Err(FutureError::Cancelled));
    /// sender.send(())?;
    /// assert_eq!(running.result()?, &true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it may be too late"]
    pub fn cancel(&self) -> bool {
        let ends = self.ends.counted();
        match ends.cancel(|| ends.call.cancel()) {
            // Unlocked: this may drop what the call holds.
            Ok(()) => ends.call.forget(),
            Err(phase) => return phase == Phase::Cancelled,
        }
        true
    }

    /// Calls `callback` with the future when it is done, or now if it is. Python:
    /// `add_done_callback`.
    ///
    /// Callbacks run in the order in which they were added, in the thread that ends the future: a
    /// thread that runs calls, the one that delivers the results of processes, or the one that
    /// cancels. If a callback panics, the panic is printed, and the others still run. A callback
    /// that ends another future runs that one's callbacks there and then, up to a depth of 64;
    /// deeper ones are deferred until the 64th has returned, so a call that ended their futures may
    /// return before they have run.
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static)
    where
        R: 'static,
    {
        let callback = Box::new(callback);
        let core = &self.ends.counted().core;
        let mut state = core.lock();
        if self.done() {
            drop(state);
            let future = self.clone();
            in_turn(move || call(callback, &future));
        } else {
            let none = || Callbacks { future: self.clone(), list: Vec::new(), run: Callbacks::run };
            state.kept.get_or_insert_with(none).list.push(callback);
        }
    }

    /// Returns true if `other` is a handle to the same future, as `==` does. Python: `is`.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(self.ends.counted()).cast::<()>() as usize
    }

    /// Registers a waiter, which is notified with this number when the future is done; at once if
    /// it is.
    pub(crate) fn add_waiter(&self, waiter: &Arc<Waiter>, number: usize) {
        if self.done() {
            return waiter.notify(number);
        }
        let mut state = self.ends.counted().core.lock();
        if self.done() {
            drop(state);
            waiter.notify(number);
        } else {
            state.waiters.push((Arc::clone(waiter), number));
        }
    }

    /// Removes a waiter.
    pub(crate) fn remove_waiter(&self, waiter: &Arc<Waiter>) {
        let is_other = |(other, _): &(Arc<Waiter>, usize)| !Arc::ptr_eq(other, waiter);
        if !self.done() {
            self.ends.counted().core.lock().waiters.retain(is_other);
        }
    }

    /// Prepares the calling thread for waiting: a worker thread that could run the call, and has no
    /// time limit, runs it now.
    ///
    /// # Errors
    /// [`FutureError::Deadlock`] if the thread must not wait.
    pub(crate) fn before_waiting(&self, has_limit: bool) -> Result<(), FutureError> {
        let ends = self.ends.counted();
        if self.done() || ends.call.before_waiting(ends, has_limit) {
            Ok(())
        } else {
            Err(FutureError::Deadlock)
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.ends.counted().core.progress()
    }

    fn phase(&self) -> Phase {
        match self.progress().phase() {
            Phase::Pending if self.ends.counted().call.has_begun() => Phase::Running,
            phase => phase,
        }
    }

    fn wait_for(&self, timeout: Duration) -> Result<(), FutureError> {
        self.wait_until(deadline(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<(), FutureError> {
        if self.done() {
            return Ok(());
        }
        if !has_passed(deadline) {
            self.before_waiting(deadline.is_some())?;
        }
        let (core, call) = (&self.ends.counted().core, &self.ends.counted().call);
        call.look_for_result(&|| self.done(), &mut |before| {
            core.spin_until(deadline, Progress::is_done, before);
        });
        if self.done() {
            return Ok(());
        }
        let state = core.sleep_until(deadline, |progress, _| progress.is_done());
        state.map(drop).ok_or(FutureError::TimedOut)
    }

    /// Returns the outcome of a future that is done.
    fn outcome(&self) -> Result<&R, FutureError> {
        match self.ends.get() {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(error.clone().into()),
            None => Err(self.without_outcome()),
        }
    }

    fn error(&self) -> Result<Option<&TaskError>, FutureError> {
        match self.ends.get() {
            Some(outcome) => Ok(outcome.as_ref().err()),
            None => Err(self.without_outcome()),
        }
    }

    fn without_outcome(&self) -> FutureError {
        if self.cancelled() { FutureError::Cancelled } else { FutureError::Taken }
    }

    /// Takes the result out of a future that is done.
    pub(crate) fn take(&mut self) -> Result<R, FutureError> {
        // Running callbacks hold a handle. A callback must not wait for itself.
        if !self.progress().is_settled() {
            drop(self.ends.counted().core.sleep_until(None, |progress, state| {
                progress.is_settled() || state.is_called_here()
            }));
        }
        match self.ends.take() {
            Some(outcome) => Ok(outcome?),
            None => Err(self.outcome().err().unwrap_or(FutureError::Shared)),
        }
    }
}

impl<R> Clone for Future<R> {
    fn clone(&self) -> Self {
        Self { ends: self.ends.clone(), waker: None }
    }
}

/// Equality by identity: a future equals its clones and no other, so it can be a key, as in Python.
///
/// (Clippy's `mutable_key_type` can't know that what changes in a future isn't part of the key.)
///
/// ```
/// use std::collections::HashMap;
///
/// use multiprocess::futures::{Executor, ThreadPoolExecutor, as_completed};
///
/// let executor = ThreadPoolExecutor::new(2);
/// let mut squares = HashMap::new();
/// for square in [81, 16] {
///     squares.insert(executor.submit(u64::isqrt, square)?, square);
/// }
/// for future in as_completed(squares.keys(), None) {
///     let future = future?;
///     assert_eq!(future.result()?.pow(2), squares[future]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<R> PartialEq for Future<R> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl<R> Eq for Future<R> {}

impl<R> Hash for Future<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl<R> Drop for Future<R> {
    fn drop(&mut self) {
        if let Some(number) = self.waker {
            let waker = self.ends.counted().core.lock().take_waker(number);
            drop(waker);
        }
    }
}

/// Shows the state and, once finished, the type of the result or the kind of the error.
impl<R> fmt::Debug for Future<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Future at {:#x} state={}", self.address(), self.phase().name())?;
        match self.ends.get() {
            Some(Ok(_)) => write!(f, " returned {}>", without_paths(type_name::<R>())),
            Some(Err(error)) => write!(f, " raised {}>", kind(error)),
            None => f.write_str(">"),
        }
    }
}

/// Strips the paths from a type's name.
fn without_paths(type_name: &str) -> String {
    let ends = |letter: char| !(letter.is_alphanumeric() || "_:".contains(letter));
    type_name.split_inclusive(ends).filter_map(|path| path.rsplit("::").next()).collect()
}

/// Returns the name of an error's variant.
fn kind(error: &TaskError) -> &'static str {
    match error {
        TaskError::Panicked { .. } => "Panicked",
        TaskError::WorkerDied { .. } => "WorkerDied",
        TaskError::ArgumentsNotSent(_) => "ArgumentsNotSent",
        TaskError::ArgumentsNotReceived(_) => "ArgumentsNotReceived",
        TaskError::ResultNotSent(_) => "ResultNotSent",
        TaskError::ResultNotReceived(_) => "ResultNotReceived",
        TaskError::Terminated => "Terminated",
        TaskError::Broken(_) => "Broken",
        TaskError::Abandoned => "Abandoned",
        _ => "TaskError",
    }
}
