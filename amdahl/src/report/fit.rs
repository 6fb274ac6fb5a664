//! What `amdahl fit` says: the Universal Scalability Law that fits measurements best.

use std::collections::BTreeMap;

use common::drawing;
use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::curves::{Chart, Curve, Point};
use super::{InputError, Report, number, points_file, rounded};
use crate::{Fit, FitError, Usl};

/// The law that fits some measurements best.
#[derive(Debug)]
pub struct FitReport {
    points: Vec<(f64, f64)>,
    /// The law and its errors.
    pub fit: Fit,
}

impl FitReport {
    /// Reads the measurements of a CSV file, and fits the law to them.
    ///
    /// # Errors
    /// What is wrong with the text, or why there is no fit.
    pub fn of_csv(text: &str) -> Result<Self, InputError> {
        let (lines, points): (Vec<usize>, Vec<(f64, f64)>) =
            points_file::parse(text)?.into_iter().unzip();
        let fit = crate::fit(&points).map_err(|error| {
            let line = match error {
                FitError::Point { place, .. } => Some(lines[place]),
                _ => None,
            };
            InputError { line, what: error.to_string() }
        })?;
        Ok(Self { points, fit })
    }

    /// Writes a row for each measurement: n, the throughput, that of the law.
    pub fn rows(&self) -> impl Iterator<Item = [String; 3]> {
        let points = self.points.iter().zip(&self.fit.fitted);
        points.map(|((n, throughput), fitted)| [*n, *throughput, *fitted].map(number))
    }

    /// Says what was found: the law with its errors, and where more workers make it worse. A line
    /// for each.
    #[must_use]
    pub fn summary(&self) -> String {
        numbers(&self.fit)
    }
}

impl Report for FitReport {
    fn text(&self, columns: usize) -> String {
        let mut table = Table::new(row![r->"n", r->text!("throughput"), r->text!("fitted")]);
        for [n, throughput, fitted] in self.rows() {
            table.add_row(row![r->n, r->throughput, r->fitted]);
        }
        format!("{table:columns$}{}", self.summary())
    }

    fn json(&self) -> String {
        super::json(&Found::of(&self.fit))
    }

    fn svg(&self) -> Result<String, drawing::Error> {
        chart(&self.points, &self.fit.law).svg()
    }
}

/// A fit as JSON. What has no value is null: the peak of a law without β, the error of what is at a
/// bound.
#[derive(Serialize)]
pub(super) struct Found<'a> {
    alpha: f64,
    alpha_se: Option<f64>,
    beta: f64,
    beta_se: Option<f64>,
    gamma: f64,
    gamma_se: Option<f64>,
    peak_n: Option<f64>,
    peak_throughput: Option<f64>,
    residual_se: f64,
    fitted: &'a [f64],
}

impl<'a> Found<'a> {
    pub(super) fn of(fit: &'a Fit) -> Self {
        let Usl { alpha, beta, gamma } = fit.law;
        let [alpha_se, beta_se, gamma_se] = fit.errors;
        let peak_n = fit.law.peak();
        Self {
            alpha,
            alpha_se,
            beta,
            beta_se,
            gamma,
            gamma_se,
            peak_n,
            peak_throughput: peak_n.map(|n| fit.law.throughput(n)),
            residual_se: fit.residual_error,
            fitted: &fit.fitted,
        }
    }
}

/// Writes what was found, in words.
pub(super) fn numbers(fit: &Fit) -> String {
    let Usl { alpha, beta, gamma } = fit.law;
    let names = [text!("contention α"), text!("coherency β"), text!("one worker γ")];
    let mut text = String::new();
    for (name, (value, error)) in names.iter().zip([alpha, beta, gamma].iter().zip(fit.errors)) {
        let error =
            error.map_or_else(|| text!("at its bound"), |error| format!("± {}", rounded(error)));
        text += &format!("{name} = {} {error}\n", rounded(*value));
    }
    text += &(text!("residual standard error {}", rounded(fit.residual_error)) + "\n");
    let peak = fit.law.peak().map(|n| (rounded(n), rounded(fit.law.throughput(n))));
    text + &match peak {
        Some((n, most)) => text!("most with {} workers: {}", n, most),
        None => text!("β is 0: more workers never make it worse"),
    } + "\n"
}

fn chart<'a>(points: &[(f64, f64)], law: &'a Usl) -> Chart<'a> {
    // Points of the same n are one, with a range.
    let mut by_n: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (n, throughput) in points {
        // Positive numbers are in the order of their bits.
        by_n.entry(n.to_bits()).or_default().push(*throughput);
    }
    let points: Vec<Point> =
        by_n.into_iter().map(|(n, values)| Point::of(f64::from_bits(n), values)).collect();
    let Usl { alpha, beta, gamma } = *law;
    let mut curves = vec![Curve::ideal(gamma)];
    curves.extend(fitted(law));
    Chart {
        title: text!("Throughput by n workers: α = {}, β = {}", rounded(alpha), rounded(beta)),
        y: text!("throughput"),
        most: points_most(&points),
        curves,
        points,
        measured: text!("measured"),
        cores: None,
    }
}

fn points_most(points: &[Point]) -> f64 {
    points.iter().map(|point| point.n).fold(2.0, f64::max)
}

/// Makes the curves of a fitted law: itself, and what is left of it without β: Amdahl's.
pub(super) fn fitted(law: &Usl) -> Vec<Curve<'static>> {
    let law = *law;
    let amdahl = Usl { beta: 0.0, ..law };
    vec![
        Curve::far(text!("Amdahl: with α alone"), move |n| Some(amdahl.throughput(n))),
        Curve::new(text!("fitted law of scalability"), move |n| Some(law.throughput(n))),
    ]
}

#[cfg(test)]
mod tests {
    use testing::Deadline;

    use super::*;

    #[test]
    fn the_largest_numbers_are_drawn() {
        let _deadline = Deadline::seconds(60);
        let csv: String = (1..=6).map(|n| format!("{n},1.7e308\n")).collect();
        assert!(FitReport::of_csv(&csv).unwrap().svg().unwrap().ends_with("</svg>\n"));
    }
}
