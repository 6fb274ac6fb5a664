//! A plan as it is written in a TOML file.

use std::collections::BTreeMap;
use std::ops::Range;

use amdahl::{Plan, Task, three_point};
use serde::Deserialize;
use toml::Spanned;

use super::Refusal;

/// The contents of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    unit: Option<String>,
    #[serde(default)]
    resources: BTreeMap<String, u32>,
    #[serde(default, alias = "tasks")]
    task: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    duration: Option<f64>,
    optimistic: Option<f64>,
    likely: Option<f64>,
    pessimistic: Option<f64>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    needs: BTreeMap<String, u32>,
}

/// Parses the plan in this text, and its unit of time. Errors name the file, the line and the task.
pub(super) fn parse(file: &str, text: &str) -> Result<(Plan, Option<String>), Refusal> {
    let at = |place: Range<usize>, what: &str| {
        let line = text.get(..place.start).unwrap_or(text).matches('\n').count() + 1;
        Refusal::wrong(format!("{file}:{line}: {what}"))
    };
    let parsed: File = toml::from_str(text).map_err(|error| {
        let Some(place) = error.span() else {
            return Refusal::wrong(format!("{file}: {}", error.message()));
        };
        let task = task_at(text, place.start);
        at(place, &format!("{}{}", task, error.message()))
    })?;
    let mut tasks = Vec::with_capacity(parsed.task.len());
    let mut places = Vec::with_capacity(parsed.task.len());
    for entry in parsed.task {
        let place = entry.name.span();
        let duration = entry.duration().map_err(|what| {
            at(place.clone(), &format!("task \"{}\": {what}", entry.name.get_ref()))
        })?;
        let Entry { name, after, needs, .. } = entry;
        tasks.push(Task { name: name.into_inner(), duration, after, needs });
        places.push(place);
    }
    let plan = Plan::new(tasks, parsed.resources).map_err(|error| match error.task() {
        Some(task) => at(places[task].clone(), &error.to_string()),
        None => Refusal::wrong(format!("{file}: {error}")),
    })?;
    Ok((plan, parsed.unit))
}

impl Entry {
    fn duration(&self) -> Result<f64, &'static str> {
        match (self.duration, self.optimistic, self.likely, self.pessimistic) {
            (Some(duration), None, None, None) => Ok(duration),
            (None, Some(best), Some(likely), Some(worst)) => {
                // Written so that a NaN is refused, too.
                if best >= 0.0 && best <= likely && likely <= worst {
                    Ok(three_point(best, likely, worst))
                } else {
                    Err("it must be 0 <= optimistic <= likely <= pessimistic")
                }
            }
            _ => Err("it needs either a duration, or optimistic, likely and pessimistic"),
        }
    }
}

/// Returns `task "walls": ` if this index is in the table of a task that has a name.
fn task_at(text: &str, index: usize) -> String {
    let before = text.get(..index).unwrap_or(text);
    // An index in a header is in the table that the header begins.
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let header = if text[line..].starts_with("[[") { Some(line) } else { before.rfind("\n[[") };
    let Some(header) = header else { return String::new() };
    let table = text[header..].trim_start().lines().skip(1);
    let mut table = table.take_while(|line| !line.trim_start().starts_with('['));
    let name = table.find_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = toml::from_str::<BTreeMap<String, String>>(&format!("name = {value}")).ok()?;
        if key.trim() == "name" { value.into_values().next() } else { None }
    });
    name.map_or(String::new(), |name| format!("task \"{name}\": "))
}
