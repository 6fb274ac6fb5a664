//! The lock over a model of what the systems do, in every interleaving, with a death after each
//! step: `RUSTFLAGS="--cfg loom" cargo test --release -p multiprocess --lib`

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::*;

/// Members are numbers 1, 2, 3.
const NUMBERS: usize = 4;

/// Where threads sleep: a futex.
#[derive(Default)]
struct Bed {
    sleepers: usize,
    /// Wake-ups that no sleeper has consumed.
    tokens: usize,
    /// Number of deaths, each of which ends a nap of every thread: in truth the nap ends some
    /// time after the death.
    deaths: usize,
}

/// The memory, and the system.
struct World {
    word: AtomicU32,
    /// The process that died last.
    record: AtomicU32,
    /// What the lock guards: loom fails the test if two access it at a time, or one that
    /// doesn't see what the last one did.
    data: UnsafeCell<u32>,
    /// Number of deaths that were told and recovered from.
    told: AtomicU32,
    bed: Mutex<Bed>,
    changed: Condvar,
    is_dead: [AtomicBool; NUMBERS],
    is_number_locked: [AtomicBool; NUMBERS],
}

// SAFETY: the cell is for loom to watch, which fails the test if it is accessed wrongly.
#[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
unsafe impl Sync for World {}

/// A process, of one thread.
struct Process {
    world: Arc<World>,
    me: Member,
    dies_after: Option<Step>,
    /// Number of deaths that have ended a nap of this thread.
    deaths_seen: Cell<usize>,
    /// Number of deaths that it was told.
    deaths_told: Cell<u32>,
    /// Number that this thread has locked, which its death unlocks. (Not by a `Drop`: loom lets
    /// nothing happen while a thread unwinds.)
    locked: Cell<Option<usize>>,
}

/// What unwinds a thread whose process has died.
struct Death;

impl System for &Process {
    fn word(&self) -> &AtomicU32 {
        &self.world.word
    }

    fn me(&self) -> Member {
        self.me
    }

    fn record(&self, member: Member, _: bool) {
        self.world.record.store(member.into(), Ordering::Relaxed);
    }

    fn sleep(&self, value: u32, _: &mut Nap, _: Option<Instant>) -> bool {
        let mut bed = self.world.bed.lock().unwrap();
        if self.world.word.load(Ordering::SeqCst) != value {
            return false;
        }
        bed.sleepers += 1;
        loop {
            if bed.tokens > 0 {
                bed.tokens -= 1;
                return false;
            }
            if bed.deaths > self.deaths_seen.get() {
                bed.sleepers -= 1;
                self.deaths_seen.set(bed.deaths);
                return true;
            }
            bed = self.world.changed.wait(bed).unwrap();
        }
    }

    fn wake(&self, most: u32) {
        let mut bed = self.world.bed.lock().unwrap();
        let woken = bed.sleepers.min(most as usize);
        bed.sleepers -= woken;
        bed.tokens += woken;
        self.world.changed.notify_all();
    }

    fn while_dead<T>(&self, member: Member, work: impl FnOnce() -> T) -> Option<T> {
        let number = usize::from(member);
        if !self.world.is_dead[number].load(Ordering::Acquire) {
            return None;
        }
        let lock = &self.world.is_number_locked[number];
        // Not by `swap`: loom doesn't order a swap that changes nothing before a later store.
        lock.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        self.locked.set(Some(number));
        let done = work();
        self.unlock_number();
        Some(done)
    }

    fn reach(&self, step: Step) {
        if step == Step::Recovered {
            self.world.told.fetch_add(self.deaths_told.get(), Ordering::Relaxed);
        }
        if self.dies_after == Some(step) {
            resume_unwind(Box::new(Death));
        }
    }
}

impl Process {
    fn unlock_number(&self) {
        if let Some(number) = self.locked.take() {
            self.world.is_number_locked[number].store(false, Ordering::Release);
        }
    }

    fn lock(&self) -> LockOn<&Self> {
        LockOn(self)
    }

    /// Takes the lock, and uses what it guards; dies with it if that is the step.
    fn lock_and_unlock(&self) {
        let deaths = match self.lock().try_lock() {
            Some(deaths) => deaths,
            None => self.lock().sleep_and_lock(None).expect("there is no deadline"),
        };
        self.use_and_unlock(deaths);
    }

    #[expect(unsafe_code, reason = "loom's cells give pointers")]
    fn use_and_unlock(&self, deaths: u32) {
        // SAFETY: the process holds the lock; loom checks that it is alone.
        self.world.data.with_mut(|data| unsafe { *data += 1 });
        if deaths > 0 {
            let last = self.world.record.load(Ordering::Relaxed) as usize;
            assert!(self.world.is_dead[last].load(Ordering::Relaxed), "{last} is recorded");
            self.deaths_told.set(deaths);
            self.lock().recover();
            self.lock().unlock();
        } else {
            self.lock().unlock_whole();
        }
    }

    /// Runs the process; returns true if it died.
    fn run(&self, work: impl FnOnce(&Self)) -> bool {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(self))) else { return false };
        if !payload.is::<Death>() {
            resume_unwind(payload);
        }
        self.unlock_number();
        self.world.is_dead[usize::from(self.me)].store(true, Ordering::Release);
        let mut bed = self.world.bed.lock().unwrap();
        bed.deaths += 1;
        self.world.changed.notify_all();
        true
    }
}

fn process(world: &Arc<World>, me: Member, dies_after: Option<Step>) -> Process {
    Process {
        world: Arc::clone(world),
        me,
        dies_after,
        deaths_seen: Cell::new(0),
        deaths_told: Cell::new(0),
        locked: Cell::new(None),
    }
}

/// Starts a process that dies after the step; its thread returns true if it came to that.
fn start(
    world: &Arc<World>,
    me: Member,
    dies_after: Option<Step>,
    work: fn(&Process),
) -> thread::JoinHandle<bool> {
    let process = process(world, me, dies_after);
    thread::spawn(move || process.run(work))
}

fn model(run: impl Fn(Arc<World>) + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Of all interleavings those with at most so many preemptions: the others take hours.
    model.preemption_bound = Some(3);
    model.check(move || {
        let new = || AtomicBool::new(false);
        run(Arc::new(World {
            word: AtomicU32::new(0),
            record: AtomicU32::new(0),
            data: UnsafeCell::new(0),
            told: AtomicU32::new(0),
            bed: Mutex::default(),
            changed: Condvar::new(),
            is_dead: [(); NUMBERS].map(|()| new()),
            is_number_locked: [(); NUMBERS].map(|()| new()),
        }));
    });
}

/// Checks that at the end each death with the lock in hand was told, or will be.
fn all_is_told(world: &Arc<World>, expected: u32) {
    let last = process(world, 3, None);
    let deaths = last.lock().try_lock_thoroughly().expect("no process that lives holds it");
    last.use_and_unlock(deaths);
    assert_eq!(world.told.load(Ordering::Relaxed), expected, "deaths that were told");
}

/// Returns true if a process that dies after the step does so with the lock in hand.
fn holds_after(step: Step) -> bool {
    match step {
        Step::Taken
        | Step::TakenLate
        | Step::Inherited
        | Step::Recorded
        | Step::Told
        | Step::Recovered
        | Step::Leaving => true,
        Step::Begun
        | Step::Refused
        | Step::Announced
        | Step::Woken
        | Step::NumberLocked
        | Step::Unlocked
        | Step::Left
        | Step::NumberTaken
        | Step::Buried => false,
    }
}

#[test]
fn three_have_it_one_at_a_time_and_none_sleeps_for_ever() {
    model(|world| {
        let others = [1, 2].map(|me| start(&world, me, None, Process::lock_and_unlock));
        process(&world, 3, None).lock_and_unlock();
        others.into_iter().for_each(|other| assert!(!other.join().unwrap()));
        all_is_told(&world, 0);
    });
}

#[test]
fn one_of_three_dies_after_any_step_and_the_others_go_on_and_are_told() {
    for step in [
        Step::Begun,
        Step::Taken,
        Step::Refused,
        Step::Announced,
        Step::Woken,
        Step::TakenLate,
        Step::Leaving,
        Step::Unlocked,
        Step::Left,
    ] {
        model(move |world| {
            let dying = start(&world, 1, Some(step), Process::lock_and_unlock);
            let other = start(&world, 2, None, Process::lock_and_unlock);
            process(&world, 3, None).lock_and_unlock();
            let has_died = dying.join().unwrap();
            other.join().unwrap();
            all_is_told(&world, (has_died && holds_after(step)).into());
        });
    }
}

#[test]
fn an_heir_dies_after_any_step_and_both_deaths_are_told() {
    for step in [
        Step::NumberLocked,
        Step::Inherited,
        Step::Recorded,
        Step::Told,
        Step::Recovered,
        Step::Leaving,
        Step::Unlocked,
    ] {
        model(move |world| {
            let first = start(&world, 1, Some(Step::Taken), Process::lock_and_unlock);
            let heir = start(&world, 2, Some(step), Process::lock_and_unlock);
            process(&world, 3, None).lock_and_unlock();
            let deaths = [first.join().unwrap(), heir.join().unwrap() && holds_after(step)];
            all_is_told(&world, deaths.map(u32::from).into_iter().sum());
        });
    }
}

#[test]
fn a_dead_holders_number_is_given_away_by_one_that_dies_or_does_not() {
    for step in [None, Some(Step::NumberTaken), Some(Step::Buried)] {
        model(move |world| {
            let holder = start(&world, 1, Some(Step::Taken), Process::lock_and_unlock);
            let inviter = start(&world, 2, step, |inviter| {
                inviter.while_dead(1, || inviter.lock().bury(1));
            });
            process(&world, 3, None).lock_and_unlock();
            let has_died = holder.join().unwrap();
            inviter.join().unwrap();
            all_is_told(&world, has_died.into());
        });
    }
}

#[test]
fn one_that_asks_thoroughly_has_it_at_once_when_the_holder_is_dead() {
    model(|world| {
        let holder = start(&world, 1, Some(Step::Leaving), Process::lock_and_unlock);
        let other = start(&world, 2, None, Process::lock_and_unlock);
        let asks = process(&world, 3, None);
        if let Some(deaths) = asks.lock().try_lock_thoroughly() {
            asks.use_and_unlock(deaths);
        }
        let has_died = holder.join().unwrap();
        other.join().unwrap();
        all_is_told(&world, has_died.into());
    });
}
