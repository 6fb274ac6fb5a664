//! Histories of tasks: made up by hand, and at random.

use std::collections::{HashMap, HashSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testing::Deadline;

use super::*;
use crate::protocol::ResultPart;

const RESULT: &[u8] = b"result";

/// Results of attempts.
const RESULTS: [&[u8]; 4] = [RESULT, b"RESULT", b"tluser", b"TLUSER"];

fn worker(random: u64) -> WorkerId {
    WorkerId { name: String::from("host"), pid: 7, random }
}

fn question(task: u64, nonce: u64) -> Question {
    Question { task, nonce }
}

fn task(id: u64, calls: u64) -> NewTask<u64> {
    let calls = (id..id + calls).collect();
    NewTask { message: Bytes::from_static(b"task"), arguments: None, calls }
}

fn tasks(retries: u32, calls: u64) -> Tasks<u64> {
    let mut tasks = Tasks::new(retries);
    tasks.insert(0, task(0, calls));
    tasks
}

fn part(from: usize, to: usize) -> Outcome {
    part_of(RESULT, from, to)
}

fn part_of(result: &'static [u8], from: usize, to: usize) -> Outcome {
    let bytes = Bytes::from_static(&result[from..to]);
    Outcome::Part(ResultPart { whole: RESULT.len() as u64, from: from as u64, bytes })
}

fn yes(attempt: u32, without: &[u32]) -> Answer {
    Answer::Yes { attempt, without: without.to_vec() }
}

#[test]
fn a_task_begins_once_and_the_same_question_gets_the_same_answer() {
    let mut tasks = tasks(0, 1);
    assert!(tasks.message(0).is_some());
    assert_eq!(tasks.ask(&worker(1), question(0, 5)), yes(0, &[]));
    assert_eq!(tasks.ask(&worker(1), question(0, 5)), yes(0, &[]));
    // Delivered again, to the same worker and to another one.
    assert_eq!(tasks.ask(&worker(1), question(0, 6)), Answer::No);
    assert_eq!(tasks.ask(&worker(2), question(0, 5)), Answer::No);
    assert!(tasks.message(0).is_none() && tasks.has_begun(0));
    assert!(tasks.cancel(0).is_none());
}

#[test]
fn the_queue_has_what_it_kept_before_a_look_and_what_still_waits() {
    let mut tasks = tasks(1, 1);
    (1..4).for_each(|id| tasks.insert(id, task(id, 1)));
    (0..3).for_each(|id| tasks.note_kept(id));
    assert_eq!((tasks.kept(), tasks.to_offer()), (3, vec![3]));
    let look = tasks.begin_look();
    tasks.note_kept(3);
    assert_eq!(tasks.kept_since(look), 3);
    tasks.ask(&worker(1), question(0, 1));
    assert_eq!(tasks.kept_since(look), 2);
    // It waits again, and was out of the queue in between.
    assert_eq!(tasks.lost(&worker(1)).again, [0]);
    tasks.note_kept(0);
    assert_eq!(tasks.kept_since(look), 2);
    let look = tasks.begin_look();
    assert_eq!(tasks.kept_since(look), 4);
    // Cancelled, it stays in the queue until it is asked about.
    assert_eq!(tasks.cancel(1), Some(1));
    assert_eq!(tasks.kept(), 4);
    assert_eq!(tasks.ask(&worker(1), question(1, 2)), Answer::No);
    assert_eq!(tasks.kept(), 3);
    // What the queue says of a task that has begun is old.
    tasks.ask(&worker(1), question(2, 3));
    tasks.note_kept(2);
    assert_eq!(tasks.kept(), 2);
    tasks.forget_kept();
    assert_eq!((tasks.kept_since(look), tasks.to_offer()), (0, vec![0, 3]));
}

#[test]
fn an_outcome_counts_once_and_only_from_where_the_task_has_begun() {
    let mut tasks = tasks(0, 2);
    let result = || Outcome::Result(Bytes::from_static(RESULT));
    assert!(tasks.done(&worker(1), 0, 0, result()).is_none());
    tasks.ask(&worker(1), question(0, 1));
    assert!(tasks.done(&worker(2), 0, 0, result()).is_none());
    assert_eq!(tasks.done(&worker(1), 1, 0, result()), Some((1, Ok(Bytes::from_static(RESULT)))));
    assert!(tasks.done(&worker(1), 1, 0, result()).is_none());
    assert!(tasks.done(&worker(1), 2, 0, result()).is_none());
    assert!(!tasks.is_empty());
    assert!(tasks.done(&worker(1), 0, 0, Outcome::Failed(TaskError::Abandoned)).is_some());
    assert!(tasks.is_empty());
}

#[test]
fn parts_make_a_whole_in_any_order_and_wrong_ones_an_error() {
    let mut good = tasks(0, 1);
    good.ask(&worker(1), question(0, 1));
    for (from, to) in [(4, 6), (0, 2), (4, 6)] {
        assert_eq!(good.done(&worker(1), 0, 0, part(from, to)), None);
    }
    let whole = good.done(&worker(1), 0, 0, part(2, 4));
    assert_eq!(whole, Some((0, Ok(Bytes::from_static(RESULT)))));

    let mut bad = tasks(0, 1);
    bad.ask(&worker(1), question(0, 1));
    assert_eq!(bad.done(&worker(1), 0, 0, part(0, 3)), None);
    let ended = bad.done(&worker(1), 0, 0, part(2, 4));
    assert!(matches!(ended, Some((0, Err(TaskError::ResultNotReceived(_))))));
}

#[test]
fn a_lost_machine_ends_what_had_begun_there_or_leads_to_the_next_attempt() {
    let mut tasks = tasks(1, 3);
    tasks.insert(3, task(3, 1));
    assert_eq!(tasks.cancel(1), Some(1));
    assert_eq!(tasks.ask(&worker(1), question(0, 1)), yes(0, &[1]));
    assert!(tasks.done(&worker(1), 2, 0, Outcome::Result(Bytes::new())).is_some());
    let lost = tasks.lost(&worker(1));
    assert_eq!((lost.ended, lost.again), (vec![], vec![0]));
    assert_eq!(tasks.waiting(), 2);
    // What ended the first time doesn't begin again.
    assert_eq!(tasks.ask(&worker(2), question(0, 1)), yes(1, &[1, 2]));
    assert!(tasks.done(&worker(1), 0, 0, Outcome::Result(Bytes::new())).is_none());
    let lost = tasks.lost(&worker(2));
    assert_eq!((lost.ended, lost.again), (vec![0], vec![]));
    assert_eq!(tasks.to_offer(), [3]);
}

#[test]
fn outcomes_of_an_attempt_that_was_lost_do_not_count_for_the_next_one() {
    let mut tasks = tasks(1, 1);
    tasks.ask(&worker(1), question(0, 1));
    assert_eq!(tasks.lost(&worker(1)).again, [0]);
    // The machine is back, still at its first attempt, and gets the second one.
    assert_eq!(tasks.ask(&worker(1), question(0, 2)), yes(1, &[]));
    assert_eq!(tasks.done(&worker(1), 0, 1, part_of(RESULTS[1], 0, 3)), None);
    assert_eq!(tasks.done(&worker(1), 0, 0, part(3, 6)), None);
    assert_eq!(tasks.done(&worker(1), 0, 0, Outcome::Failed(TaskError::Abandoned)), None);
    let whole = tasks.done(&worker(1), 0, 1, part_of(RESULTS[1], 3, 6));
    assert_eq!(whole, Some((0, Ok(Bytes::from_static(RESULTS[1])))));
}

#[test]
fn a_task_that_its_agent_gave_up_waits_again_in_the_same_attempt() {
    let mut tasks = tasks(0, 1);
    tasks.ask(&worker(1), question(0, 1));
    assert!(!tasks.given_up(&worker(1), question(0, 2)));
    assert!(!tasks.given_up(&worker(2), question(0, 1)));
    assert!(tasks.given_up(&worker(1), question(0, 1)));
    assert!(!tasks.given_up(&worker(1), question(0, 1)));
    assert_eq!(tasks.ask(&worker(2), question(0, 1)), yes(0, &[]));
}

#[test]
fn cancelling_all_that_waits_leaves_what_has_begun() {
    let mut tasks = tasks(0, 1);
    tasks.insert(1, task(1, 2));
    tasks.ask(&worker(1), question(0, 1));
    assert_eq!(tasks.cancel_waiting(), [1, 2]);
    assert_eq!(tasks.give_up(), [0]);
    assert!(tasks.is_empty() && tasks.waiting() == 0);
}

/// An event, for tasks, calls, workers and nonces by small numbers.
#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Ask(u64, usize, u64),
    Done(u64, u64, u32, u8),
    Lost(u64),
    GivenUp(u64, usize, u64),
    Cancel(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_u64..4).prop_map(Step::Insert),
        6 => (0_u64..3, 0_usize..6, 0_u64..3).prop_map(|(w, t, n)| Step::Ask(w, t, n)),
        8 => (0_u64..3, 0_u64..12, 0_u32..3, 0_u8..5)
            .prop_map(|(w, c, attempt, kind)| Step::Done(w, c, attempt, kind)),
        1 => (0_u64..3).prop_map(Step::Lost),
        1 => (0_u64..3, 0_usize..6, 0_u64..3).prop_map(|(w, t, n)| Step::GivenUp(w, t, n)),
        2 => (0_u64..12).prop_map(Step::Cancel),
    ]
}

/// What is known of the tasks from outside.
#[derive(Default)]
struct Seen {
    /// First and number of calls of each task.
    tasks: Vec<(u64, u64)>,
    /// Number of calls.
    calls: u64,
    ended: HashSet<u64>,
    cancelled: HashSet<u64>,
    /// Place at which a task has begun.
    begun: HashMap<u64, (WorkerId, u64)>,
    begins: HashMap<u64, u32>,
}

impl Seen {
    fn end(&mut self, calls: impl IntoIterator<Item = u64>) {
        calls.into_iter().for_each(|call| assert!(self.ended.insert(call), "{call} ended twice"));
        let is_over = |id: u64, calls: u64| (id..id + calls).all(|it| self.ended.contains(&it));
        for (id, _) in self.tasks.iter().filter(|(id, calls)| is_over(*id, *calls)) {
            self.begun.remove(id);
        }
    }

    fn task_of(&self, call: u64) -> u64 {
        self.tasks.iter().rfind(|(id, _)| *id <= call).map_or(0, |(id, _)| *id)
    }

    fn answered(&mut self, retries: u32, id: u64, calls: u64, place: (WorkerId, u64), it: &Answer) {
        let is_over = (id..id + calls).all(|it| self.ended.contains(&it));
        let Answer::Yes { without, .. } = it else {
            // No comes only if it is over, or has begun elsewhere.
            return assert!(is_over || self.begun.get(&id).is_some_and(|it| *it != place));
        };
        for call in (id..id + calls).filter(|it| self.cancelled.contains(it)) {
            assert!(without.contains(&u32::try_from(call - id).unwrap()), "cancelled, and runs");
        }
        match self.begun.get(&id) {
            Some(begun) => assert_eq!(begun, &place, "two yes for one attempt"),
            None => {
                self.begun.insert(id, place);
                let begins = self.begins.entry(id).or_default();
                *begins += 1;
                assert!(*begins <= 1 + retries, "begun too often");
            }
        }
    }

    fn waiting(&self) -> usize {
        let waits = self.tasks.iter().filter(|(id, _)| !self.begun.contains_key(id));
        let calls = waits.flat_map(|(id, calls)| *id..id + calls);
        calls.filter(|call| !self.ended.contains(call)).count()
    }
}

fn take(step: Step, retries: u32, tasks: &mut Tasks<u64>, seen: &mut Seen) {
    match step {
        Step::Insert(calls) => {
            tasks.insert(seen.calls, task(seen.calls, calls));
            seen.tasks.push((seen.calls, calls));
            seen.calls += calls;
        }
        Step::Ask(by, index, nonce) => {
            let Some(&(id, calls)) = seen.tasks.get(index) else { return };
            let answer = tasks.ask(&worker(by), question(id, nonce));
            seen.answered(retries, id, calls, (worker(by), nonce), &answer);
        }
        Step::Done(by, call, attempt, kind) => {
            let result = RESULTS[attempt as usize];
            let outcome = match kind {
                0 => Outcome::Result(Bytes::from_static(result)),
                1 => Outcome::Failed(TaskError::Abandoned),
                part_number => {
                    let from = 2 * usize::from(part_number - 2);
                    part_of(result, from, from + 2)
                }
            };
            let ended = tasks.done(&worker(by), call, attempt, outcome);
            let Some((ended, outcome)) = ended else { return };
            assert_eq!(ended, call);
            assert_eq!(seen.begun.get(&seen.task_of(call)).map(|it| &it.0), Some(&worker(by)));
            assert_eq!(seen.begins[&seen.task_of(call)], attempt + 1);
            // No mix of two attempts.
            assert!(outcome.is_err() || outcome == Ok(Bytes::from_static(result)));
            seen.end([call]);
        }
        Step::Lost(by) => {
            let lost = tasks.lost(&worker(by));
            seen.begun.retain(|_, place| place.0 != worker(by));
            lost.again.iter().for_each(|id| assert!(tasks.message(*id).is_some()));
            seen.end(lost.ended);
        }
        Step::GivenUp(by, index, nonce) => {
            let Some(&(id, _)) = seen.tasks.get(index) else { return };
            let was_there = seen.begun.get(&id) == Some(&(worker(by), nonce));
            assert_eq!(tasks.given_up(&worker(by), question(id, nonce)), was_there);
            if was_there {
                seen.begun.remove(&id);
                *seen.begins.get_mut(&id).unwrap() -= 1;
            }
        }
        Step::Cancel(call) => {
            let Some(ended) = tasks.cancel(call) else { return };
            assert_eq!(ended, call);
            assert!(!seen.begun.contains_key(&seen.task_of(call)), "cancelled what has begun");
            seen.cancelled.insert(call);
            seen.end([call]);
        }
    }
    assert_eq!(tasks.waiting(), seen.waiting());
}

#[test]
fn whatever_happens_each_call_ends_once_and_each_attempt_begins_once() {
    let _deadline = Deadline::seconds(120);
    let histories = (0_u32..3, vec(step(), 0..120));
    let run = |(retries, steps): (u32, Vec<Step>)| {
        let (mut tasks, mut seen) = (Tasks::new(retries), Seen::default());
        steps.into_iter().for_each(|step| take(step, retries, &mut tasks, &mut seen));
        seen.end(tasks.give_up());
        assert_eq!(seen.ended.len() as u64, seen.calls);
        assert!(tasks.is_empty() && tasks.waiting() == 0);
        Ok(())
    };
    TestRunner::default().run(&histories, run).unwrap();
}
