//! Pieces of a page that the two stages have in common.

use crate::language::Language;
use crate::queue::text::say;

/// A button of a stage.
pub(crate) struct Button<'a> {
    /// Name of the stage: the first part of the button's id.
    pub stage: &'a str,
    /// What it does: the verb, and the seat if it is a participant's.
    pub act: (&'a str, Option<usize>),
    pub label: String,
    /// True if it can be pressed. Otherwise it keeps the focus all the same, and does nothing.
    pub works: bool,
    /// For a switch: true if it is on.
    pub is_on: Option<bool>,
}

impl Button<'_> {
    pub(crate) fn html(&self) -> String {
        let Self { stage, act: (verb, seat), label, works, is_on } = self;
        let seat = seat.map(|seat| seat.to_string()).unwrap_or_default();
        // A participant's main button stays the same one when it starts a new process.
        let place = if *verb == "start" { "next" } else { verb };
        let id = [*stage, place, &*seat].join("-");
        let id = id.trim_end_matches('-');
        let disabled = if *works { "" } else { " aria-disabled=\"true\"" };
        let pressed = is_on.map(|is_on| format!(" aria-pressed=\"{is_on}\"")).unwrap_or_default();
        let act = format!("{verb} {seat}");
        let act = act.trim_end();
        format!(
            "<button type=\"button\" id=\"{id}\" class=\"{verb}\" \
             data-act=\"{act}\"{disabled}{pressed}>\
             {label}</button>"
        )
    }
}

/// Returns the list of all sentences so far, the last one first.
pub(crate) fn log(language: Language, sentences: &[String]) -> String {
    let count = sentences.len();
    let title = say!(language, "All that has happened ({count})", "全部记录（{count}）");
    let items = sentences.iter().rev().map(|sentence| format!("<li>{sentence}</li>"));
    let items: String = items.collect();
    format!("<details><summary>{title}</summary><ol reversed>{items}</ol></details>")
}

/// Returns paragraphs.
pub(crate) fn paragraphs(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("<p>{sentence}</p>")).collect()
}
