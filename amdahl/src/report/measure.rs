//! What `amdahl measure` says: how much faster a command is when it is told to use more workers.

use std::time::Duration;

use common::narrator::wrapped;
use common::table::Table;
use common::time::{Spread, show};
use common::{drawing, text};
use prettytable::row;
use serde::Serialize;

use super::curves::{Chart, Curve, Point};
use super::{Report, fit, rounded};
use crate::{Fit, laws};

/// A command's times with each number of workers.
#[derive(Debug)]
pub struct MeasureReport<'a> {
    command: &'a [&'a String],
    cores: u32,
    times: Vec<(u32, Vec<Duration>)>,
    fit: Option<Fit>,
}

impl<'a> MeasureReport<'a> {
    /// Fits the law to the times of a command on a machine with so many cores: for each number of
    /// workers, from 1, those of its runs.
    #[must_use]
    pub fn new(command: &'a [&'a String], cores: u32, times: Vec<(u32, Vec<Duration>)>) -> Self {
        let mut new = Self { command, cores, times, fit: None };
        new.fit = crate::fit(&new.points()).ok();
        new
    }

    /// Returns for each run the workers, and how many such runs fit into a second.
    fn points(&self) -> Vec<(f64, f64)> {
        let all = self.times.iter().flat_map(|(n, times)| times.iter().map(move |time| (n, time)));
        all.map(|(n, time)| (f64::from(*n), 1.0 / seconds(*time))).collect()
    }

    fn spreads(&self) -> impl Iterator<Item = (u32, Spread)> {
        self.times.iter().filter_map(|(n, times)| Some((*n, Spread::of(times.iter().copied())?)))
    }

    fn one(&self) -> f64 {
        self.spreads().next().map_or(1.0, |(_, spread)| seconds(spread.median))
    }

    /// Amdahl's p with the least squares for T(n) = T(1)·((1 − p) + p/n): of the numbers of workers
    /// up to the cores; of all, if that is only one.
    fn parallel_fraction(&self) -> Option<f64> {
        let enough = if self.cores > 1 { self.cores } else { u32::MAX };
        let within = self.spreads().filter(|(n, _)| *n > 1 && *n <= enough);
        let (mut above, mut below) = (0.0, 0.0);
        for (n, spread) in within {
            let gain = 1.0 / f64::from(n) - 1.0;
            above += gain * (seconds(spread.median) / self.one() - 1.0);
            below += gain * gain;
        }
        (below > 0.0).then(|| (above / below).clamp(0.0, 1.0))
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        let one = self.one();
        self.spreads().map(move |(n, spread)| {
            let speedup = one / seconds(spread.median);
            let [min, median, max] = [spread.min, spread.median, spread.max].map(seconds);
            let efficiency = speedup / f64::from(n);
            let serial = laws::karp_flatt(speedup, f64::from(n)).ok();
            Row { n, min, median, max, speedup, efficiency, karp_flatt: serial }
        })
    }

    /// Charts the speedups, so that the ideal line is there to compare with.
    fn chart(&self) -> Chart<'_> {
        let one = self.one();
        let speedups = |times: &[Duration]| times.iter().map(|time| one / seconds(*time)).collect();
        let points = self.times.iter();
        let points = points.map(|(n, times)| Point::of(f64::from(*n), speedups(times))).collect();
        let mut curves = vec![Curve::ideal(1.0)];
        if let Some(p) = self.parallel_fraction() {
            let label = text!("Amdahl, p = {}", format_args!("{p:.3}"));
            curves.push(Curve::far(label, move |n| laws::amdahl(p, n).ok()));
        }
        if let Some(law) = self.fit.as_ref().map(|fit| fit.law) {
            let label = text!("fitted: α = {}, β = {}", rounded(law.alpha), rounded(law.beta));
            curves.push(Curve::new(label, move |n| Some(law.throughput(n) * one)));
        }
        Chart {
            title: text!("Speedup of the command by n workers"),
            y: text!("speedup"),
            most: self.times.last().map_or(2.0, |(n, _)| f64::from(*n).max(2.0)),
            points,
            measured: text!("measured: median and range"),
            cores: Some(f64::from(self.cores)),
            curves,
        }
    }
}

impl Report for MeasureReport<'_> {
    fn text(&self, columns: usize) -> String {
        let mut table = Table::new(row![
            r->"n", r->text!("median"), r->text!("from"), r->text!("to"), r->text!("speedup"),
            r->text!("efficiency"), r->text!("Karp–Flatt"), ""
        ]);
        for (row, (n, spread)) in self.rows().zip(self.spreads()) {
            let [median, min, max] = [spread.median, spread.min, spread.max].map(show);
            let speedup = format!("{:.2}", row.speedup);
            let efficiency = format!("{:.0}%", 100.0 * row.efficiency);
            let serial = row.karp_flatt.map_or(String::new(), |serial| format!("{serial:.3}"));
            let beyond = if n > self.cores { text!("more than cores") } else { String::new() };
            table.add_row(row![
                r->n, r->median, r->min, r->max, r->speedup, r->efficiency, r->serial, beyond
            ]);
        }
        let mut text = format!("{table:columns$}");
        if let Some(p) = self.parallel_fraction() {
            let limit = rounded(laws::amdahl_limit(p).unwrap_or(f64::INFINITY));
            let p = format!("{p:.3}");
            text += &text!("Amdahl: p = {}, so never more than {} times as fast", p, limit);
            text += "\n";
        }
        text += &match &self.fit {
            Some(fit) => fit::numbers(fit),
            None => too_few(columns),
        };
        text
    }

    fn json(&self) -> String {
        let (p, rows) = (self.parallel_fraction(), self.rows().collect());
        let fit = self.fit.as_ref().map(fit::Found::of);
        super::json(&Json { command: self.command, cores: self.cores, rows, p, fit })
    }

    fn svg(&self) -> Result<String, drawing::Error> {
        self.chart().svg()
    }
}

/// Says how many measurements the law of scalability needs.
fn too_few(columns: usize) -> String {
    let (points, different) = (crate::MIN_POINTS, crate::MIN_DIFFERENT);
    let text = text!(
        "too few measurements for the law of scalability: it needs {} at {} different n (--max {})",
        points,
        different,
        1 << (different - 1)
    );
    wrapped(&text, columns, 2).join("\n") + "\n"
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(1e-9)
}

/// Times in seconds.
#[derive(Serialize)]
struct Row {
    n: u32,
    median: f64,
    min: f64,
    max: f64,
    speedup: f64,
    efficiency: f64,
    karp_flatt: Option<f64>,
}

#[derive(Serialize)]
struct Json<'a> {
    command: &'a [&'a String],
    cores: u32,
    rows: Vec<Row>,
    p: Option<f64>,
    fit: Option<fit::Found<'a>>,
}
