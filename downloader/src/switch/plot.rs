//! The matrix as a picture: for every cell the median, and a line from the smallest to the largest.
//!
//! ```text
//!                       1      10     100 µs
//!   both on one core
//!     kernel pipes      ·      ├●┤    ·          threads
//!                       ·      ├●┤    ·          processes
//! ```

use common::drawing::{
    Area, BLUE, DARK, Drawn, GRID, HPos, LogAxis, ORANGE, PALE, line, picture, range, text,
};
use common::text;
use common::time::Spread;
use multiprocess::Failure;
use plotters::prelude::*;

use super::{Cell, Channel, Figures, Placement, Subject, Who};

const WIDTH: i32 = 820;
/// The width of the names.
const NAMES: i32 = 170;
/// The free space at the other side.
const MARGIN: i32 = 60;
const LINE: i32 = 26;
/// The heights above the first line and below the last.
const HEAD: i32 = 92;
const FOOT: i32 = 50;

const THREADS: RGBColor = BLUE;
const PROCESSES: RGBColor = ORANGE;

/// A line of the plot.
enum Line {
    Placement(Placement),
    Channel(Channel, [Option<Spread>; 2]),
}

/// Draws the plot as an SVG document.
///
/// # Errors
/// If it can't be drawn.
pub(crate) fn svg(figures: &Figures) -> Result<String, Failure> {
    let lines = lines(figures);
    let height = HEAD + LINE * lines.len() as i32 + FOOT;
    let plot = |area: &Area<'_>| Plot { area, axis: axis(&lines) }.draw(&lines);
    picture((WIDTH, height), plot).map_err(Failure::new)
}

fn lines(figures: &Figures) -> Vec<Line> {
    use Channel::{Crossbeam, Futex, Pipe, Queue};
    let mut lines = Vec::new();
    for placement in Placement::ALL {
        lines.push(Line::Placement(placement));
        lines.extend([Pipe, Futex, Queue, Crossbeam].map(|channel| {
            let time =
                |who| figures.time(Subject::RoundTrip(Cell::new(who, channel, placement))).ok();
            Line::Channel(channel, [Who::Threads, Who::Processes].map(time))
        }));
    }
    lines
}

/// Makes an axis that holds every range, in microseconds.
fn axis(lines: &[Line]) -> LogAxis {
    let spreads = lines.iter().filter_map(|line| match line {
        Line::Channel(_, spreads) => Some(spreads.iter().flatten()),
        Line::Placement(_) => None,
    });
    let times = spreads.flatten().flat_map(|spread| [spread.min, spread.max].map(micros));
    LogAxis::over(times, (0, 1), (NAMES, WIDTH - MARGIN))
}

/// Returns a time in microseconds, at least a nanosecond: less can't be measured.
fn micros(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).max(1e-3)
}

/// The plot: what is drawn on, and its axis.
struct Plot<'a, 'b> {
    area: &'a Area<'b>,
    axis: LogAxis,
}

impl Plot<'_, '_> {
    fn draw(&self, lines: &[Line]) -> Drawn {
        text(
            self.area,
            &text!("A token there and back, in microseconds"),
            (16, 20),
            18,
            &DARK,
            HPos::Left,
        )?;
        let legend = [(text!("threads"), THREADS, 16), (text!("processes"), PROCESSES, 110)];
        for (who, colour, x) in legend {
            self.area.draw(&Circle::new((x + 5, 46), 4, colour.filled()))?;
            text(self.area, &who, (x + 16, 46), 13, &DARK, HPos::Left)?;
        }
        let bottom = HEAD + LINE * lines.len() as i32;
        for power in self.axis.powers() {
            let micros = 10_f64.powi(power);
            let x = self.axis.place(micros);
            line(self.area, &[(x, HEAD - 6), (x, bottom)], &GRID, 1)?;
            text(self.area, &micros.to_string(), (x, HEAD - 16), 12, &PALE, HPos::Center)?;
        }
        for (number, line) in (0..).zip(lines) {
            let y = HEAD + LINE * number + LINE / 2;
            match line {
                Line::Placement(placement) => {
                    text(self.area, &placement.name(), (16, y), 14, &DARK, HPos::Left)?;
                }
                Line::Channel(channel, spreads) => {
                    text(self.area, &channel.name(), (32, y), 13, &PALE, HPos::Left)?;
                    for (spread, colour, above) in
                        [(spreads[0], THREADS, -5), (spreads[1], PROCESSES, 5)]
                    {
                        self.spread(spread, colour, y + above)?;
                    }
                }
            }
        }
        let foot = text!(
            "A dot is the median, a line goes from the smallest to the largest sample. Where two \
             lines overlap, no difference is shown."
        );
        text(self.area, &foot, (16, bottom + 24), 11, &PALE, HPos::Left)
    }

    fn spread(&self, spread: Option<Spread>, colour: RGBColor, y: i32) -> Drawn {
        let Some(spread) = spread else { return Ok(()) };
        let [min, median, max] =
            [spread.min, spread.median, spread.max].map(|time| self.axis.place(micros(time)));
        range(self.area, (min, max), y, &colour)?;
        self.area.draw(&Circle::new((median, y), 4, colour.filled()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Sample;
    use super::*;

    fn figures() -> Figures {
        let cell = Cell::new(Who::Threads, Channel::Futex, Placement::OneCore);
        let samples = [1, 5, 30].map(|micros| Sample::from(Duration::from_micros(micros)));
        Figures(vec![(Subject::RoundTrip(cell), Ok(samples.to_vec()))])
    }

    #[test]
    fn every_measured_cell_is_a_dot_and_a_missing_one_is_none() {
        let document = svg(&figures()).unwrap();
        // Two are the legend's.
        assert_eq!(document.matches("<circle").count(), 3);
        let texts = [Placement::OneCore.name(), Placement::Free.name(), Channel::Futex.name()];
        for text in texts.into_iter().chain([text!("processes")]) {
            assert!(document.contains(&text), "{text}");
        }
    }

    #[test]
    fn the_axis_holds_every_range() {
        let axis = axis(&lines(&figures()));
        assert_eq!(axis.powers(), 0..=2);
        assert_eq!((axis.place(1.0), axis.place(100.0)), (NAMES, WIDTH - MARGIN));
    }
}
