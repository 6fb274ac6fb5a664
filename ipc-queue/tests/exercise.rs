//! The exercise at the end of the chapter: words are counted, and no line is lost.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use testing::{Running, example};

#[test]
fn the_solution_counts_all_words_although_counters_die() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/word_count/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    // No two lines have as many words: whichever is lost or counted twice, the total is wrong.
    let lines: Vec<String> = (1..=200).map(|words| "word ".repeat(words)).collect();
    let text = lines.join("\n");
    for deaths in ["0", "1", "2"] {
        let said = vec!["20100 words".to_owned()];
        assert_eq!(counted(choice, &text, deaths), (said, Some(0)), "{deaths} counters die");
    }
    let (said, code) = counted(choice, &text, "3");
    assert_eq!(code, Some(1), "nobody is left who could count: {said:?}");
    assert_eq!(counted(choice, "", "0"), (vec!["0 words".to_owned()], Some(0)));
}

/// Returns what the program says of this text, and its exit code.
fn counted(choice: &[&str], text: &str, deaths: &str) -> (Vec<String>, Option<i32>) {
    let file = format!("{}/word_count{}.txt", env!("CARGO_TARGET_TMPDIR"), choice.concat());
    fs::write(&file, text).unwrap();
    let arguments = [choice, &[&file, deaths]].concat();
    Running::start(&example("word_count"), &arguments).end()
}
