//! The matrix as a picture: for every cell the median, and a line from the smallest to the largest.
//!
//! ```text
//!                       1      10     100 µs
//!   both on one core
//!     kernel pipes      ·      ├●┤    ·          threads
//!                       ·      ├●┤    ·          processes
//! ```

use common::time::Spread;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use process_basics::Failure;

use super::{Cell, Channel, Figures, Placement, Subject, Who};

const WIDTH: i32 = 820;
/// Of the names, and of the free place at the other side.
const NAMES: i32 = 170;
const MARGIN: i32 = 60;
const LINE: i32 = 26;
/// Above the first line, and below the last.
const HEAD: i32 = 92;
const FOOT: i32 = 50;

const FONT: &str = "sans-serif";
const THREADS: RGBColor = RGBColor(38, 120, 178);
const PROCESSES: RGBColor = RGBColor(214, 96, 48);
const GRID: RGBColor = RGBColor(222, 222, 222);
const DARK: RGBColor = RGBColor(40, 40, 40);
const PALE: RGBColor = RGBColor(110, 110, 110);

/// A line of the plot.
enum Line {
    Placement(Placement),
    Channel(Channel, [Option<Spread>; 2]),
}

/// The plot as an SVG document.
///
/// # Errors
/// If it can't be drawn.
pub fn svg(figures: &Figures) -> Result<String, Failure> {
    let lines = lines(figures);
    let height = HEAD + LINE * lines.len() as i32 + FOOT;
    let mut document = String::new();
    {
        let size = (WIDTH.cast_unsigned(), height.cast_unsigned());
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        let drawn = Plot { area: &area, axis: Axis::of(&lines) }.draw(&lines);
        drawn.and_then(|()| area.present()).map_err(Failure::new)?;
    }
    Ok(document)
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

/// A logarithmic axis over whole powers of ten, in microseconds.
struct Axis {
    lowest: i32,
    highest: i32,
}

impl Axis {
    fn of(lines: &[Line]) -> Self {
        let spreads = lines.iter().filter_map(|line| match line {
            Line::Channel(_, spreads) => Some(spreads.iter().flatten()),
            Line::Placement(_) => None,
        });
        let mut axis = Self { lowest: 0, highest: 1 };
        for spread in spreads.flatten() {
            axis.lowest = axis.lowest.min(power(spread.min).floor() as i32);
            axis.highest = axis.highest.max(power(spread.max).ceil() as i32);
        }
        axis
    }

    /// Where a power of ten lies, in pixels from the left.
    fn place(&self, power: f64) -> i32 {
        let share = (power - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        NAMES + (share * f64::from(WIDTH - NAMES - MARGIN)).round() as i32
    }
}

/// Which power of ten so many microseconds are; less than a nanosecond can't be measured.
fn power(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).max(1e-3).log10()
}

/// What is drawn on.
struct Plot<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
    axis: Axis,
}

type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

impl Plot<'_, '_> {
    fn draw(&self, lines: &[Line]) -> Drawn {
        self.area.fill(&WHITE)?;
        self.text("A token there and back, in microseconds", (16, 20), 18, &DARK, HPos::Left)?;
        for (who, colour, x) in [("threads", THREADS, 16), ("processes", PROCESSES, 110)] {
            self.area.draw(&Circle::new((x + 5, 46), 4, colour.filled()))?;
            self.text(who, (x + 16, 46), 13, &DARK, HPos::Left)?;
        }
        let bottom = HEAD + LINE * lines.len() as i32;
        for power in self.axis.lowest..=self.axis.highest {
            let x = self.axis.place(f64::from(power));
            self.area.draw(&PathElement::new([(x, HEAD - 6), (x, bottom)], GRID))?;
            let micros = format!("{}", 10_f64.powi(power));
            self.text(&micros, (x, HEAD - 16), 12, &PALE, HPos::Center)?;
        }
        for (number, line) in (0..).zip(lines) {
            let y = HEAD + LINE * number + LINE / 2;
            match line {
                Line::Placement(placement) => {
                    self.text(placement.name(), (16, y), 14, &DARK, HPos::Left)?;
                }
                Line::Channel(channel, spreads) => {
                    self.text(channel.name(), (32, y), 13, &PALE, HPos::Left)?;
                    for (spread, colour, above) in
                        [(spreads[0], THREADS, -5), (spreads[1], PROCESSES, 5)]
                    {
                        self.range(spread, colour, y + above)?;
                    }
                }
            }
        }
        let foot = "A dot is the median, a line goes from the smallest to the largest sample. \
                    Where two lines overlap, no difference is shown.";
        self.text(foot, (16, bottom + 24), 11, &PALE, HPos::Left)
    }

    fn range(&self, spread: Option<Spread>, colour: RGBColor, y: i32) -> Drawn {
        let Some(spread) = spread else { return Ok(()) };
        let [min, median, max] =
            [spread.min, spread.median, spread.max].map(|time| self.axis.place(power(time)));
        for line in
            [[(min, y), (max, y)], [(min, y - 4), (min, y + 4)], [(max, y - 4), (max, y + 4)]]
        {
            self.area.draw(&PathElement::new(line, colour.stroke_width(1)))?;
        }
        self.area.draw(&Circle::new((median, y), 4, colour.filled()))
    }

    fn text(
        &self,
        text: &str,
        place: (i32, i32),
        size: i32,
        colour: &RGBColor,
        side: HPos,
    ) -> Drawn {
        let style = (FONT, size).into_font().color(colour).pos(Pos::new(side, VPos::Center));
        self.area.draw_text(text, &style, place)
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
        for text in ["both on one core", "not pinned", "futex word", "processes"] {
            assert!(document.contains(text), "{text}");
        }
    }

    #[test]
    fn the_axis_holds_every_range() {
        let axis = Axis::of(&lines(&figures()));
        assert_eq!((axis.lowest, axis.highest), (0, 2));
        assert_eq!((axis.place(0.0), axis.place(2.0)), (NAMES, WIDTH - MARGIN));
    }
}
