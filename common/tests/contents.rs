//! The table of contents and the workspace name the same crates; the pages outside of these are
//! checked as chapters are.

use std::fs;
use std::path::Path;

use common::contents::CONTENTS;
use common::testing::{check_links, check_translation, output};

#[test]
fn the_contents_name_every_crate_that_has_lessons_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(root).expect("the workspace can be read");
    let mut with_lessons: Vec<String> = folders
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new("..").join(name).join("src/lessons").is_dir())
        .collect();
    let mut named: Vec<&str> = CONTENTS.iter().map(|section| section.package).collect();
    named.sort_unstable();
    named.dedup();
    with_lessons.sort_unstable();
    assert_eq!(named, with_lessons);
}

#[test]
fn a_plain_cargo_run_prints_the_command_of_every_lesson() {
    let run = output(env!("CARGO_BIN_EXE_common"), &[]);
    assert!(run.status.success());
    let text = String::from_utf8(run.stdout).expect("it is UTF-8");
    for section in CONTENTS {
        for lesson in section.lessons {
            assert!(text.contains(&format!("cargo run -p {} -- {lesson}", section.package)));
        }
    }
}

#[test]
fn the_course_s_pages_say_the_same_in_both_languages_and_their_links_lead_somewhere() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    check_translation(root);
    for page in ["architecture", "glossary", "python-conformance"] {
        check_links(&Path::new(root).join(format!("docs/{page}.md")));
    }
    for package in ["bench", "fuzz"] {
        check_links(&Path::new(root).join(package).join("README.md"));
    }
}
