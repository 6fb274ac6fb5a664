//! The ratios as a picture: a bar for each peer, from 1 to how many times better ours is.
//!
//! ```text
//!                 0.1      1       10      100
//!   queue-1-1      ·       ┃        ·       ·
//!     CPython      ·       ┃████████████├┤  ·   91 ×
//!     crossbeam    ·  ├┤███┃        ·       ·   0.42 ×
//! ```

use common::drawing::{
    Area, BLUE, DARK, Drawn, GRID, HPos, LogAxis, ORANGE, PALE, line, picture, range, text,
};
use multiprocess::Failure;
use plotters::prelude::*;

use crate::machine::Machine;
use crate::method::{Measured, Spread};
use crate::report::factor;

const WIDTH: i32 = 900;
/// The width of the names.
const NAMES: i32 = 220;
/// The width of the figures at the other side.
const FIGURES: i32 = 170;
const LINE: i32 = 18;
/// The heights above the first line and below the last.
const HEAD: i32 = 64;
const FOOT: i32 = 56;

/// A line of the chart.
enum Line<'a> {
    Row(&'a str),
    Peer(&'a str, Spread),
}

/// Draws the chart as an SVG document; rows without any ratio are left out.
pub(crate) fn svg(machine: &Machine, all: &[Measured]) -> Result<String, Failure> {
    let lines = lines(all);
    let height = HEAD + LINE * lines.len() as i32 + FOOT;
    let chart = |area: &Area<'_>| Chart { area, axis: axis(&lines) }.draw(&lines, machine);
    picture((WIDTH, height), chart).map_err(Failure::new)
}

fn lines(all: &[Measured]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for measured in all {
        let peers = measured.row.peers.iter().enumerate().skip(1);
        let peers =
            peers.filter_map(|(place, peer)| Some(Line::Peer(&peer.name, measured.ratio(place)?)));
        let peers: Vec<Line<'_>> = peers.collect();
        if !peers.is_empty() {
            lines.push(Line::Row(&measured.row.name));
            lines.extend(peers);
        }
    }
    lines
}

/// Makes an axis that holds every range, and 1 with some room on both sides.
fn axis(lines: &[Line<'_>]) -> LogAxis {
    let spreads = lines.iter().filter_map(|line| match line {
        Line::Peer(_, spread) => Some([spread.min, spread.max]),
        Line::Row(_) => None,
    });
    LogAxis::over(spreads.flatten(), (-1, 1), (NAMES, WIDTH - FIGURES))
}

/// The chart: what is drawn on, and its axis.
struct Chart<'a, 'b> {
    area: &'a Area<'b>,
    axis: LogAxis,
}

impl Chart<'_, '_> {
    fn draw(&self, lines: &[Line<'_>], machine: &Machine) -> Drawn {
        let title = "How many times better ours is than each peer";
        text(self.area, title, (16, 20), 18, &DARK, HPos::Left)?;
        let bottom = HEAD + LINE * lines.len() as i32;
        for power in self.axis.powers() {
            let ratio = 10_f64.powi(power);
            let x = self.axis.place(ratio);
            let (colour, thickness) = if power == 0 { (&DARK, 2) } else { (&GRID, 1) };
            line(self.area, &[(x, HEAD - 6), (x, bottom)], colour, thickness)?;
            text(self.area, &format!("{ratio} ×"), (x, HEAD - 16), 12, &PALE, HPos::Center)?;
        }
        for (number, line) in (0..).zip(lines) {
            let y = HEAD + LINE * number + LINE / 2;
            match line {
                Line::Row(name) => text(self.area, name, (16, y), 13, &DARK, HPos::Left)?,
                Line::Peer(name, ratio) => self.bar(name, *ratio, y)?,
            }
        }
        let [first, second] = machine.lines();
        text(self.area, &first, (16, bottom + 20), 11, &PALE, HPos::Left)?;
        text(self.area, &second, (16, bottom + 36), 11, &PALE, HPos::Left)
    }

    /// Draws the bar from 1 to the median, a whisker from the smallest to the largest.
    fn bar(&self, name: &str, ratio: Spread, y: i32) -> Drawn {
        let [one, min, median, max] =
            [1.0, ratio.min, ratio.median, ratio.max].map(|ratio| self.axis.place(ratio));
        let colour = if ratio.median >= 1.0 { BLUE } else { ORANGE };
        text(self.area, name, (NAMES - 12, y), 12, &PALE, HPos::Right)?;
        self.area
            .draw(&Rectangle::new([(one, y - 5), (median, y + 5)], colour.mix(0.75).filled()))?;
        range(self.area, (min, max), y, &DARK)?;
        let [min, median, max] = [ratio.min, ratio.median, ratio.max].map(factor);
        let figures = format!("{median} × ({min} – {max})");
        text(self.area, &figures, (WIDTH - FIGURES + 12, y), 12, &DARK, HPos::Left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ratio_is_a_bar_and_a_missing_peer_is_none() {
        let document = svg(&Machine::default(), &[Measured::example()]).unwrap();
        for text in ["queue-1-1", "fork", "105 × (100 – 110)", "threads", "0.50 × (0.48 – 0.52)"]
        {
            assert!(document.contains(text), "{text}");
        }
        assert!(!document.contains("ipc-channel"));
    }

    #[test]
    fn the_axis_holds_every_range_and_one_lies_between_worse_and_better() {
        let all = [Measured::example()];
        let axis = axis(&lines(&all));
        assert_eq!(axis.powers(), -1..=3);
        assert_eq!((axis.place(0.1), axis.place(1000.0)), (NAMES, WIDTH - FIGURES));
        assert!(axis.place(0.5) < axis.place(1.0) && axis.place(1.0) < axis.place(2.0));
    }
}
