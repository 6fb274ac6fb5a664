//! [`Future`]: the consumer's end of a result.
//!
//! A future doesn't know how its call is run. It knows a promise, which completes it, and a call
//! control, of which it asks three things: not to start, whether the call has started, and to take
//! note that a thread is going to wait.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::future::TaskError;

use crate::future::callbacks::{Callback, call, contained, in_turn, is_waking};
use crate::future::completion::{CallControl, Core, Phase, Progress, State};
use crate::future::error::FutureError;
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
    pub(crate) core: Arc<Core<Kept<R>>>,
    /// Lies apart, so that the last handle can take it out.
    pub(crate) outcome: Arc<Outcome<R>>,
    /// Key of the future's waker in the core, once it was polled.
    pub(crate) waker: Option<u64>,
}

/// The outcome of a call, once there is one.
pub(crate) type Outcome<R> = OnceLock<Result<R, TaskError>>;

/// What a future keeps until it is done.
pub(crate) struct Kept<R> {
    /// The call behind the future.
    control: Option<Arc<dyn CallControl>>,
    callbacks: Option<Callbacks<R>>,
}

/// Callbacks of a future, with a handle for them, and how to run them.
struct Callbacks<R> {
    future: Future<R>,
    list: Vec<Callback<Future<R>>>,
    /// Function chosen where the result's type is known to be `'static`: deferred callbacks need
    /// that.
    run: fn(Self),
}

impl<R> Default for Kept<R> {
    fn default() -> Self {
        Self { control: None, callbacks: None }
    }
}

impl<R: 'static> Callbacks<R> {
    fn run(self) {
        let Self { future, list, .. } = self;
        in_turn(move || {
            list.into_iter().for_each(|callback| call(callback, &future));
            let core = Arc::clone(&future.core);
            contained(|| drop(future));
            core.settle();
        });
    }
}

impl<R> Core<Kept<R>> {
    /// Completes the future, and runs its callbacks.
    pub(crate) fn finish_and_call(&self, mut state: MutexGuard<'_, State<Kept<R>>>, phase: Phase) {
        let Kept { control, callbacks } = std::mem::take(&mut state.kept);
        self.finish(state, phase, callbacks.is_some());
        drop(control);
        if let Some(callbacks) = callbacks {
            (callbacks.run)(callbacks);
        }
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
        self.core.progress().is_done()
    }

    /// Returns true if the call has started and is not done. Python: `running()`.
    #[must_use]
    pub fn running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Returns true if the future was cancelled. Python: `cancelled()`.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.core.progress().phase() == Phase::Cancelled
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
        let state = self.core.lock();
        match self.core.progress().phase() {
            Phase::Cancelled => return true,
            Phase::Running | Phase::Finished => return false,
            Phase::Pending => {}
        }
        // Under the lock, so that no other thread completes the future meanwhile.
        let control = state.kept.control.clone();
        if control.as_ref().is_some_and(|control| !control.cancel()) {
            return false;
        }
        self.core.finish_and_call(state, Phase::Cancelled);
        // Unlocked: this may drop the promise.
        if let Some(control) = control {
            control.forget();
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
        let mut state = self.core.lock();
        if self.done() {
            drop(state);
            let future = self.clone();
            in_turn(move || call(callback, &future));
        } else {
            let none = || Callbacks { future: self.clone(), list: Vec::new(), run: Callbacks::run };
            state.kept.callbacks.get_or_insert_with(none).list.push(callback);
        }
    }

    /// Returns true if `other` is a handle to the same future, as `==` does. Python: `is`.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.core) as usize
    }

    /// Binds the future to the call behind it.
    pub(crate) fn set_control(&self, control: Arc<dyn CallControl>) {
        let mut state = self.core.lock();
        if !self.done() {
            state.kept.control = Some(control);
        }
    }

    /// Registers a waiter, which is notified with this number when the future is done; at once if
    /// it is.
    pub(crate) fn add_waiter(&self, waiter: &Arc<Waiter>, number: usize) {
        let mut state = self.core.lock();
        if self.done() {
            drop(state);
            waiter.notify(number);
        } else {
            state.waiters.push((Arc::clone(waiter), number));
        }
    }

    /// Removes a waiter.
    pub(crate) fn remove_waiter(&self, waiter: &Arc<Waiter>) {
        self.core.lock().waiters.retain(|(other, _)| !Arc::ptr_eq(other, waiter));
    }

    /// Prepares the calling thread for waiting: a worker thread that could run the call, and has no
    /// time limit, runs it now.
    ///
    /// # Errors
    /// [`FutureError::Deadlock`] if the thread must not wait.
    pub(crate) fn before_waiting(&self, has_limit: bool) -> Result<(), FutureError> {
        // Unlocked while it is asked: it may run the call.
        let control = self.core.lock().kept.control.clone();
        match control {
            Some(control) if !control.before_waiting(has_limit) => Err(FutureError::Deadlock),
            _ => Ok(()),
        }
    }

    fn phase(&self) -> Phase {
        let state = self.core.lock();
        match (self.core.progress().phase(), &state.kept.control) {
            (Phase::Pending, Some(control)) if control.has_begun() => Phase::Running,
            (phase, _) => phase,
        }
    }

    fn wait_for(&self, timeout: Duration) -> Result<(), FutureError> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<(), FutureError> {
        if self.done() {
            return Ok(());
        }
        if deadline.is_none_or(|deadline| deadline > Instant::now()) {
            self.before_waiting(deadline.is_some())?;
        }
        if self.core.spin_until(deadline, Progress::is_done) {
            return Ok(());
        }
        let state = self.core.sleep_until(deadline, |progress, _| progress.is_done());
        state.map(drop).ok_or(FutureError::TimedOut)
    }

    /// Returns the outcome of a future that is done.
    fn outcome(&self) -> Result<&R, FutureError> {
        match self.outcome.get() {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(error.clone().into()),
            None => Err(self.without_outcome()),
        }
    }

    fn error(&self) -> Result<Option<&TaskError>, FutureError> {
        match self.outcome.get() {
            Some(outcome) => Ok(outcome.as_ref().err()),
            None => Err(self.without_outcome()),
        }
    }

    fn without_outcome(&self) -> FutureError {
        if self.cancelled() { FutureError::Cancelled } else { FutureError::Taken }
    }

    /// Takes the result out of a future that is done.
    fn take(&mut self) -> Result<R, FutureError> {
        // Running callbacks hold a handle. A callback must not wait for itself.
        drop(
            self.core.sleep_until(None, |progress, state| {
                progress.is_settled() || state.is_called_here()
            }),
        );
        let Some(outcome) = Arc::get_mut(&mut self.outcome) else {
            return Err(self.outcome().err().unwrap_or(FutureError::Shared));
        };
        match outcome.take() {
            Some(outcome) => Ok(outcome?),
            None => Err(self.without_outcome()),
        }
    }
}

impl<R> Clone for Future<R> {
    fn clone(&self) -> Self {
        let (core, outcome) = (Arc::clone(&self.core), Arc::clone(&self.outcome));
        Self { core, outcome, waker: None }
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
            let waker = self.core.lock().take_waker(number);
            drop(waker);
        }
    }
}

/// Shows the state and, once finished, the type of the result or the kind of the error.
impl<R> fmt::Debug for Future<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Future at {:#x} state={}", self.address(), self.phase().name())?;
        match self.outcome.get() {
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

/// Awaiting takes the result out; the errors are those of [`Future::into_result`]. As when it
/// waits, a thread of the same executor of threads runs the call itself if it has not started.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// use multiprocess::futures::Promise;
///
/// let (promise, future) = Promise::new();
/// promise.set_result(42)?;
/// // What an async runtime does for `future.await`.
/// let polled = std::future::Future::poll(pin!(future), &mut Context::from_waker(Waker::noop()));
/// assert_eq!(polled, Poll::Ready(Ok(42)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<R> std::future::Future for Future<R> {
    type Output = Result<R, FutureError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let this = self.get_mut();
        // A task that its waker polls goes on with other work; all others may wait for the waker.
        if !is_waking()
            && let Err(error) = this.before_waiting(false)
        {
            return Poll::Ready(Err(error));
        }
        let waker = context.waker().clone();
        let mut state = this.core.lock();
        if this.done() && (this.core.progress().is_settled() || state.is_called_here()) {
            drop(state);
            return Poll::Ready(this.take());
        }
        let number = *this.waker.get_or_insert_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let before = state.take_waker(number);
        state.wakers.push((number, waker));
        drop(state);
        // Unlocked: the waker may hold another handle to this future.
        drop(before);
        Poll::Pending
    }
}
