//! Which task waits for which, as boxes in columns with lines from left to right.
//!
//! ```text
//!   ┌────┬───┬────┐
//!   │ ES │ d │ EF │      Lines that pass a column go through a slot of their own in it
//!   │    name     │ ──▶  (Sugiyama and others, 1981), so that no line crosses a box.
//!   │ LS │ s │ LF │
//!   └────┴───┴────┘
//! ```

use crate::{Plan, Timetable};
use common::drawing::{self, Area, BLUE, DARK, Drawn, HPos, PALE, Place, RED};
use common::text;
use plotters::prelude::*;

use super::number;

const GAP: i32 = 70;
const BETWEEN: i32 = 18;
const HEIGHT: i32 = 62;
/// The height of the slot of a line that passes.
const PASSAGE: i32 = 8;
const WIDTH: std::ops::RangeInclusive<i32> = 132..=240;
const HEAD: i32 = 64;
const SIZE: i32 = 13;
/// The largest plan that is drawn: a larger one couldn't be read.
const MOST_TASKS: usize = 60;
const MOST_EDGES: usize = 150;

/// The content of a slot of a column.
struct Node {
    /// A task, or the edge (from, to) that passes.
    task: Option<u32>,
    edge: (u32, u32),
    /// Its neighbours in the next column.
    next: Vec<usize>,
    column: usize,
    /// The middle of its slot, from the top of the picture.
    y: i32,
}

pub(super) struct Network<'a> {
    plan: &'a Plan,
    timetable: &'a Timetable<'a>,
    nodes: Vec<Node>,
    columns: Vec<Vec<usize>>,
    width: i32,
    height: i32,
}

impl<'a> Network<'a> {
    /// Makes the drawing of a plan that isn't too large for it.
    pub(super) fn of(plan: &'a Plan, timetable: &'a Timetable<'a>) -> Option<Self> {
        let tasks = plan.names().len();
        let edges: usize = (0..tasks as u32).map(|t| plan.graph().predecessors(t).len()).sum();
        if tasks > MOST_TASKS || edges > MOST_EDGES {
            return None;
        }
        let widest = plan.names().iter().map(|name| drawing::width(name, SIZE) + 20).max();
        let width = widest.unwrap_or(0).clamp(*WIDTH.start(), *WIDTH.end());
        let mut new =
            Self { plan, timetable, nodes: Vec::new(), columns: Vec::new(), width, height: 0 };
        new.fill();
        for round in 0..12 {
            new.untangle(round % 2 == 0);
        }
        new.settle();
        Some(new)
    }

    pub(super) fn size(&self) -> Place {
        let columns = self.columns.len() as i32;
        (columns * (self.width + GAP) - GAP, self.height + HEAD + BETWEEN)
    }

    /// Puts each task into the column behind the last task that it waits for, and its edges into
    /// all columns in between.
    fn fill(&mut self) {
        let graph = self.plan.graph();
        let tasks = self.plan.names().len() as u32;
        let mut column = vec![0; tasks as usize];
        let order = graph.order().unwrap_or_default();
        for &task in &order {
            let before = graph.predecessors(task).iter();
            column[task as usize] = before.map(|t| column[*t as usize] + 1).max().unwrap_or(0);
        }
        let mut place = |task, edge, column| {
            self.nodes.push(Node { task, edge, next: Vec::new(), column, y: 0 });
            self.columns.resize_with(self.columns.len().max(column + 1), Vec::new);
            self.columns[column].push(self.nodes.len() - 1);
            self.nodes.len() - 1
        };
        for task in 0..tasks {
            place(Some(task), (task, task), column[task as usize]);
        }
        let mut passages = Vec::new();
        for task in 0..tasks {
            for &next in graph.successors(task) {
                let mut last = task as usize;
                for passed in column[task as usize] + 1..column[next as usize] {
                    let passage = place(None, (task, next), passed);
                    passages.push((last, passage));
                    last = passage;
                }
                passages.push((last, next as usize));
            }
        }
        for (from, to) in passages {
            self.nodes[from].next.push(to);
        }
    }

    /// Sorts each column by the mean position of its neighbours in the column before, or behind
    /// (the barycentre method).
    fn untangle(&mut self, forward: bool) {
        let columns = self.columns.len();
        let mut order: Vec<usize> = (0..columns).collect();
        if !forward {
            order.reverse();
        }
        let mut rank = vec![0.0; self.nodes.len()];
        for column in order {
            let mut sum = vec![(0.0, 0.0); self.nodes.len()];
            for (from, node) in self.nodes.iter().enumerate() {
                for &to in &node.next {
                    let (mine, other) = if forward { (to, from) } else { (from, to) };
                    sum[mine] = (sum[mine].0 + rank[other], sum[mine].1 + 1.0);
                }
            }
            let members = &mut self.columns[column];
            let old: Vec<usize> = members.clone();
            let mean = |node: &usize| {
                let own = old.iter().position(|other| other == node).unwrap_or(0) as f64;
                let own = own - (old.len() as f64 - 1.0) / 2.0;
                if sum[*node].1 > 0.0 { sum[*node].0 / sum[*node].1 } else { own }
            };
            members.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
            let middle = (members.len() as f64 - 1.0) / 2.0;
            for (place, node) in members.iter().enumerate() {
                rank[*node] = place as f64 - middle;
            }
        }
    }

    /// Gives each node its height, the columns' middles on one line.
    fn settle(&mut self) {
        let tall = |node: &Node| if node.task.is_some() { HEIGHT } else { PASSAGE };
        let heights: Vec<i32> = self
            .columns
            .iter()
            .map(|column| column.iter().map(|node| tall(&self.nodes[*node]) + BETWEEN).sum())
            .collect();
        self.height = heights.iter().copied().max().unwrap_or(0);
        for (column, height) in self.columns.iter().zip(heights) {
            let mut y = (self.height - height) / 2;
            for &node in column {
                let tall = tall(&self.nodes[node]);
                self.nodes[node].y = HEAD + y + (tall + BETWEEN) / 2;
                y += tall + BETWEEN;
            }
        }
    }

    pub(super) fn draw(&self, area: &Area<'_>, corner: Place) -> Drawn {
        let title = text!("Network: which task waits for which");
        drawing::text(area, &title, (corner.0, corner.1 + 14), 18, &DARK, HPos::Left)?;
        let key = text!("in a box: earliest start, duration, end; name; latest start, slack, end");
        drawing::text(area, &key, (corner.0, corner.1 + 40), 12, &PALE, HPos::Left)?;
        for critical in [false, true] {
            let nodes = self.nodes.iter();
            for node in nodes {
                for &next in &node.next {
                    self.edge(area, corner, node, &self.nodes[next], critical)?;
                }
            }
        }
        for node in &self.nodes {
            if let Some(task) = node.task {
                self.task(area, (corner.0 + self.left(node), corner.1 + node.y), task)?;
            }
        }
        Ok(())
    }

    fn left(&self, node: &Node) -> i32 {
        node.column as i32 * (self.width + GAP)
    }

    /// Draws the line between two neighbours, if it is critical or if it isn't.
    fn edge(
        &self,
        area: &Area<'_>,
        (x, y): Place,
        from: &Node,
        to: &Node,
        critical: bool,
    ) -> Drawn {
        let (before, after) = match (from.task, to.task) {
            (Some(before), Some(after)) => (before, after),
            (None, _) => from.edge,
            (_, None) => to.edge,
        };
        let leads = self.timetable.leads(before, after);
        if leads != critical {
            return Ok(());
        }
        let colour = if critical { RED } else { PALE };
        let start = (x + self.left(from) + self.width, y + from.y);
        let end = (x + self.left(to), y + to.y);
        let thick = if critical { 2 } else { 1 };
        if to.task.is_none() {
            return drawing::line(area, &[start, end, (end.0 + self.width, end.1)], &colour, thick);
        }
        drawing::line(area, &[start, (end.0 - 7, end.1)], &colour, thick)?;
        let head = vec![end, (end.0 - 9, end.1 - 4), (end.0 - 9, end.1 + 4)];
        area.draw(&Polygon::new(head, colour.filled()))
    }

    fn task(&self, area: &Area<'_>, (x, y): Place, task: u32) -> Drawn {
        let times = &self.timetable.tasks[task as usize];
        let colour = if times.is_critical() { RED } else { BLUE };
        let (top, bottom) = (y - HEIGHT / 2, y + HEIGHT / 2);
        let corners = [(x, top), (x + self.width, bottom)];
        area.draw(&Rectangle::new(corners, WHITE.filled()))?;
        area.draw(&Rectangle::new(
            corners,
            colour.stroke_width(if times.is_critical() { 2 } else { 1 }),
        ))?;
        let name = drawing::shortened(&self.plan.names()[task as usize], SIZE, self.width - 12);
        drawing::text(area, &name, (x + self.width / 2, y), SIZE, &DARK, HPos::Center)?;
        let duration = self.plan.durations()[task as usize];
        let above = [times.earliest_start, duration, times.earliest_finish];
        let below = [times.latest_start, times.slack, times.latest_finish];
        for (values, y) in [(above, top + 11), (below, bottom - 11)] {
            let sides = [
                (x + 6, HPos::Left),
                (x + self.width / 2, HPos::Center),
                (x + self.width - 6, HPos::Right),
            ];
            for (value, (x, side)) in values.into_iter().zip(sides) {
                let value = drawing::shortened(&number(value), 11, (self.width - 20) / 3);
                drawing::text(area, &value, (x, y), 11, &PALE, side)?;
            }
        }
        Ok(())
    }
}
