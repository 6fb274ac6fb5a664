//! The course's pages: the table of contents, figures, both languages, and links.
//!
//! Chapters are checked by their crates' own tests, since these have the lessons' outputs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::contents::{CONTENTS, Entry, Section};
use testing::pages::{check_language, check_links, check_pages, check_translation};

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
    check_docs(root, &mut problems);
    let others = ["CONTRIBUTING.md", "bench/README.md", "fuzz/README.md", "multiprocess/README.md"];
    problems.extend(others.iter().filter_map(|page| check_links(&root.join(page)).err()));
    let folders = in_folder(root).into_iter().filter(|path| path.is_dir());
    let pages = folders.chain([root.to_owned()]).flat_map(|folder| in_folder(&folder));
    let chinese = pages.filter(|page| is_chinese(page));
    problems.extend(chinese.filter_map(|page| check_language(&page).err()));
    problems
}

/// Checks the pages of `docs` and of `book`, each of which is there in both languages.
fn check_docs(root: &Path, problems: &mut Vec<String>) {
    for english in in_folder(&root.join("book/pages/en")) {
        let name = english.file_name().expect("a file has a name");
        problems.extend(check_pages(&english, &root.join("book/pages/zh").join(name)).err());
    }
    let docs = root.join("docs");
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let pages = in_folder(&docs).into_iter().filter(is_page);
    for english in pages.filter(|page| !is_chinese(page)) {
        let chinese = english.with_extension("zh-CN.md");
        // One language has an overview of the other's page; `conformance` compares these two.
        let checked = if english.ends_with("python-conformance.md") {
            check_links(&english).and_then(|()| check_links(&chinese))
        } else {
            check_pages(&english, &chinese)
        };
        problems.extend(checked.err());
    }
    let read = |name| fs::read_to_string(docs.join(name)).unwrap_or_default();
    let drawings = ["staircase.svg", "staircase.zh-CN.svg"].map(read);
    let [english, chinese] = drawings.each_ref().map(|drawing| tags(drawing));
    if english.len() <= 50 || english != chinese {
        problems.push("docs: the staircase is another in Chinese".to_owned());
    }
    check_glossary(&docs, problems);
}

/// Checks that the glossary has the same words in both languages, in each reader's order: by the
/// English words, and by the initials of the Chinese ones.
fn check_glossary(docs: &Path, problems: &mut Vec<String>) {
    let rows = |name: &str| -> Vec<Vec<String>> {
        let page = fs::read_to_string(docs.join(name)).unwrap_or_default();
        let rows = page.lines().filter(|line| line.starts_with('|')).skip(2);
        // Of a link only the text, which is the same in both languages.
        let text = |cell: &str| cell.split("](").next().unwrap_or_default().trim().to_owned();
        rows.map(|row| row.split('|').skip(1).map(text).collect()).collect()
    };
    let (mut english, mut chinese) = (rows("glossary.md"), rows("glossary.zh-CN.md"));
    let mut initials: Vec<String> = chinese.iter_mut().map(|row| row.remove(0)).collect();
    // The third cell says what the word means, in the page's language.
    for row in english.iter_mut().chain(&mut chinese).filter(|row| row.len() > 2) {
        if row.remove(2).is_empty() {
            problems.push(format!("docs: a glossary doesn't say what {row:?} means"));
        }
    }
    initials.retain(|initial| !initial.is_empty());
    chinese.iter_mut().for_each(|row| row.swap(0, 1));
    if !english.is_sorted_by_key(|row| row[0].to_lowercase()) || !initials.is_sorted() {
        problems.push("docs: a glossary is out of order".to_owned());
    }
    let [english, chinese] = [english, chinese].map(BTreeSet::from_iter);
    let differing = english.symmetric_difference(&chinese);
    problems.extend(differing.map(|row| format!("docs: only one glossary has {row:?}")));
}

/// Checks that a first page says of every lesson what the program says, and of all how long they
/// take.
fn check_contents(name: &str, page: &str, problems: &mut Vec<String>) {
    for Section { number, package, lessons, .. } in CONTENTS {
        let link = |Entry { name: lesson, minutes, .. }: &Entry| {
            format!("[{lesson}]({package}/{name}#{lesson}) {minutes}")
        };
        let links = lessons.iter().map(link).collect::<Vec<_>>().join(" · ");
        let mut rows = page.lines().filter(|line| line.starts_with(&format!("| {number} |")));
        if !rows.any(|row| row.contains(&format!("| {links} |"))) {
            problems.push(format!("{name}: the row of {number} should have {links}"));
        }
    }
    let lessons = CONTENTS.iter().flat_map(|section| section.lessons);
    let minutes: u32 = lessons.map(|entry| entry.minutes).sum();
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

/// Lists the tags of a drawing, which are all but its words.
fn tags(drawing: &str) -> Vec<&str> {
    drawing.split('<').filter_map(|tag| tag.split('>').next()).collect()
}

/// Returns true for a page in Chinese, by its name.
fn is_chinese(page: &Path) -> bool {
    page.to_string_lossy().ends_with(".zh-CN.md")
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
    use std::{env, process};

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

    /// Lets a function look at a folder that has these pages.
    fn look_at<T>(name: &str, pages: &[(&str, &str)], look: impl Fn(&Path) -> T) -> T {
        let folder = env::temp_dir().join(format!("pages-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        pages.iter().for_each(|(page, text)| fs::write(folder.join(page), text).unwrap());
        let seen = look(&folder);
        fs::remove_dir_all(&folder).unwrap();
        seen
    }

    #[test]
    fn what_a_page_says_in_one_language_alone_is_told() {
        let english = "# A\n[中文](a.zh-CN.md)\n[b](b.md#two)\n```\nlet a = 1;\n```\n| `x` |\n";
        let chinese = "# 甲\n[English](a.md)\n[乙](b.zh-CN.md#二)\n```\nlet a = 1;\n```\n| `x` |\n";
        let check = |from: &str, to: &str| {
            let chinese = chinese.replace(from, to);
            let others = [("b.md", "# B\n## Two\n"), ("b.zh-CN.md", "# 乙\n## 二\n")];
            let pages = [("a.md", english), ("a.zh-CN.md", &chinese), others[0], others[1]];
            look_at("one-language", &pages, |folder| {
                check_pages(&folder.join("a.md"), &folder.join("a.zh-CN.md"))
            })
        };
        assert_eq!(check("甲", "丙"), Ok(()));
        for (from, to, problem) in [
            ("# 甲", "甲", "headings: English 1, Chinese 0"),
            ("= 1", "= 2", "blocks differ"),
            ("`x`", "x", "rows of tables differ"),
            ("#二", "", "links differ"),
            ("#二", "#三", "no heading"),
        ] {
            let found = check(from, to).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }

    #[test]
    fn a_link_out_of_chinese_is_told_where_it_need_not_be_and_where_it_has_no_mark() {
        let check = |line: &str| {
            let others = ["a.md", "b.md", "b.zh-CN.md", "english.md"].map(|page| (page, ""));
            let pages = [&[("a.zh-CN.md", line)], others.as_slice()].concat();
            look_at("links", &pages, |folder| check_language(&folder.join("a.zh-CN.md")))
        };
        for line in ["[English](a.md)", "[乙](b.zh-CN.md)", "[丙](english.md)（英文）"] {
            assert_eq!(check(line), Ok(()));
        }
        for (line, problem) in [
            ("[乙](b.md)（英文）", "b.md is there in Chinese, too"),
            ("[乙](b.zh-CN.md)（英文）", "b.zh-CN.md isn't only in English"),
            ("[丙](english.md)", "english.md lacks its mark"),
        ] {
            let found = check(line).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }

    #[test]
    fn a_glossary_s_missing_word_and_its_wrong_order_are_told() {
        let english = "| a | 乙 | first | [x](p) |\n| b | 甲 | second | [y](p) |\n";
        let chinese = "| J | 甲 | b | 第二 | [y](q) |\n| Y | 乙 | a | 第一 | [x](q) |\n";
        let check = |english: &str, chinese: &str| {
            let [english, chinese] = [english, chinese].map(|rows| format!("| |\n| - |\n{rows}"));
            let pages = [("glossary.md", english.as_str()), ("glossary.zh-CN.md", &chinese)];
            look_at("glossary", &pages, |folder| {
                let mut problems = Vec::new();
                check_glossary(folder, &mut problems);
                problems
            })
        };
        assert_eq!(check(english, chinese), [""; 0]);
        assert_eq!(check(&english.replace("| b |", "| B |"), chinese).len(), 2);
        assert_eq!(check(&english.replace("[x]", "[z]"), chinese).len(), 2);
        assert_eq!(check(&english.replace("first", ""), chinese).len(), 1);
        for wrong in [
            (english.replace("| a |", "| c |"), chinese.replace("| a |", "| c |")),
            (english.to_owned(), chinese.replace("| J |", "| Z |")),
        ] {
            assert_eq!(check(&wrong.0, &wrong.1), ["docs: a glossary is out of order"]);
        }
    }
}
