//! You'll see Amdahl's law draw the line that no number of workers passes, and what Gustafson and
//! Karp and Flatt have to say to it.
//!
//! ```python
//! def amdahl(p, n): return 1 / ((1 - p) + p / n)
//! def gustafson(s, n): return n + (1 - n) * s
//! def karp_flatt(speedup, n): return (1 / speedup - 1 / n) / (1 - 1 / n)
//! amdahl(25 / 31, 4)                                # 2.5306, as in the plan
//! ```

use amdahl::{Plan, Task, laws};
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::table::Table;
use prettytable::row;

/// The Fourier transform's: 25 of 31 units of work can be shared.
const P: f64 = 25.0 / 31.0;
/// The length of the bar for a speedup of 1.
const BAR: f64 = 8.0;

pub(crate) const LESSON: Lesson = Lesson {
    name: "amdahls-law",
    section: "5.2",
    question: (
        "工作者越来越多，能一直越来越快吗？",
        "More and more workers: does it get faster and faster?",
    ),
    remember: (
        "不能分的部分占多少，极限就在哪里：1 / (1 − p)。",
        "What can't be shared sets the limit: 1 / (1 − p).",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    story.event("speedup", "by n workers, if 25 of 31 parts can be shared");
    for n in [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 1024] {
        let speedup = laws::amdahl(P, f64::from(n))?;
        let bar = "█".repeat((BAR * speedup).round() as usize);
        story.event(&format!("n = {n}"), format!("{bar} {speedup:.2}"));
    }
    let limit = laws::amdahl_limit(P)?;
    story.ok("a million workers stay below 31/6 = 5.17", laws::amdahl(P, 1e6)? < limit)?;

    let four = laws::amdahl(P, 4.0)?;
    story.ok("four workers: 31/12.25, as planned", (four - 31.0 / 12.25).abs() < 1e-12)?;
    let mut shares = vec![Task::new("serial", 6.0, &[])];
    shares.extend((0..4).map(|n| Task::new(&n.to_string(), 25.0 / 4.0, &["serial"])));
    let plan = Plan::new(shares, Default::default())?;
    let best = plan.timetable().best_speedup();
    story.ok("that is what the plan gives: work / span", (four - best).abs() < 1e-12)?;

    story.event("three laws", "of the same work");
    let heads = row![r->"n", r->"Amdahl", r->"efficiency", r->"Gustafson", r->"Karp–Flatt"];
    let mut table = Table::new(heads);
    let mut found = Vec::new();
    for n in [2.0, 4.0, 8.0, 16.0] {
        let speedup = laws::amdahl(P, n)?;
        let efficiency = 100.0 * laws::efficiency(speedup, n)?;
        let grown = laws::gustafson(1.0 - P, n)?;
        let serial = laws::karp_flatt(speedup, n)?;
        let (speedup, grown) = (format!("{speedup:.3}"), format!("{grown:.3}"));
        let efficiency = format!("{efficiency:.0} %");
        table.add_row(row![r->n, r->speedup, r->efficiency, r->grown, r->format!("{serial:.4}")]);
        found.push(serial);
    }
    story.figure(&table);
    story.ok(
        "Karp and Flatt find the serial fraction 6/31 again, for every n",
        found.iter().all(|serial| (serial - 6.0 / 31.0).abs() < 1e-12),
    )?;
    story.ok(
        "Gustafson: in the same time, 16 workers do 13.1 times as much work",
        format!("{:.1}", laws::gustafson(1.0 - P, 16.0)?) == "13.1",
    )?;
    Ok(())
}
