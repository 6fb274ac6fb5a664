//! You'll see three cooks fill a queue and two guests empty it, each at its own pace.
//!
//! ```python
//! def producer(name, food, q):
//!     for i in range(3):
//!         time.sleep(random.randint(1, 3)); q.put(f"{food} {i}")
//! def consumer(name, q):
//!     while (food := q.get(timeout=5)) is not None:
//!         time.sleep(random.randint(1, 3))
//! for p in producers: p.join()
//! for c in consumers: q.put(None)
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use common::time::Pace;
use multiprocess::{Exit, Failure, Process, Queue, tasks};
use rand::RngExt;

const COOKS: [(&str, &str); 3] = [("Anna", "chocolate"), ("Ben", "ice cream"), ("Clara", "cola")];
const GUESTS: [&str; 2] = ["Dora", "Emil"];
const EACH: u32 = 3;

pub(crate) const LESSON: Lesson = Lesson {
    name: "producers-and-consumers",
    section: "3.2",
    question: (
        "三个生产者，两个消费者，怎样知道该结束了？",
        "Three producers, two consumers: how do these know that it is over?",
    ),
    remember: (
        "生产者都结束后，给每个消费者放一个结束标记。",
        "When all producers are done, put one end marker for each consumer.",
    ),
    tell,
};

tasks![cook, eat];

fn tell(story: &Story) -> Told {
    let table = Queue::unbounded()?;
    let pace = story.pace();
    story.event("parent", "starts three cooks and two guests at one table");
    let mut cooks = Vec::new();
    for (name, food) in COOKS {
        let task = (table.clone(), name.to_owned(), food.to_owned(), pace);
        cooks.push(Process::new(cook, task).named(name));
    }
    let mut guests: Vec<Process> = GUESTS
        .map(|name| Process::new(eat, (table.clone(), name.to_owned(), pace)).named(name))
        .into();
    for process in cooks.iter_mut().chain(&mut guests) {
        process.start()?;
    }
    for cook in &cooks {
        cook.join()?;
    }
    story.event("parent", "sees the last cook leave and puts one end marker for each guest");
    for _ in GUESTS {
        table.put(None)?;
    }
    let mut eaten = 0;
    for guest in &guests {
        guest.join()?;
        eaten += guest.exitcode().unwrap_or(0);
    }
    story.ok("the guests ate nine portions together", eaten == 9)?;
    story.ok("the table is empty", table.is_empty())?;
    Ok(())
}

/// Runs in each cook.
fn cook(
    (table, name, food, pace): (Queue<Option<String>>, String, String, Pace),
) -> Result<(), Failure> {
    for number in 1..=EACH {
        pace.work(rand::rng().random_range(1.0..=3.0));
        let portion = format!("{food} {number}");
        speak(&name, format!("brings {portion}"));
        table.put(Some(portion))?;
    }
    Ok(())
}

/// Runs in each guest. Eats until the end marker comes; ends with the number of portions.
fn eat((table, name, pace): (Queue<Option<String>>, String, Pace)) -> Result<Exit, Failure> {
    let mut eaten = 0;
    while let Some(portion) = table.get()? {
        speak(&name, format!("eats {portion}"));
        pace.work(rand::rng().random_range(1.0..=3.0));
        eaten += 1;
    }
    Ok(Exit(eaten))
}
