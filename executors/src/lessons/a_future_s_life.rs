//! You'll see futures from their first state to their last: one that finishes, one that fails, one
//! that is cancelled; and all that can be asked of them.
//!
//! ```python
//! future = executor.submit(work)
//! future.running(), future.done(), future.cancel(), future.cancelled()
//! future.result(timeout=1), future.exception(), future.add_done_callback(print)
//! ```

use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::futures::{FutureError, TaskError, ThreadPoolExecutor};

use super::counting::{log, shown};

/// Longest wait of the main thread for a word of a worker: if none can come, the lesson ends with
/// an error.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const LESSON: Lesson = Lesson {
    name: "a-future-s-life",
    section: "2.4",
    question: (
        "一个 Future 会经历哪些状态，可以问它什么？",
        "Which states does a future go through, and what can it be asked?",
    ),
    remember: (
        "等待、运行、完成；只有还没开始的才能取消。",
        "Pending, running, finished; only what has not begun can be cancelled.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let executor = ThreadPoolExecutor::new(1);
    let (begun, has_begun) = channel();
    let (gate, opened) = channel::<()>();
    story.event("main", "gives three calls to a single thread; the first waits for a word");
    let good = executor.spawn(move || {
        let _ = begun.send(());
        let _ = opened.recv();
        42
    })?;
    let bad = executor.spawn(|| -> u64 { resume_unwind(Box::new("no luck")) })?;
    let unwanted = executor.spawn(|| 3)?;
    has_begun.recv_timeout(PATIENCE)?;
    story.ok("the first runs, and is not done", good.running() && !good.done())?;
    story.ok(
        "the third neither runs nor is done: it is pending",
        !unwanted.running() && !unwanted.done(),
    )?;
    log(shown(&good));
    log(shown(&unwanted));
    let early = good.result_timeout(story.pace().real(1.0));
    story.ok(
        "waiting a second for the first ends in an error",
        early == Err(FutureError::TimedOut),
    )?;

    story.event("main", "tries to cancel the first and the third");
    story.ok("the first can't be cancelled: it has begun", !good.cancel())?;
    story.ok("the third can: it was pending", unwanted.cancel())?;
    log(shown(&unwanted));
    story.ok("now the third is cancelled, and so done", unwanted.cancelled() && unwanted.done())?;
    let cancelled = unwanted.result() == Err(FutureError::Cancelled);
    story.ok("its result is an error that says so", cancelled)?;

    story.event("main", "asks to be called when the first is done, and gives the word");
    let (call, called) = channel();
    let later = call.clone();
    good.add_done_callback(move |future| {
        log(format_args!("called with {}", shown(future)));
        let _ = call.send(thread::current().id());
    });
    gate.send(())?;
    story.ok("result waits until it is there: 42", good.result()? == &42)?;
    let caller = called.recv_timeout(PATIENCE)?;
    story.ok("the callback ran in another thread", caller != thread::current().id())?;
    good.add_done_callback(move |_| {
        let _ = later.send(thread::current().id());
    });
    let at_once = called.try_recv() == Ok(thread::current().id());
    story.ok("a callback added to a future that is done runs here and at once", at_once)?;

    let panicked = TaskError::Panicked { message: "no luck".to_owned() };
    story.ok(
        "exception waits, as result does: the second panicked",
        bad.exception()? == Some(&panicked),
    )?;
    log(shown(&bad));
    story.ok("the first has no exception", good.exception()?.is_none() && !good.running())?;
    let taken = good.into_result()?;
    story.ok("the last to want a result can take it out of the future", taken == 42)?;
    Ok(())
}
