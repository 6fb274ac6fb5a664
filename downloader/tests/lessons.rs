//! The lessons say what the chapter shows.

use common::testing::check_chapter;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downloader");

#[test]
fn every_lesson_prints_what_the_readme_shows() {
    check_chapter("downloader", PROGRAM, include_str!("../README.md"));
}
