//! A barrier between processes does what Python's `Barrier` does, and where that hangs or ignores
//! its timeout, what is promised instead.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::process::{Arguments, Error};
use multiprocess::queue::Words;
use multiprocess::shared::{Barrier, Broken, Passed, Seat};
use multiprocess::{Failure, Gate, Pool, Process, Waiting, tasks};
use serde::{Deserialize, Serialize};
use testing::{
    Deadline, LONG, Other, SHORT, alone, ends_well, kill_child, leaves_nothing,
    room_for_descriptors, rounds, start, until, whole_text,
};

multiprocess::test_entry!();
tasks![
    act_as_worker,
    act_for_ever,
    act_twice,
    come_last_after_a_kill,
    come_last_and_act,
    do_nothing,
    give_way,
    pass_and_break,
    pass_many,
    pass_once,
    pass_twice,
    take_many_seats,
    tell,
    wait_and_keep_the_seat,
];

const TENTH: Duration = Duration::from_millis(100);

/// A seat, and words that all processes of a test share.
#[derive(Serialize, Deserialize)]
struct Party {
    seat: Seat,
    words: Words,
}

impl Party {
    fn count(&self, word: usize) -> u64 {
        self.words[word].fetch_add(1, Ordering::SeqCst)
    }

    fn get(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }
}

/// Makes a party for each seat.
fn parties(seats: Vec<Seat>, words: &Words) -> Vec<Party> {
    seats.into_iter().map(|seat| Party { seat, words: words.clone() }).collect()
}

fn words() -> Words {
    Words::new(64).unwrap()
}

fn get(words: &Words, word: usize) -> u64 {
    words[word].load(Ordering::SeqCst)
}

/// What the parties of a test tell of how they ended: pid of the seat found empty, or a code.
const TOLD: usize = 32;
const ABORTED: u64 = 1 << 40;
const TIMED_OUT: u64 = 2 << 40;
const RESET: u64 = 3 << 40;
const PANICKED: u64 = 4 << 40;
const PASSED: u64 = 5 << 40;

fn code(ended: Result<Passed, Broken>) -> u64 {
    match ended {
        Ok(_) => PASSED,
        Err(Broken::Ended { seat, pid, .. }) => (seat as u64) << 32 | u64::from(pid),
        Err(Broken::Aborted) => ABORTED,
        Err(Broken::TimedOut) => TIMED_OUT,
        Err(Broken::Reset) => RESET,
        Err(Broken::Panicked { .. }) => PANICKED,
        Err(other) => panic!("{other}"),
    }
}

/// Runs in the child: waits, tells how that ended, and keeps the seat until the gate opens.
fn wait_and_keep_the_seat((party, gate): (Party, Waiting)) {
    let told = code(party.seat.wait());
    party.words[TOLD + party.seat.number()].store(told, Ordering::SeqCst);
    gate.wait();
}

/// Starts a process at each seat.
fn keep_waiting(parties: Vec<Party>) -> (Vec<Process>, Gate) {
    let (gate, waiting) = Gate::new().unwrap();
    let start = |party| start(wait_and_keep_the_seat, (party, waiting.another().unwrap()));
    (parties.into_iter().map(start).collect(), gate)
}

/// Waits until each of these seats has told the same.
fn all_told(words: &Words, seats: &[usize], expected: u64) {
    for seat in seats {
        until("it is told", || get(words, TOLD + seat) != 0);
        assert_eq!(get(words, TOLD + seat), expected, "seat {seat}");
    }
}

/// Runs in the child: no party is in the second half before all are through the first.
fn pass_twice(party: Party) -> Result<(), Failure> {
    party.count(0);
    party.seat.wait()?;
    assert_eq!(party.get(0), 5);
    party.count(1);
    party.seat.wait()?;
    assert_eq!(party.get(1), 5);
    Ok(())
}

/// BARRIER-01
#[test]
fn five_pass_in_lockstep() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let parties = parties(Barrier::seats(5).unwrap(), &words);
    let children: Vec<_> = parties.into_iter().map(|party| start(pass_twice, party)).collect();
    children.iter().for_each(ends_well);
}

/// Runs in the child.
fn tell(party: Party) -> Result<(), Failure> {
    for round in 0..20 {
        let is_leader = party.seat.wait()?.is_leader();
        if is_leader {
            party.count(round);
        }
        party.words[TOLD + party.seat.number()].fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// BARRIER-03
#[test]
fn each_seat_has_another_number_and_one_leads_each_round() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let parties = parties(Barrier::seats(5).unwrap(), &words);
    assert!(parties.iter().map(|party| party.seat.number()).eq(0..5));
    let children: Vec<_> = parties.into_iter().map(|party| start(tell, party)).collect();
    children.iter().for_each(ends_well);
    assert!((0..20).all(|round| get(&words, round) == 1));
    assert!((0..5).all(|seat| get(&words, TOLD + seat) == 20), "the numbers went along");
}

/// Runs in the child.
fn act_twice(party: Party) -> Result<(), Failure> {
    for round in 1..=2 {
        let words = party.words.clone();
        party.seat.wait_then(|| {
            words[0].fetch_add(1, Ordering::SeqCst);
        })?;
        assert_eq!(party.get(0), round, "once, and before any goes on");
        party.seat.wait()?;
    }
    Ok(())
}

/// BARRIER-04
#[test]
fn the_action_runs_once_a_round_before_any_goes_on() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let parties = parties(Barrier::seats(5).unwrap(), &words);
    let children: Vec<_> = parties.into_iter().map(|party| start(act_twice, party)).collect();
    children.iter().for_each(ends_well);
    assert_eq!(get(&words, 0), 2);
}

/// BARRIER-05
#[test]
fn an_abort_breaks_it_for_all_that_wait_and_that_come() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let mut parties = parties(Barrier::seats(5).unwrap(), &words);
    let mine = parties.remove(2).seat;
    let (children, gate) = keep_waiting(parties);
    until("four wait", || mine.waiting() == 4);
    mine.abort();
    all_told(&words, &[0, 1, 3, 4], ABORTED);
    assert_eq!(mine.wait(), Err(Broken::Aborted));
    assert_eq!(mine.waiting(), 0);
    gate.open();
    children.iter().for_each(ends_well);
}

/// Runs in the child: waits once in vain, then passes.
fn give_way(party: Party) -> Result<(), Failure> {
    assert_eq!(party.seat.wait(), Err(Broken::Reset));
    party.count(0);
    party.seat.wait()?;
    party.count(1);
    party.seat.wait()?;
    Ok(())
}

/// BARRIER-06
#[test]
fn a_reset_tells_those_that_wait_and_then_all_pass() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let mut parties = parties(Barrier::seats(5).unwrap(), &words);
    let mine = parties.remove(4).seat;
    let children: Vec<_> = parties.into_iter().map(|party| start(give_way, party)).collect();
    until("four wait", || mine.waiting() == 4);
    mine.reset().unwrap();
    until("all were told", || get(&words, 0) == 4);
    mine.wait().unwrap();
    mine.wait().unwrap();
    assert_eq!(get(&words, 1), 4);
    children.iter().for_each(ends_well);
}

/// BARRIER-06
#[test]
fn a_reset_of_a_whole_barrier_without_waiters_changes_nothing() {
    let seats = Barrier::seats(1).unwrap();
    seats[0].reset().unwrap();
    assert!(seats[0].wait().unwrap().is_leader());
    seats[0].reset().unwrap();
    assert_eq!(seats[0].waiting(), 0);
}

/// BARRIER-08, BARRIER-09
#[test]
fn a_timeout_breaks_it_for_all_also_for_one_that_comes_late() {
    let _deadline = Deadline::seconds(120);
    for of_barrier in [false, true] {
        let seats = if of_barrier { Barrier::with_timeout(5, TENTH) } else { Barrier::seats(5) };
        let mut seats = seats.unwrap();
        let mut late = seats.pop().unwrap();
        thread::scope(|scope| {
            let waiting: Vec<_> = seats
                .iter_mut()
                .map(|seat| {
                    scope.spawn(move || {
                        let begun = Instant::now();
                        let ended = match of_barrier {
                            true => seat.wait(),
                            false => seat.wait_timeout(TENTH),
                        };
                        (ended, begun.elapsed())
                    })
                })
                .collect();
            let ended: Vec<_> = waiting.into_iter().map(|it| it.join().unwrap()).collect();
            assert!(ended.iter().all(|(ended, _)| *ended == Err(Broken::TimedOut)), "{ended:?}");
            assert!(ended.iter().any(|(_, time)| *time >= TENTH));
        });
        assert_eq!(late.wait(), Err(Broken::TimedOut));
        late.reset().unwrap();
        thread::scope(|scope| {
            for seat in seats.iter_mut().chain([&mut late]) {
                scope.spawn(move || seat.wait_timeout(LONG).unwrap());
            }
        });
    }
}

/// BARRIER-10
#[test]
fn a_barrier_of_one_passes_at_once() {
    let _deadline = Deadline::seconds(60);
    let seat = Barrier::seats(1).unwrap().remove(0);
    let mut acted = 0;
    for _ in 0..2 {
        assert!(seat.wait().unwrap().is_leader());
        assert!(seat.wait_timeout(Duration::ZERO).unwrap().is_leader());
        assert!(seat.wait_then(|| acted += 1).unwrap().is_leader());
    }
    assert_eq!(acted, 2);
}

/// Runs in the child.
fn pass_many(party: Party) -> Result<(), Failure> {
    let me = party.seat.number();
    for round in 0..1000 {
        party.words[me].store(round, Ordering::SeqCst);
        party.seat.wait()?;
        // The others may have written the next round down already, but no later one.
        let rounds = (0..5).map(|other| party.get(other));
        assert!(rounds.clone().all(|other| (round..=round + 1).contains(&other)), "{round}");
    }
    Ok(())
}

/// BARRIER-11
#[test]
fn a_thousand_rounds_of_five_processes() {
    let _deadline = Deadline::seconds(300);
    let words = words();
    let parties = parties(Barrier::seats(5).unwrap(), &words);
    let children: Vec<_> = parties.into_iter().map(|party| start(pass_many, party)).collect();
    children.iter().for_each(ends_well);
}

/// Runs in the child.
fn pass_once((party, timeout): (Party, Duration)) {
    let told = code(party.seat.wait_timeout(timeout));
    party.words[TOLD + party.seat.number()].store(told, Ordering::SeqCst);
}

/// BARRIER-B01, BARRIER-B02, MGR-B07
#[test]
fn a_seat_that_is_killed_while_it_waits_breaks_it_for_those_that_come() {
    let _deadline = Deadline::seconds(120);
    for victim in 0..3 {
        let words = words();
        let mut parties = parties(Barrier::seats(3).unwrap(), &words);
        let killed = parties.remove(victim);
        let (one, other) = (parties.pop().unwrap().seat, parties.pop().unwrap().seat);
        let child = start(pass_once, (killed, LONG));
        until("it waits", || one.waiting() == 1);
        let pid = child.pid().unwrap();
        let name = Some(child.name().to_owned());
        kill_child(&child);
        let ended = Broken::Ended { seat: victim, pid, name };
        // All three have come: it isn't the count that matters.
        assert_eq!(one.wait_timeout(LONG), Err(ended.clone()));
        assert_eq!(one.waiting(), 0);
        assert_eq!(other.wait(), Err(ended.clone()));
        assert_eq!(other.reset(), Err(ended.clone()), "an empty seat stays empty");
        assert_eq!(other.wait(), Err(ended));
    }
}

/// BARRIER-B01, BARRIER-B02
#[test]
fn the_last_one_does_not_pass_with_a_seat_that_is_empty() {
    alone(come_last_after_a_kill);
}

/// Runs in a process of its own.
fn come_last_after_a_kill((): ()) {
    for _ in 0..20 {
        let mut seats = Barrier::seats(2).unwrap();
        let last = seats.pop().unwrap();
        let party = Party { seat: seats.pop().unwrap(), words: words() };
        let child = start(pass_once, (party, LONG));
        until("it waits", || last.waiting() == 1);
        kill_child(&child);
        assert!(matches!(last.wait(), Err(Broken::Ended { seat: 0, .. })));
    }
}

/// BARRIER-B01, BARRIER-B03
#[test]
fn a_seat_that_is_killed_breaks_it_for_those_that_wait() {
    let _deadline = Deadline::seconds(120);
    for waits in [false, true] {
        let words = words();
        let mut parties = parties(Barrier::seats(4).unwrap(), &words);
        let mine = parties.pop().unwrap().seat;
        let killed = parties.pop().unwrap();
        let (_killers_gate, waiting) = Gate::new().unwrap();
        let victim = if waits {
            start(wait_and_keep_the_seat, (killed, waiting))
        } else {
            start(do_nothing, (killed, waiting))
        };
        // Before it has its seat, nobody knows its process.
        until("it is there", || waits || get(&words, 0) == 1);
        let (children, gate) = keep_waiting(parties);
        until("they wait", || mine.waiting() == if waits { 3 } else { 2 });
        kill_child(&victim);
        let pid = u64::from(victim.pid().unwrap());
        all_told(&words, &[0, 1], 2 << 32 | pid);
        gate.open();
        children.iter().for_each(ends_well);
    }
}

/// Runs in the child: has a seat, says so, and never comes.
fn do_nothing((party, gate): (Party, Waiting)) {
    party.count(0);
    gate.wait();
}

/// BARRIER-B03
#[test]
fn of_many_seats_which_share_the_looks_at_each_other_a_killed_one_is_found() {
    let _deadline = Deadline::seconds(300);
    for victim in [0, 17, 49] {
        let words = words();
        let mut seats = Barrier::seats(50).unwrap();
        let party = Party { seat: seats.remove(victim), words };
        let child = start(pass_once, (party, LONG));
        let mine = seats.remove(20);
        thread::scope(|scope| {
            let waiting = seats.iter_mut().map(|seat| scope.spawn(move || seat.wait()));
            let waiting: Vec<_> = waiting.collect();
            until("all others wait", || mine.waiting() == 49);
            kill_child(&child);
            for thread in waiting {
                let ended = thread.join().unwrap();
                assert!(matches!(ended, Err(Broken::Ended { seat, .. }) if seat == victim));
            }
        });
    }
}

/// BARRIER-B03
#[test]
fn a_seat_whose_process_ended_before_it_came_breaks_it() {
    let _deadline = Deadline::seconds(120);
    for is_dropped_here in [false, true] {
        let words = words();
        let mut parties = parties(Barrier::seats(3).unwrap(), &words);
        let missing = parties.remove(1);
        let pid = if is_dropped_here {
            drop(missing);
            std::process::id()
        } else {
            let (gate, waiting) = Gate::new().unwrap();
            gate.open();
            let child = start(do_nothing, (missing, waiting));
            ends_well(&child);
            child.pid().unwrap()
        };
        for party in &mut parties {
            let ended = party.seat.wait();
            assert_eq!(code(ended), 1 << 32 | u64::from(pid));
        }
    }
}

/// BARRIER-B03
#[test]
fn a_seat_of_a_process_that_can_not_be_started_is_empty() {
    fn unlisted(_: (Seat, u32)) {}
    let _deadline = Deadline::seconds(120);
    let mut seats = Barrier::seats(2).unwrap();
    let mut process = Process::new(unlisted, (seats.pop().unwrap(), 1));
    process.start().unwrap_err();
    assert_eq!(seats[0].wait_timeout(TENTH), Err(Broken::TimedOut), "it may be started yet");
    seats[0].reset().unwrap();
    drop(process);
    assert!(matches!(seats[0].wait(), Err(Broken::Ended { seat: 1, .. })));
}

#[test]
fn a_seat_that_is_lost_before_it_had_a_process_names_none() {
    let seats = Barrier::seats(2).unwrap();
    // On its way, and never received.
    drop(Arguments::pack(&seats[1]).unwrap());
    let ended = Err(Broken::Ended { seat: 1, pid: 0, name: None });
    assert_eq!(seats[0].wait(), ended);
    assert_eq!(seats[1].wait(), Err(Broken::HandedOver));
    assert_eq!(seats[1].reset(), Err(Broken::HandedOver));
    seats[1].abort();
    assert_eq!(seats[1].waiting(), 0);
    assert_eq!(format!("{:?}", seats[1]), "Seat(1 of 2; handed over)");
}

#[test]
fn a_stopped_seat_is_waited_for() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let mut parties = parties(Barrier::seats(2).unwrap(), &words);
    let mine = parties.pop().unwrap().seat;
    let child = start(pass_once, (parties.pop().unwrap(), LONG));
    until("it waits", || mine.waiting() == 1);
    let other = Other::of(child.pid().unwrap()).unwrap();
    assert!(other.stop());
    assert!(mine.wait_timeout(LONG).unwrap().is_leader());
    assert!(other.go_on());
    all_told(&words, &[0], PASSED);
    ends_well(&child);
}

/// BARRIER-B05
#[test]
fn an_action_that_panics_breaks_it_and_a_reset_makes_it_whole() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let mut parties = parties(Barrier::seats(3).unwrap(), &words);
    let mine = parties.remove(0).seat;
    let (children, gate) = keep_waiting(parties);
    until("two wait", || mine.waiting() == 2);
    let panics = || panic!("this panic is wanted");
    assert!(catch_unwind(AssertUnwindSafe(|| mine.wait_then(panics))).is_err());
    all_told(&words, &[1, 2], PANICKED);
    let pid = std::process::id();
    let Err(Broken::Panicked { seat: 0, pid: of, .. }) = mine.wait() else {
        panic!("it is broken")
    };
    assert_eq!(of, pid);
    mine.reset().unwrap();
    assert_eq!(mine.wait_timeout(SHORT), Err(Broken::TimedOut));
    gate.open();
    children.iter().for_each(ends_well);
}

/// Runs in the child: the last to come, whose action never ends.
fn act_for_ever((party, gate): (Party, Waiting)) {
    let words = party.words.clone();
    let ended = party.seat.wait_then(|| {
        words[0].store(1, Ordering::SeqCst);
        gate.wait();
    });
    party.words[TOLD + party.seat.number()].store(code(ended), Ordering::SeqCst);
}

/// BARRIER-B05
#[test]
fn a_leader_that_dies_in_its_action_breaks_it() {
    let _deadline = Deadline::seconds(120);
    let words = words();
    let mut parties = parties(Barrier::seats(3).unwrap(), &words);
    let leader = parties.remove(1);
    let (children, gate) = keep_waiting(parties);
    until("two wait", || leader.seat.waiting() == 2);
    let (_gate, waiting) = Gate::new().unwrap();
    let leader = start(act_for_ever, (leader, waiting));
    until("it acts", || get(&words, 0) == 1);
    kill_child(&leader);
    all_told(&words, &[0, 2], 1 << 32 | u64::from(leader.pid().unwrap()));
    gate.open();
    children.iter().for_each(ends_well);
}

/// Runs in the child: comes last.
fn come_last_and_act((party, gate): (Party, Waiting)) {
    until("the other waits", || party.seat.waiting() == 1);
    act_for_ever((party, gate));
}

#[test]
fn a_timeout_during_the_action_is_told_to_the_leader_too() {
    let _deadline = Deadline::seconds(300);
    let mut has_acted = false;
    // The child may not come in time.
    for seconds in [1, 4, 16, 64] {
        let words = words();
        let mut parties = parties(Barrier::seats(2).unwrap(), &words);
        let mine = parties.remove(0).seat;
        let (gate, waiting) = Gate::new().unwrap();
        let leader = start(come_last_and_act, (parties.remove(0), waiting));
        let ended = mine.wait_timeout(Duration::from_secs(seconds));
        assert_eq!(ended, Err(Broken::TimedOut));
        has_acted = get(&words, 0) == 1;
        if has_acted {
            gate.open();
            ends_well(&leader);
            all_told(&words, &[1], TIMED_OUT);
            break;
        }
        kill_child(&leader);
    }
    assert!(has_acted);
}

/// BARRIER-B06
#[test]
fn a_barrier_of_no_seats_or_of_too_many_is_an_error() {
    for seats in [0, 4096, usize::MAX] {
        let error = Barrier::seats(seats).unwrap_err().to_string();
        assert_eq!(error, format!("a barrier has 1 to 4095 seats, not {seats}"));
        assert!(Barrier::with_timeout(seats, LONG).is_err());
    }
}

#[test]
fn there_may_be_as_many_seats_as_a_process_may_have_descriptors() {
    alone(take_many_seats);
}

/// Runs in a process of its own.
fn take_many_seats((): ()) {
    let count = room_for_descriptors().min(if cfg!(target_os = "linux") { 4095 } else { 200 });
    let mut seats = Barrier::seats(count).unwrap();
    assert!(seats.iter().map(Seat::number).eq(0..count));
    assert_eq!(seats[0].waiting(), 0);
    drop(seats.remove(count / 2));
    assert!(matches!(seats[0].wait(), Err(Broken::Ended { seat, .. }) if seat == count / 2));
}

/// An initializer.
fn act_as_worker(_: Seat) {}

#[test]
fn a_seat_goes_to_one_process_and_to_no_second_one() {
    let _deadline = Deadline::seconds(120);
    let mut seats = Barrier::seats(2).unwrap();
    let pool = Pool::builder().processes(3).initializer(act_as_worker, seats.pop().unwrap());
    let Err(error) = pool.build() else { panic!("there is one seat for three workers") };
    let text = whole_text(&error);
    assert!(text.contains("seat 1 of a barrier was handed to a process already"), "{text}");
    // The first worker's copy was the only one, and it has gone with the pool.
    assert!(matches!(seats[0].wait(), Err(Broken::Ended { seat: 1, .. })));
}

/// LOCK-B07
#[test]
fn a_seat_can_not_be_sent_in_a_message_and_is_still_there_afterwards() {
    let seat = Barrier::seats(1).unwrap().remove(0);
    let error = multiprocess::process::frame::encode(&seat, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("arguments of a new process"), "{error}");
    assert!(seat.wait().is_ok());
}

#[test]
fn a_barrier_leaves_nothing_behind_however_it_ends() {
    alone(pass_and_break);
}

/// Runs in a process of its own.
fn pass_and_break((): ()) {
    leaves_nothing(rounds(40), |round| {
        let words = words();
        let mut parties = parties(Barrier::seats(3).unwrap(), &words);
        let mine = parties.remove(0).seat;
        let children = [(); 2].map(|()| start(pass_once, (parties.remove(0), LONG)));
        if round % 2 == 0 {
            mine.wait().unwrap();
            all_told(&words, &[1, 2], PASSED);
            children.iter().for_each(ends_well);
        } else {
            kill_child(&children[0]);
            assert!(mine.wait().is_err());
            children[1].join().unwrap();
        }
    });
}

#[test]
fn the_debug_form_says_which_seat_it_is_and_how_many_wait_or_why_none_does() {
    let seats = Barrier::seats(3).unwrap();
    assert_eq!(format!("{:?}", seats[1]), "Seat(1 of 3; 0 waiting)");
    seats[0].abort();
    assert_eq!(format!("{:?}", seats[2]), "Seat(2 of 3; the barrier was aborted)");
}

/// An error of a start says what the matter is.
#[test]
fn a_second_start_with_the_same_seat_is_refused_with_a_sentence() {
    #[derive(Serialize, Deserialize)]
    struct Twice(#[serde(serialize_with = "twice")] Seat);
    fn twice<S: serde::Serializer>(seat: &Seat, serializer: S) -> Result<S::Ok, S::Error> {
        (seat, seat).serialize(serializer)
    }
    fn unreachable_task(_: Twice) {}
    tasks![unreachable_task];
    let _deadline = Deadline::seconds(120);
    let seat = Barrier::seats(1).unwrap().remove(0);
    let error = Process::new(unreachable_task, Twice(seat)).start().unwrap_err();
    assert!(matches!(error, Error::Arguments { .. }));
    let text = whole_text(&error);
    assert!(text.contains("a seat is for one process"), "{text}");
}
