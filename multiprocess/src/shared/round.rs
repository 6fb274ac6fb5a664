//! [`Round`]: the state of a barrier, in one word.
//!
//! ```text
//!   number (8 bits) │ attempt (28) │ arrived (12) │ seat (12) │ phase (4)
//!
//!   arrive   n, a, k, gathering ──────────▶ n, a, k + 1, gathering
//!   pass     n, a, all − 1, gathering ────▶ n + 1, a, 0, gathering       by the last
//!   act      n, a, all − 1, gathering ────▶ n, a, all, acting(seat)      the same, with an action
//!   pass     n, a, all, acting(seat) ─────▶ n + 1, a, 0, gathering
//!   break    n, a, k, gathering or acting ▶ n, a, k, broken(why, seat)
//!   reset    n, a, k, any phase ──────────▶ n, a + 1, 0, gathering
//! ```
//!
//! Each arrow is one compare-exchange of the whole word, so there is no instant at which a seat has
//! come and is not counted, or all have come and it is unknown which of them leads.
//!
//! **A wait is over** when the word's number is no longer the one with which the seat arrived, and
//! only then has it passed, whatever else has happened since: the next round may be broken by the
//! time that a waiting thread looks. If the number is still the same but the attempt isn't, the
//! round was broken and reset meanwhile.
//!
//! The number needs few bits: the barrier can't pass the next round without the seat, so a waiting
//! thread sees its own number or the next. Attempts may be many while a seat waits (its process may
//! be stopped).

use crate::shared::members::Member;

const SEAT: u32 = 4;
const ARRIVED: u32 = SEAT + 12;
const ATTEMPT: u32 = ARRIVED + 12;
const NUMBER: u32 = ATTEMPT + 28;

/// The state of a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(pub(crate) u64);

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Seats arrive.
    Gathering,
    /// All seats have arrived, and the leader runs its action.
    Acting,
    /// Not all seats arrive.
    Broken(Cause),
}

/// Why a round is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Ended = 2,
    Panicked,
    Aborted,
    TimedOut,
    /// No state that is ever written.
    Damaged,
}

impl Round {
    pub(crate) const fn phase(self) -> Phase {
        match self.0 & 0xf {
            0 => Phase::Gathering,
            1 => Phase::Acting,
            2 => Phase::Broken(Cause::Ended),
            3 => Phase::Broken(Cause::Panicked),
            4 => Phase::Broken(Cause::Aborted),
            5 => Phase::Broken(Cause::TimedOut),
            _ => Phase::Broken(Cause::Damaged),
        }
    }

    /// Returns the seat that acts, or that broke the round.
    pub(crate) const fn seat(self) -> Member {
        (self.0 >> SEAT & 0xfff) as Member
    }

    /// Returns the number of seats that have arrived.
    pub(crate) const fn arrived(self) -> usize {
        (self.0 >> ARRIVED & 0xfff) as usize
    }

    /// Returns true if the other state is of the same round, also if it is another attempt.
    pub(crate) const fn is_same_round(self, other: Self) -> bool {
        self.0 >> NUMBER == other.0 >> NUMBER
    }

    /// Returns true if the other state is of the same attempt at the same round.
    pub(crate) const fn is_same_attempt(self, other: Self) -> bool {
        self.0 >> ATTEMPT == other.0 >> ATTEMPT
    }

    /// Counts one more seat that has arrived.
    pub(crate) const fn with_one_more(self) -> Self {
        Self(self.0.wrapping_add(1 << ARRIVED))
    }

    /// Has this seat act, the last that arrives.
    pub(crate) const fn acting(self, seat: Member) -> Self {
        Self(self.with_one_more().0 | (seat as u64) << SEAT | 1)
    }

    /// Begins the next round.
    pub(crate) const fn passed(self) -> Self {
        Self((self.0 >> ATTEMPT << ATTEMPT).wrapping_add(1 << NUMBER))
    }

    /// Breaks the round, by way of this seat.
    pub(crate) const fn broken(self, cause: Cause, seat: Member) -> Self {
        Self(self.0 >> ARRIVED << ARRIVED | (seat as u64) << SEAT | cause as u64)
    }

    /// Begins the same round once more.
    pub(crate) const fn reset(self) -> Self {
        let number = self.0 >> NUMBER << NUMBER;
        let attempt = (self.0 >> ATTEMPT << ATTEMPT).wrapping_add(1 << ATTEMPT);
        Self(number | attempt & ((1 << NUMBER) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_goes_its_way_and_its_numbers_wrap_without_touching_each_other() {
        let mut round = Round(0);
        for number in 0..600_u64 {
            let begun = round;
            assert_eq!((round.phase(), round.arrived()), (Phase::Gathering, 0));
            (0..4094).for_each(|_| round = round.with_one_more());
            assert!(round.is_same_attempt(begun) && round.is_same_round(begun));
            let acting = round.acting(4095);
            assert_eq!(
                (acting.phase(), acting.seat(), acting.arrived()),
                (Phase::Acting, 4095, 4095)
            );
            let broken = acting.broken(Cause::Panicked, 7);
            assert_eq!(broken.phase(), Phase::Broken(Cause::Panicked));
            assert_eq!((broken.seat(), broken.arrived()), (7, 4095));
            assert!(broken.is_same_attempt(begun));
            let again = broken.reset();
            assert!(again.is_same_round(begun) && !again.is_same_attempt(begun));
            assert_eq!((again.phase(), again.arrived(), again.seat()), (Phase::Gathering, 0, 0));
            round = again.with_one_more().passed();
            assert!(!round.is_same_round(begun));
            assert_eq!(round.0 >> NUMBER, (number + 1) % 256);
        }
        let last = Round((1 << NUMBER) - 1).reset();
        assert_eq!(last, Round(0), "the attempts begin again, in the same round");
    }

    #[test]
    fn each_cause_is_read_as_it_was_written_and_nothing_else_is() {
        for cause in [Cause::Ended, Cause::Panicked, Cause::Aborted, Cause::TimedOut] {
            assert_eq!(Round(0).broken(cause, 1).phase(), Phase::Broken(cause));
        }
        for phase in 6..16 {
            assert_eq!(Round(phase).phase(), Phase::Broken(Cause::Damaged));
        }
    }
}
