//! Three futures from their first state to their last, and all that can be asked of them: one call
//! finishes, one fails, one is cancelled.
//!
//! ```python
//! future = executor.submit(work)
//! future.running(); future.done(); future.result(timeout=1)
//! future.cancel(); future.cancelled()
//! future.add_done_callback(print)
//! future.result(); future.exception()
//! ```

use std::panic::resume_unwind;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use common::pretend::pace;
use common::{check, say, text};
use multiprocess::Failure;
use multiprocess::futures::{Future, FutureError, TaskError, ThreadPoolExecutor};

use super::counting::{log, shown};

pub(crate) fn main() -> Result<(), Failure> {
    let executor = ThreadPoolExecutor::new(1);
    let (sender, receiver) = sync_channel::<u32>(0);
    say!("submits three calls to one thread; the first adds what it is sent");
    let sum = executor.spawn(move || receiver.iter().take(2).sum::<u32>())?;
    let failing = executor.spawn(|| -> u32 { resume_unwind(Box::new("no luck")) })?;
    let unwanted = executor.spawn(|| 3)?;
    say!("sends it 40, which it takes: so it has begun");
    sender.send(40)?;
    check!(sum.running() && !sum.done(), "the first is running, and not done");
    let is_pending = !unwanted.running() && !unwanted.done();
    check!(is_pending, "the third is neither running nor done: it is pending");
    log(shown(&sum));
    log(shown(&unwanted));
    let early = sum.result_timeout(pace().real(1.0));
    check!(early == Err(FutureError::TimedOut), "waiting a second for its result ends in an error");

    say!("tries to cancel the first and the third");
    check!(!sum.cancel(), "the first can't be cancelled: it has begun");
    check!(unwanted.cancel(), "the third can: it was pending");
    log(shown(&unwanted));
    check!(unwanted.cancelled() && unwanted.done(), "now it is cancelled, and so it is done");
    let result = unwanted.result();
    check!(result == Err(FutureError::Cancelled), "its result is an error that says so");

    say!("adds a callback to the first, and sends it 2");
    let me = thread::current().id();
    let (caller, callers) = channel();
    let callback = move |future: &Future<u32>| {
        log(text!("called with {}", shown(future)));
        let _ = caller.send(thread::current().id());
    };
    sum.add_done_callback(callback.clone());
    sender.send(2)?;
    check!(sum.result()? == &42, "result waits until the sum is there: {}", 42);
    check!(callers.recv()? != me, "the callback ran in the thread of the call");
    sum.add_done_callback(callback);
    check!(callers.try_recv()? == me, "a callback added later runs here and at once");

    let panicked = TaskError::Panicked { message: "no luck".to_owned() };
    let exception = failing.exception()?;
    check!(exception == Some(&panicked), "exception waits, too: the second panicked");
    log(shown(&failing));
    check!(sum.exception()?.is_none() && !sum.running(), "the first has no exception");
    check!(sum.into_result()? == 42, "into_result takes the result out of the future");
    Ok(())
}
