//! What this process has of the kernel, and whether something is left.

use common::stock::{Stock, inventory, raise_file_limit};

use crate::sys;

/// The most KiB that may come and stay: the allocator keeps what a thread of its own has used, and
/// has seen the busiest moment only after many rounds.
const MOST_GROWTH: u64 = 2 << 10;

/// Lists the process ids of this process's children; on Linux also those that have ended, until
/// they are waited for.
#[must_use]
pub fn children() -> Vec<u32> {
    inventory().unwrap().children
}

/// Lists what each open descriptor (or handle) of this process is, sorted.
#[must_use]
pub fn descriptors() -> Vec<String> {
    let mut all = inventory().unwrap().descriptors;
    all.sort();
    all
}

/// Returns how many descriptors this process may open besides those it has, some to spare; its
/// limit is raised as far as the system lets it. A test that wants many takes at most so many.
#[must_use]
pub fn room_for_descriptors() -> usize {
    const SPARE: u64 = 40;
    let limit = raise_file_limit();
    let open = descriptors().len() as u64;
    usize::try_from(limit.saturating_sub(open + SPARE)).unwrap_or(usize::MAX)
}

/// Takes stock of this process, without the threads of other tests.
#[must_use]
pub fn stock() -> Stock {
    Stock::with_threads_like(&["pool-", "watch ", "queue-", "ThreadPool"]).unwrap()
}

/// Does a round again and again: after a tenth of them, which may make what is made once, the
/// others leave nothing behind. All that this process has counts, so it must be one of its own; on
/// Linux also processes whose parents have ended without them.
///
/// # Panics
/// If something is left.
pub fn leaves_nothing(rounds: usize, mut round: impl FnMut(usize)) {
    sys::adopt_orphans().expect("it may adopt");
    let first = rounds / 10;
    (0..first).for_each(&mut round);
    let before = Stock::now().expect("the system tells");
    (first..rounds).for_each(&mut round);
    before.comes_back().unwrap_or_else(|left| panic!("{left}"));
    let grown = before.grown().expect("the system tells");
    println!("{rounds} rounds: memory has grown by {grown} KiB");
    assert!(grown < MOST_GROWTH, "memory has grown by {grown} KiB");
}
