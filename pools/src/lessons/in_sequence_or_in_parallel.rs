//! You'll see six tasks of a second each take six seconds in sequence, and what six workers make of
//! it.
//!
//! ```python
//! def square(x): time.sleep(1); return x * x
//! [square(x) for x in range(1, 7)]           # six seconds
//! with Pool(6) as pool:
//!     pool.map(square, range(1, 7))          # one
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Pace, Stopwatch, show};
use multiprocess::{Pool, tasks};

const NUMBERS: [u64; 6] = [1, 2, 3, 4, 5, 6];
const SQUARES: [u64; 6] = [1, 4, 9, 16, 25, 36];

pub(crate) const LESSON: Lesson = Lesson {
    name: "in-sequence-or-in-parallel",
    section: "2.3",
    question: (
        "六个各需一秒的任务，一共要多久？",
        "Six tasks of a second each: how long do they take together?",
    ),
    remember: (
        "map 像普通的循环一样给出结果，只是由许多进程一起做。",
        "map gives what a plain loop gives, done by many workers together.",
    ),
    tell,
};

tasks![square];

fn tell(story: &Story) -> Told {
    let numbers = NUMBERS.map(|number| (number, story.pace()));
    story.event("parent", "squares 1 to 6 by itself, each in a second of the tutorial");
    let watch = Stopwatch::start();
    let squares = numbers.map(square);
    let in_sequence = watch.elapsed();
    story.ok("it gets 1, 4, 9, 16, 25, 36", squares == SQUARES)?;
    story.ok("that took six of those seconds, or more", in_sequence >= story.pace().real(6.0))?;

    story.event("parent", "starts six workers and gives them the same numbers");
    let watch = Stopwatch::start();
    let pool = Pool::new(NUMBERS.len())?;
    let squares = pool.map(square, numbers)?;
    let in_parallel = watch.elapsed();
    story.ok("it gets the same", squares == SQUARES)?;

    let times = in_sequence.as_secs_f64() / in_parallel.as_secs_f64();
    story.varies(format!("in sequence {}", show(in_sequence)));
    story.varies(format!("in parallel {}, with the start of the workers", show(in_parallel)));
    story.varies(format!("the first is {times:.1} times the second"));
    Ok(())
}

/// Runs in the worker, and in the parent.
fn square((number, pace): (u64, Pace)) -> u64 {
    pace.work(1.0);
    number * number
}
