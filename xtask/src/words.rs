//! Words: how doc comments begin, and how long lines are.
//!
//! A doc comment begins with a verb and its object, or with a noun phrase, not with a pronoun or a
//! preposition that a reader has to resolve first. Lines end at 100 columns.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use unicode_width::UnicodeWidthStr;

/// The longest line, in columns.
const LONGEST: usize = 100;

/// What no doc comment begins with.
const BAD_BEGINNINGS: [&str; 8] = ["Of", "Who", "Whoever", "It", "That", "One", "So", "The same"];

/// The folders where no rule is broken, and none shall be.
#[cfg(test)]
const CLEAN: [&str; 16] = [
    "amdahl",
    "bench",
    "book",
    "cluster",
    "common",
    "downloader",
    "executors",
    "fuzz",
    "ipc-pipe",
    "ipc-queue",
    "ipc-shared",
    "multiprocess",
    "pools",
    "process-basics",
    "testing",
    "xtask",
];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A doc comment begins with these words.
    Beginning(&'static str),
    /// A line has so many columns.
    Columns(usize),
}

/// A place where a rule is broken.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The file's path in the workspace.
    file: PathBuf,
    line: usize,
    rule: Rule,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        match self.rule {
            Rule::Beginning(words) => write!(f, "a doc comment begins with \"{words}\""),
            Rule::Columns(columns) => write!(f, "{columns} columns"),
        }
    }
}

/// Finds the broken rules in the `.rs` files of these folders.
pub(crate) fn findings<'a>(
    root: &Path,
    folders: impl IntoIterator<Item = &'a str>,
) -> Vec<Finding> {
    let files = folders.into_iter().flat_map(|folder| sources(&root.join(folder)));
    files.flat_map(|file| broken_in(root, &file)).collect()
}

/// Prints the broken rules of all folders, and how many each folder has.
pub(crate) fn print_all(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut folders: Vec<String> = entries
        .filter(|entry| entry.path().is_dir() && is_ours(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    folders.sort();
    let mut sums = String::new();
    for folder in folders {
        let found = findings(root, [&*folder]);
        found.iter().for_each(|finding| println!("{finding}"));
        let lines = found.iter().filter(|finding| matches!(finding.rule, Rule::Columns(_))).count();
        sums += &format!("{folder:<16}{:>12}{lines:>12}\n", found.len() - lines);
    }
    println!("{:<16}{:>12}{:>12}\n{sums}", "folder", "beginnings", "long lines");
}

/// Returns whether a folder or file is part of the sources: not built, and not hidden.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != "target" && !name.starts_with('.')
}

/// Lists the `.rs` files in a folder and in those below it, sorted.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| is_ours(path));
    paths.sort();
    let in_path = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    let mut files: Vec<PathBuf> = paths.into_iter().flat_map(in_path).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// Finds the broken rules in a file.
fn broken_in(root: &Path, path: &Path) -> Vec<Finding> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let file = path.strip_prefix(root).unwrap_or(path);
    let found = broken(&text).into_iter();
    found.map(|(line, rule)| Finding { file: file.into(), line, rule }).collect()
}

/// Finds the broken rules in a source text, and the lines where they are.
fn broken(text: &str) -> Vec<(usize, Rule)> {
    let mut found = Vec::new();
    let mut comment = None;
    for (number, line) in (1..).zip(text.lines()) {
        let before = comment;
        let trimmed = line.trim_start();
        comment = ["///", "//!"].into_iter().find(|mark| trimmed.starts_with(mark));
        if comment != before
            && let Some(words) = comment.and_then(|mark| bad_beginning(&trimmed[mark.len()..]))
        {
            found.push((number, Rule::Beginning(words)));
        }
        if line.width() > LONGEST {
            found.push((number, Rule::Columns(line.width())));
        }
    }
    found
}

/// Returns the words with which no doc comment begins, if this one does.
fn bad_beginning(comment: &str) -> Option<&'static str> {
    let comment = comment.trim_start();
    BAD_BEGINNINGS.into_iter().find(|words| {
        let rest = comment.strip_prefix(words);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clean_folders_stay_clean() {
        assert!(CLEAN.iter().all(|folder| crate::root().join(folder).is_dir()));
        let found = findings(crate::root(), CLEAN);
        let found: Vec<String> = found.iter().map(Finding::to_string).collect();
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn only_the_first_word_of_a_comment_counts() {
        // The marks are written so that this text has no comments itself.
        let text = "
            --! What is here.
            --! It goes on.

            --- Puts an item.
            --- One more line.
            fn put() {}

            --- It puts an item.
            ---
            --- That is all.
            fn put() {}
                --- The same, indented.
            -- So many words that are no documentation.
            --- So is this."
            .replace("--", "//")
            .replace("//-", "///");
        let found = [(9, "It"), (13, "The same"), (15, "So")];
        assert_eq!(broken(&text), found.map(|(line, words)| (line, Rule::Beginning(words))));
    }

    #[test]
    fn words_end_where_they_end() {
        for comment in [" One-way pipes", " Items", "Ofen", " Thatched", " Sockets", " The samest"]
        {
            assert_eq!(bad_beginning(comment), None, "{comment}");
        }
        for comment in [" It's one", " So, it is", " One", "Whoever: all", " The same."] {
            assert!(bad_beginning(comment).is_some(), "{comment}");
        }
    }

    #[test]
    fn columns_are_counted_as_they_are_shown() {
        let of = |letter: &str, times| broken(&letter.repeat(times));
        assert_eq!(of("x", 100), []);
        assert_eq!(of("x", 101), [(1, Rule::Columns(101))]);
        assert_eq!(of("进", 50), []);
        assert_eq!(of("é", 100), []);
        assert_eq!(of("进", 51), [(1, Rule::Columns(102))]);
    }
}
