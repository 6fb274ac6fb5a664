//! The lessons say what the chapter shows.

use common::testing::{check_chapter, check_nothing_is_left, check_translation};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ipc-queue");

#[test]
fn every_lesson_prints_what_the_readme_shows() {
    check_chapter("ipc-queue", PROGRAM, include_str!("../README.md"));
}

#[test]
fn the_chinese_chapter_says_the_same() {
    check_translation(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn without_a_name_all_lessons_are_told_and_told_again_they_leave_nothing() {
    check_nothing_is_left("ipc-queue", PROGRAM, &[]);
}
