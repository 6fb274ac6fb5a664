//! The reasons why some tasks are no plan.

use unicode_normalization::UnicodeNormalization;

/// The reason why some tasks are no plan; the text says what to look at. `task` is the number of
/// that task, from 0. Python, for a cycle: `graphlib.CycleError`.
///
/// ```
/// use amdahl::{Plan, PlanError, Task};
///
/// let twice = vec![Task::new("tea", 2.0, &[]), Task::new("tea", 5.0, &[])];
/// let error = Plan::new(twice, Default::default()).unwrap_err();
/// assert!(matches!(error, PlanError::Duplicate { task: 1, first: 0, .. }));
/// assert_eq!(error.to_string(), "task \"tea\" is there twice: number 1 and number 2");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no task.
    #[error("the plan has no task")]
    Empty,
    /// A task's name is empty.
    #[error("task number {} has no name", task + 1)]
    #[expect(missing_docs, reason = "the text says what they are")]
    Nameless { task: usize },
    /// Two tasks have the same name.
    #[error("task \"{name}\" is there twice: number {} and number {}", first + 1, task + 1)]
    #[expect(missing_docs, reason = "the text says what they are")]
    Duplicate { task: usize, first: usize, name: String },
    /// A task waits for one that isn't there.
    #[error("task \"{name}\" comes after \"{after}\", and there is no such task{}", hint(meant))]
    #[expect(missing_docs, reason = "the text says what they are")]
    Unknown { task: usize, name: String, after: String, meant: Option<String> },
    /// A duration is negative, infinite or not a number.
    #[error("task \"{name}\" takes {duration}: a duration is a number, 0 or more")]
    #[expect(missing_docs, reason = "the text says what they are")]
    Duration { task: usize, name: String, duration: f64 },
    /// The durations add up to infinity.
    #[error("the durations add up to more than a number can hold")]
    TooLong,
    /// A task needs more of a resource than there is.
    #[error(
        "task \"{name}\" needs {amount} of the resource \"{resource}\", and there is {there}{}",
        hint(meant)
    )]
    #[expect(missing_docs, reason = "the text says what they are")]
    Resource {
        task: usize,
        name: String,
        resource: String,
        amount: u32,
        there: u32,
        meant: Option<String>,
    },
    /// Tasks wait for each other in a circle: each of these for the one before it.
    #[error("these tasks wait for each other, so none can begin: {}", circle(names))]
    #[expect(missing_docs, reason = "the text says what they are")]
    Cycle { task: usize, names: Vec<String> },
}

impl PlanError {
    /// Returns the number of the task to look at, from 0; `None` if it is none in particular.
    #[must_use]
    pub fn task(&self) -> Option<usize> {
        match self {
            Self::Nameless { task }
            | Self::Duplicate { task, .. }
            | Self::Unknown { task, .. }
            | Self::Duration { task, .. }
            | Self::Resource { task, .. }
            | Self::Cycle { task, .. } => Some(*task),
            _ => None,
        }
    }
}

/// Returns the first of these names that differs from the one looked for in nothing but case,
/// blanks or Unicode form.
pub(super) fn alike<'a>(
    looked_for: &str,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let look = |name: &str| {
        let lower: String = name.nfkc().collect::<String>().to_lowercase();
        lower.nfkc().filter(|c| !c.is_whitespace()).collect::<String>()
    };
    let wanted = look(looked_for);
    names.find(|name| *name != looked_for && look(name) == wanted).map(str::to_owned)
}

fn hint(meant: &Option<String>) -> String {
    meant.as_ref().map_or(String::new(), |name| {
        format!(": did you mean \"{name}\"? They differ in case, blanks or Unicode form")
    })
}

/// The most names of a cycle that a message shows.
const SHOWN: usize = 20;

fn circle(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let (shown, first) = (shown.join(" → "), names.first().map_or("", String::as_str));
    match names.len().saturating_sub(SHOWN) {
        0 => format!("{shown} → {first}"),
        more => format!("{shown} → ({more} more) → {first}"),
    }
}
