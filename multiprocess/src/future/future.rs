//! [`Future`]: the end of a result where it is waited for.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use crate::future::TaskError;

use crate::future::callbacks::{call, in_turn, is_waking};
use crate::future::completion::{Callbacks, Completion, Core, Doer, Outcome, Phase};
use crate::future::error::FutureError;
use crate::future::waiter::Waiter;

/// How often to look for a result before sleeping, letting others run in between.
const LOOKS: u32 = 50;

/// A result that will come. Python: `concurrent.futures.Future`.
///
/// Several handles may be on one: a clone is the same future. It outlives its executor. It can be
/// awaited, too, in any async runtime; that takes the result out, as
/// [`into_result`](Self::into_result) does.
///
/// ```
/// use multiprocess::futures::Promise;
///
/// let (promise, future) = Promise::new();
/// assert!(!future.done());
/// promise.set_result(42)?;
/// assert_eq!(future.result()?, &42);
/// assert_eq!(future.into_result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Future<R> {
    pub(crate) core: Arc<Core<Self>>,
    pub(crate) outcome: Arc<Outcome<R>>,
    /// Under which its waker is kept, once it was polled.
    pub(crate) waker: Option<u64>,
}

impl<R> Future<R> {
    /// Waits for the result. Python: `result()`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let future = executor.spawn(|| 6 * 7)?;
    /// assert_eq!(future.result()?, &42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FutureError::Task`] with what became of the call instead; [`FutureError::Cancelled`];
    /// [`FutureError::Taken`] if it was taken out; [`FutureError::Deadlock`] in a callback that
    /// must not wait for it.
    pub fn result(&self) -> Result<&R, FutureError> {
        self.wait_until(None)?;
        self.outcome()
    }

    /// Waits for the result, but no longer than this. Python: `result(timeout)`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use multiprocess::futures::{FutureError, Promise};
    ///
    /// let (promise, future) = Promise::new();
    /// assert_eq!(future.result_timeout(Duration::from_millis(10)), Err(FutureError::TimedOut));
    /// promise.set_result(42)?;
    /// assert_eq!(future.result_timeout(Duration::from_secs(60)), Ok(&42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`result`](Self::result); [`FutureError::TimedOut`] after the time.
    pub fn result_timeout(&self, timeout: Duration) -> Result<&R, FutureError> {
        self.wait_for(timeout)?;
        self.outcome()
    }

    /// Waits for the result, and takes it out.
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

    /// Waits for the error, or for the result that comes in its stead (`None`). Python:
    /// `exception()`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let future = executor.spawn(|| -> u64 { panic!("no luck") })?;
    /// let error = future.exception()?.map(ToString::to_string);
    /// assert_eq!(error.as_deref(), Some("the task panicked: no luck"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FutureError::Cancelled`], [`FutureError::Taken`], [`FutureError::Deadlock`], as for
    /// [`result`](Self::result).
    pub fn exception(&self) -> Result<Option<&TaskError>, FutureError> {
        self.wait_until(None)?;
        self.error()
    }

    /// The same, but no longer than this. Python: `exception(timeout)`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use multiprocess::futures::{FutureError, Promise};
    ///
    /// let (promise, future) = Promise::new();
    /// assert_eq!(future.exception_timeout(Duration::from_millis(10)), Err(FutureError::TimedOut));
    /// promise.set_result(42)?;
    /// assert_eq!(future.exception_timeout(Duration::from_secs(60)), Ok(None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`exception`](Self::exception); [`FutureError::TimedOut`] after the time.
    pub fn exception_timeout(&self, timeout: Duration) -> Result<Option<&TaskError>, FutureError> {
        self.wait_for(timeout)?;
        self.error()
    }

    /// Whether it is finished or cancelled. Python: `done()`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::new();
    /// assert!(!future.done());
    /// promise.set_result(42)?;
    /// assert!(future.done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.core.lock().phase.is_done()
    }

    /// Whether the call has begun and is not done. Python: `running()`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::<u64>::new();
    /// assert!(!future.running());
    /// promise.set_running()?;
    /// assert!(future.running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Whether it was cancelled. Python: `cancelled()`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (_promise, future) = Promise::<u64>::new();
    /// assert!(!future.cancelled());
    /// assert!(future.cancel());
    /// assert!(future.cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.core.lock().phase == Phase::Cancelled
    }

    /// Cancels the call, if it has not begun: then it never will. False if it has, or is done.
    /// Python: `cancel()`.
    ///
    /// Python's executor of processes says of calls that wait next that they run, and doesn't
    /// cancel them; here it is exact.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use multiprocess::futures::{FutureError, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(1);
    /// let (word, words) = mpsc::channel::<()>();
    /// let waits_for_a_word = executor.spawn(move || words.recv().is_ok())?;
    /// let waits_for_the_thread = executor.spawn(|| 6 * 7)?;
    ///
    /// assert!(waits_for_the_thread.cancel());
    /// assert_eq!(waits_for_the_thread.result(), Err(FutureError::Cancelled));
    /// word.send(())?;
    /// assert_eq!(waits_for_a_word.result()?, &true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it may be too late"]
    pub fn cancel(&self) -> bool {
        let state = self.core.lock();
        match state.phase {
            Phase::Cancelled => return true,
            Phase::Running | Phase::Finished => return false,
            Phase::Pending => {}
        }
        // With our lock: so that nobody else completes it in the meantime.
        let doer = state.doer.clone();
        if doer.as_ref().is_some_and(|doer| !doer.cancel()) {
            return false;
        }
        self.core.finish(state, Phase::Cancelled, || Some(self.clone()));
        // Without it: this may drop the promise.
        if let Some(doer) = doer {
            doer.forget();
        }
        true
    }

    /// Calls this when the future is done, or now if it is. Python: `add_done_callback`.
    ///
    /// Callbacks run in the order in which they were added, in the thread that ends the future: a
    /// worker's, the engine's own, or that of who cancels. If one panics, the panic is printed, and
    /// the others run all the same. One that ends another future runs the callbacks of that there
    /// and then; in a chain of more than 64 such callbacks those that are deeper run as soon as the
    /// 64th has returned, so what ended their futures may return before they have run.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::new();
    /// let (sender, results) = mpsc::channel();
    /// future.add_done_callback(move |future| {
    ///     let _ = sender.send(future.result().copied());
    /// });
    /// promise.set_result(42)?;
    /// assert_eq!(results.recv()?, Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static)
    where
        R: 'static,
    {
        let callback = Box::new(callback);
        let mut state = self.core.lock();
        if state.phase.is_done() {
            drop(state);
            let future = self.clone();
            in_turn(move || call(callback, &future));
        } else {
            let none = || Callbacks { list: Vec::new(), run: Completion::run };
            state.callbacks.get_or_insert_with(none).list.push(callback);
        }
    }

    /// Whether this is the same future, by another handle: what `==` tells, too. Python: `is`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (_promise, future) = Promise::<u64>::new();
    /// let (_other_promise, other) = Promise::<u64>::new();
    /// assert!(future.is_same(&future.clone()));
    /// assert!(!future.is_same(&other));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.core) as usize
    }

    /// Who does the work from now on.
    pub(crate) fn set_doer(&self, doer: Arc<dyn Doer>) {
        let mut state = self.core.lock();
        if !state.phase.is_done() {
            state.doer = Some(doer);
        }
    }

    /// Tells the waiter this number when it is done; at once if it is.
    pub(crate) fn tell(&self, waiter: &Arc<Waiter>, number: usize) {
        let mut state = self.core.lock();
        if state.phase.is_done() {
            drop(state);
            waiter.hear(number);
        } else {
            state.waiters.push((Arc::clone(waiter), number));
        }
    }

    /// The waiter has gone.
    pub(crate) fn do_not_tell(&self, waiter: &Arc<Waiter>) {
        self.core.lock().waiters.retain(|(other, _)| !Arc::ptr_eq(other, waiter));
    }

    /// The calling thread is going to wait; if it is a worker that could do the work, and may take
    /// as long as that takes, it does.
    pub(crate) fn before_waiting(&self, has_limit: bool) -> Result<(), FutureError> {
        let state = self.core.lock();
        let doer = state.doer.clone().filter(|_| !state.phase.is_done());
        drop(state);
        match doer {
            Some(doer) if !doer.before_waiting(has_limit) => Err(FutureError::Deadlock),
            _ => Ok(()),
        }
    }

    fn phase(&self) -> Phase {
        let state = self.core.lock();
        match (state.phase, &state.doer) {
            (Phase::Pending, Some(doer)) if doer.has_begun() => Phase::Running,
            (phase, _) => phase,
        }
    }

    fn wait_for(&self, timeout: Duration) -> Result<(), FutureError> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<(), FutureError> {
        if self.outcome.get().is_some() {
            return Ok(());
        }
        if deadline.is_none_or(|deadline| deadline > Instant::now()) {
            self.before_waiting(deadline.is_some())?;
        }
        for _ in 0..LOOKS {
            if self.outcome.get().is_some() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
            thread::yield_now();
        }
        self.core.sleep_until(deadline, |state| state.phase.is_done())
    }

    /// The outcome of a future that is done.
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
        // Callbacks have a handle on it, as long as they run; but one must not wait for itself.
        let me = Some(thread::current().id());
        self.core.sleep_until(None, |state| state.caller.is_none() || state.caller == me)?;
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

/// Equality by identity: a future is equal to its clones and to no other, so that it can be a key.
/// Python: the same.
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

/// Its state; once it is finished, the type of its result or the kind of its error.
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

/// A type as one writes it where all its names are in scope.
fn without_paths(type_name: &str) -> String {
    let ends = |letter: char| !(letter.is_alphanumeric() || "_:".contains(letter));
    type_name.split_inclusive(ends).filter_map(|path| path.rsplit("::").next()).collect()
}

/// The name of an error's variant.
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

/// Awaiting takes the result out: see [`Future::into_result`] for the errors. A thread that does
/// calls of the same executor of threads does the call itself, if that has not begun, as when it
/// waits.
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
        // What polls while it is being woken goes on with something else; all others may wait for
        // the waker.
        if !is_waking()
            && let Err(error) = this.before_waiting(false)
        {
            return Poll::Ready(Err(error));
        }
        let waker = context.waker().clone();
        let mut state = this.core.lock();
        let me = Some(thread::current().id());
        if state.phase.is_done() && (state.caller.is_none() || state.caller == me) {
            drop(state);
            return Poll::Ready(this.take());
        }
        let number = *this.waker.get_or_insert_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let before = state.take_waker(number);
        state.wakers.push((number, waker));
        drop(state);
        // Without our lock: it may hold another handle on this future.
        drop(before);
        Poll::Pending
    }
}
