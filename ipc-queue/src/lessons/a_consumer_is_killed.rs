//! You'll see a consumer killed with an item in its hands, and another while it waits: the rest
//! goes on, and nothing else is lost.
//!
//! ```python
//! consumer.kill()                   # while it waits in q.get(): it dies with the read lock
//! other.get()                       # in Python this now waits for ever
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::{Failure, Gate, Process, Queue, Waiting, tasks};

const ITEMS: u32 = 1000;

pub(crate) const LESSON: Lesson = Lesson {
    name: "a-consumer-is-killed",
    section: "3.2",
    question: ("一个消费者被杀死，队列会坏吗？", "A consumer is killed: does the queue break?"),
    remember: (
        "没有锁可以带走：被杀的只带走它手里的那一件。",
        "There is no lock to die with: a killed consumer takes only what it held.",
    ),
    tell,
};

tasks![take_one_and_hold_it, take_all];

fn tell(story: &Story) -> Told {
    let work = Queue::bounded(10)?;
    let taken = Queue::unbounded()?;
    let (_gate, waiting) = Gate::new()?;

    let task = (work.clone(), taken.clone(), waiting);
    let mut holder = Process::new(take_one_and_hold_it, task).named("holder");
    holder.start()?;
    work.put(0)?;
    story.ok("the first consumer has got item 0", taken.get()? == 0)?;
    holder.kill()?;
    holder.join()?;
    story.event("parent", "kills it");
    let mut waiter = Process::new(take_all, (work.clone(), taken.clone())).named("waiter");
    waiter.start()?;
    work.put(1)?;
    story.ok("the second consumer has got item 1", taken.get()? == 1)?;
    waiter.kill()?;
    waiter.join()?;
    story.event("parent", "kills it, waiting for the next");

    let mut third = Process::new(take_all, (work.clone(), taken.clone())).named("third");
    third.start()?;
    story.event("parent", format!("puts items 2 to {ITEMS} for a third, and an end marker"));
    for item in 2..=ITEMS {
        work.put(item)?;
    }
    work.put(u32::MAX)?;
    let mut all = (2..=ITEMS).map(|item| Ok(taken.get()? == item));
    let whole: Result<bool, multiprocess::queue::GetError> =
        all.try_fold(true, |so_far, next| Ok(so_far && next?));
    third.join()?;
    story.ok("the third has got each of them once, in order", whole?)?;
    story.ok("nothing is left", work.is_empty() && taken.is_empty())?;
    Ok(())
}

/// Runs in the first consumer: says what it has got, and never comes to its end.
fn take_one_and_hold_it(
    (work, taken, waiting): (Queue<u32>, Queue<u32>, Waiting),
) -> Result<(), Failure> {
    taken.put(work.get()?)?;
    waiting.wait();
    Ok(())
}

/// Runs in the other two: says what it has got, until the end marker comes.
fn take_all((work, taken): (Queue<u32>, Queue<u32>)) -> Result<(), Failure> {
    loop {
        match work.get()? {
            u32::MAX => return Ok(()),
            item => taken.put(item)?,
        }
    }
}
