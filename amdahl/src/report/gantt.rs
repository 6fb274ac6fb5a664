//! A plan as a picture: when each task is done, and below it which waits for which.
//!
//! ```text
//!              0      5      10
//!   foundation ██████·······│        critical: red
//!   material   █────────────│        what it may be late: a line
//! ```

use crate::{Plan, Schedule, Timetable};
use common::drawing::{self, Area, BLUE, DARK, Drawn, Error, GRID, HPos, PALE, Place, RED};
use common::text;
use plotters::prelude::*;

use super::{network, number, rounded};

const ROW: i32 = 24;
const HEAD: i32 = 112;
const FOOT: i32 = 44;
const MARGIN: i32 = 20;
/// The width of the bars.
const BARS: i32 = 640;
/// The largest width of the names.
const NAMES: i32 = 260;
const SIZE: i32 = 13;
/// The most tasks that are drawn; a line says that the others are left out.
const ROWS: usize = 200;

/// Draws the SVG document. With a schedule the bars are where that has laid them.
pub(super) fn svg(
    plan: &Plan,
    timetable: &Timetable<'_>,
    schedule: Option<&Schedule>,
    unit: Option<&str>,
) -> Result<String, Error> {
    let rows = plan.names().len().min(ROWS);
    let names = plan.names()[..rows].iter().map(|name| drawing::width(name, SIZE)).max();
    let left = MARGIN + names.unwrap_or(0).clamp(60, NAMES) + 12;
    let bottom = HEAD + ROW * rows as i32 + FOOT;
    let network = network::Network::of(plan, timetable);
    let below = network.as_ref().map_or((0, 0), network::Network::size);
    let size = ((left + BARS + 90).max(below.0 + 2 * MARGIN), bottom + below.1);
    drawing::picture(size, |area| {
        let whole = schedule.map_or(timetable.makespan, |schedule| schedule.makespan);
        Gantt { area, plan, timetable, schedule, left, rows, whole }.draw(unit)?;
        network.map_or(Ok(()), |network| network.draw(area, (MARGIN, bottom)))
    })
}

struct Gantt<'a, 'b> {
    area: &'a Area<'b>,
    plan: &'a Plan,
    timetable: &'a Timetable<'a>,
    schedule: Option<&'a Schedule>,
    left: i32,
    rows: usize,
    whole: f64,
}

impl Gantt<'_, '_> {
    fn draw(&self, unit: Option<&str>) -> Drawn {
        let unit =
            unit.map_or(String::new(), |unit| format!(" {}", drawing::shortened(unit, 18, 160)));
        let whole = number(self.whole);
        let title = text!("Plan: {}{}", whole, unit);
        drawing::text(self.area, &title, (MARGIN, 24), 18, &DARK, HPos::Left)?;
        self.legend()?;
        let bottom = HEAD + ROW * self.rows as i32;
        for at in drawing::steps(self.whole, 10) {
            let x = self.x(at);
            drawing::line(self.area, &[(x, HEAD - 8), (x, bottom)], &GRID, 1)?;
            drawing::text(self.area, &rounded(at), (x, HEAD - 18), 12, &PALE, HPos::Center)?;
        }
        for task in 0..self.rows {
            self.row(task, HEAD + ROW * task as i32 + ROW / 2)?;
        }
        let x = self.x(self.whole);
        drawing::line(self.area, &[(x, HEAD - 8), (x, bottom)], &DARK, 2)?;
        let more = self.plan.names().len() - self.rows;
        if more > 0 {
            let text = text!("… and {} more tasks", more);
            drawing::text(self.area, &text, (MARGIN, bottom + 16), SIZE, &PALE, HPos::Left)?;
        }
        Ok(())
    }

    fn legend(&self) -> Drawn {
        let mut x = MARGIN;
        let all = [
            (RED, text!("critical")),
            (BLUE, text!("not critical")),
            (PALE, text!("slack: may be late")),
        ];
        for (place, (colour, label)) in all.into_iter().enumerate() {
            if place == 2 && self.schedule.is_some() {
                continue;
            }
            let half = if place == 2 { 1 } else { 6 };
            self.bar((x, 56 - half), (x + 28, 56 + half), colour)?;
            drawing::text(self.area, &label, (x + 36, 56), SIZE, &DARK, HPos::Left)?;
            x += 36 + drawing::width(&label, SIZE) + 28;
        }
        match self.schedule {
            Some(schedule) if schedule.tasks.iter().any(|task| task.worker.is_some()) => {
                let label = text!("a number: the worker");
                drawing::text(self.area, &label, (x, 56), SIZE, &DARK, HPos::Left)
            }
            _ => Ok(()),
        }
    }

    fn row(&self, task: usize, y: i32) -> Drawn {
        let times = self.timetable.tasks[task];
        let colour = if times.is_critical() { RED } else { BLUE };
        let name = drawing::shortened(&self.plan.names()[task], SIZE, NAMES);
        drawing::text(self.area, &name, (self.left - 12, y), SIZE, &DARK, HPos::Right)?;
        let placed = self.schedule.map(|schedule| schedule.tasks[task]);
        let (start, finish) = placed
            .map_or((times.earliest_start, times.earliest_finish), |at| (at.start, at.finish));
        let (from, to) = (self.x(start), self.x(finish));
        if placed.is_none() && !times.is_critical() {
            self.bar((to, y - 1), (self.x(times.latest_finish), y + 1), PALE)?;
        }
        if start == finish {
            let corners = vec![(from, y - 7), (from + 7, y), (from, y + 7), (from - 7, y)];
            return self.area.draw(&Polygon::new(corners, colour.filled()));
        }
        self.bar((from, y - 8), (to.max(from + 1), y + 8), colour)?;
        let Some(worker) = placed.and_then(|at| at.worker) else { return Ok(()) };
        let worker = (worker + 1).to_string();
        let room = drawing::width(&worker, 12) + 4 <= to - from;
        let place = ((from + to) / 2, y);
        if room {
            drawing::text(self.area, &worker, place, 12, &WHITE, HPos::Center)
        } else {
            Ok(())
        }
    }

    fn bar(&self, from: Place, to: Place, colour: RGBColor) -> Drawn {
        self.area.draw(&Rectangle::new([from, to], colour.filled()))
    }

    /// Returns where a time lies, in pixels from the left.
    fn x(&self, time: f64) -> i32 {
        let share = if self.whole > 0.0 { time / self.whole } else { 0.0 };
        self.left + (share * f64::from(BARS)).round() as i32
    }
}
