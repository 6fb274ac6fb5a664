//! The course's pages: both languages say the same, and links lead somewhere.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{MAIN_SEPARATOR_STR, Path};

use common::contents::section_of;
use common::text::Language;

use crate::stable;

/// The chapter of a lesson crate in each language.
pub const CHAPTERS: [(Language, &str); 2] =
    [(Language::English, "README.md"), (Language::Chinese, "README.zh-CN.md")];

/// The parts of a lesson's section, in this order: why, one thing to try, and a question whose
/// answer is folded.
const ENGLISH: [&str; 5] = [
    "\nWhy: ",
    "Try",
    "\n**For the class:** ",
    "\n\n<details><summary>Answer</summary>\n\n",
    "\n\n</details>\n",
];
/// The parts of a section in the Chinese chapter.
const CHINESE: [&str; 5] = [
    "\n为什么：",
    "试一试：",
    "\n**课堂提问：** ",
    "\n\n<details><summary>答案</summary>\n\n",
    "\n\n</details>\n",
];

/// Checks that a folder's `README.md` and `README.zh-CN.md` say the same, see [`check_pages`].
///
/// A lesson's section says why, has one thing to try, and a question whose answer is folded.
///
/// # Errors
/// The first difference, or a file that can't be read.
pub fn check_translation(folder: &Path) -> Result<(), String> {
    let [english, chinese] = CHAPTERS.map(|(_, name)| folder.join(name));
    check_pages(&english, &chinese)?;
    for (path, parts) in [(english, &ENGLISH), (chinese, &CHINESE)] {
        let checked = check_lessons(&Page::read(&path)?, parts);
        checked.map_err(|problem| format!("{}: {problem}", path.display()))?;
    }
    Ok(())
}

/// Checks that each lesson's section has these parts, in this order, and one folded answer.
fn check_lessons(page: &Page, parts: &[&str]) -> Result<(), String> {
    for (heading, text) in page.headings.iter().zip(&page.sections) {
        if level(heading) != *heading {
            continue;
        }
        let mut rest = text.as_str();
        for part in parts {
            let found = rest.split_once(part);
            rest = found.ok_or_else(|| format!("{heading}: {part:?} is missing"))?.1;
        }
        let answers = text.matches("<details>").count();
        if answers != 1 {
            return Err(format!("{heading} has {answers} answers"));
        }
    }
    Ok(())
}

/// Finds the first pair that differs.
fn check_pairs<T: PartialEq + Debug>(
    english: &[T],
    chinese: &[T],
    what: &str,
) -> Result<(), String> {
    if let Some((english, chinese)) = english.iter().zip(chinese).find(|(a, b)| a != b) {
        return Err(format!("{what} differ:\n  English {english:?}\n  Chinese {chinese:?}"));
    }
    if english.len() != chinese.len() {
        return Err(format!("{what}: English {}, Chinese {}", english.len(), chinese.len()));
    }
    Ok(())
}

/// Checks that the relative links of a Markdown file lead to files that exist, and their anchors to
/// headings of these.
///
/// # Errors
/// The first link that doesn't, or a file that can't be read.
pub fn check_links(path: &Path) -> Result<(), String> {
    let page = Page::read(path)?;
    for (link, _) in links(&page.text) {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        if file.contains("://") {
            continue;
        }
        let target = if file.is_empty() { path.into() } else { path.with_file_name(file) };
        if !target.exists() {
            return Err(format!("{}: {link} leads nowhere", path.display()));
        }
        let is_heading = |line: &String| slug(line) == anchor;
        if !anchor.is_empty() && !Page::read(&target)?.headings.iter().any(is_heading) {
            return Err(format!("{}: no heading for {link}", path.display()));
        }
    }
    Ok(())
}

/// Returns what is typed to have this lesson told.
#[must_use]
pub fn prompt(package: &str, lesson: &str) -> String {
    format!("$ cargo run -p {package} -- {lesson}\n")
}

/// What there is to compare on a page.
#[derive(Default)]
struct Page {
    headings: Vec<String>,
    /// What stands under each heading, without the blocks.
    sections: Vec<String>,
    /// Kind and content, without what may differ.
    blocks: Vec<String>,
    /// The pieces of code in each row of a table.
    rows: Vec<BTreeSet<String>>,
    /// All that is not in blocks.
    text: String,
}

impl Page {
    fn read(path: &Path) -> Result<Self, String> {
        let file = fs::read_to_string(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut page = Self::default();
        for (index, part) in file.split("```").enumerate() {
            if index % 2 == 1 {
                page.blocks.push(same(part));
                continue;
            }
            page.text += part;
            for line in part.lines() {
                if line.starts_with('#') {
                    page.headings.push(line.to_owned());
                    page.sections.push(String::new());
                    continue;
                }
                if line.starts_with('|') {
                    page.rows.push(line.split('`').skip(1).step_by(2).map(str::to_owned).collect());
                }
                if let Some(section) = page.sections.last_mut() {
                    *section += line;
                    section.push('\n');
                }
            }
        }
        Ok(page)
    }
}

/// Returns what is the same in both languages of a block: all but lines with `~`; of what is typed
/// and printed, what is typed; nothing of a drawing.
fn same(block: &str) -> String {
    let (kind, lines) = block.split_once('\n').unwrap_or((block, ""));
    match kind {
        "text" => String::new(),
        "console" if lines.starts_with("$ ") => {
            lines.lines().filter(|line| line.starts_with("$ ")).collect()
        }
        _ => stable(lines),
    }
}

/// Returns what is the same in both languages: the level, and the name of a lesson.
fn level(heading: &str) -> String {
    let level = heading.split_once(' ').filter(|(_, text)| section_of(text).is_empty());
    level.map_or(heading, |(level, _)| level).to_owned()
}

/// Makes a heading's anchor, as GitHub does.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Checks that a page says the same in both languages, as far as a program can tell.
///
/// Headings have the same levels in the same order, and those of lessons the same text; blocks are
/// the same, but for lines with `~`, for drawings (`text`) and for what programs print; so are, row
/// by row, the pieces of code in tables. The links of both lead to the same headings, as often,
/// each to those in its own language.
///
/// # Errors
/// The first difference, or a file that can't be read.
pub fn check_pages(english: &Path, chinese: &Path) -> Result<(), String> {
    let read = |path| {
        check_links(path)?;
        Ok::<_, String>((Page::read(path)?, targets(path)?))
    };
    let ((english, english_targets), (chinese_page, chinese_targets)) =
        (read(english)?, read(chinese)?);
    let levels = |page: &Page| page.headings.iter().map(|line| level(line)).collect::<Vec<_>>();
    check_pairs(&levels(&english), &levels(&chinese_page), "headings")
        .and_then(|()| check_pairs(&english.blocks, &chinese_page.blocks, "blocks"))
        .and_then(|()| check_pairs(&english.rows, &chinese_page.rows, "rows of tables"))
        .and_then(|()| check_pairs(&english_targets, &chinese_targets, "links"))
        .map_err(|problem| format!("{}: {problem}", chinese.display()))
}

/// Checks that a Chinese page keeps to its language: no link leads to an English file that is there
/// in Chinese, too, but for the page's own; and the mark `（英文）` follows a link exactly if it
/// leads to a page that is only there in English.
///
/// # Errors
/// The first link that does otherwise, or a file that can't be read.
pub fn check_language(chinese: &Path) -> Result<(), String> {
    for (link, after) in links(&Page::read(chinese)?.text) {
        let file = link.split('#').next().unwrap_or_default();
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        if file.contains("://") {
            continue;
        }
        let translated = chinese.with_file_name(format!("{stem}.zh-CN.{extension}"));
        let problem = if translated == chinese {
            None
        } else if translated.exists() {
            Some("is there in Chinese, too")
        } else {
            let is_english = extension == "md" && !stem.ends_with(".zh-CN");
            match (is_english, after.starts_with("（英文）")) {
                (true, false) => Some("lacks its mark （英文）"),
                (false, true) if extension == "md" => Some("isn't only in English"),
                _ => None,
            }
        };
        if let Some(problem) = problem {
            return Err(format!("{}: {link} {problem}", chinese.display()));
        }
    }
    Ok(())
}

/// Lists the links of a text, each with what follows it.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')'))
}

/// Lists where a page's links lead, sorted: the file's name in English, and the anchor's number
/// among its headings, if the file has as many in both languages.
fn targets(path: &Path) -> Result<Vec<(String, Option<usize>)>, String> {
    let mut targets = Vec::new();
    for (link, _) in links(&Page::read(path)?.text) {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.into() } else { path.with_file_name(file) };
        // A language has its own names, or its own folder.
        let target_name = target.to_string_lossy().replace(MAIN_SEPARATOR_STR, "/");
        let english = target_name.replace(".zh-CN.", ".").replace("/zh/", "/en/");
        let mut heading = None;
        if !anchor.is_empty() && target.exists() {
            let headings = Page::read(&target)?.headings;
            let chinese = english.replace(".md", ".zh-CN.md");
            let others = [&english, &chinese].map(|path| Page::read(path.as_ref()));
            let are_as_many = |page: &Page| page.headings.len() == headings.len();
            if others.iter().flatten().all(are_as_many) {
                heading = headings.iter().position(|line| slug(line) == anchor);
            }
        }
        targets.push((english, heading));
    }
    targets.sort();
    Ok(targets)
}
