//! The page `laws`, in both languages.

use serde_json::{Value, json};
use testing::Random;
use thirtyfour::Key;

use crate::support::Page;
use crate::tool::{printed, refused, rows, without_blanks};

fn open(language: &str) -> Option<Page> {
    let page = Page::open(&format!("{language}/laws.html"))?;
    page.wait_for("document.querySelector('#fit[data-ready]')");
    for form in ["#law", "#fit"] {
        page.click(&format!("{form} details summary"));
    }
    Some(page)
}

fn string(page: &Page, expression: &str) -> String {
    page.evaluate(expression).as_str().expect("a text").to_owned()
}

/// Compares what a form shows with what the tool prints, with these arguments and this input.
fn compare(page: &Page, form: &str, arguments: &[&str], input: &str) {
    let text = printed(arguments, input);
    let summary = page.text(&format!("{form} .summary"));
    assert!(!summary.is_empty() && text.ends_with(&format!("{summary}\n")), "{summary}\n{text}");
    let numbers = format!(
        "[...document.querySelectorAll('{form} tbody tr')]
            .map((row) => [...row.cells].map((cell) => cell.innerText))"
    );
    assert_eq!(page.evaluate(&numbers), json!(rows(&text)));
    let json = string(page, &format!("document.querySelector('{form} pre').textContent"));
    assert_eq!(json, printed(&[arguments, &["--json"]].concat(), input));
}

#[test]
fn the_laws_numbers_are_those_of_the_tool() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        for (p, n, numbers) in [
            ("25/31", "16", "1,2,4,8,16"),
            ("0.987654321", "100", "1,2,4,8,16,32,64,100"),
            ("1", "1", "1"),
            ("0", "3", "1,2,3"),
        ] {
            page.fill("#law [name=p]", p);
            page.fill("#law [name=n]", n);
            compare(&page, "#law", &["law", "--lang", language, "--p", p, "--n", numbers], "");
        }
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn the_sliders_are_moved_by_keys_and_move_with_the_fields() {
    let Some(page) = open("en") else { return };
    let value =
        |name: &str| string(&page, &format!("document.querySelector('[name={name}]').value"));
    let picture = "document.querySelector('#law .picture').innerHTML";
    let before = string(&page, picture);
    page.focus("[name=n_slider]");
    page.press(Key::Right);
    assert_eq!((value("n"), value("n_slider")), ("17".into(), "17".into()));
    assert_ne!(string(&page, picture), before);
    page.focus("[name=p_slider]");
    page.press(Key::End);
    assert_eq!(value("p"), "1");
    assert!(page.text("#law .summary").contains("never more than ∞ times as fast"));
    page.fill("[name=p]", "1/4");
    assert_eq!(value("p_slider"), "0.25");
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn the_fit_is_that_of_the_tool() {
    let german = "n;Durchsatz (MB/s);x\n1;1;1.060,5\n2;1;2.100\n4;1;4.000,25\n8;1;7.100\n\
                  12;1;9.000\n16;1;9.100\n";
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        let arguments = ["fit", "-", "--lang", language];
        let first = string(&page, "document.querySelector('[name=csv]').value");
        compare(&page, "#fit", &arguments, &first);
        page.fill("[name=csv]", german);
        compare(&page, "#fit", &arguments, german);
        // Down to the last digit, whatever the numbers.
        let mut random = Random(7);
        for _ in 0..8 {
            let mut noise = || 0.95 + random.below(1000) as f64 / 10_000.0;
            let csv: String = (1..=9_u32)
                .map(|n| {
                    let n = f64::from(n);
                    let slower = 1.0 + 0.07 * (n - 1.0) + 0.004 * n * (n - 1.0);
                    format!("{n},{}\n", 1000.0 * n / slower * noise())
                })
                .collect();
            page.fill("[name=csv]", &csv);
            compare(&page, "#fit", &arguments, &csv);
        }
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn what_is_wrong_is_told_beside_its_field_and_the_last_picture_stays() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        for (form, field, nonsense, arguments) in [
            ("#law", "p", "1.5", &["law", "--p", "1.5"][..]),
            ("#law", "p", "much", &["law", "--p", "much"]),
            ("#law", "n", "0", &["law", "--p", "0.5", "--n", "0"]),
            ("#law", "n", "many", &["law", "--p", "0.5", "--n", "many"]),
            ("#fit", "csv", "n,throughput\n1,nonsense", &["fit", "-"]),
            ("#fit", "csv", "words, words, words", &["fit", "-"]),
            ("#fit", "csv", "n,throughput\n1,2\n", &["fit", "-"]),
            ("#fit", "csv", "n,throughput\n1,2\n2,-4\n", &["fit", "-"]),
        ] {
            let picture = format!("document.querySelector('{form} .picture').innerHTML");
            let (before, value) = (
                string(&page, &picture),
                format!("document.querySelector('[name={field}]').value"),
            );
            let good = string(&page, &value);
            page.fill(&format!("[name={field}]"), nonsense);
            let told = page.complaint(form, &format!("[name={field}]"));
            // Which line it is the page says in words, the command line in a number.
            let sentence = match told.split_once(['：', ':']) {
                Some((line, sentence)) if line.starts_with("Line ") || line.starts_with('第') => {
                    let number: String = line.chars().filter(char::is_ascii_digit).collect();
                    format!(":{number}:{sentence}")
                }
                _ => told,
            };
            let expected = refused(&[arguments, &["--lang", language]].concat(), nonsense);
            assert!(expected.ends_with(&without_blanks(&sentence)), "{sentence}\n{expected}");
            let invalid = format!("document.querySelector('{form} [aria-invalid]')?.name");
            assert_eq!(string(&page, &picture), before);
            page.fill(&format!("[name={field}]"), &good);
            assert_eq!(page.evaluate(&invalid), Value::Null);
        }
        assert_eq!(page.errors(), [""; 0]);
    }
}
