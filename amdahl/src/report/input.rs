//! What is wrong with a text that a tool was given.

/// The reason why a text isn't what a tool reads; said in the reader's language.
///
/// ```
/// let error = amdahl::report::PlanFile::parse("unit = 5").unwrap_err();
/// assert_eq!(error.line, Some(1));
/// assert_eq!(error.to_string(), "\"unit\" must be a text in quotes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InputError {
    /// The number of the line, from 1; `None` if it is none in particular.
    pub line: Option<usize>,
    /// The reason, without the line.
    pub what: String,
}
