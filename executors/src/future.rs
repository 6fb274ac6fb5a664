//! [`Future`] and [`Promise`]: the two ends of one result.
//!
//! ```text
//!              cancel                                  ┌▶ waiters are woken
//!   Pending ─────────────▶ Cancelled ─────┐            ├▶ callbacks run, in their order
//!      │                                  ├─ finish ───┤
//!      │ set_running                      │            └▶ wakers (.await)
//!      ▼                                  │
//!   Running ─────────────▶ Finished ──────┘      once done, a callback that is added runs at once
//!         set_result, set_exception
//! ```
//!
//! Everything that ends a future passes through `finish`, whichever executor it is of.

use std::any::type_name;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pools::TaskError;

use crate::error::{FutureError, InvalidState};
use crate::waiting::Waiter;

/// How often to look for a result before sleeping, letting others run in between.
const LOOKS: u32 = 50;

/// A result that will come. Python: `concurrent.futures.Future`.
///
/// Several handles may be on one: a clone is the same future. It outlives its executor. It can be
/// awaited, too, in any async runtime; that takes the result out, as [`into_result`](Self::into_result) does.
///
/// ```
/// use executors::Promise;
///
/// let (promise, future) = Promise::new();
/// assert!(!future.done());
/// promise.set_result(42)?;
/// assert_eq!(future.result()?, &42);
/// assert_eq!(future.into_result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Future<R> {
    core: Arc<Core<R>>,
    outcome: Arc<Outcome<R>>,
    /// Under which its waker is kept, once it was polled.
    waker: Option<u64>,
}

/// The other end of a [`Future`]: for those who write an executor. Python: the methods of a `Future`
/// that only executors should call.
///
/// To drop it unfulfilled ends the future in [`TaskError::Abandoned`].
pub struct Promise<R> {
    /// Gone when the promise is fulfilled.
    ends: Option<Ends<R>>,
}

/// What came of a call.
type Outcome<R> = OnceLock<Result<R, TaskError>>;

type Ends<R> = (Arc<Core<R>>, Arc<Outcome<R>>);

/// What all handles share, but for the outcome. That one lies apart so that the last handle can take it
/// out.
struct Core<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    phase: Phase,
    /// Who does the work, until it is done.
    doer: Option<Arc<dyn Doer>>,
    callbacks: Vec<Callback<R>>,
    waiters: Vec<(Arc<Waiter>, usize)>,
    wakers: Vec<(u64, Waker)>,
    /// How many threads sleep until something changes.
    sleepers: usize,
    /// The thread that runs the callbacks just now.
    caller: Option<ThreadId>,
}

impl<R> State<R> {
    fn take_waker(&mut self, number: u64) -> Option<Waker> {
        let place = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(place).1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Pending,
    Running,
    Cancelled,
    Finished,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }

    fn is_done(self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }
}

type Callback<R> = Box<dyn FnOnce(&Future<R>) + Send>;

/// Who does the work of a future that isn't done, as the future sees it.
pub(crate) trait Doer: Send + Sync {
    /// Sees to it that the work doesn't begin; false if it has.
    fn cancel(&self) -> bool {
        true
    }

    /// The future has been cancelled: what is kept for it can go.
    fn forget(&self) {}

    /// Whether the work has begun, if the future doesn't know.
    fn has_begun(&self) -> bool {
        false
    }

    /// The calling thread is going to wait. It may do the work itself; false if it must not wait.
    fn before_waiting(&self) -> bool {
        true
    }
}

impl<R> Future<R> {
    /// Waits for the result. Python: `result()`.
    ///
    /// # Errors
    /// What became of the call instead; [`FutureError::Cancelled`]; [`FutureError::Taken`].
    pub fn result(&self) -> Result<&R, FutureError> {
        self.wait_until(None)?;
        self.outcome()
    }

    /// Waits for the result, but no longer than this. Python: `result(timeout)`.
    ///
    /// # Errors
    /// As [`result`](Self::result); [`FutureError::TimedOut`].
    pub fn result_timeout(&self, timeout: Duration) -> Result<&R, FutureError> {
        self.wait_for(timeout)?;
        self.outcome()
    }

    /// Waits for the result, and takes it out.
    ///
    /// # Errors
    /// As [`result`](Self::result); [`FutureError::Shared`] if there is another handle.
    pub fn into_result(mut self) -> Result<R, FutureError> {
        self.wait_until(None)?;
        self.take()
    }

    /// Waits for the error, or for the result that comes in its stead (`None`). Python: `exception()`.
    ///
    /// # Errors
    /// [`FutureError::Cancelled`], [`FutureError::Taken`].
    pub fn exception(&self) -> Result<Option<&TaskError>, FutureError> {
        self.wait_until(None)?;
        self.error()
    }

    /// The same, but no longer than this. Python: `exception(timeout)`.
    ///
    /// # Errors
    /// As [`exception`](Self::exception); [`FutureError::TimedOut`].
    pub fn exception_timeout(&self, timeout: Duration) -> Result<Option<&TaskError>, FutureError> {
        self.wait_for(timeout)?;
        self.error()
    }

    /// Whether it is finished or cancelled. Python: `done()`.
    #[must_use]
    pub fn done(&self) -> bool {
        self.core.lock().phase.is_done()
    }

    /// Whether the call has begun and is not done. Python: `running()`.
    #[must_use]
    pub fn running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Whether it was cancelled. Python: `cancelled()`.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.core.lock().phase == Phase::Cancelled
    }

    /// Cancels the call, if it has not begun: then it never will. False if it has, or is done. Python:
    /// `cancel()`.
    ///
    /// Python's executor of processes says of calls that wait next that they run, and doesn't cancel
    /// them; here it is exact.
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
    /// Callbacks run in the order in which they were added, in the thread that ends the future: a worker's, the
    /// engine's own, or that of who cancels. If one panics, the panic is printed, and the others run all
    /// the same.
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static) {
        let mut state = self.core.lock();
        if state.phase.is_done() {
            drop(state);
            call(Box::new(callback), self);
        } else {
            state.callbacks.push(Box::new(callback));
        }
    }

    /// Whether this is the same future, by another handle.
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

    /// The calling thread is going to wait, however long it takes; if it is a worker that could do the
    /// work, it does.
    pub(crate) fn before_waiting(&self) -> Result<(), FutureError> {
        let state = self.core.lock();
        let doer = state.doer.clone().filter(|_| !state.phase.is_done());
        drop(state);
        match doer {
            Some(doer) if !doer.before_waiting() => Err(FutureError::Deadlock),
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
        if deadline.is_none() {
            self.before_waiting()?;
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

impl<R> Core<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(&State<R>) -> bool,
    ) -> Result<(), FutureError> {
        let mut state = self.lock();
        while !is_so(&state) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(FutureError::TimedOut);
            }
            state.sleepers += 1;
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.sleepers -= 1;
        }
        Ok(())
    }

    /// The future is done: from here on everybody sees it so. `handle` makes one for the callbacks; it is
    /// gone when the last of them has returned.
    fn finish(
        &self,
        mut state: MutexGuard<'_, State<R>>,
        phase: Phase,
        handle: impl FnOnce() -> Option<Future<R>>,
    ) {
        state.phase = phase;
        let doer = state.doer.take();
        let callbacks = std::mem::take(&mut state.callbacks);
        let waiters = std::mem::take(&mut state.waiters);
        state.caller = (!callbacks.is_empty()).then(|| thread::current().id());
        let sleepers = state.sleepers;
        let mut wakers = Vec::new();
        if state.caller.is_none() {
            wakers = std::mem::take(&mut state.wakers);
        }
        drop(state);
        if sleepers > 0 {
            self.changed.notify_all();
        }
        drop(doer);
        waiters.iter().for_each(|(waiter, number)| waiter.hear(*number));
        if !callbacks.is_empty() {
            if let Some(future) = handle() {
                callbacks.into_iter().for_each(|callback| call(callback, &future));
            }
            let mut state = self.lock();
            state.caller = None;
            wakers = std::mem::take(&mut state.wakers);
            drop(state);
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Does this; if it panics, because of what users give or of what is dropped with it, that ends it and nothing
/// else.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _ = work();
    }));
}

/// Calls a callback; a panic ends it and nothing else.
fn call<R>(callback: Callback<R>, future: &Future<R>) {
    if catch_unwind(AssertUnwindSafe(|| callback(future))).is_err() {
        // Not by `eprintln!`: it panics if nobody reads it. Python says the same.
        let _ = writeln!(std::io::stderr(), "exception calling callback for {future:?}");
    }
}

impl<R> Clone for Future<R> {
    fn clone(&self) -> Self {
        let (core, outcome) = (Arc::clone(&self.core), Arc::clone(&self.outcome));
        Self { core, outcome, waker: None }
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
            Some(Ok(_)) => write!(f, " returned {}>", type_name::<R>()),
            Some(Err(error)) => write!(f, " raised {}>", kind(error)),
            None => f.write_str(">"),
        }
    }
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

/// Awaiting takes the result out: see [`Future::into_result`] for the errors.
impl<R> std::future::Future for Future<R> {
    type Output = Result<R, FutureError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let this = self.get_mut();
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

impl<R> Promise<R> {
    /// A promise and its future. Python: `Future()`.
    #[must_use]
    pub fn new() -> (Self, Future<R>) {
        let state = State {
            phase: Phase::Pending,
            doer: None,
            callbacks: Vec::new(),
            waiters: Vec::new(),
            wakers: Vec::new(),
            sleepers: 0,
            caller: None,
        };
        let core = Arc::new(Core { state: Mutex::new(state), changed: Condvar::new() });
        let outcome = Arc::new(OnceLock::new());
        let future = Future { core: Arc::clone(&core), outcome: Arc::clone(&outcome), waker: None };
        (Self { ends: Some((core, outcome)) }, future)
    }

    /// The work begins: true, and from now on the future can't be cancelled; or false if it was. Python:
    /// `set_running_or_notify_cancel`.
    ///
    /// # Errors
    /// [`InvalidState`] the second time.
    pub fn set_running(&self) -> Result<bool, InvalidState> {
        let Some((core, _)) = &self.ends else { return Err(InvalidState("finished")) };
        let mut state = core.lock();
        match state.phase {
            Phase::Pending => {
                state.phase = Phase::Running;
                Ok(true)
            }
            Phase::Cancelled => Ok(false),
            phase => Err(InvalidState(phase.name())),
        }
    }

    /// Whether the future was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ends.as_ref().is_some_and(|(core, _)| core.lock().phase == Phase::Cancelled)
    }

    /// Fulfils it with a result. Python: `set_result`.
    ///
    /// It can't be fulfilled twice:
    ///
    /// ```compile_fail,E0382
    /// # // FUT-B03
    /// let (promise, _future) = executors::Promise::new();
    /// promise.set_result(1).unwrap();
    /// promise.set_exception(executors::TaskError::Terminated).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`InvalidState`] if the future was cancelled.
    pub fn set_result(self, result: R) -> Result<(), InvalidState> {
        self.complete(Ok(result))
    }

    /// Fulfils it with an error. Python: `set_exception`.
    ///
    /// # Errors
    /// [`InvalidState`] if the future was cancelled.
    pub fn set_exception(self, error: TaskError) -> Result<(), InvalidState> {
        self.complete(Err(error))
    }

    /// Cancels the future from this side.
    pub(crate) fn cancel(mut self) {
        let Some((core, outcome)) = self.ends.take() else { return };
        let state = core.lock();
        if !state.phase.is_done() {
            let handle = || Some(Future { core: Arc::clone(&core), outcome, waker: None });
            core.finish(state, Phase::Cancelled, handle);
        }
    }

    pub(crate) fn complete(mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        self.fulfil(outcome)
    }

    fn fulfil(&mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        let Some((core, place)) = self.ends.take() else { return Err(InvalidState("finished")) };
        let state = core.lock();
        if state.phase.is_done() {
            let name = state.phase.name();
            drop(state);
            return Err(InvalidState(name));
        }
        // Nobody else has the promise.
        let _ = place.set(outcome);
        let mut place = Some(place);
        if state.callbacks.is_empty() {
            // Who sees that it is done may take it out.
            place = None;
        }
        let handle = || Some(Future { core: Arc::clone(&core), outcome: place?, waker: None });
        core.finish(state, Phase::Finished, handle);
        Ok(())
    }
}

impl<R> Drop for Promise<R> {
    fn drop(&mut self) {
        let _ = self.fulfil(Err(TaskError::Abandoned));
    }
}

impl<R> fmt::Debug for Promise<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.ends.as_ref().map_or(Phase::Finished, |(core, _)| core.lock().phase);
        write!(f, "<Promise state={}>", phase.name())
    }
}
