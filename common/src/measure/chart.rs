//! Figures as a picture: for every one the median, and a line from the smallest to the largest.
//!
//! ```text
//!                       0.1      1       10      100
//!   both on one core     ·       ┃        ·       ·
//!     kernel pipes       ·       ┃      ├─●─┤     ·
//!     our queue          ·     ├●┤        ·       ·
//! ```

use plotters::prelude::*;

use crate::drawing::{
    Area, BLUE, DARK, Drawn, Error, GRID, HPos, LogAxis, ORANGE, PALE, line, picture, range, text,
};
use crate::time::Spread;

/// A picture of spreads on a logarithmic axis.
pub struct Chart {
    /// The heading.
    pub title: String,
    /// The names of the first and of the second figure of a line, if there are two.
    pub legend: Option<[String; 2]>,
    /// The lines, from above.
    pub lines: Vec<Line>,
    /// The unit, written behind the powers of ten.
    pub unit: String,
    /// The value, 1, that divides better from worse: from there a bar goes to each median.
    pub has_bars: bool,
    /// The lines below the picture.
    pub foot: Vec<String>,
}

/// A line of a chart.
pub enum Line {
    /// The heading of those that follow.
    Heading(String),
    /// A name, its figures, and what is written beside them.
    Figures(String, [Option<Spread<f64>>; 2], String),
}

const WIDTH: i32 = 900;
/// The width of the names.
const NAMES: i32 = 220;
/// The width of what is written beside the figures.
const BESIDE: i32 = 170;
const LINE: i32 = 22;
/// The heights above the first line and below the last.
const HEAD: i32 = 92;
const FOOT: i32 = 56;

const COLOURS: [RGBColor; 2] = [BLUE, ORANGE];

impl Chart {
    /// Draws the chart as an SVG document.
    ///
    /// # Errors
    /// If it can't be drawn.
    pub fn svg(&self) -> Result<String, Error> {
        let axis = self.axis();
        picture((WIDTH, self.bottom() + FOOT), |area| self.draw(area, &axis))
    }

    fn bottom(&self) -> i32 {
        HEAD + LINE * self.lines.len() as i32
    }

    /// Makes an axis that holds every range, and 1 with some room.
    fn axis(&self) -> LogAxis {
        let figures = self.lines.iter().filter_map(|line| match line {
            Line::Figures(_, spreads, _) => Some(spreads.iter().flatten()),
            Line::Heading(_) => None,
        });
        let values = figures.flatten().flat_map(|spread| [spread.min, spread.max].map(positive));
        let least = if self.has_bars { (-1, 1) } else { (0, 1) };
        LogAxis::over(values, least, (NAMES, WIDTH - BESIDE))
    }

    fn draw(&self, area: &Area<'_>, axis: &LogAxis) -> Drawn {
        text(area, &self.title, (16, 20), 18, &DARK, HPos::Left)?;
        for (number, name) in self.legend.iter().flatten().enumerate() {
            let x = 16 + 130 * number as i32;
            area.draw(&Circle::new((x + 5, 46), 4, COLOURS[number].filled()))?;
            text(area, name, (x + 16, 46), 13, &DARK, HPos::Left)?;
        }
        for power in axis.powers() {
            let value = 10_f64.powi(power);
            let x = axis.place(value);
            let is_middle = self.has_bars && power == 0;
            let (colour, thickness) = if is_middle { (&DARK, 2) } else { (&GRID, 1) };
            line(area, &[(x, HEAD - 6), (x, self.bottom())], colour, thickness)?;
            let label = format!("{value} {}", self.unit);
            text(area, label.trim_end(), (x, HEAD - 16), 12, &PALE, HPos::Center)?;
        }
        for (number, line) in (0..).zip(&self.lines) {
            let y = HEAD + LINE * number + LINE / 2;
            match line {
                Line::Heading(name) => text(area, name, (16, y), 13, &DARK, HPos::Left)?,
                Line::Figures(name, spreads, beside) => {
                    text(area, name, (NAMES - 12, y), 12, &PALE, HPos::Right)?;
                    let apart = if self.legend.is_some() { 5 } else { 0 };
                    for ((spread, colour), y) in
                        spreads.iter().zip(COLOURS).zip([y - apart, y + apart])
                    {
                        self.spread(area, axis, *spread, y, colour)?;
                    }
                    text(area, beside, (WIDTH - BESIDE + 12, y), 12, &DARK, HPos::Left)?;
                }
            }
        }
        for (number, line) in (0..).zip(&self.foot) {
            text(area, line, (16, self.bottom() + 20 + 16 * number), 11, &PALE, HPos::Left)?;
        }
        Ok(())
    }

    /// Draws a whisker from the smallest to the largest, and a bar to the median or a dot on it.
    fn spread(
        &self,
        area: &Area<'_>,
        axis: &LogAxis,
        spread: Option<Spread<f64>>,
        y: i32,
        colour: RGBColor,
    ) -> Drawn {
        let Some(Spread { min, median, max }) = spread else { return Ok(()) };
        let [from, middle, to] = [min, median, max].map(|value| axis.place(positive(value)));
        if self.has_bars {
            let colour = if median >= 1.0 { BLUE } else { ORANGE };
            let bar = [(axis.place(1.0), y - 5), (middle, y + 5)];
            area.draw(&Rectangle::new(bar, colour.mix(0.75).filled()))?;
            return range(area, (from, to), y, &DARK);
        }
        range(area, (from, to), y, &colour)?;
        area.draw(&Circle::new((middle, y), 4, colour.filled()))
    }
}

/// Returns a value that has a logarithm: less than a thousandth can't be told here.
fn positive(value: f64) -> f64 {
    value.max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(has_bars: bool) -> Chart {
        let spread = |figures: [f64; 3]| Spread::of(figures);
        let lines = vec![
            Line::Heading("one core".into()),
            Line::Figures("pipes".into(), [spread([1.0, 5.0, 30.0]), None], "5 × as fast".into()),
            Line::Figures("crossbeam".into(), [None, spread([0.4, 0.5, 0.6])], String::new()),
        ];
        let legend = (!has_bars).then(|| ["threads".into(), "processes".into()]);
        let (title, unit, foot) = ("Figures".into(), "×".into(), vec!["measured here".into()]);
        Chart { title, legend, lines, unit, has_bars, foot }
    }

    #[test]
    fn every_figure_is_a_dot_and_a_missing_one_is_none() {
        let document = chart(false).svg().unwrap();
        // Two are the legend's.
        assert_eq!(document.matches("<circle").count(), 4);
        for text in ["one core", "pipes", "5 × as fast", "processes", "measured here", "10 ×"] {
            assert!(document.contains(text), "{text}");
        }
    }

    #[test]
    fn with_bars_one_lies_between_worse_and_better() {
        let document = chart(true).svg().unwrap();
        assert!(!document.contains("<circle"));
        let axis = chart(true).axis();
        assert_eq!(axis.powers(), -1..=2);
        assert!(axis.place(0.5) < axis.place(1.0) && axis.place(1.0) < axis.place(2.0));
    }
}
