//! Atomic words whose operations can be taken one at a time.
//!
//! ```text
//!   run 1:  load ▏ load   exchange   exchange      ▏ marks the end of what really happens;
//!   run 2:  load   load ▏ exchange   exchange        what is right of it is a rehearsal
//!   run 3:  load   load   exchange ▏ exchange
//! ```
//!
//! A call of `ring.rs` can't stop in its middle: there is one thread in a browser's page, and
//! WebAssembly has no coroutines. So the call is made again for each operation, from its beginning.
//! A [`Tape`] answers the operations that have been done with what they saw then, lets one more
//! happen, and rehearses the others on copies of the words. Between two runs other participants
//! change the words: the real call would see that as well, because what it does depends only on
//! what its operations see.
//!
//! Outside of [`Tape::run`] the words are ordinary ones. What the weak orderings allow beyond one
//! operation after the other isn't shown; loom checks that on the same file.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

pub(crate) use std::sync::atomic::Ordering;

/// An atomic word, as far as the ring needs one.
#[derive(Debug, Default)]
pub(crate) struct AtomicU64(Cell<u64>);

/// An atomic operation on one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Address of the word.
    pub word: usize,
    pub kind: Kind,
    /// Value of the word before the operation.
    pub before: u64,
    /// Name of the step that the operation is part of.
    pub step: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Store(u64),
    Exchange { from: u64, to: u64 },
}

impl Operation {
    /// Returns the value of the word after the operation.
    pub(crate) fn after(&self) -> u64 {
        match self.kind {
            Kind::Store(to) => to,
            Kind::Exchange { from, to } if from == self.before => to,
            Kind::Load | Kind::Exchange { .. } => self.before,
        }
    }

    /// Returns true if the operation changes its word.
    pub(crate) fn changes(&self) -> bool {
        self.after() != self.before
    }
}

/// The operations of a call that is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    /// The operations that have been done.
    pub done: Vec<Operation>,
    /// The operations that would follow if no other participant did anything.
    pub rehearsed: Vec<Operation>,
}

/// A run of a call with its tape.
struct Run {
    tape: Tape,
    /// Number of operations so far.
    next: usize,
    /// Number of operations that really happen.
    limit: usize,
    /// What the rehearsal has written.
    copies: HashMap<usize, u64>,
    step: &'static str,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

impl Tape {
    /// Runs a call from its beginning, so that `more` further operations really happen; returns
    /// what the call returned, if that was all of it.
    pub(crate) fn run<T>(&mut self, more: usize, call: impl FnOnce() -> T) -> Option<T> {
        let limit = self.done.len() + more;
        let tape = Self { done: std::mem::take(&mut self.done), rehearsed: Vec::new() };
        RUN.set(Some(Run { tape, next: 0, limit, copies: HashMap::new(), step: "" }));
        let returned = call();
        let run = RUN.take().expect("only this function ends a run");
        *self = run.tape;
        self.rehearsed.is_empty().then_some(returned)
    }
}

/// Names the step that the operations from here on are part of.
pub(crate) fn begin_step(name: &'static str) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.step = name;
        }
    });
}

impl Run {
    /// Does an operation, repeats or rehearses it; returns the value that it saw.
    fn operate(&mut self, word: &AtomicU64, kind: Kind) -> u64 {
        let number = self.next;
        self.next += 1;
        if let Some(done) = self.tape.done.get(number) {
            debug_assert_eq!(done.kind, kind, "a call that sees the same does the same");
            return done.before;
        }
        let address = std::ptr::from_ref(word).addr();
        let is_real = number < self.limit;
        let before = match self.copies.get(&address) {
            Some(copy) if !is_real => *copy,
            _ => word.0.get(),
        };
        let operation = Operation { word: address, kind, before, step: self.step };
        if is_real {
            word.0.set(operation.after());
            self.tape.done.push(operation);
        } else {
            self.copies.insert(address, operation.after());
            self.tape.rehearsed.push(operation);
        }
        before
    }
}

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(Cell::new(value))
    }

    /// Returns the word's address, by which operations name it.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn load(&self, _: Ordering) -> u64 {
        self.operate(Kind::Load)
    }

    pub(crate) fn store(&self, value: u64, _: Ordering) {
        self.operate(Kind::Store(value));
    }

    pub(crate) fn compare_exchange(
        &self,
        from: u64,
        to: u64,
        _: Ordering,
        _: Ordering,
    ) -> Result<u64, u64> {
        let seen = self.operate(Kind::Exchange { from, to });
        if seen == from { Ok(seen) } else { Err(seen) }
    }

    fn operate(&self, kind: Kind) -> u64 {
        RUN.with_borrow_mut(|run| match run {
            Some(run) => run.operate(self, kind),
            None => {
                let operation = Operation { word: 0, kind, before: self.0.get(), step: "" };
                self.0.set(operation.after());
                operation.before
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_one(word: &AtomicU64) -> u64 {
        loop {
            let seen = word.load(Ordering::Acquire);
            let added = word.compare_exchange(seen, seen + 1, Ordering::AcqRel, Ordering::Acquire);
            if added.is_ok() {
                return seen + 1;
            }
        }
    }

    #[test]
    fn each_run_does_one_more_operation_and_rehearses_the_rest() {
        let word = AtomicU64::new(7);
        let mut tape = Tape::default();
        assert_eq!(tape.run(0, || add_one(&word)), None);
        assert_eq!((tape.done.len(), tape.rehearsed.len()), (0, 2));
        assert_eq!(tape.run(1, || add_one(&word)), None);
        assert_eq!(word.load(Ordering::Relaxed), 7, "the exchange was only rehearsed");
        assert_eq!(tape.run(1, || add_one(&word)), Some(8));
        assert_eq!(word.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn a_rehearsal_sees_what_it_has_written_itself() {
        let word = AtomicU64::new(7);
        let mut tape = Tape::default();
        let add_twice = || (add_one(&word), add_one(&word));
        assert_eq!(tape.run(0, add_twice), None);
        assert_eq!(tape.rehearsed.iter().map(Operation::after).collect::<Vec<_>>(), [7, 8, 8, 9]);
        assert_eq!(word.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_call_sees_what_another_did_between_two_of_its_operations() {
        let word = AtomicU64::new(7);
        let (mut slow, mut quick) = (Tape::default(), Tape::default());
        assert_eq!(slow.run(1, || add_one(&word)), None);
        assert_eq!(quick.run(2, || add_one(&word)), Some(8));
        assert_eq!(slow.run(1, || add_one(&word)), None, "the exchange fails");
        assert_eq!(slow.run(2, || add_one(&word)), Some(9));
        assert_eq!(slow.done.len(), 4);
    }
}
