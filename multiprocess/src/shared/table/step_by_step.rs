//! Real processes that die after each step at a barrier, and what the others see: the list in
//! `table.rs`.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use testing::{Deadline, LONG, Other, until};

use super::*;
use crate::crash;
use crate::process::control::Step as Start;
use crate::queue::Words;
use crate::shared::{Barrier, Seat};
use crate::{Process, tasks};

crate::test_entry!();
tasks![die_at, pass, start_another, wait_twice];

/// A process of the test, which doesn't stay whatever happens.
struct Child(Process);

impl Child {
    fn start<A: Serialize + Send + 'static>(f: impl Fn(A) + 'static, arguments: A) -> Self {
        Self::of(Process::new(f, arguments).daemonic(true))
    }

    fn of(mut process: Process) -> Self {
        process.start().unwrap();
        Self(process)
    }

    fn died(&self, step: impl fmt::Debug) {
        self.0.join().unwrap();
        assert_eq!(self.0.exitcode(), Some(-9), "{step:?}: it came to the step");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.join();
    }
}

/// Runs in the child: comes when so many wait, and dies after the step.
fn die_at((seat, step, others): (Seat, Step, usize)) {
    until("the others wait", || seat.waiting() == others);
    crash::at(step as u32);
    let _ = match step {
        Step::Reset => seat.reset().and_then(|()| seat.wait()),
        Step::Broken => seat.wait_timeout(Duration::ZERO),
        Step::Acting | Step::Acted => seat.wait_then(|| ()),
        _ => seat.wait(),
    };
}

/// How two waits of a seat end.
type Waits = [Result<Passed, Broken>; 2];

/// Waits twice, so long that no death is told later.
fn wait_twice_here(seat: &mut Seat) -> Waits {
    [(); 2].map(|()| seat.wait_timeout(2 * LONG))
}

/// Has the second of three seats die after the step; returns its process, and how the waits of the
/// two others end.
fn waits_beside(step: Step) -> (Child, [Waits; 2]) {
    let mut seats = Barrier::seats(3).unwrap();
    // It comes last, but for the steps after which it would have waited.
    let is_last = !matches!(step, Step::Coming | Step::Arrived | Step::Broken | Step::Reset);
    let others = if is_last { 2 } else { 1 };
    let victim = Child::start(die_at, (seats.remove(1), step, others));
    let [one, other] = &mut seats[..] else { panic!("two seats are left") };
    let waits = thread::scope(|scope| {
        let one = scope.spawn(|| wait_twice_here(one));
        let other = scope.spawn(|| {
            if !is_last {
                victim.died(step);
            }
            wait_twice_here(other)
        });
        [one, other].map(|thread| thread.join().unwrap())
    });
    victim.died(step);
    (victim, waits)
}

fn ended(victim: &Child, seat: usize) -> Broken {
    let (pid, name) = (victim.0.pid().unwrap(), Some(victim.0.name().to_owned()));
    Broken::Ended { seat, pid, name }
}

/// B1, B2, B4
#[test]
fn a_seat_that_dies_before_the_round_is_changed_breaks_it() {
    let _deadline = Deadline::seconds(300);
    for step in [Step::Coming, Step::Arrived, Step::LastToCome, Step::Acting, Step::Acted] {
        let (victim, waits) = waits_beside(step);
        let ended = Err(ended(&victim, 1));
        for wait in waits.as_flattened() {
            assert_eq!(*wait, ended, "{step:?}");
        }
    }
}

/// B3
#[test]
fn a_seat_that_dies_after_it_has_changed_the_round_has_let_the_others_pass() {
    let _deadline = Deadline::seconds(300);
    let (victim, waits) = waits_beside(Step::Passed);
    for [first, second] in waits {
        assert_eq!(first, Ok(Passed { is_leader: false }));
        assert_eq!(second, Err(ended(&victim, 1)));
    }
}

/// Runs in the child: reports how two waits end, and keeps the seat.
fn wait_twice((mut seat, words): (Seat, Words)) {
    for (wait, word) in wait_twice_here(&mut seat).iter().zip(&*words) {
        let code = match wait {
            Ok(_) => 1,
            Err(Broken::Ended { .. }) => 2,
            Err(_) => 3,
        };
        word.store(code, Ordering::SeqCst);
    }
    thread::sleep(2 * LONG);
}

/// B3
#[test]
fn a_seat_that_wakes_late_has_passed_although_the_next_round_is_broken() {
    let _deadline = Deadline::seconds(300);
    let (mut seats, words) = (Barrier::seats(3).unwrap(), Words::new(2).unwrap());
    let late = Child::start(wait_twice, (seats.remove(2), words.clone()));
    until("it waits", || seats[0].waiting() == 1);
    let stopped = Other::of(late.0.pid().unwrap()).unwrap();
    assert!(stopped.stop());
    let victim = Child::start(die_at, (seats.remove(1), Step::Passed, 2));
    let [first, second] = wait_twice_here(&mut seats[0]);
    assert!(first.is_ok());
    assert_eq!(second, Err(ended(&victim, 1)));
    assert!(stopped.go_on());
    let told = || [0, 1].map(|word: usize| words[word].load(Ordering::SeqCst));
    until("it has waited twice", || told()[1] != 0);
    assert_eq!(told(), [1, 2]);
}

/// B5
#[test]
fn a_seat_that_dies_after_it_has_broken_the_round_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(300);
    let (_victim, waits) = waits_beside(Step::Broken);
    for wait in waits.as_flattened() {
        assert_eq!(*wait, Err(Broken::TimedOut));
    }
}

/// B5
#[test]
fn a_seat_that_dies_after_it_has_reset_the_round_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(300);
    let (victim, [one, other]) = waits_beside(Step::Reset);
    let ended = Err(ended(&victim, 1));
    assert_eq!(one, [Err(Broken::Reset), ended.clone()]);
    assert_eq!(other, [ended.clone(), ended]);
}

/// Runs in the child's child.
fn pass(seat: Seat) {
    seat.wait_timeout(2 * LONG).unwrap();
}

/// Runs in the child: dies at a step of the start.
fn start_another((seat, step): (Seat, Start)) {
    crash::at(step as u32);
    Process::new(pass, seat).start().unwrap();
}

/// B6
#[test]
fn a_seat_whose_process_dies_as_it_starts_another_is_that_ones_or_free() {
    let _deadline = Deadline::seconds(300);
    let free = Err(Broken::Ended { seat: 1, pid: 0, name: None });
    for (step, end) in [
        (Start::Packed, free.clone()),
        (Start::Started, free.clone()),
        (Start::Told, free.clone()),
        (Start::EndsSent, free.clone()),
        (Start::AllSent, Ok(())),
    ] {
        let mut seats = Barrier::seats(2).unwrap();
        let starter = Child::of(Process::new(start_another, (seats.remove(1), step)));
        starter.died(step);
        assert_eq!(seats[0].wait_timeout(2 * LONG).map(drop), end, "{step:?}");
    }
}
