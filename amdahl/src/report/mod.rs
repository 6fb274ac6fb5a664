//! What the tools say of a plan, a law, a fit, a measurement: as text, as JSON, as a picture; and
//! the files that they read. The tools print it, the course's pages show it.
//!
//! ```
//! use amdahl::report::{PlanFile, PlanReport, Report};
//!
//! let file = "task = [{ name = 'boil', duration = 3 }, { name = 'wash', duration = 1 }]";
//! let (plan, _) = PlanFile::parse(file)?.into_plan()?;
//! let report = PlanReport::new(&plan, None, None);
//! assert!(report.json().starts_with(r#"{"makespan":3.0,"work":4.0,"#));
//! assert!(report.svg()?.contains("boil"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use common::drawing;
use common::output::escaped;
use serde::Serialize;

mod curves;
mod decimal;
mod fit;
mod gantt;
mod input;
mod law;
#[cfg(feature = "processes")]
mod measure;
mod network;
mod plan;
mod plan_file;
mod points_file;

pub use fit::FitReport;
pub use input::InputError;
pub use law::LawReport;
#[cfg(feature = "processes")]
pub use measure::MeasureReport;
pub use plan::PlanReport;
pub use plan_file::PlanFile;

/// What a tool has found, in each form in which it can be shown.
pub trait Report {
    /// Writes it as text, in the reader's language; tables have at most so many columns, if they
    /// can.
    ///
    /// # Panics
    /// If a table has room for more than 65,535 columns.
    fn text(&self, columns: usize) -> String;

    /// Writes it as JSON, in one line. Its keys are English.
    fn json(&self) -> String;

    /// Draws it as an SVG document, in the reader's language.
    ///
    /// # Errors
    /// Those of the drawing.
    fn svg(&self) -> Result<String, drawing::Error>;
}

fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("numbers, names and lists of them are JSON");
    // JSON may hold some control characters as they are, and reads these escapes.
    escaped(&text) + "\n"
}

/// Writes a number with seven digits, without the zeros at its end: `19.51` for 19.509999999999998.
///
/// ```
/// assert_eq!(amdahl::report::number(19.509999999999998), "19.51");
/// assert_eq!(amdahl::report::number(f64::INFINITY), "∞");
/// ```
#[must_use]
pub fn number(value: f64) -> String {
    digits(value, 7, 15)
}

/// Writes a number with four digits, for what is measured, headings and axes.
fn rounded(value: f64) -> String {
    digits(value, 4, 7)
}

/// Writes a number with this many digits, or more before the point; with a power of ten, if there
/// were more than `longest` before it.
fn digits(value: f64, most: u8, longest: i32) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "∞" } else { "–" }.to_owned();
    }
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (f64::from(most) - 1.0 - size).clamp(0.0, 15.0) as usize;
    let (text, power) = match size as i32 {
        size if size < -5 || size >= longest => {
            let text = format!("{value:.0$e}", usize::from(most) - 1);
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            (digits.to_owned(), format!("e{power}"))
        }
        _ => (format!("{value:.decimals$}"), String::new()),
    };
    if !text.contains('.') {
        return text + &power;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + &power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_as_many_digits_as_they_need() {
        let numbers = [0.0, 1.0, 19.509999999999998, 12.25, 1.0 / 3.0, 123456789.0, 1.044e-4];
        let shown = ["0", "1", "19.51", "12.25", "0.3333333", "123456789", "0.0001044"];
        assert_eq!(numbers.map(number), shown);
        assert_eq!(number(f64::INFINITY), "∞");
        let numbers = [1e-19, 1.25e200, -1e-7, 1e15, 2.0f64.powi(49), f64::MIN_POSITIVE];
        let shown = ["1e-19", "1.25e200", "-1e-7", "1e15", "562949953421312", "2.225074e-308"];
        assert_eq!(numbers.map(number), shown);
        let shown = ["0.3333", "9999999", "1e7", "2.5e11", "-1.235e8"];
        assert_eq!([1.0 / 3.0, 9_999_999.0, 1e7, 2.5e11, -123_456_789.0].map(rounded), shown);
    }
}
