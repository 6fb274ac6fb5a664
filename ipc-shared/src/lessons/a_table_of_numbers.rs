//! Two processes fill a table of a million numbers, one half each: in shared memory, and then
//! through pipes.
//!
//! ```python
//! def fill(block, begin, end):
//!     table = np.ndarray(1_000_000, buffer=block.buf)
//!     table[begin:end] = np.arange(begin, end)
//! block = SharedMemory(create=True, size=8_000_000)
//! p1 = Process(target=fill, args=(block, 0, 500_000))
//! p2 = Process(target=fill, args=(block, 500_000, 1_000_000))
//! p1.start(); p2.start(); p1.join(); p2.join()
//! print(np.ndarray(1_000_000, buffer=block.buf).sum())
//! ```

use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::shared::Array;
use multiprocess::{Failure, Process, Sender, one_way, tasks};

const NUMBERS: usize = 1_000_000;
const SUM: f64 = 499_999_500_000.0;

tasks![fill, send];

pub(crate) fn main() -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let table = Array::in_parts(NUMBERS, 2)?;
    say!("has two processes fill a table of {} numbers in shared memory", NUMBERS);
    let mut both = [0, 1].map(|part| Process::new(fill, (table.clone(), part)));
    both.iter_mut().try_for_each(Process::start)?;
    both.iter().try_for_each(Process::join)?;
    let sum: f64 = table.lock(0)?.iter().chain(&*table.lock(1)?).sum();
    let shared = watch.elapsed();
    check!(sum == SUM, "their sum is {}", SUM);

    let watch = Stopwatch::start();
    say!("has two processes send as many numbers through pipes");
    let [(mut first, one), (mut second, other)] = [one_way()?, one_way()?];
    let mut both = [(one, 0), (other, 1)].map(|(sender, part)| Process::new(send, (sender, part)));
    both.iter_mut().try_for_each(Process::start)?;
    let sum: f64 = first.recv()?.iter().chain(&second.recv()?).sum();
    let sent = watch.elapsed();
    both.iter().try_for_each(Process::join)?;
    check!(sum == SUM, "their sum is {}", SUM);
    note!("in shared memory it took {}, through pipes {}", show(shared), show(sent));
    Ok(())
}

/// Runs in each of two children: fills one part of the table.
fn fill((table, part): (Array<f64>, usize)) -> Result<(), Failure> {
    let range = table.range(part);
    for (number, index) in table.lock(part)?.iter_mut().zip(range) {
        *number = index as f64;
    }
    Ok(())
}

/// Runs in each of two other children: sends one half of the numbers.
fn send((mut sender, part): (Sender<Vec<f64>>, usize)) -> Result<(), Failure> {
    let half = NUMBERS / 2;
    sender.send(&(half * part..half * (part + 1)).map(|index| index as f64).collect())?;
    Ok(())
}
