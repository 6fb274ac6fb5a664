//! A model of Python's `multiprocessing.Queue`: not its code, only what its source says of its
//! parts (`Lib/multiprocessing/queues.py` of CPython 3.11).
//!
//! ```text
//!   put ──▶ _buffer ──▶ feeder thread ──[_wlock]──▶ pipe ──[_rlock]──▶ get
//!           one in each producer                    one for all
//! ```
//!
//! - `Queue.put` appends to `_buffer` and returns. The thread `_feed` takes an object from there,
//!   and sends it with `wacquire()`, `send_bytes(obj)`, `wrelease()`.
//! - `Queue.get` is `with self._rlock: res = self._recv_bytes()`.
//! - Both locks are semaphores (`multiprocessing.synchronize.Lock`): what such a one knows is 0 or
//!   1, but not who holds it. So nobody can give it back for a process that has died.
//!
//! Left out is `_sem`, which limits the number of items if there is a `maxsize`. A message is two
//! pieces here, as one is that doesn't go through the pipe at once.

use std::collections::VecDeque;

/// Number of seats: two of producers, then two of consumers.
pub(crate) const SEATS: usize = 4;

/// Number of pieces that the pipe holds.
pub(crate) const PIPE: usize = 4;

/// An act on the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Next(usize),
    Kill(usize),
    Start(usize),
}

/// What a process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Before `put` or `get`.
    Rest,
    /// The item is in the buffer: before `wacquire()`.
    Buffered,
    /// In `send_bytes`, with `_wlock`: so many pieces are sent.
    Sending(usize),
    /// In `recv_bytes`, with `_rlock`: so many pieces are received.
    Receiving(usize),
}

/// A process in its seat.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub number: u16,
    pub is_alive: bool,
    pub at: At,
    /// Number of items that producers in this seat have put.
    pub brought: u64,
    /// What it has got: the producer's seat and the item's number.
    pub got: Vec<Piece>,
    /// The piece that it has received of a message, if it waits for the other.
    half: Option<Piece>,
}

/// A piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Seat of the producer.
    pub from: usize,
    /// Number of the item.
    pub item: u64,
    /// True for the second of the two pieces.
    pub is_second: bool,
}

/// The model's two locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Write,
    Read,
}

/// What an act did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Put {
        who: u16,
        item: Piece,
    },
    Acquired {
        who: u16,
        lock: Lock,
    },
    /// The lock is held: by a living process, or by none.
    WaitsForLock {
        who: u16,
        lock: Lock,
        holder: u16,
        is_dead: bool,
    },
    Sent {
        who: u16,
        piece: Piece,
    },
    WaitsForRoom {
        who: u16,
    },
    WaitsForPiece {
        who: u16,
        has_half: bool,
    },
    Received {
        who: u16,
        piece: Piece,
    },
    Released {
        who: u16,
        lock: Lock,
    },
    Killed {
        who: u16,
        holding: Option<Lock>,
        is_unsent: bool,
        sent_half: bool,
    },
    Started {
        who: u16,
    },
}

pub(crate) struct Model {
    pub processes: [Process; SEATS],
    pub pipe: VecDeque<Piece>,
    /// Holders of `_wlock` and `_rlock`, by their numbers. Only the page knows them: the locks
    /// themselves know 0 and 1.
    pub holders: [Option<u16>; 2],
    pub events: Vec<Event>,
    acts: Vec<Act>,
    highest: u16,
}

impl Process {
    fn new(number: u16, brought: u64) -> Self {
        Self { number, is_alive: true, at: At::Rest, brought, got: Vec::new(), half: None }
    }
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            processes: std::array::from_fn(|seat| Process::new(seat as u16 + 1, 0)),
            pipe: VecDeque::new(),
            holders: [None; 2],
            events: Vec::new(),
            acts: Vec::new(),
            highest: SEATS as u16,
        }
    }

    /// Returns true if the seat is a producer's.
    pub(crate) fn is_producer(seat: usize) -> bool {
        seat < SEATS / 2
    }

    pub(crate) fn can(&self, act: Act) -> bool {
        match act {
            Act::Next(seat) | Act::Kill(seat) => self.processes[seat].is_alive,
            Act::Start(seat) => !self.processes[seat].is_alive,
        }
    }

    /// Returns true if a lock is held, and its holder is dead.
    pub(crate) fn is_lost(&self, lock: Lock) -> bool {
        let is_alive = |number| self.processes.iter().any(|it| it.number == number && it.is_alive);
        self.holders[lock as usize].is_some_and(|holder| !is_alive(holder))
    }

    /// Does an act, if it can be done.
    pub(crate) fn act(&mut self, act: Act) {
        if !self.can(act) {
            return;
        }
        self.acts.push(act);
        let event = match act {
            Act::Next(seat) if Self::is_producer(seat) => self.produce(seat),
            Act::Next(seat) => self.consume(seat),
            Act::Kill(seat) => self.kill(seat),
            Act::Start(seat) => {
                self.highest += 1;
                self.processes[seat] = Process::new(self.highest, self.processes[seat].brought);
                Event::Started { who: self.highest }
            }
        };
        self.events.push(event);
    }

    /// Takes back the last act: does all others again, from the beginning.
    pub(crate) fn undo(&mut self) {
        let mut acts = std::mem::take(&mut self.acts);
        acts.pop();
        *self = Self::new();
        acts.into_iter().for_each(|act| self.act(act));
    }

    pub(crate) fn can_undo(&self) -> bool {
        !self.acts.is_empty()
    }

    /// Takes a lock, if it is free.
    fn acquire(&mut self, who: u16, lock: Lock) -> Event {
        match self.holders[lock as usize] {
            None => {
                self.holders[lock as usize] = Some(who);
                Event::Acquired { who, lock }
            }
            Some(holder) => Event::WaitsForLock { who, lock, holder, is_dead: self.is_lost(lock) },
        }
    }

    fn produce(&mut self, seat: usize) -> Event {
        let Process { number: who, at, brought, .. } = self.processes[seat];
        let piece = |is_second| Piece { from: seat, item: brought, is_second };
        let (event, at) = match at {
            At::Buffered => match self.acquire(who, Lock::Write) {
                event @ Event::Acquired { .. } => (event, At::Sending(0)),
                event => (event, at),
            },
            At::Sending(2) => {
                self.holders[Lock::Write as usize] = None;
                (Event::Released { who, lock: Lock::Write }, At::Rest)
            }
            At::Sending(_) if self.pipe.len() == PIPE => (Event::WaitsForRoom { who }, at),
            At::Sending(sent) => {
                self.pipe.push_back(piece(sent == 1));
                (Event::Sent { who, piece: piece(sent == 1) }, At::Sending(sent + 1))
            }
            At::Rest | At::Receiving(_) => {
                self.processes[seat].brought += 1;
                let item = Piece { item: brought + 1, ..piece(false) };
                (Event::Put { who, item }, At::Buffered)
            }
        };
        self.processes[seat].at = at;
        event
    }

    fn consume(&mut self, seat: usize) -> Event {
        let Process { number: who, at, half, .. } = self.processes[seat];
        let (event, at) = match at {
            At::Receiving(2) => {
                self.holders[Lock::Read as usize] = None;
                let process = &mut self.processes[seat];
                process.got.extend(process.half.take());
                (Event::Released { who, lock: Lock::Read }, At::Rest)
            }
            At::Receiving(received) => match self.pipe.pop_front() {
                None => (Event::WaitsForPiece { who, has_half: half.is_some() }, at),
                Some(piece) => {
                    self.processes[seat].half = Some(piece);
                    (Event::Received { who, piece }, At::Receiving(received + 1))
                }
            },
            At::Rest | At::Buffered | At::Sending(_) => match self.acquire(who, Lock::Read) {
                event @ Event::Acquired { .. } => (event, At::Receiving(0)),
                event => (event, at),
            },
        };
        self.processes[seat].at = at;
        event
    }

    fn kill(&mut self, seat: usize) -> Event {
        let process = &mut self.processes[seat];
        process.is_alive = false;
        let (who, at) = (process.number, process.at);
        let holds = |lock: &Lock| self.holders[*lock as usize] == Some(who);
        Event::Killed {
            who,
            holding: [Lock::Write, Lock::Read].into_iter().find(holds),
            is_unsent: matches!(at, At::Buffered | At::Sending(0)),
            sent_half: at == At::Sending(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: usize = 0;
    const B: usize = 1;
    const C: usize = 2;
    const D: usize = 3;

    fn after(acts: &[Act]) -> Model {
        let mut model = Model::new();
        acts.iter().for_each(|act| model.act(*act));
        model
    }

    /// Each living process tries often; returns true if any item is got.
    fn can_any_go_on(model: &mut Model) -> bool {
        let got = |model: &Model| model.processes.iter().map(|it| it.got.len()).sum::<usize>();
        let before = got(model);
        for _ in 0..20 {
            (0..SEATS).for_each(|seat| model.act(Act::Next(seat)));
        }
        got(model) > before
    }

    #[test]
    fn without_a_kill_items_come_whole_and_in_order() {
        let mut model = after(&[Act::Next(A); 5]);
        assert_eq!(model.processes[A].at, At::Rest);
        [Act::Next(C); 4].into_iter().for_each(|act| model.act(act));
        assert_eq!(model.processes[C].got.len(), 1);
        assert_eq!(model.holders, [None, None]);
        assert!(can_any_go_on(&mut model));
    }

    #[test]
    fn a_consumer_killed_with_the_read_lock_stops_all_consumers() {
        for steps in 1..4 {
            let mut acts = vec![Act::Next(A); 5];
            acts.extend(vec![Act::Next(C); steps]);
            acts.extend([Act::Kill(C), Act::Start(C), Act::Next(D)]);
            let mut model = after(&acts);
            assert!(model.is_lost(Lock::Read), "{steps}");
            let waits = Event::WaitsForLock { who: 4, lock: Lock::Read, holder: 3, is_dead: true };
            assert_eq!(model.events.last(), Some(&waits));
            assert!(!can_any_go_on(&mut model), "{steps}");
        }
    }

    #[test]
    fn a_consumer_killed_without_the_lock_stops_none() {
        for steps in [0, 4] {
            let mut acts = vec![Act::Next(A); 5];
            acts.extend(vec![Act::Next(C); steps]);
            acts.push(Act::Kill(C));
            let mut model = after(&acts);
            assert!(!model.is_lost(Lock::Read));
            assert!(can_any_go_on(&mut model));
        }
    }

    #[test]
    fn a_consumer_holds_the_lock_also_while_it_waits_for_an_item() {
        let mut model = after(&[Act::Next(C), Act::Next(C), Act::Kill(C)]);
        assert!(model.is_lost(Lock::Read));
        assert!(!can_any_go_on(&mut model));
    }

    #[test]
    fn a_producer_killed_with_the_write_lock_stops_all_producers() {
        for steps in 2..5 {
            let mut acts = vec![Act::Next(A); steps];
            acts.extend([Act::Kill(A), Act::Start(A), Act::Next(B), Act::Next(B)]);
            let mut model = after(&acts);
            assert!(model.is_lost(Lock::Write), "{steps}");
            let waits = Event::WaitsForLock { who: 2, lock: Lock::Write, holder: 1, is_dead: true };
            assert_eq!(model.events.last(), Some(&waits));
            // A message that is wholly in the pipe can still be got, but no other.
            assert_eq!(can_any_go_on(&mut model), steps == 4);
            assert!(!can_any_go_on(&mut model));
        }
    }

    #[test]
    fn half_a_message_keeps_its_reader_waiting_with_the_read_lock() {
        let mut model = after(&[Act::Next(A), Act::Next(A), Act::Next(A), Act::Kill(A)]);
        [Act::Next(C); 3].into_iter().for_each(|act| model.act(act));
        assert_eq!(model.events.last(), Some(&Event::WaitsForPiece { who: 3, has_half: true }));
        assert_eq!(model.holders, [Some(1), Some(3)]);
    }

    #[test]
    fn a_producer_killed_before_its_feeder_has_sent_loses_an_item_whose_put_has_returned() {
        let mut model = after(&[Act::Next(A), Act::Kill(A)]);
        let killed = Event::Killed { who: 1, holding: None, is_unsent: true, sent_half: false };
        assert_eq!(model.events.last(), Some(&killed));
        assert!(can_any_go_on(&mut model));
        assert!(model.processes.iter().all(|process| process.got.iter().all(|got| got.from == B)));
    }

    #[test]
    fn a_full_pipe_keeps_the_write_lock_with_the_feeder_that_waits() {
        let model = after(&[Act::Next(A); 13]);
        assert_eq!(model.events.last(), Some(&Event::WaitsForRoom { who: 1 }));
        assert_eq!(model.holders[0], Some(1));
    }
}
