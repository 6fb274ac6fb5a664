//! The stage: two producers and two consumers at one queue, each of which takes its next step when
//! a button says so.

use crate::queue::call::{Call, INLINE, Memory, Returned, SLOTS, WINDOW, Word, step};
use crate::queue::ring::Owner;
use crate::shared::atomic::{Operation, Tape};

/// Number of seats: two of producers, then two of consumers.
pub(crate) const SEATS: usize = 4;

/// An act on the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The participant in this seat takes the next step of its call, or of a put or get.
    Next(usize),
    /// The participant takes the next step of its repair, or begins one.
    Repair(usize),
    /// The participant is killed where it is.
    Kill(usize),
    /// A new participant takes the seat of a dead one.
    Start(usize),
    /// The producer's next item is large, or no longer.
    Large(usize),
    /// A step is one atomic operation, or no longer.
    Operations,
}

/// A participant in its seat.
pub(crate) struct Seat {
    pub number: Owner,
    pub is_alive: bool,
    /// True if the next item that it puts is a large one.
    pub is_large: bool,
    /// The call that is under way.
    pub call: Option<(Call, Tape)>,
    /// Number of items that producers in this seat began to put.
    pub brought: u64,
    /// What it has got.
    pub got: Vec<Vec<u64>>,
    /// What its last call returned.
    pub returned: Option<Returned>,
}

/// What an act did.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Stepped {
        who: Owner,
        call: Call,
        /// The operations of the step, each with its word.
        operations: Vec<(Word, Operation)>,
        returned: Option<Returned>,
        /// True if the step was one operation only, by the switch.
        is_single: bool,
    },
    Killed {
        who: Owner,
        /// The slots that it had claimed.
        slots: Vec<usize>,
        /// The number of a dead participant that it was repairing after.
        repairing: Option<Owner>,
        /// True if it had got items.
        had_got: bool,
    },
    Started {
        who: Owner,
        is_producer: bool,
    },
}

pub(crate) struct Stage {
    pub memory: Memory,
    pub seats: [Seat; SEATS],
    /// True if a step is one atomic operation.
    pub by_operation: bool,
    pub events: Vec<Event>,
    acts: Vec<Act>,
    highest: Owner,
}

impl Seat {
    fn new(number: Owner, brought: u64) -> Self {
        Self {
            number,
            is_alive: true,
            is_large: false,
            call: None,
            brought,
            got: Vec::new(),
            returned: None,
        }
    }

    /// Returns true while a repair is under way.
    pub(crate) fn is_repairing(&self) -> bool {
        matches!(self.call, Some((Call::Repair, _)))
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let memory = Memory::new();
        let seats = std::array::from_fn(|seat| Seat::new(seat as Owner + 1, 0));
        (1..=SEATS as Owner).for_each(|number| memory.invite(number));
        let (highest, events, acts) = (SEATS as Owner, Vec::new(), Vec::new());
        Self { memory, seats, by_operation: false, events, acts, highest }
    }

    /// Returns true if the seat is a producer's.
    pub(crate) fn is_producer(seat: usize) -> bool {
        seat < SEATS / 2
    }

    /// Returns true if something can be done by this act.
    pub(crate) fn can(&self, act: Act) -> bool {
        match act {
            Act::Next(seat) => self.seats[seat].is_alive && !self.seats[seat].is_repairing(),
            Act::Repair(seat) => {
                let seat = &self.seats[seat];
                seat.is_alive && (seat.call.is_none() || seat.is_repairing())
            }
            Act::Kill(seat) => self.seats[seat].is_alive,
            Act::Start(seat) => !self.seats[seat].is_alive && self.highest < 4095,
            Act::Large(seat) => Self::is_producer(seat) && self.seats[seat].is_alive,
            Act::Operations => true,
        }
    }

    /// Does an act, if it can be done.
    pub(crate) fn act(&mut self, act: Act) {
        if !self.can(act) {
            return;
        }
        self.acts.push(act);
        match act {
            Act::Next(seat) | Act::Repair(seat) => self.step(seat, act),
            Act::Kill(seat) => self.kill(seat),
            Act::Start(seat) => {
                self.highest += 1;
                self.memory.invite(self.highest);
                self.seats[seat] = Seat::new(self.highest, self.seats[seat].brought);
                let is_producer = Self::is_producer(seat);
                self.events.push(Event::Started { who: self.highest, is_producer });
            }
            Act::Large(seat) => self.seats[seat].is_large ^= true,
            Act::Operations => self.by_operation ^= true,
        }
    }

    /// Takes back the last act: does all others again, from the beginning.
    pub(crate) fn undo(&mut self) {
        let mut acts = std::mem::take(&mut self.acts);
        acts.pop();
        *self = Self::new();
        acts.into_iter().for_each(|act| self.act(act));
    }

    /// Returns the highest number that a participant ever had.
    pub(crate) fn highest(&self) -> Owner {
        self.highest
    }

    pub(crate) fn can_undo(&self) -> bool {
        !self.acts.is_empty()
    }

    /// Returns the call that an act goes on with or begins, with the operation that comes next.
    pub(crate) fn upcoming(&self, act: Act) -> Option<(Word, Operation)> {
        let (Act::Next(seat) | Act::Repair(seat)) = act else { return None };
        let (call, mut tape) = match &self.seats[seat].call {
            Some(call) => call.clone(),
            None => (self.new_call(seat, act), Tape::default()),
        };
        tape.run(0, || self.memory.make(&call, self.seats[seat].number));
        tape.rehearsed.first().map(|operation| (self.memory.word_of(operation), *operation))
    }

    /// Returns the call that an act would begin.
    fn new_call(&self, seat: usize, act: Act) -> Call {
        match act {
            Act::Repair(_) => Call::Repair,
            _ if Self::is_producer(seat) => {
                let Seat { is_large, brought, .. } = self.seats[seat];
                let mut message = vec![seat as u64 + 1; if is_large { WINDOW } else { INLINE }];
                if let Some(last) = message.last_mut() {
                    *last = brought + 1;
                }
                Call::Put(message)
            }
            _ => Call::Get,
        }
    }

    /// Goes on with a call up to the end of its step, or begins one.
    fn step(&mut self, seat: usize, act: Act) {
        let begun = self.seats[seat].call.take();
        let (call, mut tape) = begun.unwrap_or_else(|| (self.new_call(seat, act), Tape::default()));
        let (before, who) = (tape.done.len(), self.seats[seat].number);
        let returned = loop {
            let returned = tape.run(1, || self.memory.make(&call, who));
            if returned.is_some() || self.by_operation || is_end_of_step(&tape) {
                break returned;
            }
        };
        let operations = tape.done[before..].iter();
        let operations = operations.map(|done| (self.memory.word_of(done), *done)).collect();
        let seat = &mut self.seats[seat];
        match &returned {
            Some(Returned::Got(message)) => seat.got.push(message.clone()),
            Some(Returned::Put) => seat.brought += 1,
            _ => {}
        }
        seat.returned.clone_from(&returned);
        if returned.is_none() {
            seat.call = Some((call.clone(), tape));
        }
        let is_single = self.by_operation;
        self.events.push(Event::Stepped { who, call, operations, returned, is_single });
    }

    fn kill(&mut self, seat: usize) {
        let who = self.seats[seat].number;
        let is_its = |slot: &usize| self.memory.state(*slot).owner == who;
        let slots = (0..SLOTS).filter(is_its).collect();
        let mut others = (1..=self.highest).filter(|number| *number != who);
        let repairing = others.find(|number| self.memory.holder(*number) == who);
        self.memory.free_numbers_of(who);
        let seat = &mut self.seats[seat];
        seat.is_alive = false;
        // The next producer in this seat brings another item, so that one sees which it is.
        seat.brought += u64::from(matches!(seat.call, Some((Call::Put(_), _))));
        (seat.call, seat.is_large) = (None, false);
        let had_got = !seat.got.is_empty();
        self.events.push(Event::Killed { who, slots, repairing, had_got });
    }
}

/// Returns true if the call has come to the end of a step as the chapter has them.
fn is_end_of_step(tape: &Tape) -> bool {
    let (Some(last), Some(next)) = (tape.done.last(), tape.rehearsed.first()) else {
        return false;
    };
    // A repair has a step for each change of a slot; to let the number go belongs to the last one.
    let mut rest = tape.rehearsed.iter().take_while(|rest| rest.step != step::UNLOCK);
    match last.step {
        step::REPAIR => last.changes() && rest.any(Operation::changes),
        _ => next.step != last.step,
    }
}
