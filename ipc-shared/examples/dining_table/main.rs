//! Exercise: a dining table. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：哲学家就餐。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::time::Duration;
use std::{env, thread};

use common::text;
use multiprocess::shared::{Lock, LockError, LockGuard, Semaphore, Value};
use multiprocess::{Failure, Process, Queue, tasks};
use serde::{Deserialize, Serialize};

const PHILOSOPHERS: usize = 5;
/// The meal at which a philosopher is killed.
const LAST_MEAL: u32 = 3;

tasks![philosopher];

/// What the five philosophers share.
#[derive(Clone, Serialize, Deserialize)]
struct Table {
    /// Philosopher 1 sits between forks 0 and 1, philosopher 5 between forks 4 and 0.
    forks: [Lock; PHILOSOPHERS],
    /// A permit for each chair: one fewer than there are philosophers.
    chairs: Semaphore,
    meals: Value<[u32; PHILOSOPHERS]>,
    /// The number of the philosopher who is to be killed; 0: none.
    victim: usize,
    /// Where the victim says that it is time.
    doomed: Queue<usize>,
}

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let arguments: Vec<String> = env::args().skip(1 + usize::from(is_solution())).collect();
        let [meals, victim] = &arguments[..] else {
            return Err(Failure::new("say how many meals each has, and who is killed (0: none)"));
        };
        let meals: u32 = meals.parse()?;
        let table = Table::laid(victim.parse()?)?;
        let mut philosophers = Vec::new();
        for number in 1..=PHILOSOPHERS {
            // Daemonic: they end with this program.
            let process = Process::new(philosopher, (table.clone(), number, meals)).daemonic(true);
            philosophers.push(process);
        }
        philosophers.iter_mut().try_for_each(Process::start)?;
        // Disconnected once all of them have ended.
        while let Ok(number) = table.doomed.get() {
            philosophers[number - 1].kill()?;
        }
        for (number, process) in (1..).zip(&philosophers) {
            process.join()?;
            let eaten = table.meals.get()[number - 1];
            match process.exitcode() {
                Some(0) => println!("{}", text!("philosopher {} has had {} meals", number, eaten)),
                Some(-9) => println!("{}", text!("philosopher {} died at meal {}", number, eaten)),
                _ => return Err(Failure::new(text!("philosopher {} has given up", number))),
            }
        }
        Ok(())
    })
}

/// Runs in each of the five.
fn philosopher((table, number, meals): (Table, usize, u32)) -> Result<(), Failure> {
    let dine = if is_solution() { solution::dine } else { yours::dine };
    (0..meals).try_for_each(|_| dine(&table, number))
}

/// Returns true where the solution is to run; a child has its parent's command line.
fn is_solution() -> bool {
    env::args().nth(1).is_some_and(|first| first == "--solution")
}

impl Table {
    /// Lays the table.
    fn laid(victim: usize) -> Result<Self, Failure> {
        Ok(Self {
            forks: [Lock::new()?, Lock::new()?, Lock::new()?, Lock::new()?, Lock::new()?],
            chairs: Semaphore::new(PHILOSOPHERS - 1)?,
            meals: Value::new([0; PHILOSOPHERS])?,
            victim,
            doomed: Queue::bounded(1)?,
        })
    }

    /// Takes a fork, slowly: without a rule each of the five soon has one, and none gets a second.
    fn take(&self, fork: usize) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        let taken = self.forks[fork].lock();
        thread::sleep(Duration::from_millis(1));
        taken
    }

    /// Has a philosopher eat, with two forks. The victim doesn't survive its last meal.
    fn eat(&self, number: usize, _forks: [&LockGuard<'_>; 2]) -> Result<(), Failure> {
        let eaten = self.meals.update(|meals| {
            meals[number - 1] += 1;
            meals[number - 1]
        });
        if number == self.victim && eaten == LAST_MEAL {
            self.doomed.put(number)?;
            loop {
                thread::park();
            }
        }
        Ok(())
    }
}
