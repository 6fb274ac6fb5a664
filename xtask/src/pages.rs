//! The course's pages: the table of contents, figures, both languages, and links.
//!
//! Chapters are checked by their crates' own tests, since these have the lessons' outputs.

use std::fs;
use std::path::{Path, PathBuf};

use common::contents::{CONTENTS, Section};
use testing::pages::{check_links, check_translation};

/// The first page in both languages.
const FIRST_PAGES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// Checks all pages; returns what is wrong with them.
pub(crate) fn problems(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let pages = FIRST_PAGES.map(|name| (name, fs::read_to_string(root.join(name))));
    for (name, page) in &pages {
        match page {
            Ok(page) => check_contents(name, page, &mut problems),
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    if let [(_, Ok(english)), (_, Ok(chinese))] = &pages {
        let [english, chinese] = [english, chinese].map(|page| figures(page));
        if english.len() <= 50 || english != chinese {
            problems.push("README.md, README.zh-CN.md: the figures differ, or are few".to_owned());
        }
    }
    check_crates(root, &mut problems);
    problems.extend(check_translation(root).err());
    let mut linked = in_folder(&root.join("docs"));
    linked.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    linked.extend(
        ["CONTRIBUTING.md", "bench/README.md", "fuzz/README.md", "multiprocess/README.md"]
            .map(|page| root.join(page)),
    );
    problems.extend(linked.iter().filter_map(|page| check_links(page).err()));
    problems
}

/// Checks that a first page says of every lesson what the program says, and of all how long they
/// take.
fn check_contents(name: &str, page: &str, problems: &mut Vec<String>) {
    for Section { number, package, lessons, .. } in CONTENTS {
        let link = |(lesson, minutes): &(&str, u32)| {
            format!("[{lesson}]({package}/{name}#{lesson}) {minutes}")
        };
        let links = lessons.iter().map(link).collect::<Vec<_>>().join(" · ");
        let row = page.lines().find(|line| line.starts_with(&format!("| {number} |")));
        if !row.is_some_and(|row| row.contains(&format!("| {links} |"))) {
            problems.push(format!("{name}: the row of {number} should have {links}"));
        }
    }
    let lessons = CONTENTS.iter().flat_map(|section| section.lessons);
    let minutes: u32 = lessons.map(|(_, minutes)| minutes).sum();
    let hours = format!("{:.1}", f64::from(minutes) / 60.0);
    if !page.contains(&hours) {
        problems.push(format!("{name}: all lessons take {hours} hours"));
    }
}

/// Lists the numbers of the figures, between their two marks.
fn figures(page: &str) -> Vec<String> {
    let (_, figures) = page.split_once("<!-- figures").unwrap_or_default();
    let (figures, _) = figures.split_once("<!-- /figures -->").unwrap_or_default();
    let numbers = figures.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let numbers = numbers.map(|number| number.trim_matches('.')).filter(|n| !n.is_empty());
    numbers.map(str::to_owned).collect()
}

/// Checks that the table of contents names every crate that has lessons, and no other.
fn check_crates(root: &Path, problems: &mut Vec<String>) {
    let with_lessons: Vec<String> = in_folder(root)
        .iter()
        .filter(|folder| folder.join("src/lessons").is_dir())
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    let mut named: Vec<&str> = CONTENTS.iter().map(|section| section.package).collect();
    named.sort_unstable();
    named.dedup();
    if named != with_lessons {
        problems.push(format!("lessons are in {with_lessons:?}, the contents name {named:?}"));
    }
}

/// Lists what is in a folder, sorted.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_say_the_same_in_both_languages_and_their_links_lead_somewhere() {
        assert_eq!(problems(crate::root()), [""; 0]);
    }

    #[test]
    fn a_page_without_a_lesson_is_a_problem() {
        let mut problems = Vec::new();
        check_contents("README.md", "", &mut problems);
        assert_eq!(problems.len(), CONTENTS.len() + 1, "{problems:?}");
    }
}
