//! Five processes come to a spring where three can drink at a time; one of these is killed, and
//! its place is free again.
//!
//! ```python
//! def drink(spring):
//!     with spring:
//!         print(current_process().name, "drinks"); time.sleep(2)
//! spring = Semaphore(3)
//! for p in animals: p.start()
//! animals[0].kill()                 # in Python there are two places from now on
//! ```

use common::pretend::{hold_children, work};
use common::{check, say};
use multiprocess::shared::Semaphore;
use multiprocess::{Failure, Process, Queue, tasks};

tasks![drink];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let spring = Semaphore::new(3)?;
    let drinking = Queue::unbounded()?;
    let mut animals: Vec<_> = ["deer", "fox", "hare", "lynx", "wolf"]
        .into_iter()
        .zip(0..)
        .map(|(name, i)| Process::new(drink, (spring.clone(), drinking.clone(), i)).named(name))
        .collect();
    say!("starts five animals, which all come to the spring");
    animals.iter_mut().try_for_each(Process::start)?;
    held.wait_for(3)?;
    check!(spring.available() == 0, "three of them drink, and no place is left");
    check!(spring.try_acquire().is_none(), "try_acquire doesn't wait, and gets none");
    check!(drinking.qsize() == 3, "the other two have to wait");

    say!("kills one of the three");
    let killed: usize = drinking.get()?;
    animals[killed].kill()?;
    animals[killed].join()?;
    held.wait_for(4)?;
    check!(drinking.qsize() == 3, "a fourth drinks in its place");

    say!("lets all of them drink up");
    held.release();
    animals.iter().try_for_each(Process::join)?;
    let codes = animals.iter().map(Process::exitcode);
    check!(codes.filter(|code| *code == Some(0)).count() == 4, "four of them have drunk");
    check!(spring.available() == 3, "all three places are free");
    Ok(())
}

/// Runs in each of the five.
fn drink((spring, drinking, i): (Semaphore, Queue<usize>, usize)) -> Result<(), Failure> {
    let _place = spring.acquire()?;
    say!("drinks");
    drinking.put(i)?;
    work(2.0);
    Ok(())
}
