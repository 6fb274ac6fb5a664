//! A plan as the table of the page has it: a text in each cell.
//!
//! ```text
//!   PlanFile ──▶ cells ──▶ TOML ──▶ PlanFile      the tool alone says what is wrong
//! ```

use std::fmt::Write;

use amdahl::report::PlanFile;
use common::output::escaped;
use serde::{Deserialize, Serialize};

/// The characters between the items of a list.
const SEPARATORS: [char; 3] = [',', '，', '、'];

/// The cells of the table.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cells {
    unit: String,
    /// A list: `person 1, stove 1`.
    resources: String,
    tasks: Vec<Row>,
}

/// The cells of a task.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    /// A number, or three estimates: `1 / 2 / 6`.
    duration: String,
    /// A list of names.
    after: String,
    /// A list: `person 1`.
    needs: String,
}

impl Cells {
    /// Writes the cells for a plan.
    pub(crate) fn of(file: &PlanFile) -> Self {
        let tasks = file.tasks.iter().enumerate().map(|(place, task)| Row {
            name: task.name.clone(),
            duration: match file.estimates.get(place) {
                Some(Some(estimates)) => estimates.map(|n| n.to_string()).join(" / "),
                _ => task.duration.to_string(),
            },
            after: list(task.after.iter().map(|name| item(name))),
            needs: amounts(&task.needs),
        });
        Self {
            unit: file.unit.clone().unwrap_or_default(),
            resources: amounts(&file.resources),
            tasks: tasks.collect(),
        }
    }

    /// Writes the plan as a TOML file. A cell that isn't what it should be becomes a value that
    /// isn't, either.
    pub(crate) fn toml(&self) -> String {
        let mut toml = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            writeln!(toml, "{text}").expect("a line is written into a string");
        };
        if !self.unit.is_empty() {
            line(format_args!("unit = {}", quoted(&self.unit)));
        }
        if !self.resources.trim().is_empty() {
            line(format_args!("resources = {}", needed(&self.resources)));
        }
        for task in &self.tasks {
            line(format_args!("\n[[task]]\nname = {}", quoted(&task.name)));
            let parts: Vec<&str> = task.duration.split('/').collect();
            match parts[..] {
                [optimistic, likely, pessimistic] => line(format_args!(
                    "optimistic = {}\nlikely = {}\npessimistic = {}",
                    number(optimistic),
                    number(likely),
                    number(pessimistic)
                )),
                _ => line(format_args!("duration = {}", number(&task.duration))),
            }
            if !task.after.trim().is_empty() {
                let names = items(&task.after).iter().map(|name| quoted(name)).collect::<Vec<_>>();
                line(format_args!("after = [{}]", names.join(", ")));
            }
            if !task.needs.trim().is_empty() {
                line(format_args!("needs = {}", needed(&task.needs)));
            }
        }
        toml.trim_start().to_owned()
    }
}

/// Writes a text as a string of TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    escaped(&serde_json::to_string(text).expect("a text is JSON"))
}

/// Writes a number as TOML has it; what is none, as a string.
fn number(cell: &str) -> String {
    match cell.trim().parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number}"),
        Ok(number) if !number.is_nan() => format!("{number:?}"),
        _ => quoted(cell.trim()),
    }
}

/// Writes resources and their amounts as a list.
fn amounts<'a>(amounts: impl IntoIterator<Item = (&'a String, &'a u32)>) -> String {
    list(amounts.into_iter().map(|(name, amount)| format!("{} {amount}", item(name))))
}

/// Writes a list of resources and their amounts as a table of TOML. Without an amount it is 1.
fn needed(cell: &str) -> String {
    let entries = items(cell).into_iter().map(|item| {
        // One that is no amount is for the tool to refuse.
        let is_number = |word: &str| word.parse::<f64>().is_ok_and(f64::is_finite);
        match item.rsplit_once(char::is_whitespace).filter(|(_, word)| is_number(word)) {
            // A leading zero is no number in TOML.
            Some((name, amount)) => format!("{} = {}", quoted(name.trim()), number(amount)),
            None => format!("{} = 1", quoted(&item)),
        }
    });
    format!("{{ {} }}", list(entries))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// Writes an item of a list, in quotes if it would be taken for several or for another.
fn item(text: &str) -> String {
    let is_plain = !text.contains(SEPARATORS) && !text.contains('"') && text.trim() == text;
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// Reads the items of a list; empty ones are left out. In quotes nothing separates, and two quotes
/// are one.
fn items(cell: &str) -> Vec<String> {
    let (mut items, mut item, mut is_quoted, mut was_quoted) =
        (Vec::new(), String::new(), false, false);
    let mut characters = cell.chars().chain([',']).peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                item.push('"');
                characters.next();
            }
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            separator if SEPARATORS.contains(&separator) && !is_quoted => {
                let text = if was_quoted { item.as_str() } else { item.trim() };
                if !text.is_empty() {
                    items.push(text.to_owned());
                }
                item.clear();
                was_quoted = false;
            }
            // Around quotes a blank is nothing.
            ' ' if item.is_empty() && !is_quoted => {}
            other => item.push(other),
        }
    }
    if is_quoted { vec![cell.to_owned()] } else { items }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        for names in [
            &["walls"][..],
            &["doors and windows", "paint"],
            &["a, b", "c\"d\"", " e ", "甲、乙"],
            &[],
        ] {
            let cell = list(names.iter().map(|name| item(name)));
            assert_eq!(items(&cell), names, "{cell}");
        }
        assert_eq!(items("甲、乙，丙 , d,,"), ["甲", "乙", "丙", "d"]);
        assert_eq!(items("\"open"), ["\"open"], "without its end a quote is a letter");
    }

    #[test]
    fn a_plan_is_the_same_after_its_way_through_the_table() {
        let toml = r#"
            unit = "days"
            resources = { "a, b" = 2, crane = 1, "team 7" = 3 }
            [[task]]
            name = "wa\"lls\u0007"
            optimistic = 1
            likely = 2.5
            pessimistic = 6e20
            needs = { "a, b" = 2, "team 7" = 1 }
            [[task]]
            name = "b, c"
            duration = 1e-7
            after = ["wa\"lls\u0007"]
            [[task]]
            name = "d"
            duration = 0
            after = ["b, c", "wa\"lls\u0007"]
        "#;
        let before = PlanFile::parse(toml).unwrap();
        let after = PlanFile::parse(&Cells::of(&before).toml()).unwrap();
        assert_eq!(PlanFile { lines: before.lines.clone(), ..after }, before);
    }

    #[test]
    fn a_cell_that_is_no_number_is_told_by_the_tool() {
        let problem = |duration: &str, needs: &str| {
            let row = Row {
                name: "a".into(),
                duration: duration.into(),
                after: String::new(),
                needs: needs.into(),
            };
            let cells = Cells { unit: String::new(), resources: String::new(), tasks: vec![row] };
            PlanFile::parse(&cells.toml()).unwrap_err().what
        };
        for cell in ["", "five", "2,5", "nan", "1/2/x"] {
            assert!(problem(cell, "").ends_with("must be a number"), "{cell}");
        }
        assert!(problem("1", "a 99999999999").ends_with("must be a table of whole numbers"));
        assert!(problem("1", "a, a").starts_with("this is there twice"));
    }
}
