//! What a page gets: the report of a tool, or the tool's complaint.

use amdahl::report::Report;
use common::text::{Language, speak};
use serde::Serialize;

/// A report, as a page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// What the tool says in words.
    summary: String,
    /// The rows of the tool's table.
    rows: Vec<Vec<String>>,
    svg: String,
}

/// The reason why there is nothing new to show.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Problem {
    /// The tool's sentence.
    pub what: String,
    /// The name of the field to look at.
    pub field: &'static str,
    /// The line in that field's text, from 1, if it is one in particular.
    pub line: Option<usize>,
    /// The tasks in question, from 0.
    pub tasks: Vec<usize>,
}

impl Shown {
    /// Shows a report, whose text has this summary and these rows.
    pub(crate) fn of(
        report: &impl Report,
        summary: String,
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Self {
        let svg = report.svg().expect("a picture in memory can be drawn");
        let summary = summary.trim_end().to_owned();
        Self { summary, rows: rows.collect(), svg }
    }
}

/// Answers in a language of the book: JSON with the key `Ok` or `Err`.
pub(crate) fn answer(language: &str, find: impl FnOnce() -> Result<Shown, Problem>) -> String {
    speak_in(language);
    serde_json::to_string(&find()).expect("texts and numbers are JSON")
}

/// Returns what the tool prints with `--json`; nothing if it complains.
///
/// The JSON can be long, and few look at it: so the answer leaves it out.
pub(crate) fn json<E>(report: Result<impl Report, E>) -> String {
    report.map(|report| report.json()).unwrap_or_default()
}

/// Has all texts said in the language of a page, such as `en` or `zh-CN`.
pub(crate) fn speak_in(language: &str) {
    speak(if language.starts_with("zh") { Language::Chinese } else { Language::English });
}
