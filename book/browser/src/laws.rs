//! The page `laws`.

use amdahl::examples::THROUGHPUT;
use amdahl::report::{FitReport, LawReport};
use common::number::number;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{self, Problem, Shown, answer};

/// Says what the laws promise n workers, if the fraction p of the work can be shared: `amdahl law`
/// for 1, 2, 4, … and n workers. Both are texts as they are typed.
///
/// ```
/// assert!(browser::laws::law("en", "25/31", "4").contains("5.166667 times as fast"));
/// assert!(browser::laws::law("en", "2", "4").contains(r#""field":"p""#));
/// ```
#[wasm_bindgen]
#[must_use]
pub fn law(language: &str, p: &str, n: &str) -> String {
    answer(language, || {
        let report = law_report(p, n)?;
        Ok(Shown::of(&report, report.summary(), report.rows().map(Vec::from)))
    })
}

/// Returns what `amdahl law --json` prints of these; nothing if there is a problem.
#[wasm_bindgen]
#[must_use]
pub fn law_json(p: &str, n: &str) -> String {
    answer::json(law_report(p, n))
}

fn law_report(p: &str, n: &str) -> Result<LawReport, Problem> {
    let wrong = |field| move |what| Problem { what, field, ..Problem::default() };
    let p = LawReport::fraction(p).map_err(wrong("p"))?;
    let n = number(1..=u64::MAX)(n.trim()).map_err(wrong("n"))?;
    let doublings = (0..u64::BITS).map(|power| 1 << power).take_while(|m| *m < n);
    let numbers: Vec<u64> = doublings.chain([n]).collect();
    LawReport::new(p, &numbers).map_err(|error| wrong("p")(error.to_string()))
}

/// Says which law fits measurements: `amdahl fit`. They are the text of a CSV file.
///
/// ```
/// use browser::laws::{fit, measurements};
///
/// assert!(fit("en", &measurements()).contains("most with 96.52 workers"));
/// assert!(fit("en", "n,throughput\n1,nonsense").contains(r#""line":2"#));
/// ```
#[wasm_bindgen]
#[must_use]
pub fn fit(language: &str, csv: &str) -> String {
    answer(language, || {
        let report = fit_report(csv)?;
        Ok(Shown::of(&report, report.summary(), report.rows().map(Vec::from)))
    })
}

/// Returns what `amdahl fit --json` prints of these; nothing if there is a problem.
#[wasm_bindgen]
#[must_use]
pub fn fit_json(csv: &str) -> String {
    answer::json(fit_report(csv))
}

fn fit_report(csv: &str) -> Result<FitReport, Problem> {
    FitReport::of_csv(csv).map_err(|error| Problem {
        what: error.what,
        field: "csv",
        line: error.line,
        ..Problem::default()
    })
}

/// Returns the measurements that the page begins with.
#[wasm_bindgen]
#[must_use]
pub fn measurements() -> String {
    THROUGHPUT.to_owned()
}
