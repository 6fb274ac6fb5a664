//! Speedup or throughput by the number of workers: laws as curves, measurements as points with
//! their ranges.

use common::drawing::{self, Area, BLUE, DARK, Drawn, Error, FONT, GRID, HPos, PALE, RED};
use common::text;
use plotters::prelude::*;

use super::rounded;

const WIDTH: i32 = 1000;
const HEIGHT: i32 = 560;
const HEAD: i32 = 48;
/// The width of the legend, at the right.
const LEGEND: i32 = 270;
const COLOURS: [RGBColor; 4] = [PALE, BLUE, RGBColor(46, 139, 87), RGBColor(200, 120, 20)];
/// The number of line segments of a curve.
const STEPS: i32 = 400;

/// A law: a throughput for each n, where it has one.
pub(super) struct Curve<'a> {
    label: String,
    law: Box<dyn Fn(f64) -> Option<f64> + 'a>,
    /// True if the curve may leave the picture.
    far: bool,
}

impl<'a> Curve<'a> {
    pub(super) fn new(label: impl Into<String>, law: impl Fn(f64) -> Option<f64> + 'a) -> Self {
        Self { label: label.into(), law: Box::new(law), far: false }
    }

    /// Makes a curve that may leave the picture.
    pub(super) fn far(label: impl Into<String>, law: impl Fn(f64) -> Option<f64> + 'a) -> Self {
        Self { far: true, ..Self::new(label, law) }
    }

    /// Makes the curve of n times what one worker does.
    pub(super) fn ideal(one: f64) -> Self {
        Self::far(text!("ideal: n times"), move |n| Some(one * n))
    }
}

/// The measurements with n workers: the median, the smallest and the largest.
pub(super) struct Point {
    pub n: f64,
    pub middle: f64,
    pub range: (f64, f64),
}

impl Point {
    /// Makes a point of several measurements.
    pub(super) fn of(n: f64, mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let middle = |place: usize| values.get(place).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        let range = (middle(0), middle(last));
        Self { n, middle: f64::midpoint(middle(last / 2), middle(last.div_ceil(2))), range }
    }
}

pub(super) struct Chart<'a> {
    pub title: String,
    pub y: String,
    /// The most workers.
    pub most: f64,
    pub curves: Vec<Curve<'a>>,
    pub points: Vec<Point>,
    /// The label of the points.
    pub measured: String,
    /// The cores of the machine, if the points are from this one.
    pub cores: Option<f64>,
}

impl Chart<'_> {
    /// Draws the SVG document.
    pub(super) fn svg(&self) -> Result<String, Error> {
        drawing::picture((WIDTH, HEIGHT), |area| {
            drawing::text(area, &self.title, (20, 26), 18, &DARK, HPos::Left)?;
            self.plot(area)?;
            self.legend(area)
        })
    }

    /// Returns the highest value that has to be seen.
    fn top(&self) -> f64 {
        let near = self.curves.iter().filter(|curve| !curve.far);
        let heights = near.flat_map(|curve| self.steps().filter_map(|n| (curve.law)(n)));
        let points = self.points.iter().map(|point| point.range.1);
        // Twice as much has to be a number, too.
        heights.chain(points).fold(0.0, f64::max).min(f64::MAX / 4.0) * 1.12
    }

    fn steps(&self) -> impl Iterator<Item = f64> {
        let step = (self.most - 1.0) / f64::from(STEPS);
        (0..=STEPS).map(move |number| 1.0 + step * f64::from(number))
    }

    fn plot(&self, area: &Area<'_>) -> Drawn {
        let top = self.top().max(f64::MIN_POSITIVE);
        let frame = area.margin(HEAD, 12, 12, LEGEND);
        let mut chart = ChartBuilder::on(&frame)
            .x_label_area_size(56)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..self.most * 1.03, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(DARK)
            .x_labels(drawing::steps(self.most, (self.most as i32).clamp(1, 10)).len())
            .y_labels(8)
            .x_label_formatter(&|n| rounded(*n))
            .y_label_formatter(&|value| rounded(*value))
            .label_style((FONT, 13).into_font().color(&DARK))
            .x_desc(text!("workers n"))
            .y_desc(&self.y)
            .axis_desc_style((FONT, 14).into_font().color(&DARK))
            .draw()?;
        if let Some(cores) = self.cores.filter(|cores| *cores <= self.most) {
            let wall = [(cores, 0.0), (cores, top)];
            chart.draw_series(DashedLineSeries::new(wall, 3, 4, PALE.stroke_width(1)))?;
        }
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let all = self.steps().filter_map(|n| Some((n, (curve.law)(n)?)));
            let seen: Vec<(f64, f64)> = all.take_while(|(_, height)| *height <= top).collect();
            if curve.far {
                chart.draw_series(DashedLineSeries::new(seen, 6, 4, colour.stroke_width(2)))?;
            } else {
                chart.draw_series(LineSeries::new(seen, colour.stroke_width(2)))?;
            }
        }
        for Point { n, middle, range: (low, high) } in &self.points {
            let style = RED.stroke_width(2);
            chart.draw_series([ErrorBar::new_vertical(*n, *low, *middle, *high, style, 8)])?;
            chart.draw_series([Circle::new((*n, *middle), 4, RED.filled())])?;
        }
        Ok(())
    }

    /// Draws a sample of each line and its name.
    fn legend(&self, area: &Area<'_>) -> Drawn {
        let x = WIDTH - LEGEND + 8;
        let mut y = HEAD + 26;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let ends = if curve.far { [0, 10, 14, 24] } else { [0, 12, 12, 24] };
            for part in ends.chunks(2) {
                drawing::line(area, &[(x + part[0], y), (x + part[1], y)], colour, 2)?;
            }
            y = words(area, &curve.label, x + 34, y)?;
        }
        if !self.points.is_empty() {
            area.draw(&Circle::new((x + 12, y), 4, RED.filled()))?;
            y = words(area, &self.measured, x + 34, y)?;
        }
        if let Some(cores) = self.cores.filter(|cores| *cores <= self.most) {
            for part in [0, 7, 14] {
                drawing::line(area, &[(x + 12, y - 8 + part), (x + 12, y - 5 + part)], &PALE, 1)?;
            }
            words(area, &text!("{} cores", cores), x + 34, y)?;
        }
        Ok(())
    }
}

/// Writes a label; returns the `y` below.
fn words(area: &Area<'_>, label: &str, x: i32, y: i32) -> Result<i32, Error> {
    let label = drawing::shortened(label, 13, LEGEND - 46);
    drawing::text(area, &label, (x, y), 13, &DARK, HPos::Left)?;
    Ok(y + 33)
}
