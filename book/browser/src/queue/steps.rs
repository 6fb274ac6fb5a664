//! Tests of the stage: a kill at each step, and what a repair makes of it.

use std::collections::HashSet;

use testing::Random;

use crate::language::Language::{Chinese, English};
use crate::queue::call::{Returned, SLOTS, Word, step};
use crate::queue::ring::{Blocked, Phase, State};
use crate::queue::stage::Act::{self, Kill, Large, Next, Operations, Repair, Start};
use crate::queue::stage::{SEATS, Stage};
use crate::queue::text::{event, phase, say};
use crate::queue::tour::TOURS;

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

fn after(acts: &[Act]) -> Stage {
    let mut stage = Stage::new();
    do_all(&mut stage, acts);
    stage
}

fn do_all(stage: &mut Stage, acts: &[Act]) {
    for act in acts {
        assert!(stage.can(*act), "{act:?}");
        stage.act(*act);
    }
}

/// Repairs until nothing is left to repair, one whole step after the other.
fn repair_all(stage: &mut Stage, seat: usize) {
    assert!(!stage.by_operation);
    loop {
        finish_repair(stage, seat);
        let is_dead =
            |owner: &u16| stage.seats.iter().all(|it| it.number != *owner || !it.is_alive);
        if stage.memory.ring().owners().filter(is_dead).count() == 0 {
            return;
        }
    }
}

/// Goes on with a put or get to its end, or makes one.
fn finish(stage: &mut Stage, seat: usize) {
    let begun = stage.events.len();
    while stage.seats[seat].call.is_some() || stage.events.len() == begun {
        do_all(stage, &[Next(seat)]);
    }
}

fn phase_of(stage: &Stage, slot: usize) -> String {
    phase(stage.memory.state(slot))
}

/// A row of the chapter's table of steps: when a process is killed, in English and Chinese, and the
/// acts that lead there.
struct Row {
    killed: [&'static str; 2],
    acts: Vec<Act>,
    /// Seats of the killed process and, if it was a repairer, of the one that it repaired after.
    dead: Vec<usize>,
}

fn rows() -> Vec<Row> {
    let row = |english, chinese, acts: &[&[Act]], dead: &[usize]| Row {
        killed: [english, chinese],
        acts: acts.concat(),
        dead: dead.to_vec(),
    };
    let put = [Next(A); 3];
    let put_large = [Large(A), Next(A), Next(A), Next(A)];
    let one = |acts: &[Act]| [&[Operations], acts, &[Operations]].concat();
    let read = [Next(C); 2];
    vec![
        row("A, before its claim", "A，占用之前", &[], &[A]),
        row(
            "A, after the claim, before it moves the hint",
            "A，占用之后，还没有移动提示",
            &[&one(&[Next(A); 3])],
            &[A],
        ),
        row("A, after the claim", "A，占用之后", &[&put[..1]], &[A]),
        row("A, in the middle of writing", "A，写到一半", &[&put[..1], &one(&[Next(A); 2])], &[A]),
        row("A, before it publishes", "A，发布之前", &[&put[..2]], &[A]),
        row("A, after it has published", "A，发布之后", &[&put], &[A]),
        row("C, before its claim", "C，占用之前", &[&put], &[C]),
        row("C, after the claim", "C，占用之后", &[&put, &read[..1]], &[C]),
        row("C, after it has read", "C，读完之后", &[&put, &read], &[C]),
        row(
            "C, after it has marked a large item as read",
            "C，把大数据标记为已读之后",
            &[&put_large, &read, &[Next(C)]],
            &[C],
        ),
        row(
            "C, after it has freed the large item's memory",
            "C，释放大数据的内存之后",
            &[&put_large, &read, &[Next(C), Next(C)]],
            &[C],
        ),
        row(
            "C, after it has released the slot",
            "C，释放槽位之后",
            &[&put, &read, &[Next(C)]],
            &[C],
        ),
        row(
            "D, which has locked C's number",
            "D，锁住 C 的编号之后",
            &[&put, &read, &[Kill(C), Repair(D)]],
            &[C, D],
        ),
        row(
            "D, after it has given C's item back",
            "D，退回 C 的数据之后",
            &[&put, &read, &[Kill(C), Repair(D), Repair(D)]],
            &[C, D],
        ),
        row(
            "D, after it has taken over C's large item",
            "D，接手 C 的大数据之后",
            &[&put_large, &read, &[Next(C), Kill(C), Repair(D), Repair(D)]],
            &[C, D],
        ),
        row(
            "D, after it has freed A's slot",
            "D，释放 A 的槽位之后",
            &[&put[..2], &[Kill(A), Repair(D), Repair(D)]],
            &[A, D],
        ),
    ]
}

/// Runs a row, and writes it as the chapter has it: all but the first cell is what the code did.
fn run(row: &Row, language: usize) -> String {
    let mut stage = after(&row.acts);
    let killed = *row.dead.last().unwrap();
    let got_before = stage.seats[C].got.len();
    do_all(&mut stage, &[Kill(killed)]);
    let before = stage.memory.state(0);
    // B repairs: no row kills it.
    repair_all(&mut stage, B);
    assert_eq!(stage.memory.ring().owners().count(), 0);
    let after = stage.memory.state(0);
    let is_returned = after.returns == 1;
    // A living consumer gets what there is.
    let seat = if row.dead.contains(&D) { C } else { D };
    if !stage.seats[seat].is_alive {
        do_all(&mut stage, &[Start(seat)]);
    }
    finish(&mut stage, seat);
    let is_delivered = stage.seats[seat].got.len() == 1;
    // And the queue goes on: B puts one more, and the consumer gets that.
    finish(&mut stage, B);
    finish(&mut stage, seat);
    assert_eq!(stage.seats[seat].got.last(), Some(&vec![2, 1]));

    let language = [English, Chinese][language];
    let item = match (row.dead[0], is_delivered, is_returned) {
        (A, false, false) => say!(language, "was never put", "等于没有放入"),
        (A | C, true, false) => say!(language, "is there", "还在"),
        (C, true, true) => say!(language, "is delivered again", "重新投递"),
        (C, false, false) => say!(language, "is lost with C", "随 C 丢失"),
        other => panic!("{:?}: {other:?}", row.killed),
    };
    assert!(!(got_before > 0 && is_delivered), "no item comes twice");
    let state = |state: State| {
        let phase = phase(state);
        match state.lap {
            0 => format!("`{phase}`"),
            1 => say!(language, "`{phase}`, next lap", "`{phase}`，下一圈"),
            lap => panic!("{:?}: lap {lap}", row.killed),
        }
    };
    let killed = row.killed[language as usize];
    format!("| {killed} | {} | {} | {item} |", state(before), state(after))
}

#[test]
fn a_kill_at_each_step_ends_as_the_chapters_table_says() {
    let chapters = [
        include_str!("../../../../ipc-queue/README.md"),
        include_str!("../../../../ipc-queue/README.zh-CN.md"),
    ];
    for (language, chapter) in chapters.into_iter().enumerate() {
        let table: Vec<_> = rows().iter().map(|row| run(row, language)).collect();
        let table = table.join("\n");
        assert!(chapter.contains(&format!("\n{table}\n")), "the chapter doesn't have:\n{table}");
    }
}

/// Calls whose every operation is a place to be killed at: what comes before, and who makes it.
fn calls() -> Vec<(&'static str, Vec<Act>, usize)> {
    let put = [Next(A); 3];
    let large = [&[Large(A)], &put[..]].concat();
    let reading = |put: &[Act], steps| [put, &vec![Next(C); steps], &[Kill(C)]].concat();
    vec![
        ("put", vec![], A),
        ("put, large", vec![Large(A)], A),
        ("get", put.to_vec(), C),
        ("get, large", large.clone(), C),
        ("repair after a get", reading(&put, 1), D),
        ("repair after a get, large", reading(&large, 3), D),
        ("repair after a put, large", vec![Large(A), Next(A), Next(A), Kill(A)], D),
        (
            "repair after two",
            [&reading(&[Next(A); 6], 1), &[Next(B), Next(B), Kill(B)][..]].concat(),
            D,
        ),
    ]
}

#[test]
fn a_kill_at_each_operation_leaves_what_a_repair_mends() {
    for (name, before, seat) in calls() {
        let mut kills = 0;
        for operations in 0.. {
            let mut stage = after(&before);
            let act = if name.starts_with("repair") { Repair(seat) } else { Next(seat) };
            do_all(&mut stage, &[Operations]);
            let mut is_over = false;
            for done in 0..operations {
                is_over |= done > 0 && stage.seats[seat].call.is_none();
                if !is_over {
                    do_all(&mut stage, &[act]);
                }
            }
            if is_over {
                break;
            }
            do_all(&mut stage, &[Operations, Kill(seat)]);
            kills += 1;
            let repairer = if seat == A { B } else { A };
            if !stage.seats[repairer].is_alive {
                do_all(&mut stage, &[Start(repairer)]);
            }
            repair_all(&mut stage, repairer);
            let why = format!("{name}, after {operations} operations");
            assert_eq!(stage.memory.ring().owners().count(), 0, "{why}");
            let states = (0..SLOTS).map(|slot| stage.memory.state(slot));
            assert!(
                states.clone().all(|it| matches!(it.phase, Phase::Empty | Phase::Full)),
                "{why}"
            );
            // A window holds something only if a consumer will find it there.
            for (slot, state) in states.enumerate() {
                let (_, window) = stage.memory.contents(slot);
                let is_kept = state.phase == Phase::Full && state.large;
                assert_eq!(window != [0; 4], is_kept, "{why}: slot {slot}");
            }
            assert_goes_on(&mut stage, &why);
        }
        assert!(kills > 7, "{name}: {kills}");
    }
}

/// Asserts that a whole ring of items goes through, and none is torn.
fn assert_goes_on(stage: &mut Stage, why: &str) {
    for seat in 0..SEATS {
        if !stage.seats[seat].is_alive {
            do_all(stage, &[Start(seat)]);
        }
    }
    let got = |stage: &Stage| stage.seats[D].got.len();
    for _ in 0..2 * SLOTS {
        finish(stage, B);
        let before = got(stage);
        finish(stage, D);
        assert_eq!(got(stage), before + 1, "{why}");
    }
    assert_whole(&stage.seats[D].got, why);
}

/// Asserts that items are whole: one kind of food in all words but the last, which is a number.
fn assert_whole(got: &[Vec<u64>], why: &str) {
    for item in got {
        let (number, kinds) = item.split_last().unwrap();
        assert!(*number > 0 && [1, 3].contains(&kinds.len()), "{why}: {item:?}");
        assert!(kinds.iter().all(|kind| *kind == kinds[0] && *kind > 0), "{why}: {item:?}");
    }
}

#[test]
fn of_two_repairers_one_repairs_at_whatever_operation_the_other_comes() {
    let mut met = 0;
    for operations in 0..40 {
        let mut stage = after(&[Large(A), Next(A), Next(A), Next(A), Large(A), Next(C), Next(C)]);
        do_all(&mut stage, &[Next(C), Kill(C), Operations]);
        for _ in 0..operations {
            do_all(&mut stage, &[Repair(B)]);
            if stage.seats[B].call.is_none() {
                break;
            }
        }
        let is_under_way = stage.seats[B].call.is_some();
        met += usize::from(is_under_way);
        do_all(&mut stage, &[Operations]);
        finish_repair(&mut stage, D);
        // The slot may be in use again, before the first repairer goes on.
        let mut put = 0;
        for _ in 0..SLOTS {
            finish(&mut stage, A);
            put += usize::from(stage.seats[A].returned == Some(Returned::Put));
        }
        if is_under_way {
            finish_repair(&mut stage, B);
        }
        assert!(put >= SLOTS - 1, "{operations}: {put}");
        assert!(stage.memory.state(0).lap == 1, "{operations}");
        for _ in 0..put {
            finish(&mut stage, D);
        }
        assert_eq!(stage.seats[D].got.len(), put, "{operations}");
        assert_whole(&stage.seats[D].got, "each once");
    }
    assert!(met > 5, "{met}");
}

/// Goes on with a repair to its end, or makes one.
fn finish_repair(stage: &mut Stage, seat: usize) {
    do_all(stage, &[Repair(seat)]);
    while stage.seats[seat].is_repairing() {
        do_all(stage, &[Repair(seat)]);
    }
}

#[test]
fn any_acts_at_all_deliver_whole_items_at_most_once() {
    let mut random = Random(28);
    let mut delivered = 0;
    for round in 0..200 {
        let mut stage = Stage::new();
        let mut got: Vec<Vec<u64>> = Vec::new();
        do_all(&mut stage, &[Operations]);
        for _ in 0..600 {
            let seat = random.below(SEATS as u64) as usize;
            let act = match random.below(100) {
                0 => Kill(seat),
                1 => Large(seat),
                2..12 => Repair(seat),
                12..22 => Start(seat),
                _ => Next(seat),
            };
            if stage.can(act) {
                let before = stage.seats[seat].got.len();
                stage.act(act);
                if stage.seats[seat].got.len() > before {
                    got.push(stage.seats[seat].got[before].clone());
                }
            }
        }
        let why = format!("round {round}");
        assert_whole(&got, &why);
        let different: HashSet<_> = got.iter().map(|item| (item[0], item.last())).collect();
        assert_eq!(different.len(), got.len(), "{why}: none twice: {got:?}");
        delivered += got.len();
    }
    assert!(delivered > 1000, "{delivered}");
}

#[test]
fn a_participant_that_comes_too_late_sees_that_and_looks_again() {
    let mut stage = after(&[Operations, Next(A), Next(A), Operations, Next(B), Operations]);
    do_all(&mut stage, &[Next(A)]);
    let told = event(English, stage.events.last().unwrap());
    assert!(told[0].contains("comes too late"), "{told:?}");
    finish(&mut stage, A);
    assert_eq!((phase_of(&stage, 0), phase_of(&stage, 1)), ("Writing(B)".into(), "Full".into()));
}

#[test]
fn undo_leads_back_to_what_was_before() {
    let acts = [Next(A), Next(A), Next(A), Next(C), Kill(C), Start(C), Repair(D), Repair(D)];
    let shown =
        |stage: &Stage| -> Vec<String> { (0..SLOTS).map(|slot| phase_of(stage, slot)).collect() };
    for count in 1..=acts.len() {
        let mut stage = after(&acts[..count]);
        stage.undo();
        let before = after(&acts[..count - 1]);
        assert_eq!(shown(&stage), shown(&before));
        assert_eq!(stage.events.len(), before.events.len());
    }
}

#[test]
fn each_step_of_a_call_is_a_press_of_its_button() {
    let mut stage = Stage::new();
    let label = |stage: &Stage, act| stage.upcoming(act).unwrap().1.step;
    for expected in [step::CLAIM, step::WRITE, step::PUBLISH] {
        assert_eq!(label(&stage, Next(A)), expected);
        do_all(&mut stage, &[Next(A)]);
    }
    for expected in [step::CLAIM, step::READ, step::RELEASE] {
        assert_eq!(label(&stage, Next(C)), expected);
        do_all(&mut stage, &[Next(C)]);
    }
    assert_eq!(stage.seats[C].got, [vec![1, 1]]);
}

/// What each stop of the tours says, as the words of memory have it.
#[test]
fn the_tours_stops_show_what_their_sentences_say() {
    type Check = fn(&Stage) -> bool;
    let checks: [&[Check]; 3] = [
        &[
            |s| are(s, "Full", "Full") && s.memory.hint(Word::Tail) == (0, 2),
            |s| are(s, "Reading(C)", "Full"),
            |s| are(s, "Reading(C)", "Full") && s.seats[C].got.is_empty(),
            |s| are(s, "Reading(C)", "Full") && s.memory.holder(3) == 0 && !s.seats[C].is_alive,
            |s| are(s, "Reading(C)", "Empty") && s.seats[D].got == [[1, 2]],
            |s| are(s, "Reading(C)", "Empty") && is_blocked_by_claim(s, D),
            |s| are(s, "Reading(C)", "Empty") && s.memory.holder(3) == 4,
            |s| are(s, "Full", "Empty") && s.memory.state(0).returns == 1,
            |s| are(s, "Empty", "Empty") && s.seats[D].got == [[1, 2], [1, 1]],
        ],
        &[
            |s| are(s, "Writing(A)", "Empty"),
            |s| are(s, "Writing(A)", "Empty") && s.memory.contents(0).0 == [16, 1, 0],
            |s| are(s, "Writing(A)", "Empty") && s.memory.holder(1) == 0,
            |s| are(s, "Writing(A)", "Full") && s.memory.contents(1).0 == [16, 2, 1],
            |s| are(s, "Writing(A)", "Full") && is_blocked_by_claim(s, C),
            |s| are(s, "Writing(A)", "Full") && s.memory.holder(1) == 3,
            |s| are(s, "Empty", "Full") && s.memory.state(0).lap == 1,
            |s| are(s, "Empty", "Empty") && s.seats[C].got == [[2, 1]],
            |s| s.seats[A].number == 5 && phase_of(s, 2) == "Full",
        ],
        &[
            |s| are(s, "Full", "Empty") && s.memory.contents(0).1 == [1, 1, 1, 1],
            |s| are(s, "Clearing(C)", "Empty") && s.memory.contents(0).1 == [1, 1, 1, 1],
            |s| are(s, "Clearing(C)", "Empty") && s.memory.holder(3) == 0,
            |s| are(s, "Clearing(C)", "Empty") && s.memory.holder(3) == 2,
            |s| s.memory.holder(3) == 2 && s.seats[D].call.is_none(),
            |s| are(s, "Clearing(B)", "Empty") && s.memory.holder(3) == 2,
            |s| {
                are(s, "Clearing(B)", "Empty") && s.memory.holder(2) == 0 && s.memory.holder(3) == 0
            },
            |s| are(s, "Clearing(D)", "Empty") && s.memory.contents(0).1 == [1, 1, 1, 1],
            |s| {
                are(s, "Empty", "Empty")
                    && s.memory.state(0).lap == 1
                    && s.memory.contents(0).1 == [0; 4]
                    && s.seats.iter().all(|seat| seat.got.is_empty())
                    && s.memory.holder(2) == 0
            },
        ],
    ];
    for (tour, checks) in TOURS.iter().zip(checks) {
        assert_eq!(tour.stops.len(), checks.len());
        let mut stage = Stage::new();
        for (number, (stop, check)) in tour.stops.iter().zip(checks).enumerate() {
            do_all(&mut stage, stop.acts);
            let states: Vec<_> = (0..2).map(|slot| phase_of(&stage, slot)).collect();
            assert!(check(&stage), "{}, stop {}: {states:?}", tour.name[0], number + 1);
        }
    }
}

/// Returns true if these are the phases of the first two slots.
fn are(stage: &Stage, first: &str, second: &str) -> bool {
    phase_of(stage, 0) == first && phase_of(stage, 1) == second
}

fn is_blocked_by_claim(stage: &Stage, seat: usize) -> bool {
    stage.seats[seat].returned == Some(Returned::Blocked(Blocked::ByClaim))
}
