//! What `amdahl law` says: what n workers can give, if a fraction p of the work can be shared.

use common::drawing;
use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::curves::{Chart, Curve, Point};
use super::{Report, digits, number, rounded};
use crate::laws::{self, DomainError};

/// Amdahl's and Gustafson's speedup by some numbers of workers.
///
/// ```
/// use amdahl::report::{LawReport, Report};
///
/// let report = LawReport::new(0.75, &[3])?;
/// assert!(report.json().contains(r#"{"n":3,"amdahl":2.0,"#));
/// assert!(LawReport::fraction("25/31").is_ok() && LawReport::fraction("1.5").is_err());
/// # Ok::<(), amdahl::laws::DomainError>(())
/// ```
#[derive(Debug, Serialize)]
pub struct LawReport {
    p: f64,
    /// JSON has no infinity: null, if there is no limit.
    limit: f64,
    rows: Vec<Row>,
}

/// What the laws say of n workers.
#[derive(Debug, Serialize)]
struct Row {
    n: u64,
    amdahl: f64,
    efficiency: f64,
    gustafson: f64,
}

impl LawReport {
    /// Computes what each of these numbers of workers can give.
    ///
    /// # Errors
    /// [`DomainError`] if p isn't from 0 to 1, or a number of workers is 0.
    pub fn new(p: f64, numbers: &[u64]) -> Result<Self, DomainError> {
        let row = |&n: &u64| {
            let workers = n as f64;
            let amdahl = laws::amdahl(p, workers)?;
            let (efficiency, gustafson) =
                (laws::efficiency(amdahl, workers)?, laws::gustafson(1.0 - p, workers)?);
            Ok(Row { n, amdahl, efficiency, gustafson })
        };
        let rows = numbers.iter().map(row).collect::<Result<_, _>>()?;
        Ok(Self { p, limit: laws::amdahl_limit(p)?, rows })
    }

    /// Writes a row for each number of workers: n, Amdahl's speedup, the efficiency, Gustafson's.
    pub fn rows(&self) -> impl Iterator<Item = [String; 4]> {
        self.rows.iter().map(|row| {
            let efficiency = digits(100.0 * row.efficiency, 3, 15) + "%";
            [row.n.to_string(), number(row.amdahl), efficiency, number(row.gustafson)]
        })
    }

    /// Says what limit Amdahl's law sets, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let (p, limit) = (number(self.p), number(self.limit));
        text!("p = {}: never more than {} times as fast", p, limit) + "\n"
    }

    /// Parses a fraction from 0 to 1, as a decimal number or with a bar.
    ///
    /// # Errors
    /// A sentence that says what it should be.
    pub fn fraction(text: &str) -> Result<f64, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let value = match text.split_once('/') {
            Some((above, below)) => number(above).zip(number(below)).map(|(a, b)| a / b),
            None => number(text),
        };
        value.filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| {
            text!("it is a number from 0 to 1, such as 0.95, or a fraction such as 25/31")
        })
    }
}

impl Report for LawReport {
    fn text(&self, columns: usize) -> String {
        let mut table = Table::new(row![
            r->"n", r->text!("Amdahl"), r->text!("efficiency"), r->text!("Gustafson")
        ]);
        for [n, amdahl, efficiency, gustafson] in self.rows() {
            table.add_row(row![r->n, r->amdahl, r->efficiency, r->gustafson]);
        }
        format!("{table:columns$}{}", self.summary())
    }

    fn json(&self) -> String {
        super::json(self)
    }

    fn svg(&self) -> Result<String, drawing::Error> {
        chart(self).svg()
    }
}

fn chart(report: &LawReport) -> Chart<'_> {
    let most = report.rows.iter().map(|row| row.n).max().unwrap_or(1);
    let (p, limit) = (report.p, report.limit);
    let mut curves = vec![
        Curve::ideal(1.0),
        Curve::new(text!("Amdahl: the same work"), move |n| laws::amdahl(p, n).ok()),
        Curve::far(text!("Gustafson: the work grows"), move |n| laws::gustafson(1.0 - p, n).ok()),
    ];
    // A limit far above all else would press the rest flat.
    if limit < 2.0 * laws::amdahl(p, most as f64).unwrap_or(1.0) {
        let label = text!("Amdahl's limit: {}", rounded(limit));
        curves.push(Curve::new(label, move |_| Some(limit)));
    }
    Chart {
        title: text!("Speedup by n workers, p = {}", rounded(p)),
        y: text!("speedup"),
        most: (most as f64).max(2.0),
        points: report.rows.iter().map(|row| Point::of(row.n as f64, vec![row.amdahl])).collect(),
        measured: text!("the table's rows"),
        cores: None,
        curves,
    }
}
