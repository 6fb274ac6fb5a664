//! The page `plans`, in both languages.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::{Page, row};
use crate::tool::{printed, refused, rows, without_blanks};

/// What the page has now.
const TOML: &str = "document.querySelector('[name=toml]').value";
/// Whether the table can't be edited.
const INERT: &str = "document.querySelector('#plan table').inert";
const JSON: &str = "document.querySelector('#plan pre').textContent";
const PICTURE: &str = "document.querySelector('#plan .picture').innerHTML";
const CRITICAL: &str = "[...document.querySelectorAll('#plan tr.critical')]
    .map((row) => row.querySelector('input').value)";
/// The numbers in the table, row by row, without the empty ones of a schedule that isn't there.
const NUMBERS: &str = "[...document.querySelectorAll('#plan tbody tr')]
    .map((row) => [...row.querySelectorAll('output')].map((number) => number.textContent))";

fn open(language: &str) -> Option<Page> {
    let page = Page::open(&format!("{language}/plans.html"))?;
    page.wait_for("document.querySelector('#plan[data-ready]')");
    Some(page)
}

/// Finds the field of a task, from 1: 1 is its name, 2 its duration, 3 after what, 4 its needs.
fn cell(task: usize, column: usize) -> String {
    format!("#plan tbody tr:nth-of-type({task}) > :nth-child({column}) input")
}

fn string(page: &Page, expression: &str) -> String {
    page.evaluate(expression).as_str().expect("a text").to_owned()
}

#[test]
fn a_changed_duration_moves_the_critical_path() {
    for (language, before, after) in [
        (
            "en",
            ["foundation", "walls", "doors and windows", "paint"],
            "makespan 13 days, work 18 days",
        ),
        ("zh", ["打地基", "砌墙", "装门窗", "涂漆"], "工期 13 天，工作量 18 天"),
    ] {
        let Some(page) = open(language) else { return };
        assert_eq!(page.evaluate(CRITICAL), json!(before));
        let picture = string(&page, PICTURE);
        page.fill(&cell(5, 2), "7");
        let critical = page.evaluate(CRITICAL);
        assert_eq!(json!(critical.as_array().unwrap()[..3]), json!(before[1..]));
        assert_eq!(
            critical[3],
            page.evaluate(&format!("document.querySelector({:?}).value", cell(5, 1)))
        );
        assert!(page.text("#plan .summary").starts_with(after));
        let announced = page.text("#plan [role=status]");
        assert_eq!(page.text("#plan .summary").lines().next(), Some(&*announced));
        assert_ne!(string(&page, PICTURE), picture);
        assert!(string(&page, TOML).contains("duration = 7\n"));
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn the_numbers_are_those_of_the_tool() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        page.click("#plan details:has(.json) summary");
        for (example, workers) in [("house", ""), ("house", "1"), ("tea", ""), ("fourier", "3")] {
            page.click(&format!("[data-example={example}]"));
            page.fill("[name=workers]", workers);
            let toml = string(&page, TOML);
            let mut arguments = vec!["plan", "-", "--lang", language];
            if !workers.is_empty() {
                arguments.extend(["--workers", workers]);
            }
            let text = printed(&arguments, &toml);
            for line in page.text("#plan .summary").lines() {
                assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
            }
            let numbers = page.evaluate(NUMBERS);
            let told = rows(&text);
            assert_eq!(numbers.as_array().unwrap().len(), told.len(), "{numbers}\n{text}");
            for (task, told) in told.iter().enumerate() {
                // The tool's table begins with the name and the duration, which are fields here.
                assert_eq!(
                    json!(told[2..]),
                    json!(numbers[task].as_array().unwrap()[..7]),
                    "{text}"
                );
            }
            let schedule = text.split("\n\n").nth(1).map(|part| part.split_once('\n').unwrap().1);
            for told in rows(schedule.unwrap_or_default()) {
                let name = format!(
                    "[...document.querySelectorAll('#plan tbody tr')]
                    .findIndex((row) => row.querySelector('input').value === {:?})",
                    told[0]
                );
                let task = page.evaluate(&name).as_u64().unwrap() as usize;
                assert_eq!(
                    json!(told[1..]),
                    json!(numbers[task].as_array().unwrap()[7..]),
                    "{text}"
                );
            }
            assert_eq!(
                string(&page, JSON),
                printed(&[&arguments[..], &["--json"]].concat(), &toml)
            );
        }
        // All of these are critical paths.
        let toml: String =
            (0..60).map(|task| format!("[[task]]\nname = 'task {task}'\nduration = 1\n")).collect();
        page.click("#plan details:has([name=toml]) summary");
        page.fill("[name=workers]", "");
        page.fill("[name=toml]", &toml);
        assert_eq!(string(&page, JSON), printed(&["plan", "-", "--json"], &toml));
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn what_is_wrong_is_told_beside_its_field_and_the_last_picture_stays() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        let paint = string(&page, &format!("document.querySelector({:?}).value", cell(4, 1)));
        let picture = string(&page, PICTURE);
        for (field, nonsense) in [
            // A circle, an unknown name, a negative duration, no number, a resource that isn't
            // there, a name that is there twice, no name.
            (cell(1, 3), paint.as_str()),
            (cell(3, 3), "wells"),
            (cell(2, 2), "-3"),
            (cell(2, 2), "three"),
            (cell(2, 2), "3 / 2 / 1"),
            (cell(5, 4), "crane 2"),
            (cell(5, 1), &paint),
            (cell(5, 1), ""),
            ("[name=resources]".to_owned(), "crane 99999999999"),
            ("[name=workers]".to_owned(), "0"),
        ] {
            let value = format!("document.querySelector({field:?}).value");
            let before = string(&page, &value);
            page.fill(&field, nonsense);
            let told = page.complaint("#plan", &field);
            let workers = if field.contains("workers") { nonsense } else { "1" };
            let arguments = ["plan", "-", "--lang", language, "--workers", workers];
            let expected = refused(&arguments, &string(&page, TOML));
            assert!(expected.ends_with(&without_blanks(&told)), "{told}\n{expected}");
            assert_eq!(string(&page, PICTURE), picture, "{field}: {nonsense}");
            page.fill(&field, &before);
            assert_eq!(
                page.evaluate("document.querySelector('#plan [aria-invalid]')"),
                Value::Null
            );
            assert_eq!(page.evaluate("document.querySelector('#plan').parts.problem.hidden"), true);
        }
        // What is typed or pasted as TOML is told with its line.
        let file = "#plan details:has([name=toml]) summary";
        page.click(file);
        for (nonsense, line) in
            [("unit = 'd'\n[[task", 2), ("[[task]]\nname = 'a'\nduration = 'x'", 3)]
        {
            page.fill("[name=toml]", nonsense);
            let expected = refused(&["plan", "-", "--lang", language], nonsense);
            let (_, sentence) = expected.split_once(&format!(":{line}:")).unwrap();
            let told = page.complaint("#plan", "[name=toml]");
            let is_told = without_blanks(&told).ends_with(sentence);
            assert!(is_told && told.contains(&line.to_string()), "{told}\n{expected}");
            assert_eq!(string(&page, PICTURE), picture);
            // The table can't write another plan over it; the number of workers is no part of it.
            assert_eq!(page.evaluate(INERT), true);
            page.fill("[name=workers]", "2");
            assert_eq!(page.complaint("#plan", "[name=toml]"), told);
            page.fill("[name=workers]", "");
        }
        page.fill("[name=toml]", "[[task]]\nname = 'a'\nduration = 1\nafter = ['a']");
        assert_eq!(
            (page.complaint("#plan", "[name=toml]").is_empty(), page.evaluate(INERT)),
            (false, json!(false))
        );
        // What is wrong with the plan as a whole is told at its text, which opens for that.
        page.click(file);
        page.click("[data-example=house]");
        for _ in 0..5 {
            page.click("#plan [data-act=remove]");
        }
        page.complaint("#plan", "[name=toml]");
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn the_table_and_the_file_are_two_views_of_one_plan() {
    let Some(page) = open("en") else { return };
    page.click("#plan details:has([name=toml]) summary");
    page.fill(
        "[name=toml]",
        "unit = 'h'\nresources = { crane = 2 }\n[[task]]\nname = 'a, b'\noptimistic = 1\n\
         likely = 2\npessimistic = 9\n[[task]]\nname = 'c'\nduration = 2.5\nafter = ['a, b']\n\
         needs = { crane = 1 }\n",
    );
    let fields = "[...document.querySelectorAll('#plan tbody input, #plan .fields input')]
        .map((field) => field.value)";
    let expected =
        json!(["", "crane 2", "h", "a, b", "1 / 2 / 9", "", "", "c", "2.5", "\"a, b\"", "crane 1"]);
    assert_eq!(page.evaluate(fields), expected);
    assert!(page.text("#plan .summary").starts_with("makespan 5.5 h"));
    page.click("[data-act=add]");
    for (column, text) in [(1, "d"), (2, "1"), (3, "c, \"a, b\"")] {
        page.fill(&cell(3, column), text);
    }
    let end = "name = \"d\"\nduration = 1\nafter = [\"c\", \"a, b\"]\n";
    assert!(string(&page, TOML).ends_with(end), "{}", string(&page, TOML));
    assert!(page.text("#plan .summary").starts_with("makespan 6.5 h"));
    page.click("#plan tbody tr:nth-of-type(3) [data-act=remove]");
    assert!(page.text("#plan .summary").starts_with("makespan 5.5 h"));
    assert_eq!(page.evaluate("document.activeElement.value"), "c");
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn the_keyboard_is_enough() {
    let Some(page) = open("en") else { return };
    let tab_to = |what: &str| {
        let is_there = format!("document.activeElement.matches({what:?})");
        let reached = (0..300).any(|_| {
            page.press(Key::Tab);
            page.evaluate(&is_there) == true
        });
        assert!(reached, "Tab doesn't reach {what}");
    };
    tab_to("[data-example=tea]");
    page.press(Key::Enter);
    assert!(page.text("#plan .summary").starts_with("makespan 16 minutes"));
    tab_to("[name=workers]");
    page.press("1");
    assert!(page.text("#plan .summary").contains("with 1 worker: 20 minutes"));
    tab_to(&cell(2, 2));
    page.press("5");
    // Tab selects what is in a field, so the key replaces it.
    assert!(page.text("#plan .summary").starts_with("makespan 6 minutes"));
    tab_to("[data-act=add]");
    page.press(Key::Enter);
    assert_eq!(page.evaluate(&format!("document.activeElement.matches({:?})", cell(7, 1))), true);
    // An arrow scrolls the picture, and doesn't turn the page.
    page.focus("#plan .picture");
    page.press(Key::Right);
    assert_eq!(page.evaluate("location.pathname.endsWith('/plans.html')"), true);
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn a_plan_of_two_thousand_tasks_is_drawn_anew_while_one_types() {
    let Some(page) = open("en") else { return };
    let task = |number: usize| {
        let layer = number / 50;
        let before = |shift: usize| format!("'task {}'", (layer - 1) * 50 + (number + shift) % 50);
        let after =
            if layer == 0 { String::new() } else { format!("{}, {}", before(0), before(7)) };
        format!(
            "[[task]]\nname = 'task {number}'\nduration = {}\nafter = [{after}]\n",
            number % 9 + 1
        )
    };
    let toml: String = (0..2000).map(task).collect();
    let milliseconds = |change: &str| {
        let timed = format!(
            "(() => {{
                const begun = performance.now();
                {change}
                document.body.getBoundingClientRect();
                return performance.now() - begun;
            }})()"
        );
        page.evaluate(&timed).as_f64().unwrap()
    };
    let typed = |field: &str, text: &str| {
        format!(
            "const field = document.querySelector({field:?});
             field.value = {text};
             field.dispatchEvent(new Event('input', {{ bubbles: true }}));"
        )
    };
    let pasted = milliseconds(&typed("[name=toml]", &json!(toml).to_string()));
    assert_eq!(page.evaluate("document.querySelectorAll('#plan tbody tr').length"), 2000);
    let makespan = page.text("#plan .summary");
    for workers in ["", "8"] {
        page.fill("[name=workers]", workers);
        let mut times: Vec<f64> = (0..15)
            .map(|round| milliseconds(&typed(&cell(1, 2), &(100 + round).to_string())))
            .collect();
        assert_ne!(page.text("#plan .summary"), makespan);
        times.sort_by(f64::total_cmp);
        let [best, middle, worst] = [times[0], times[7], times[14]];
        row(
            &format!("2,000 tasks, workers {workers:?}, drawn anew after a key"),
            format!("{middle:.0} ms ({best:.0} – {worst:.0}); first {pasted:.0} ms"),
        );
    }
    assert_eq!(page.errors(), [""; 0]);
}
