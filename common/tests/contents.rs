//! The table of contents and the workspace name the same crates; the pages outside of these are
//! checked as chapters are.

use std::fs;
use std::path::Path;

use common::contents::{CONTENTS, Section};
use common::testing::{check_full_disk, check_links, check_translation, output};

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
        for (lesson, minutes) in section.lessons {
            let command = format!("cargo run -p {} -- {lesson} ", section.package);
            let (_, rest) = text.split_once(&command).unwrap_or_else(|| panic!("no {command}"));
            let word = rest.split([' ', '|', '\n']).find(|word| !word.is_empty());
            assert_eq!(word, Some(&*minutes.to_string()), "the minutes behind {command}");
        }
    }
}

#[test]
fn the_readme_s_contents_say_of_every_lesson_what_the_program_says() {
    for name in ["README.md", "README.zh-CN.md"] {
        let readme = fs::read_to_string(Path::new("..").join(name)).expect("it can be read");
        for Section { number, package, lessons, .. } in CONTENTS {
            let row = readme.lines().find(|line| line.starts_with(&format!("| {number} |")));
            let row = row.unwrap_or_else(|| panic!("{name} has no row for {number}"));
            let link = |(lesson, minutes): &(&str, u32)| {
                format!("[{lesson}]({package}/{name}#{lesson}) {minutes}")
            };
            let links = lessons.iter().map(link).collect::<Vec<_>>().join(" · ");
            assert!(
                row.contains(&format!("| {links} |")),
                "{name}: the row of {number} should have {links}"
            );
        }
        let minutes: u32 =
            CONTENTS.iter().flat_map(|section| section.lessons).map(|(_, minutes)| minutes).sum();
        let hours = format!("{:.1}", f64::from(minutes) / 60.0);
        assert!(readme.contains(&hours), "{name}: all lessons take {hours} hours");
    }
}

#[test]
fn the_readme_s_figures_are_the_same_in_both_languages() {
    let [english, chinese] = ["README.md", "README.zh-CN.md"].map(|name| {
        let readme = fs::read_to_string(Path::new("..").join(name)).expect("it can be read");
        let (_, figures) = readme.split_once("<!-- figures").expect("they have a mark");
        let (figures, _) = figures.split_once("<!-- /figures -->").expect("so has their end");
        let numbers = figures.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let numbers = numbers.map(|number| number.trim_matches('.')).filter(|n| !n.is_empty());
        numbers.map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(english.len() > 50);
    assert_eq!(english, chinese);
}

#[test]
fn the_course_s_pages_say_the_same_in_both_languages_and_their_links_lead_somewhere() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    check_translation(root);
    for page in ["architecture", "glossary", "porting", "python-conformance"] {
        check_links(&Path::new(root).join(format!("docs/{page}.md")));
    }
    check_links(&Path::new(root).join("CONTRIBUTING.md"));
    for package in ["bench", "fuzz", "multiprocess"] {
        check_links(&Path::new(root).join(package).join("README.md"));
    }
}

#[test]
fn a_full_disk_is_exit_code_1() {
    check_full_disk(env!("CARGO_BIN_EXE_common"), &[]);
}
