//! Two processes add 1 to a shared number, 100,000 times each: first by a load and a store, then
//! by `update`.
//!
//! ```python
//! def count(n):
//!     for _ in range(100_000):
//!         n.value += 1              # a load and a store
//! n = Value("i", 0)
//! p1, p2 = Process(target=count, args=(n,)), Process(target=count, args=(n,))
//! p1.start(); p2.start(); p1.join(); p2.join()
//! print(n.value)                    # 200000 only if `with n.get_lock():` is around the line
//! ```

use std::sync::atomic::Ordering::Relaxed;

use common::pretend::{hold_children, wait_while_held};
use common::{check, note, say};
use multiprocess::shared::{Value, Words};
use multiprocess::{Failure, Process, tasks};

const EACH: u64 = 100_000;

tasks![load_and_store, update];

pub(crate) fn main() -> Result<(), Failure> {
    let words = Words::new(1)?;
    say!("has two processes add 1 by a load and a store, {} times each", EACH);
    let pair = [(); 2].map(|()| Process::new(load_and_store, words.clone()));
    check!(run(pair)? == [Some(0); 2], "both have done so");
    let count = words[0].load(Relaxed);
    check!(count < 2 * EACH, "the number is less than {}", 2 * EACH);
    note!("it is {}: {} additions are lost", count, 2 * EACH - count);

    let number = Value::new(0_u64)?;
    say!("has two processes add 1 by update, as often");
    let pair = [(); 2].map(|()| Process::new(update, number.clone()));
    check!(run(pair)? == [Some(0); 2], "both have done so");
    check!(number.get() == 2 * EACH, "the number is {}", 2 * EACH);
    Ok(())
}

/// Has both begin at the same time, and returns their exit codes.
fn run(mut pair: [Process; 2]) -> Result<[Option<i32>; 2], Failure> {
    let held = hold_children()?;
    for process in &mut pair {
        process.start()?;
    }
    held.wait_for(2)?;
    held.release();
    pair.iter().try_for_each(Process::join)?;
    Ok(pair.each_ref().map(Process::exitcode))
}

/// Runs in each of two children.
fn load_and_store(words: Words) {
    for turn in 1..=EACH {
        let count = words[0].load(Relaxed);
        if turn == 1 {
            // Both have loaded 0 before either stores 1: one of these two additions is lost.
            wait_while_held();
        }
        words[0].store(count + 1, Relaxed);
    }
}

/// Runs in each of two other children.
fn update(number: Value<u64>) {
    wait_while_held();
    for _ in 1..=EACH {
        number.update(|number| *number += 1);
    }
}
