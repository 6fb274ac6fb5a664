//! All samples for other programs.

use serde_json::{Value, json as value};

use super::{Figures, Memory, Sample, Subject, Terms};

const BUILD: &str = if cfg!(debug_assertions) { "debug build" } else { "release build" };

/// Writes all samples, in seconds, and what was concluded, as a JSON document.
pub(crate) fn json(
    figures: &Figures,
    terms: Terms,
    memory: Option<Memory>,
    tutorial: &Value,
    conclusions: &[String],
) -> String {
    let figure = |(subject, samples): &(Subject, Result<_, String>)| {
        let time = figures.time(*subject).ok();
        let [min, median, max] = [
            time.map(|time| time.min.as_secs_f64()),
            time.map(|time| time.median.as_secs_f64()),
            time.map(|time| time.max.as_secs_f64()),
        ];
        let times = samples.as_ref().ok().map(|samples: &Vec<Sample>| {
            samples.iter().map(|sample| sample.time.as_secs_f64()).collect::<Vec<_>>()
        });
        value!({
            "subject": subject,
            "seconds": { "median": median, "min": min, "max": max, "samples": times },
            "switches": figures.switches(*subject),
            "missing": samples.as_ref().err(),
        })
    };
    let figures: Vec<Value> = figures.0.iter().map(figure).collect();
    let document = value!({
        "build": BUILD,
        "cores": multiprocess::cpu_count(),
        "sample_seconds": terms.time.as_secs_f64(),
        "rounds": terms.rounds,
        "tutorial": tutorial,
        "figures": figures,
        "memory_bytes": memory,
        "conclusions": conclusions,
    });
    format!("{document:#}\n")
}
