//! The page `queue`, in both languages.

use serde_json::Value;
use thirtyfour::Key;

use crate::support::Page;

fn open(language: &str) -> Option<Page> {
    let page = Page::open(&format!("{language}/queue.html"))?;
    wait_until_ready(&page);
    Some(page)
}

fn wait_until_ready(page: &Page) {
    page.wait_for("document.querySelectorAll('.play[data-ready]').length === 2");
}

/// Presses buttons of a stage, such as `next-0`; each has to be there, and to work.
fn press(page: &Page, stage: &str, buttons: &[&str]) {
    let ids: Vec<_> = buttons.iter().map(|button| format!("{stage}-{button}")).collect();
    let failed = page.evaluate(&format!(
        "{ids:?}.find((id) => {{
            const button = document.getElementById(id);
            const works = button && button.ariaDisabled !== 'true';
            if (works) button.click();
            return !works;
        }})"
    ));
    assert_eq!(failed, Value::Null, "of {buttons:?}");
}

/// Returns what stands in a slot: its phase and its lap.
fn slot(page: &Page, number: usize) -> String {
    let slot = format!("#ring li:nth-child({})", number + 1);
    let digits = page.text(&format!("{slot} .place span:last-child"));
    let lap: String = digits.chars().filter(char::is_ascii_digit).collect();
    format!("{} {lap}", page.text(&format!("{slot} .phase")))
}

const PUT: [&str; 3] = ["next-0"; 3];
const PUT_LARGE: [&str; 4] = ["large-0", "next-0", "next-0", "next-0"];

/// The buttons that lead to each row of the chapter's table, up to the kill.
fn rows() -> Vec<Vec<&'static str>> {
    let one_at_a_time = |buttons: &[&'static str]| [&["operations"], buttons].concat();
    let read = ["next-2"; 2];
    vec![
        vec!["kill-0"],
        [one_at_a_time(&["next-0"; 3]), vec!["kill-0", "operations"]].concat(),
        vec!["next-0", "kill-0"],
        [vec!["next-0"], one_at_a_time(&["next-0"; 2]), vec!["kill-0", "operations"]].concat(),
        vec!["next-0", "next-0", "kill-0"],
        [&PUT[..], &["kill-0"]].concat(),
        [&PUT[..], &["kill-2"]].concat(),
        [&PUT[..], &["next-2", "kill-2"]].concat(),
        [&PUT[..], &read, &["kill-2"]].concat(),
        [&PUT_LARGE[..], &read, &["next-2", "kill-2"]].concat(),
        [&PUT_LARGE[..], &read, &["next-2", "next-2", "kill-2"]].concat(),
        [&PUT[..], &read, &["next-2", "kill-2"]].concat(),
        [&PUT[..], &read, &["kill-2", "repair-3", "kill-3"]].concat(),
        [&PUT[..], &read, &["kill-2", "repair-3", "repair-3", "kill-3"]].concat(),
        [&PUT_LARGE[..], &read, &["next-2", "kill-2", "repair-3", "repair-3", "kill-3"]].concat(),
        ["next-0", "next-0", "kill-0", "repair-3", "repair-3", "kill-3"].to_vec(),
    ]
}

#[test]
fn kill_here_at_each_step_ends_as_the_chapters_table_says() {
    for language in ["en", "zh"] {
        let Some(page) = Page::open(&format!("{language}/ipc-queue/index.html")) else { return };
        let table = page.evaluate(
            "[...document.querySelectorAll('table')].at(-1).innerText.split('\\n').slice(1)
                .map((row) => row.split('\\t'))",
        );
        let table: Vec<Vec<String>> = serde_json::from_value(table).unwrap();
        assert_eq!(table.len(), rows().len());
        page.go(&format!("{language}/queue.html"));
        wait_until_ready(&page);
        for (row, buttons) in table.iter().zip(rows()) {
            let [killed, left, repaired, item] = &row[..] else { panic!("{row:?}") };
            let is_state = |text: &str| {
                // "Empty, next lap", "Empty，下一圈".
                let (phase, next) = text.split_once([',', '，']).unwrap_or((text, ""));
                format!("{phase} {}", i32::from(!next.is_empty()))
            };
            press(&page, "ring", &buttons);
            assert_eq!(slot(&page, 0), is_state(left), "{language}: {killed}");
            // B repairs, as long as there is anything to repair.
            press(&page, "ring", &["repair-1"; 12]);
            assert_eq!(slot(&page, 0), is_state(repaired), "{language}: {killed}");
            let consumer = if page.evaluate("!!document.querySelector('.of-3.seat.dead')") == true {
                "next-2"
            } else {
                "next-3"
            };
            // It may have to be started anew; then it gets what there is: this item, or none.
            press(&page, "ring", &[consumer; 5]);
            let got = page.text(".seats:last-child").contains(if language == "en" {
                "got: cola"
            } else {
                "取到了：可乐"
            });
            let is_there = ["is there", "is delivered again", "还在", "重新投递"];
            assert_eq!(got, is_there.contains(&&**item), "{language}: {killed}");
            press(&page, "ring", &["anew"]);
        }
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn the_tours_run_to_their_ends() {
    let ends = [["Empty 1", "Empty 1"], ["Empty 1", "Empty 1"], ["Empty 1", "Empty 0"]];
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        for (tour, end) in ends.iter().enumerate() {
            press(&page, "ring", &[&format!("tour-{tour}")]);
            assert_eq!(page.evaluate("document.activeElement.id"), "ring-forward");
            for stop in 1..=9 {
                let news = page.text("#ring .news");
                assert!(news.starts_with(&format!("{stop} / 9")), "{news}");
                if stop < 9 {
                    press(&page, "ring", &["forward"]);
                }
            }
            let over = "document.getElementById('ring-forward').ariaDisabled === 'true'";
            assert_eq!(page.evaluate(over), true);
            assert_eq!([slot(&page, 0), slot(&page, 1)], end.map(str::to_owned), "tour {tour}");
            press(&page, "ring", &["back"]);
            assert!(page.text("#ring .news").starts_with("8 / 9"));
            press(&page, "ring", &["leave", "undo", "anew"]);
        }
        assert_eq!(page.errors(), [""; 0]);
    }
}

#[test]
fn it_can_be_played_by_keyboard_alone() {
    let Some(page) = open("en") else { return };
    // So low that the bar with the news covers a part of it.
    page.resize(1200, 500);
    let focus = |page: &Page| page.evaluate("document.activeElement.id");
    let tab_to = |id: &str| {
        let mut passed = Vec::new();
        while focus(&page) != id {
            assert!(passed.len() < 100, "{id}: {passed:?}");
            page.press(Key::Tab);
            passed.push(focus(&page));
            // What has the focus lies under nothing else.
            let is_seen = "(() => {
                const { left, top, width, height } = document.activeElement.getBoundingClientRect();
                const seen = document.elementFromPoint(left + width / 2, top + height / 2);
                return document.activeElement.contains(seen);
            })()";
            assert_eq!(page.evaluate(is_seen), true, "{passed:?}");
        }
    };
    page.evaluate("document.querySelector('main h1 a, main a').focus()");
    tab_to("ring-next-0");
    for (label, left) in
        [("write", "Writing(A) 0"), ("publish", "Writing(A) 0"), ("claim", "Full 0")]
    {
        page.press(Key::Enter);
        assert_eq!(focus(&page), "ring-next-0");
        assert_eq!(page.text("#ring-next-0"), label);
        assert_eq!(slot(&page, 0), left);
    }
    assert!(page.text("#ring [role=status]").contains("The put of A returns."));
    tab_to("ring-next-2");
    page.press(Key::Enter);
    tab_to("ring-kill-2");
    page.press(Key::Enter);
    assert_eq!(focus(&page), "ring-kill-2", "the focus stays, though it can't be killed twice");
    page.press(Key::Enter);
    assert_eq!(slot(&page, 0), "Reading(C) 0");
    assert!(page.text("#ring [role=status]").contains("C is killed"));
    tab_to("ring-repair-3");
    page.press(Key::Enter);
    page.press(Key::Enter);
    assert_eq!(focus(&page), "ring-repair-3");
    assert_eq!(slot(&page, 0), "Full 0");
    tab_to("ring-undo");
    page.press(Key::Enter);
    assert_eq!(slot(&page, 0), "Reading(C) 0");
    tab_to("python-next-0");
    page.press(Key::Enter);
    assert_eq!(focus(&page), "python-next-0");
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn every_button_has_a_name_and_every_group_says_what_it_is() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        let nameless = page.evaluate(
            "[...document.querySelectorAll('.play button')].filter((it) => !it.innerText.trim())
                .length",
        );
        assert_eq!(nameless, 0);
        let groups = page.evaluate(
            "[...document.querySelectorAll('.play section, .play article')].map((it) => {
                const name = document.getElementById(it.getAttribute('aria-labelledby'));
                return it.ariaLabel ?? name.innerText;
            })",
        );
        let groups = groups.as_array().cloned().unwrap_or_default();
        assert_eq!(groups.len(), 14);
        assert!(groups.iter().all(|name| name.as_str().is_some_and(|name| !name.is_empty())));
        let twice = page.evaluate(
            "[...document.querySelectorAll('[id]')].map((it) => it.id)
                .filter((id, at, all) => all.indexOf(id) !== at)",
        );
        assert_eq!(twice, Value::Array(Vec::new()));
    }
}

#[test]
fn pythons_locks_stay_with_the_dead() {
    let Some(page) = open("en") else { return };
    press(&page, "python", &["next-0", "next-0", "next-0", "next-0", "next-0"]);
    press(&page, "python", &["next-2", "kill-2", "next-3"]);
    assert!(page.text("#python .lock.lost").starts_with("_rlock"));
    assert!(page.text("#python .news").starts_with("D can't have _rlock, ever"));
    // A new consumer gets the same lock.
    press(&page, "python", &["next-2", "next-2"]);
    assert!(page.text("#python .news").starts_with("E can't have _rlock, ever"));
    press(&page, "python", &["next-1", "next-1", "kill-1"]);
    assert!(page.text("#python").contains("_wlock\nheld by B, which is dead"));
    press(&page, "python", &["anew"]);
    assert_eq!(page.evaluate("document.querySelectorAll('#python .lock.free').length"), 2);
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn it_fits_on_a_phone() {
    for language in ["en", "zh"] {
        let Some(page) = open(language) else { return };
        page.resize(360, 640);
        // A phone doesn't begin with a wide window, in which the contents are open.
        page.go(&format!("{language}/queue.html"));
        wait_until_ready(&page);
        for tour in ["tour-0", "tour-1", "tour-2"] {
            press(&page, "ring", &[tour, "forward", "forward", "forward"]);
            let page_fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(page.evaluate(page_fits), true, "{language}, {tour}");
            let cut = page.evaluate(
                "[...document.querySelectorAll('.play .phase, .play button')].filter((it) => {
                    const isCut = it.clientWidth > 0 && it.scrollWidth > it.clientWidth + 1;
                    return isCut || it.getBoundingClientRect().right > innerWidth;
                }).map((it) => it.innerText)",
            );
            assert_eq!(cut, Value::Array(Vec::new()), "{language}, {tour}");
        }
    }
}
