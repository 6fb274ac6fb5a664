//! A plan as it is written in a TOML file. Its fields are read one by one, so that what is wrong
//! with one is told in the reader's language.

use amdahl::{Plan, Task, three_point};
use common::text;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::de::{DeTable, Error};

use super::Refusal;

/// The fields of a file, and of a task.
const FIELDS: [&str; 4] = ["unit", "resources", "task", "tasks"];
const OF_TASK: [&str; 7] =
    ["name", "duration", "optimistic", "likely", "pessimistic", "after", "needs"];

/// What is wrong with a file, and the index where, if it is in one place.
struct Wrong {
    place: Option<usize>,
    what: String,
}

/// Parses the plan in this text, and its unit of time. Errors name the file, the line and the task.
pub(super) fn parse(file: &str, text: &str) -> Result<(Plan, Option<String>), Refusal> {
    plan(text).map_err(|Wrong { place, what }| {
        Refusal::wrong(match place.and_then(|place| text.get(..place)) {
            Some(before) => format!("{file}:{}: {what}", before.matches('\n').count() + 1),
            None => format!("{file}: {what}"),
        })
    })
}

fn plan(text: &str) -> Result<(Plan, Option<String>), Wrong> {
    let file = DeTable::parse(text).map_err(|error| no_toml(text, &error))?;
    let file = file.get_ref();
    check_fields(file, &FIELDS)?;
    let unit = field(file, "unit", || text!("a text in quotes"))?;
    let resources = field(file, "resources", || text!("a table of whole numbers"))?;
    let (mut tasks, mut places) = (Vec::new(), Vec::new());
    for list in ["task", "tasks"].into_iter().filter_map(|key| file.get(key)) {
        let is_other = || wrong(list.span().start, text!("each task begins with [[task]]"));
        for entry in list.get_ref().as_array().ok_or_else(is_other)?.iter() {
            let table = entry.get_ref().as_table().ok_or_else(is_other)?;
            let (task, place) = task(table, entry.span().start)?;
            tasks.push(task);
            places.push(place);
        }
    }
    let plan = Plan::new(tasks, resources.unwrap_or_default()).map_err(|error| Wrong {
        place: error.task().map(|task| places[task]),
        what: error.to_string(),
    })?;
    Ok((plan, unit))
}

/// Reads a task, and returns where its name is.
fn task(table: &DeTable<'_>, place: usize) -> Result<(Task, usize), Wrong> {
    let name: Option<String> = field(table, "name", || text!("a text in quotes"))?;
    let name = name.ok_or_else(|| wrong(place, text!("this task has no name")))?;
    let place = table.get("name").map_or(place, |value| value.span().start);
    let of_task =
        |error: Wrong| Wrong { what: text!("task \"{}\": {}", name, error.what), ..error };
    check_fields(table, &OF_TASK).map_err(of_task)?;
    let duration = duration(table, place).map_err(of_task)?;
    let after = field(table, "after", || text!("a list of names")).map_err(of_task)?;
    let needs = field(table, "needs", || text!("a table of whole numbers")).map_err(of_task)?;
    let (after, needs) = (after.unwrap_or_default(), needs.unwrap_or_default());
    Ok((Task { name, duration, after, needs }, place))
}

/// Reads how long a task takes; `place` is where its name is.
fn duration(table: &DeTable<'_>, place: usize) -> Result<f64, Wrong> {
    let number = |key| field(table, key, || text!("a number"));
    match (number("duration")?, number("optimistic")?, number("likely")?, number("pessimistic")?) {
        (Some(duration), None, None, None) => Ok(duration),
        // Written so that a NaN is refused, too.
        (None, Some(best), Some(likely), Some(worst))
            if best >= 0.0 && best <= likely && likely <= worst =>
        {
            Ok(three_point(best, likely, worst))
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
