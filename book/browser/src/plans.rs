//! The page `plans`.

use amdahl::report::{PlanFile, PlanReport};
use amdahl::{Plan, PlanError, Task, examples};
use common::number::number;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{self, Problem, Shown, answer, speak_in};
use crate::cells::Cells;

/// Says how long a plan takes: `amdahl plan`. The plan is the text of a TOML file; the number of
/// workers a text as it is typed, empty if there are enough.
///
/// The rows of the answer are the tasks, in their order: the cells of the timetable, then those of
/// the schedule, if there is one.
///
/// ```
/// use browser::plans::{plan, plan_example};
///
/// let house = plan_example("en", "house");
/// assert!(plan("en", &house, "").contains("makespan 11 days, work 12 days"));
/// assert!(plan("en", &house, "0").contains(r#""field":"workers""#));
/// ```
#[wasm_bindgen]
#[must_use]
pub fn plan(language: &str, toml: &str, workers: &str) -> String {
    answer(language, || {
        let input = Input::read(toml, workers)?;
        let report = input.report();
        let summary = report.summary() + &report.schedule_summary().unwrap_or_default();
        let rows = (0..input.plan.names().len()).map(|task| {
            let placement = report.placement(task).into_iter().flatten();
            report.times(task).into_iter().chain(placement).collect()
        });
        Ok(Shown::of(&report, summary, rows))
    })
}

/// Returns what `amdahl plan --json` prints of this plan; nothing if there is a problem.
#[wasm_bindgen]
#[must_use]
pub fn plan_json(toml: &str, workers: &str) -> String {
    answer::json(Input::read(toml, workers).as_ref().map(Input::report))
}

/// What the fields of the page say.
struct Input {
    plan: Plan,
    unit: Option<String>,
    workers: Option<usize>,
}

impl Input {
    fn read(toml: &str, workers: &str) -> Result<Self, Problem> {
        let file = PlanFile::parse(toml).map_err(|error| {
            let (task, field) = error.line.map(|line| place(toml, line)).unwrap_or_default();
            // At a task's name is told what is wrong with its duration as a whole.
            let field = if field == "name" { "duration" } else { field };
            let tasks = task.into_iter().collect();
            Problem { what: error.what, field, line: error.line, tasks }
        })?;
        let plan = Plan::new(file.tasks.clone(), file.resources).map_err(|error| {
            let (field, tasks) = tasks(&error, &file.tasks);
            let line = error.task().and_then(|task| file.lines.get(task).copied());
            Problem { what: error.to_string(), field, line, tasks }
        })?;
        let workers = match workers.trim() {
            "" => None,
            workers => Some(number(1..=u32::MAX)(workers).map_err(|what| Problem {
                what,
                field: "workers",
                ..Problem::default()
            })?),
        };
        Ok(Self { plan, unit: file.unit, workers: workers.map(|workers| workers as usize) })
    }

    fn report(&self) -> PlanReport<'_> {
        PlanReport::new(&self.plan, self.unit.as_deref(), self.workers)
    }
}

/// Returns a plan of the lessons as the text of a TOML file: `house`, `tea` or `fourier`.
#[wasm_bindgen]
#[must_use]
pub fn plan_example(language: &str, name: &str) -> String {
    speak_in(language);
    let file = match name {
        "tea" => examples::tea(),
        "fourier" => examples::fourier_transform(4),
        _ => examples::house(),
    };
    Cells::of(&file).toml()
}

/// Returns the cells of the page's table for a plan in TOML, as JSON; `null` if that can't be read.
#[wasm_bindgen]
#[must_use]
pub fn plan_cells(toml: &str) -> String {
    let cells = PlanFile::parse(toml).ok().map(|file| Cells::of(&file));
    serde_json::to_string(&cells).expect("texts are JSON")
}

/// Returns the plan in TOML for the cells of the page's table, given as JSON. Whatever is wrong
/// with them, the plan has it, too.
///
/// # Panics
/// If that is none of these cells.
#[wasm_bindgen]
#[must_use]
pub fn plan_toml(cells: &str) -> String {
    serde_json::from_str::<Cells>(cells).expect("the page's script wrote it").toml()
}

/// Returns the task whose lines have this one, if it is in a task, and the column of the table that
/// this line is in.
fn place(toml: &str, line: usize) -> (Option<usize>, &'static str) {
    let lines: Vec<&str> = toml.lines().take(line).map(str::trim_start).collect();
    let tasks = lines.iter().filter(|line| line.starts_with("[[task")).count();
    let key = lines.last().and_then(|line| line.split('=').next()).unwrap_or_default().trim();
    let field = match key {
        "duration" | "optimistic" | "likely" | "pessimistic" => "duration",
        "name" => "name",
        "after" => "after",
        "needs" => "needs",
        "unit" => "unit",
        "resources" => "resources",
        _ => "toml",
    };
    (tasks.checked_sub(1), field)
}

/// Returns the column of the table that an error is about, and the tasks; the first one is that of
/// the line.
fn tasks(error: &PlanError, all: &[Task]) -> (&'static str, Vec<usize>) {
    let field = match error {
        PlanError::Duration { .. } => "duration",
        PlanError::Unknown { .. } | PlanError::Cycle { .. } => "after",
        PlanError::Resource { .. } => "needs",
        PlanError::Nameless { .. } | PlanError::Duplicate { .. } => "name",
        _ => "toml",
    };
    let mut tasks: Vec<usize> = error.task().into_iter().collect();
    match error {
        PlanError::Duplicate { first, .. } => tasks.push(*first),
        PlanError::Cycle { names, .. } => {
            tasks.extend((0..all.len()).filter(|task| names.contains(&all[*task].name)));
        }
        _ => {}
    }
    (field, tasks)
}

#[cfg(test)]
mod tests {
    use amdahl::report::Report;
    use serde_json::{Value, json};

    use super::*;

    fn said(toml: &str, workers: &str) -> Value {
        serde_json::from_str(&plan("en", toml, workers)).unwrap()
    }

    #[test]
    fn a_plan_has_the_numbers_of_the_tool() {
        let tea = plan_example("en", "tea");
        let (plan, unit) = PlanFile::parse(&tea).unwrap().into_plan().unwrap();
        let report = PlanReport::new(&plan, unit.as_deref(), Some(2));
        let found = &said(&tea, " 2 ")["Ok"];
        assert_eq!(plan_json(&tea, " 2 "), report.json());
        assert_eq!(found["svg"], report.svg().unwrap());
        let text = report.text(1000);
        for line in found["summary"].as_str().unwrap().lines() {
            assert!(text.contains(&format!("{line}\n")), "{line}");
        }
        assert_eq!(
            found["rows"][1],
            json!(["15", "1", "16", "1", "16", "0", "0", "critical", "1", "16", "1"])
        );
        // Without a schedule its cells aren't there.
        assert_eq!(
            said(&plan_example("en", "house"), "")["Ok"]["rows"][0].as_array().unwrap().len(),
            8
        );
    }

    #[test]
    fn a_problem_names_the_cell_to_look_at() {
        let two = |first: &str, second: &str| {
            format!("[[task]]\nname = \"a\"\n{first}\n[[task]]\nname = \"b\"\n{second}\n")
        };
        for (toml, field, task, what) in [
            (
                two("duration = 1", "duration = -1"),
                "duration",
                1,
                "task \"b\" takes -1: a duration",
            ),
            (two("duration = 1", ""), "duration", 1, "task \"b\": it needs either a duration"),
            (
                two("duration = \"x\"", ""),
                "duration",
                0,
                "task \"a\": \"duration\" must be a number",
            ),
            (
                two("duration = 1", "duration = 1\nafter = [\"c\"]"),
                "after",
                1,
                "task \"b\" comes after",
            ),
            (
                two("duration = 1\nafter = [\"b\"]", "duration = 1\nafter = [\"a\"]"),
                "after",
                1,
                "these tasks wait for each other, so none can begin: b → a → b",
            ),
            (
                two("duration = 1", "duration = 1\nneeds = { c = 1 }"),
                "needs",
                1,
                "task \"b\" needs 1",
            ),
            (
                two("duration = 1", "duration = 1").replace("\"b\"", "\"a\""),
                "name",
                1,
                "task \"a\" is",
            ),
        ] {
            let problem = &said(&toml, "")["Err"];
            assert_eq!(problem["field"], field, "{toml}");
            assert_eq!(problem["tasks"][0], task, "{toml}");
            let told = problem["what"].as_str().unwrap();
            assert!(told.starts_with(what), "{told}");
        }
        let problem = &said("unit = \"d\"\nfive", "")["Err"];
        assert_eq!((&problem["field"], &problem["line"]), (&json!("toml"), &json!(2)));
        assert_eq!(said("", "")["Err"]["what"], "the plan has no task");
        let problem = &said(&two("duration = 1", "duration = 1"), "no")["Err"];
        assert_eq!(problem["what"], "it is a whole number from 1 to 4294967295");
    }

    #[test]
    fn the_lessons_plans_are_there_in_both_languages() {
        assert!(plan_example("en", "house").contains("name = \"foundation\"\nduration = 5\n"));
        assert!(
            plan_example("zh", "house").starts_with("unit = \"天\"\n\n[[task]]\nname = \"打地基\"")
        );
        assert!(plan("zh", &plan_example("zh", "fourier"), "").contains("最大加速比 2.530612"));
    }
}
