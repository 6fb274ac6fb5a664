//! The ratios as a picture: a bar for each peer, from 1 to how many times better ours is.
//!
//! ```text
//!                 0.1      1       10      100
//!   queue-1-1      ·       ┃        ·       ·
//!     CPython      ·       ┃████████████├┤  ·   91 ×
//!     crossbeam    ·  ├┤███┃        ·       ·   0.42 ×
//! ```

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use process_basics::Failure;

use crate::machine::Machine;
use crate::method::{Measured, Spread};
use crate::report::factor;

const WIDTH: i32 = 900;
/// Of the names, and of the figures at the other side.
const NAMES: i32 = 220;
const FIGURES: i32 = 170;
const LINE: i32 = 18;
/// Above the first line, and below the last.
const HEAD: i32 = 64;
const FOOT: i32 = 56;

const FONT: &str = "sans-serif";
const BETTER: RGBColor = RGBColor(38, 120, 178);
const WORSE: RGBColor = RGBColor(214, 96, 48);
const GRID: RGBColor = RGBColor(222, 222, 222);
const DARK: RGBColor = RGBColor(40, 40, 40);
const PALE: RGBColor = RGBColor(110, 110, 110);

/// A line of the chart.
enum Line<'a> {
    Row(&'a str),
    Peer(&'a str, Spread),
}

/// The chart as an SVG document; rows without any ratio are left out.
pub(crate) fn svg(machine: &Machine, all: &[Measured]) -> Result<String, Failure> {
    let lines = lines(all);
    let height = HEAD + LINE * lines.len() as i32 + FOOT;
    let mut document = String::new();
    {
        let size = (WIDTH.cast_unsigned(), height.cast_unsigned());
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        let drawn = Chart { area: &area, axis: Axis::of(&lines) }.draw(&lines, machine);
        drawn.and_then(|()| area.present()).map_err(Failure::new)?;
    }
    Ok(document)
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

/// A logarithmic axis over whole powers of ten.
struct Axis {
    lowest: i32,
    highest: i32,
}

impl Axis {
    fn of(lines: &[Line<'_>]) -> Self {
        let spreads = lines.iter().filter_map(|line| match line {
            Line::Peer(_, spread) => Some(spread),
            Line::Row(_) => None,
        });
        let mut axis = Self { lowest: -1, highest: 1 };
        for spread in spreads {
            axis.lowest = axis.lowest.min(spread.min.log10().floor() as i32);
            axis.highest = axis.highest.max(spread.max.log10().ceil() as i32);
        }
        axis
    }

    /// Where a ratio lies, in pixels from the left.
    fn place(&self, ratio: f64) -> i32 {
        let share =
            (ratio.log10() - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        NAMES + (share * f64::from(WIDTH - NAMES - FIGURES)).round() as i32
    }
}

/// What is drawn on.
struct Chart<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
    axis: Axis,
}

type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

impl Chart<'_, '_> {
    fn draw(&self, lines: &[Line<'_>], machine: &Machine) -> Drawn {
        self.area.fill(&WHITE)?;
        let title = "How many times better ours is than each peer";
        self.text(title, (16, 20), 18, &DARK, HPos::Left)?;
        let bottom = HEAD + LINE * lines.len() as i32;
        for power in self.axis.lowest..=self.axis.highest {
            let ratio = 10_f64.powi(power);
            let x = self.axis.place(ratio);
            let style = if power == 0 { DARK.stroke_width(2) } else { GRID.stroke_width(1) };
            self.area.draw(&PathElement::new([(x, HEAD - 6), (x, bottom)], style))?;
            self.text(&format!("{ratio} ×"), (x, HEAD - 16), 12, &PALE, HPos::Center)?;
        }
        for (number, line) in (0..).zip(lines) {
            let y = HEAD + LINE * number + LINE / 2;
            match line {
                Line::Row(name) => self.text(name, (16, y), 13, &DARK, HPos::Left)?,
                Line::Peer(name, ratio) => self.bar(name, *ratio, y)?,
            }
        }
        let [first, second] = machine.lines();
        self.text(&first, (16, bottom + 20), 11, &PALE, HPos::Left)?;
        self.text(&second, (16, bottom + 36), 11, &PALE, HPos::Left)
    }

    /// The bar from 1 to the median, a whisker from the smallest to the largest.
    fn bar(&self, name: &str, ratio: Spread, y: i32) -> Drawn {
        let [one, min, median, max] =
            [1.0, ratio.min, ratio.median, ratio.max].map(|ratio| self.axis.place(ratio));
        let colour = if ratio.median >= 1.0 { BETTER } else { WORSE };
        self.text(name, (NAMES - 12, y), 12, &PALE, HPos::Right)?;
        self.area
            .draw(&Rectangle::new([(one, y - 5), (median, y + 5)], colour.mix(0.75).filled()))?;
        for line in
            [[(min, y), (max, y)], [(min, y - 4), (min, y + 4)], [(max, y - 4), (max, y + 4)]]
        {
            self.area.draw(&PathElement::new(line, DARK.stroke_width(1)))?;
        }
        let [min, median, max] = [ratio.min, ratio.median, ratio.max].map(factor);
        let figures = format!("{median} × ({min} – {max})");
        self.text(&figures, (WIDTH - FIGURES + 12, y), 12, &DARK, HPos::Left)
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
        let axis = Axis::of(&lines(&all));
        assert_eq!((axis.lowest, axis.highest), (-1, 3));
        assert_eq!((axis.place(0.1), axis.place(1000.0)), (NAMES, WIDTH - FIGURES));
        assert!(axis.place(0.5) < axis.place(1.0) && axis.place(1.0) < axis.place(2.0));
    }
}
