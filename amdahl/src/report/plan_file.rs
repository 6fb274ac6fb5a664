//! A plan as it is written in a TOML file. Its fields are read one by one, so that what is wrong
//! with one is told in the reader's language.

use std::collections::BTreeMap;

use common::text;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::de::{DeTable, Error};

use super::InputError;
use crate::{Plan, PlanError, Task, three_point};

/// The fields of a file, and of a task.
const FIELDS: [&str; 4] = ["unit", "resources", "task", "tasks"];
const OF_TASK: [&str; 7] =
    ["name", "duration", "optimistic", "likely", "pessimistic", "after", "needs"];

/// A plan as it is written in a TOML file: there may be a cycle in it.
///
/// ```
/// use amdahl::report::PlanFile;
///
/// let file = PlanFile::parse("unit = 'min'\n[[task]]\nname = 'boil'\nduration = 15\n")?;
/// assert_eq!((file.tasks[0].name.as_str(), file.lines[0]), ("boil", 3));
/// let (plan, unit) = file.into_plan()?;
/// assert_eq!((plan.work(), unit.as_deref()), (15.0, Some("min")));
/// # Ok::<(), amdahl::report::InputError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanFile {
    /// The unit of time, for labels.
    pub unit: Option<String>,
    /// The resources, and how many there are of each.
    pub resources: BTreeMap<String, u32>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// For each task its optimistic, likely and pessimistic duration, if that is how it was given.
    pub estimates: Vec<Option<[f64; 3]>>,
    /// For each task the line where its name is, from 1; none for a plan that is in no file.
    pub lines: Vec<usize>,
}

/// What is wrong with a file, and the index where, if it is in one place.
struct Wrong {
    place: Option<usize>,
    what: String,
}

impl PlanFile {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// What is wrong with a line.
    pub fn parse(text: &str) -> Result<Self, InputError> {
        let line = |place| text[..place].matches('\n').count() + 1;
        let is_inside = |place: &usize| text.is_char_boundary(*place);
        read(text).map_err(|Wrong { place, what }| InputError {
            line: place.filter(is_inside).map(line),
            what,
        })
    }

    /// Makes the plan; returns it and its unit of time.
    ///
    /// # Errors
    /// The reason why the tasks are no plan, and the line of the task to look at.
    pub fn into_plan(self) -> Result<(Plan, Option<String>), InputError> {
        let located = |error: PlanError| InputError {
            line: error.task().and_then(|task| self.lines.get(task).copied()),
            what: error.to_string(),
        };
        Ok((Plan::new(self.tasks, self.resources).map_err(located)?, self.unit))
    }
}

fn read(text: &str) -> Result<PlanFile, Wrong> {
    let table = DeTable::parse(text).map_err(|error| no_toml(text, &error))?;
    let table = table.get_ref();
    check_fields(table, &FIELDS)?;
    let unit = field(table, "unit", || text!("a text in quotes"))?;
    let resources = field(table, "resources", || text!("a table of whole numbers"))?;
    let resources = resources.unwrap_or_default();
    let mut file = PlanFile { unit, resources, ..PlanFile::default() };
    let ends: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
    for list in ["task", "tasks"].into_iter().filter_map(|key| table.get(key)) {
        let is_other = || wrong(list.span().start, text!("each task begins with [[task]]"));
        for entry in list.get_ref().as_array().ok_or_else(is_other)?.iter() {
            let table = entry.get_ref().as_table().ok_or_else(is_other)?;
            let (task, estimates, place) = task(table, entry.span().start)?;
            file.tasks.push(task);
            file.estimates.push(estimates);
            file.lines.push(ends.partition_point(|end| *end < place) + 1);
        }
    }
    Ok(file)
}

/// The three estimates of a task's duration, if it has them.
type Estimates = Option<[f64; 3]>;

/// Reads a task, and returns where its name is.
fn task(table: &DeTable<'_>, place: usize) -> Result<(Task, Estimates, usize), Wrong> {
    let name: Option<String> = field(table, "name", || text!("a text in quotes"))?;
    let name = name.ok_or_else(|| wrong(place, text!("this task has no name")))?;
    let place = table.get("name").map_or(place, |value| value.span().start);
    let of_task =
        |error: Wrong| Wrong { what: text!("task \"{}\": {}", name, error.what), ..error };
    check_fields(table, &OF_TASK).map_err(of_task)?;
    let (duration, estimates) = duration(table, place).map_err(of_task)?;
    let after = field(table, "after", || text!("a list of names")).map_err(of_task)?;
    let needs = field(table, "needs", || text!("a table of whole numbers")).map_err(of_task)?;
    let (after, needs) = (after.unwrap_or_default(), needs.unwrap_or_default());
    Ok((Task { name, duration, after, needs }, estimates, place))
}

/// Reads how long a task takes; `place` is where its name is.
fn duration(table: &DeTable<'_>, place: usize) -> Result<(f64, Estimates), Wrong> {
    let number = |key| field(table, key, || text!("a number"));
    match (number("duration")?, number("optimistic")?, number("likely")?, number("pessimistic")?) {
        (Some(duration), None, None, None) => Ok((duration, None)),
        // Written so that a NaN is refused, too.
        (None, Some(best), Some(likely), Some(worst))
            if best >= 0.0 && best <= likely && likely <= worst =>
        {
            Ok((three_point(best, likely, worst), Some([best, likely, worst])))
        }
        (None, Some(_), Some(_), Some(_)) => {
            Err(wrong(place, text!("it must be {}", "0 <= optimistic <= likely <= pessimistic")))
        }
        _ => Err(wrong(
            place,
            text!("it needs either a duration, or optimistic, likely and pessimistic"),
        )),
    }
}

/// Refuses a field that isn't one of these.
fn check_fields(table: &DeTable<'_>, known: &[&str]) -> Result<(), Wrong> {
    match table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
        Some(key) => Err(wrong(
            key.span().start,
            text!(
                "there is no field \"{}\"; there are {}",
                key.get_ref(),
                known.join(&text!(", "))
            ),
        )),
        None => Ok(()),
    }
}

/// Reads a field, if it is there; an error says what it should be.
fn field<T: DeserializeOwned>(
    table: &DeTable<'_>,
    key: &str,
    should_be: fn() -> String,
) -> Result<Option<T>, Wrong> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let read = T::deserialize(value.clone().into_deserializer());
    let is_other =
        |_: Error| wrong(value.span().start, text!("\"{}\" must be {}", key, should_be()));
    read.map(Some).map_err(is_other)
}

fn wrong(place: usize, what: String) -> Wrong {
    Wrong { place: Some(place), what }
}

/// Says why a text is no TOML, which the parser says in English only, and shows the line.
fn no_toml(text: &str, error: &Error) -> Wrong {
    const SHOWN: usize = 60;
    let place = error.span().map_or(0, |span| span.start);
    let begin = text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text[begin..].lines().next().unwrap_or("").trim();
    let line: String = line.chars().take(SHOWN).collect();
    let is = |message| error.message().starts_with(message);
    let what = if is("duplicate key") {
        text!("this is there twice: {}", line)
    } else if is("string values must be quoted") {
        text!("a text has to be in quotes: {}", line)
    } else if is("unclosed") {
        text!("a bracket isn't closed: {}", line)
    } else {
        text!("this isn't TOML: {}", line)
    };
    wrong(place, what)
}
