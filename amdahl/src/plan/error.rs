//! The reasons why some tasks are no plan.

use common::text;
use unicode_normalization::UnicodeNormalization;

/// The reason why some tasks are no plan; the text says what to look at, in the reader's language.
/// `task` is the number of that task, from 0. Python, for a cycle: `graphlib.CycleError`.
///
/// ```
/// use amdahl::{Plan, PlanError, Task};
///
/// let twice = vec![Task::new("tea", 2.0, &[]), Task::new("tea", 5.0, &[])];
/// let error = Plan::new(twice, Default::default()).unwrap_err();
/// assert!(matches!(error, PlanError::Duplicate { task: 1, first: 0, .. }));
/// eprintln!("{error}"); // task "tea" is there twice: number 1 and number 2
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no task.
    #[error("{}", text!("the plan has no task"))]
    Empty,
    /// A task's name is empty.
    #[error("{}", text!("task number {} has no name", task + 1))]
    #[expect(missing_docs, reason = "the text says what they are")]
    Nameless { task: usize },
    /// Two tasks have the same name.
    #[error(
        "{}",
        text!("task \"{}\" is there twice: number {} and number {}", name, first + 1, task + 1)
    )]
    #[expect(missing_docs, reason = "the text says what they are")]
    Duplicate { task: usize, first: usize, name: String },
    /// A task waits for one that isn't there.
    #[error(
        "{}",
        text!(
            "task \"{}\" comes after \"{}\", and there is no such task{}",
            name,
            after,
            hint(meant)
        )
    )]
    #[expect(missing_docs, reason = "the text says what they are")]
    Unknown { task: usize, name: String, after: String, meant: Option<String> },
    /// A duration is negative, infinite or not a number.
    #[error(
        "{}",
        text!("task \"{}\" takes {}: a duration is a number, 0 or more", name, duration)
    )]
    #[expect(missing_docs, reason = "the text says what they are")]
    Duration { task: usize, name: String, duration: f64 },
    /// The durations add up to infinity.
    #[error("{}", text!("the durations add up to more than a number can hold"))]
    TooLong,
    /// A task needs more of a resource than there is.
    #[error(
        "{}",
        text!(
            "task \"{}\" needs {} of the resource \"{}\", and there is {}{}",
            name,
            amount,
            resource,
            there,
            hint(meant)
        )
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
    #[error(
        "{}",
        text!("these tasks wait for each other, so none can begin: {}", circle(names))
    )]
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
        text!(": did you mean \"{}\"? They differ in case, blanks or Unicode form", name)
    })
}

/// The most names of a cycle that a message shows.
const SHOWN: usize = 20;

fn circle(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let (shown, first) = (shown.join(" → "), names.first().map_or("", String::as_str));
    match names.len().saturating_sub(SHOWN) {
        0 => format!("{shown} → {first}"),
        more => format!("{shown} → {} → {first}", text!("({} more)", more)),
    }
}
