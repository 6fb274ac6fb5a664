//! [`ThreadPoolExecutor`]: calls that other threads of this process do.
//!
//! ```text
//!   submit, spawn ──call──▶ channel ──┬──▶ ThreadPoolExecutor-0_0 ──▶ promise
//!                                     └──▶ ThreadPoolExecutor-0_1 ──▶ promise
//! ```

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, unbounded};
use crossbeam::utils::CachePadded;
use pools::TaskError;
use pools::engine::text_of;
use process_basics::cpu_count;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BuildError, SubmitError};
use crate::executor::Executor;
use crate::future::{Doer, Future, Promise, contained};

/// Calls that threads of this process do: of any function, and of closures
/// ([`spawn`](Self::spawn)). Python: `concurrent.futures.ThreadPoolExecutor`.
///
/// A thread is started when there is a call and none is free for it. If a call panics, that is its error,
/// and its thread goes on.
///
/// A call may wait for another one of the same executor, even if no thread is free: a call that hasn't begun
/// is then done by the thread that waits for it. (In Python they wait for each other for ever.) What such
/// a call must not do is to wait by other means, such as a channel, for one that hasn't begun.
///
/// At the end of the program's [`main`](process_basics::main) all calls are waited for.
///
/// ```
/// use executors::ThreadPoolExecutor;
///
/// let executor = ThreadPoolExecutor::new(3);
/// let numbers = vec![1, 2, 3];
/// let sum = executor.spawn(move || numbers.iter().sum::<i32>())?;
/// assert_eq!(sum.result()?, &6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPoolExecutor {
    shared: Arc<Shared>,
    max_workers: usize,
}

/// How an executor of threads is to be. [`ThreadPoolExecutor::builder`] makes one.
#[derive(Default)]
#[must_use]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    prefix: Option<String>,
    initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

impl ThreadPoolBuilder {
    /// So many threads at most; else four more than there are cores to use, and not more than 32, as in Python.
    /// Python: `max_workers`.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// What the threads' names begin with: `Prefix_0`, `Prefix_1`. (Tools of the system show the first 15
    /// bytes.) Python: `thread_name_prefix`.
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// What each thread does before its first call. If it panics, the executor is broken. Python:
    /// `initializer`, `initargs`.
    pub fn initializer(mut self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// Makes the executor.
    ///
    /// # Errors
    /// [`BuildError::NoWorkers`].
    pub fn build(self) -> Result<ThreadPoolExecutor, BuildError> {
        static EXECUTORS: AtomicUsize = AtomicUsize::new(0);
        let max_workers = self.max_workers.unwrap_or_else(|| (cpu_count() + 4).min(32));
        if max_workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        let prefix = self.prefix.filter(|prefix| !prefix.is_empty()).unwrap_or_else(|| {
            format!("ThreadPoolExecutor-{}", EXECUTORS.fetch_add(1, Ordering::Relaxed))
        });
        let (sender, receiver) = unbounded();
        let shared = Arc::new(Shared {
            sender,
            receiver,
            unfinished: CachePadded::default(),
            state: CachePadded::default(),
            prefix,
            initializer: self.initializer,
        });
        wait_at_exit(&shared);
        Ok(ThreadPoolExecutor { shared, max_workers })
    }
}

impl ThreadPoolExecutor {
    /// An executor of so many threads at most. Python: `ThreadPoolExecutor(max_workers)`.
    ///
    /// # Panics
    /// If that is 0, which can do nothing; the [`builder`](Self::builder) gives an error instead.
    #[must_use]
    pub fn new(max_workers: usize) -> Self {
        match Self::builder().max_workers(max_workers).build() {
            Ok(executor) => executor,
            Err(error) => panic!("ThreadPoolExecutor::new({max_workers}): {error}"),
        }
    }

    /// An executor of which more is to be said. Python: `ThreadPoolExecutor(…)`.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    /// How many threads it has at most.
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.state().handles.len()
    }

    /// Calls a closure in another thread.
    ///
    /// # Errors
    /// [`SubmitError`], if it doesn't take the call.
    pub fn spawn<R, F>(&self, work: F) -> Result<Future<R>, SubmitError>
    where
        R: Send + Sync + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let shared = &self.shared;
        let (promise, future) = Promise::new();
        let work = Mutex::new(Some((work, promise)));
        let call = Arc::new(Call { work, shared: Arc::downgrade(shared) });
        let mut state = shared.state();
        if state.closed {
            return Err(state.why_closed());
        }
        shared.start_for_one_more(&mut state, self.max_workers)?;
        shared.unfinished.fetch_add(1, Ordering::AcqRel);
        future.set_doer(Arc::clone(&call) as _);
        // With the lock: nobody closes it in between. It holds the other end itself.
        let _ = shared.sender.send(Message::Call(call));
        Ok(future)
    }
}

impl Executor for ThreadPoolExecutor {
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        self.spawn(move || function(argument))
    }

    fn shutdown(self, wait: bool, cancel_futures: bool) {
        if cancel_futures {
            self.shared.cancel_waiting();
        }
        self.shared.close();
        if !wait {
            self.shared.state().is_left = true;
        }
    }
}

/// Waits for all calls, unless one of them, or a callback, holds the last handle: its thread would wait for
/// itself.
impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shared.close();
        if !self.shared.state().is_left && !self.shared.is_mine() {
            self.shared.join();
        }
    }
}

struct Shared {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    /// Calls that have not ended. Who submits and who works write here and there all the time: so these lie
    /// apart.
    unfinished: CachePadded<AtomicUsize>,
    state: CachePadded<Mutex<State>>,
    prefix: String,
    initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct State {
    handles: Vec<JoinHandle<()>>,
    /// Whether it takes no more calls, and the threads have been told to end.
    closed: bool,
    /// Why it is broken.
    broken: Option<String>,
    /// Whether nobody waits for it when its handle is dropped.
    is_left: bool,
}

impl State {
    fn why_closed(&self) -> SubmitError {
        match &self.broken {
            Some(reason) => SubmitError::Broken(reason.clone()),
            None => SubmitError::Shutdown,
        }
    }
}

enum Message {
    Call(Arc<dyn Work>),
    End,
}

/// A call, whatever it is of.
trait Work: Send + Sync {
    /// Does it, if nobody has, in one of these threads.
    fn run(&self, shared: &Shared);
    /// Whether it is still to be done.
    fn is_waiting(&self) -> bool;
    /// It won't be done.
    fn cancel(&self);
    /// It won't be done, for this reason.
    fn fail(&self, reason: &str);
}

struct Call<F, R> {
    work: Mutex<Option<(F, Promise<R>)>>,
    shared: Weak<Shared>,
}

impl<F: FnOnce() -> R, R> Call<F, R> {
    fn do_it(&self, shared: &Shared) {
        let taken = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((work, promise)) = taken else { return };
        let outcome = match promise.set_running() {
            Ok(true) => Some(catch_unwind(AssertUnwindSafe(work))),
            // It was cancelled.
            _ => None,
        };
        // Before its result is there: who gets that, and submits another call, finds a free thread.
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

    fn take(&self) -> Option<(F, Promise<R>)> {
        let taken = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shared) = self.shared.upgrade().filter(|_| taken.is_some()) {
            shared.unfinished.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }
}

thread_local! {
    /// Whose worker this thread is: the address of what its threads share.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}

impl<F, R> Work for Call<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send + Sync,
{
    fn run(&self, shared: &Shared) {
        contained(|| self.do_it(shared));
    }

    fn is_waiting(&self) -> bool {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn cancel(&self) {
        contained(|| {
            if let Some((_, promise)) = self.take() {
                promise.cancel();
            }
        });
    }

    fn fail(&self, reason: &str) {
        contained(|| {
            if let Some((_, promise)) = self.take() {
                let _ = promise.set_exception(TaskError::Broken(reason.to_owned()));
            }
        });
    }
}

impl<F, R> Doer for Call<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send + Sync,
{
    fn before_waiting(&self) -> bool {
        if let Some(shared) = self.shared.upgrade().filter(|shared| shared.is_mine()) {
            self.run(&shared);
        }
        true
    }

    fn forget(&self) {
        drop(self.take());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the calling thread is one of its workers.
    fn is_mine(&self) -> bool {
        std::ptr::from_ref(self) as usize == WORKER_OF.get()
    }

    /// Starts a thread for another call, if none is free for it.
    fn start_for_one_more(
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
            // Fewer will do.
            Err(_) => {}
        }
        Ok(())
    }

    /// What each thread does.
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

    /// Nobody does what is left.
    fn end_as_broken(&self, reason: &str) {
        self.state().broken.get_or_insert_with(|| reason.to_owned());
        self.close();
        self.take_waiting().iter().for_each(|call| call.fail(reason));
    }

    /// Cancels what has not begun, nor will at once because a thread is free.
    fn cancel_waiting(&self) {
        let threads = self.state().handles.len();
        let mut waiting = self.take_waiting();
        let running = self.unfinished.load(Ordering::Acquire).saturating_sub(waiting.len());
        let late = waiting.split_off(threads.saturating_sub(running).min(waiting.len()));
        for call in waiting {
            let _ = self.sender.send(Message::Call(call));
        }
        late.iter().for_each(|call| call.cancel());
    }

    /// The calls that nobody has begun.
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
    fn close(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.closed, true) {
            // Behind all calls.
            state.handles.iter().for_each(|_| drop(self.sender.send(Message::End)));
        }
    }

    /// Waits until all threads have ended.
    fn join(&self) {
        let handles = std::mem::take(&mut self.state().handles);
        handles.into_iter().for_each(|handle| drop(handle.join()));
    }
}

/// The executors for which the program waits at its end.
static AWAITED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn wait_at_exit(shared: &Arc<Shared>) {
    static ONCE: Once = Once::new();
    let awaited = || AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut executors = awaited();
    executors.retain(|shared| shared.strong_count() > 0);
    executors.push(Arc::downgrade(shared));
    drop(executors);
    ONCE.call_once(|| {
        process_basics::at_exit(move || {
            let executors = std::mem::take(&mut *awaited());
            for shared in executors.iter().filter_map(Weak::upgrade) {
                shared.close();
                shared.join();
            }
        });
    });
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, max_workers } = self;
        write!(
            f,
            "ThreadPoolExecutor({}, {} of {max_workers} threads)",
            shared.prefix,
            self.threads()
        )
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadPoolBuilder({:?}, {:?})", self.max_workers, self.prefix)
    }
}
