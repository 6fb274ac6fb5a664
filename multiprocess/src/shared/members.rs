//! Members: the processes that share one piece of memory, each with a number of its own while it is
//! alive.
//!
//! ```text
//!   memory ──┬── opening 1: number 1 ── mapped by process A (its threads share it)
//!            ├── opening 2: number 2 ── mapped by process B
//!            └── opening 3: number 3 ── on its way to a child, not yet born
//!
//!   words:   highest, given, hand │ marks │ a line for each number: pid, name, own │ the user's
//! ```
//!
//! The number belongs to the opening, and the kernel frees it when the last handle to the opening
//! is closed (on Linux it is a lock on a byte of the file): a member on its way in the arguments of
//! a new process is alive already, and a killed one is dead at once. So no process has to announce
//! anything.
//!
//! The user of the memory (a lock, a queue …) has its own words behind those of the members, and
//! three words in the line of each member.
//!
//! **On its way.** The parent opens the memory once more, takes a number by that opening, and sends
//! it along. So no process has to wait until the child has attached, and "disconnected" is never
//! said too early. The kernel frees a number at death and at exec, not while a process is stopped.
//!
//! **Repair.** A repairer takes the dead member's number before it touches what that left, instead
//! of only asking whether it is free. So two can't repair at once, and no new member can get the
//! number meanwhile and be taken for its dead predecessor: without that, an item of a queue that
//! was given back and claimed again under the same number could be given back a second time.
//!
//! # Numbers
//!
//! A new member gets the lowest number that is free. To try one costs a walk over all locks, so
//! numbers that were given have a mark, and are not tried. Marks of the dead are removed by later
//! invitations, of which each looks at two numbers, round and round: so an invitation tries three
//! numbers, however many members there are, unless another process invites, too.
//!
//! The highest number, to which all loops over members go, is at most twice the largest number of
//! members that lived at one time. For a number above the highest, *h*, is given only if all up to
//! *h* have marks. Each of these was looked at during the last *h* / 2 invitations: it was alive
//! when they began, or was given since.
//!
//! A mark decides nothing: the system does. An inviter that dies
//!
//! - after it has removed a mark, or before it sets one: nothing has begun;
//! - after it has set the mark: a free number has a mark, which a later invitation removes;
//! - after it has taken the number, before or after it is counted or buried: the number is free
//!   again, because its opening died, too. As no member has used the number, only what its
//!   predecessor left has that name, and is repaired as before.
//!
//! If the mark of a number is missing because it was removed while the number was being given, the
//! next invitation tries that number in vain, and leaves the mark there.
//!
//! # Lock order
//!
//! `repairing`, then the kernel's lock of the dead member's number, then what the user's repair
//! locks. No lock is held while a thread waits for another process: a number that is taken is
//! skipped. A repairer sees all that the dead member wrote, because the kernel frees the number
//! after its end.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::process::current_process;
use crate::shared::event_count::EventCount;
use crate::shared::waiters::{AtWord, Waiters};
use crate::spin::Spin;
use crate::sys::shared::{self as sys, Mapping, Opening, Participation, SharedMemory};

/// A member's number: from 1.
pub(crate) type Member = u16;

/// Exclusive upper bound of the members' numbers.
pub(crate) const MEMBERS: Member = 4096;

/// Number of the process that made the memory.
pub(crate) const MAKER: Member = 1;

/// Number of words before the user's: whole cache lines.
pub(crate) const HEAD: usize = LINES + LINE * MEMBERS as usize;

/// Size of a cache line, in words.
const LINE: usize = 8;

/// Offsets of the parts, in words.
const HIGHEST: usize = 0;
const GIVEN: usize = 1;
const HAND: usize = 2;
const MARKS: usize = LINE;
const LINES: usize = MARKS + (MEMBERS as usize).div_ceil(64);

/// Offset of a member's name in its line, and its size, in words.
const NAME: usize = 1;
const NAME_WORDS: usize = 4;

/// Offset of the words in a member's line that are for the user of the memory.
const OWN: usize = NAME + NAME_WORDS;

const WORD: usize = size_of::<AtomicU64>();

/// Count of the numbers that each invitation looks at.
const LOOKS: usize = 2;

/// First sleep of a thread that waits for another member, before it looks at which are alive. Each
/// further sleep is twice as long, up to [`LONGEST_NAP`]: so a death is noticed after at most twice
/// the time that the thread has waited already.
const FIRST_NAP: Duration = Duration::from_millis(1);

/// Longest sleep before a thread looks at which members are alive.
pub(crate) const LONGEST_NAP: Duration = Duration::from_millis(100);

/// Returns the length of a thread's first nap.
pub(crate) fn first_nap() -> Duration {
    #[cfg(test)]
    if crate::shared::woken::sleeps_without_naps() {
        return Duration::from_secs(3600);
    }
    FIRST_NAP
}

/// A process's part in a piece of shared memory, shared by its threads.
#[derive(Debug)]
pub(crate) struct Members {
    mapping: Mapping,
    opening: Opening,
    me: Member,
    /// Lets one thread of this process repair at a time: the kernel's locks are the process's.
    repairing: Mutex<()>,
}

/// What a member's process has written of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Card {
    /// Process id; 0 if the process never attached to the memory.
    pub(crate) pid: u32,
    /// Name of the process, its first 32 bytes.
    pub(crate) name: Option<String>,
}

impl Members {
    /// Creates a memory with this many words for its user, all 0, and its first member. The system
    /// has reserved the words: writing there never fails. A member's line is reserved when that is
    /// invited.
    pub(crate) fn create(words: usize) -> io::Result<Self> {
        let all = HEAD.checked_add(words).ok_or(io::ErrorKind::OutOfMemory)?;
        let bytes = all.checked_mul(WORD).ok_or(io::ErrorKind::OutOfMemory)? as u64;
        sys::check_memory(bytes)?;
        let opening = Opening::create(bytes, bytes)?;
        let head = (HEAD * WORD) as u64;
        opening.block().reserve(head, bytes - head)?;
        Self::first(opening, all)
    }

    /// Makes the first member of a new memory, of which this many words are mapped.
    pub(crate) fn first(mut opening: Opening, mapped: usize) -> io::Result<Self> {
        let before_lines = (LINES * WORD) as u64;
        opening.block().reserve(0, before_lines)?;
        Self::reserve_line(&opening, MAKER)?;
        opening.become_number(MAKER)?;
        let members = Self::attach(opening, MAKER, mapped)?;
        members.mark(MAKER);
        members.count_number(MAKER);
        Ok(members)
    }

    /// Has the system reserve the memory of a member's line, so that no access to it fails later.
    /// All lines together would be 256 KiB for each lock.
    fn reserve_line(opening: &Opening, member: Member) -> io::Result<()> {
        let line = (LINES + usize::from(member) * LINE) * WORD;
        opening.block().reserve(line as u64, (LINE * WORD) as u64)
    }

    /// Takes part through an opening that has this number already; maps this many words.
    pub(crate) fn attach(opening: Opening, me: Member, mapped: usize) -> io::Result<Self> {
        if !(1..MEMBERS).contains(&me) || mapped < HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no shared memory"));
        }
        let mapping = opening.map(mapped)?;
        let members = Self { mapping, opening, me, repairing: Mutex::default() };
        members.write_card(current_process().name());
        Ok(members)
    }

    /// Makes one more member, for another process. `bury` ends what a dead member with the same
    /// number has left.
    ///
    /// A death at any step leaves nothing but hints: see "Numbers" above.
    pub(crate) fn invite(&self, bury: impl FnOnce(Member)) -> io::Result<(Opening, Member)> {
        self.unmark_dead();
        if let Some((opening, number)) = self.opening.invite(self.numbers_to_try())? {
            // If this fails, the number is free again, as after an inviter's death.
            Self::reserve_line(&self.opening, number)?;
            self.count_number(number);
            // What a dead predecessor claimed would look like the new member's.
            bury(number);
            for word in self.line(number) {
                word.store(0, Ordering::Release);
            }
            return Ok((opening, number));
        }
        let most = MEMBERS - 1;
        Err(io::Error::other(format!("{most} processes use this already")))
    }

    /// Asks whether the next two numbers are free, and unmarks those that are.
    fn unmark_dead(&self) {
        for _ in 0..LOOKS {
            let number = self.next_number();
            self.while_dead(number, || self.unmark(number));
        }
    }

    /// Lists the numbers for a new member, and marks each that it returns: first those without a
    /// mark, from the lowest.
    fn numbers_to_try(&self) -> impl Iterator<Item = Member> {
        let unmarked = (1..MEMBERS).filter(|number| self.mark(*number));
        // If all are marked, some may be free all the same.
        unmarked.chain(1..MEMBERS)
    }

    #[inline]
    pub(crate) fn me(&self) -> Member {
        self.me
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Returns all mapped words, those of the members first.
    #[inline]
    pub(crate) fn all_words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// Returns the words of the memory's user.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.all_words()[HEAD..]
    }

    /// Returns the lower half of a word of the memory's user, which must not be used as a whole
    /// then.
    #[inline]
    pub(crate) fn half(&self, index: usize) -> &AtomicU32 {
        sys::half(&self.words()[index])
    }

    /// Returns a member's own words for the memory's user: all 0 when the number is given.
    ///
    /// # Panics
    /// If the number is impossible.
    pub(crate) fn own(&self, member: Member) -> &[AtomicU64; LINE - OWN] {
        let own = self.line(member).last_chunk();
        own.expect("a line is longer than that")
    }

    fn line(&self, member: Member) -> &[AtomicU64] {
        &self.all_words()[..HEAD][LINES + usize::from(member) * LINE..][..LINE]
    }

    /// Locks a dead member's number and runs the work; returns `None` if it is alive, or there is
    /// no such number.
    pub(crate) fn while_dead<T>(&self, member: Member, work: impl FnOnce() -> T) -> Option<T> {
        // An own number must never be asked for: it would be unlocked afterwards.
        if member == self.me || !(1..MEMBERS).contains(&member) {
            return None;
        }
        let _one_at_a_time = self.repairing.lock().unwrap_or_else(PoisonError::into_inner);
        // If liveness cannot be determined, assume the member is alive.
        self.opening.while_locked(member, work).ok().flatten()
    }

    /// Returns true if there is no other member, in any process or on the way to one.
    pub(crate) fn is_alone(&self) -> bool {
        loop {
            let given = self.numbers_given();
            // If unknown, assume that one is alive.
            if self.opening.is_any_taken(1..MEMBERS, self.highest()).unwrap_or(true) {
                return false;
            }
            // Where numbers are asked for one by one, the last member may have invited another
            // under a number that was already found free, and died: the count shows that.
            if self.numbers_given() == given {
                return true;
            }
        }
    }

    /// Returns true if this member is alive, or if that can't be told.
    pub(crate) fn lives(&self, member: Member) -> bool {
        let numbers = member..member.saturating_add(1);
        member == self.me || self.opening.is_any_taken(numbers, self.highest()).unwrap_or(true)
    }

    /// Lists every number ever given but this member's own.
    pub(crate) fn others(&self) -> impl Iterator<Item = Member> {
        (1..=self.highest()).filter(|member| *member != self.me)
    }

    /// Returns the highest number that a member ever had.
    pub(crate) fn highest(&self) -> Member {
        let highest = self.all_words()[HIGHEST].load(Ordering::Acquire);
        Member::try_from(highest).unwrap_or(Member::MAX).min(MEMBERS - 1)
    }

    /// Records that a member was given this number.
    fn count_number(&self, number: Member) {
        self.all_words()[HIGHEST].fetch_max(number.into(), Ordering::AcqRel);
        self.all_words()[GIVEN].fetch_add(1, Ordering::AcqRel);
    }

    /// Returns how many numbers were ever given, repetitions included.
    fn numbers_given(&self) -> u64 {
        self.all_words()[GIVEN].load(Ordering::Acquire)
    }

    /// Marks a number as given; returns false if it is marked already.
    ///
    /// Marks are hints, each a bit: only the system knows which numbers are taken.
    fn mark(&self, number: Member) -> bool {
        let (word, bit) = self.mark_of(number);
        let is_marked = |word: u64| word & bit != 0;
        !is_marked(word.load(Ordering::Relaxed))
            && !is_marked(word.fetch_or(bit, Ordering::Relaxed))
    }

    /// Removes the mark of a number.
    fn unmark(&self, number: Member) {
        let (word, bit) = self.mark_of(number);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    fn mark_of(&self, number: Member) -> (&AtomicU64, u64) {
        (&self.all_words()[MARKS + usize::from(number) / 64], 1 << (number % 64))
    }

    /// Returns the number after the last one returned, from 1 to the highest and round again.
    fn next_number(&self) -> Member {
        let (hand, highest) = (&self.all_words()[HAND], u64::from(self.highest()));
        let after = |last| if last < highest { last + 1 } else { 1 };
        let moved = hand.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| Some(after(l)));
        after(moved.unwrap_or_default()) as Member
    }

    /// Writes this process's id and name into its line: the id last, so that it is there only if
    /// the name is whole.
    fn write_card(&self, name: &str) {
        let mut end = name.len().min(NAME_WORDS * WORD);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.line(self.me);
        for (word, bytes) in line[NAME..].iter().zip(name.as_bytes()[..end].chunks(WORD)) {
            let mut eight = [0; WORD];
            eight[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
        let card = u64::from(std::process::id()) | (end as u64) << 32;
        line[0].store(card, Ordering::Release);
    }

    /// Returns what a member's process has written of itself.
    pub(crate) fn card(&self, member: Member) -> Card {
        if member >= MEMBERS {
            return Card::default();
        }
        let line = self.line(member);
        Card::read(line[0].load(Ordering::Acquire), &line[NAME..OWN])
    }

    /// Copies what a member's process has written of itself: [`Card::WORDS`] words, to be read by
    /// [`Card::read`].
    pub(crate) fn copy_card(&self, member: Member) -> [u64; Card::WORDS] {
        let line = self.line(member.min(MEMBERS - 1));
        std::array::from_fn(|index| line[index].load(Ordering::Acquire))
    }

    /// Sleeps until woken at this word of the user's, at most for the timeout, and not at all if
    /// its lower half has another value by now. May return spuriously.
    pub(crate) fn sleep(&self, index: usize, value: u32, timeout: Duration) {
        self.opening.block().sleep(HEAD + index, self.half(index), value, timeout);
    }

    /// Wakes at most this many of the threads that sleep at this word of the user's; returns how
    /// many there were.
    pub(crate) fn wake(&self, index: usize, most: u32) -> usize {
        self.opening.block().wake(HEAD + index, self.half(index), most)
    }

    /// Returns the threads that wait at the event count in this word of the user's.
    pub(crate) fn waiters<'a>(&'a self, index: usize, spin: &'a Spin) -> Waiters<'a, AtWord<'a>> {
        let system = AtWord { block: self.opening.block(), index: HEAD + index };
        let (first_nap, nap) = (first_nap(), LONGEST_NAP);
        let event_count = EventCount { word: self.half(index), system, first_nap, nap };
        Waiters { event_count, notifier: None, spin }
    }
}

impl Card {
    /// Number of words that a card takes.
    pub(crate) const WORDS: usize = OWN;

    /// Reads a card that may be damaged, or half written.
    pub(crate) fn read(first: u64, name: &[AtomicU64]) -> Self {
        let name = name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
        let length = (first >> 32) as usize & 0xff;
        let name: Vec<u8> = name.take(length).collect();
        let pid = first as u32;
        let name = (pid != 0).then(|| String::from_utf8_lossy(&name).into_owned());
        Self { pid, name }
    }
}

/// A member on its way to a new process.
#[derive(Serialize, Deserialize)]
struct Invitation {
    opening: Opening,
    number: Member,
    /// Number of mapped words.
    mapped: usize,
}

fn refuse(reason: io::Error) -> String {
    format!("shared memory can't be handed over: {reason}")
}

/// Serialises one more member of a memory, for a new process: see [`Members::invite`].
pub(crate) fn serialize<S: Serializer>(
    members: &Members,
    bury: impl FnOnce(Member),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let invited = members.invite(bury).map_err(refuse);
    let (opening, number) = invited.map_err(ser::Error::custom)?;
    let mapped = members.all_words().len();
    Invitation { opening, number, mapped }.serialize(serializer)
}

/// Serialises this very member: it is another process's from then on, whose card it will have. The
/// caller then drops its part.
pub(crate) fn hand_over<S: Serializer>(
    members: &Members,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Invitation<'a> {
        opening: &'a Opening,
        number: Member,
        mapped: usize,
    }
    let Members { opening, me: number, .. } = members;
    let mapped = members.all_words().len();
    let done = Invitation { opening, number: *number, mapped }.serialize(serializer)?;
    members.line(*number)[0].store(0, Ordering::Release);
    Ok(done)
}

/// Takes part in a memory that this process was invited to.
///
/// # Errors
/// If its user would have fewer words than `least`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    least: usize,
    input: D,
) -> Result<Members, D::Error> {
    let Invitation { opening, number, mapped } = Invitation::deserialize(input)?;
    if mapped < HEAD + least {
        return Err(de::Error::custom("this shared memory is too small for what it should be"));
    }
    let attached = Members::attach(opening, number, mapped);
    attached.map_err(refuse).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        Members::create(8).unwrap()
    }

    fn invite(members: &Members) -> (Opening, Member) {
        members.invite(|_| ()).unwrap()
    }

    #[test]
    fn an_invitation_tries_one_number_however_many_are_taken() {
        let members = members();
        let mut others: Vec<_> = (0..200).map(|_| invite(&members)).collect();
        for _ in 0..100 {
            let first = members.numbers_to_try().next().unwrap();
            members.unmark(first);
            let other = invite(&members);
            assert_eq!(other.1, first, "the first one was free");
            others.push(other);
        }
        assert!((2..302).eq(others.into_iter().map(|(_, number)| number)));
    }

    #[test]
    fn the_highest_number_is_bounded_by_how_many_live_at_a_time() {
        let members = members();
        for living in [1, 5, 40] {
            let others: Vec<_> = (0..living).map(|_| invite(&members)).collect();
            // One more at a time lives for a moment.
            (0..50 * living).for_each(|_| drop(invite(&members)));
            assert!(members.highest() <= 2 * (living + 2), "{living}");
            drop(others);
        }
    }

    #[test]
    fn a_dead_inviters_marks_keep_no_number_from_being_given() {
        let members = members();
        assert!((2..MEMBERS).all(|number| members.mark(number)));
        assert_eq!(invite(&members).1, 2);
        // A mark that is missing costs a try in vain, and is set again.
        let second = invite(&members);
        members.unmark(second.1);
        assert_ne!(invite(&members).1, second.1);
        assert!(!members.mark(second.1));
    }

    #[test]
    fn a_card_names_the_process_and_a_new_member_has_a_blank_one() {
        let members = members();
        let pid = std::process::id();
        let name = Some(String::from("MainProcess"));
        assert_eq!(members.card(MAKER), Card { pid, name });
        let (opening, number) = invite(&members);
        assert_eq!(members.card(number), Card::default());
        let other = Members::attach(opening, number, HEAD + 8).unwrap();
        assert_eq!(members.card(number).pid, pid);
        // Longer names end before the letter that doesn't fit.
        other.write_card(&"水".repeat(20));
        assert_eq!(members.card(number).name, Some("水".repeat(10)));
        other.own(number)[0].store(7, Ordering::Relaxed);
        drop(other);
        assert!(!members.lives(number));
        let (_opening, again) = members
            .invite(|dead| {
                assert_eq!(members.card(dead).pid, pid, "it is still known in `bury`");
            })
            .unwrap();
        assert_eq!(again, number);
        assert_eq!(members.own(number)[0].load(Ordering::Relaxed), 0);
        assert_eq!(members.card(number), Card::default());
    }
}
