//! `docs/python-conformance.md` names the tests that hold each behaviour of Python's. Here it is
//! compared with the sources, where the behaviour's id stands in the line above its test:
//!
//! ```text
//!   /// QUEUE-06: why, if need be     // PROC-25                      /// ```compile_fail,E0382
//!   #[test]                           Scenario {                      /// # // QUEUE-09
//!   fn join_returns_when() {              name: "a_program",          /// …
//! ```
//!
//! `cargo xtask conformance --write` writes the last column and the totals. The Chinese page is an
//! overview without those rows: it has the same totals and, behind them, the same lists and tables.

#![expect(clippy::unwrap_used, reason = "what it reads is in the workspace")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What differs between the languages.
struct Page {
    path: &'static str,
    /// Stands above the totals, with its three numbers.
    summary: &'static str,
    /// The head of the totals.
    head: &'static str,
    /// Stands between two numbers, some and all.
    of: &'static str,
    /// The heading above what CPython fails at.
    better: &'static str,
}

const ENGLISH: Page = Page {
    path: "docs/python-conformance.md",
    summary: "**HELD of ALL** are held. In BETTER CPython 3.12 hangs, loses, lies or leaks.",
    head: "group | held | CPython fails",
    of: " of ",
    better: "## Better than Python\n",
};
const CHINESE: Page = Page {
    path: "docs/python-conformance.zh-CN.md",
    summary: "**ALL 条行为里，HELD 条**有测试验证。其中 BETTER 条，\
              CPython 3.12 会永远等下去、丢失数据、回答不实或者残留进程。",
    head: "组 | 有测试 / 全部 | CPython 出问题",
    of: " / ",
    better: "## 比 Python 更好的地方\n",
};
const GROUPS: [&str; 20] = [
    "PROC", "SUB", "POOL", "CONN", "QUEUE", "EXEC", "TPE", "PPE", "FUT", "WAIT", "LOCK", "SEM",
    "COND", "EVENT", "BARRIER", "VALUE", "SHM", "MGR", "LISTEN", "RES",
];
/// What CPython does in a row that is to be found under "Better than Python".
const FAILS: [&str; 4] = ["**hangs**", "**loses**", "**lies**", "**leaks**"];
const TOTALS: [&str; 2] = ["<!-- totals -->\n", "<!-- /totals -->"];

/// The tests of each id, as links, and what is wrong with the ids in the sources.
#[derive(Default)]
struct Sources {
    tests: BTreeMap<String, BTreeSet<String>>,
    problems: Vec<String>,
}

/// What stands between the ids of a list, and behind it, in both languages.
const SEPARATORS: [char; 5] = [',', ':', ' ', '、', '：'];

fn is_id(word: &str) -> bool {
    let Some((group, number)) = word.split_once('-') else { return false };
    let number = number.strip_prefix('B').unwrap_or(number);
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    GROUPS.contains(&group) && is_number
}

/// Lists the ids with which this text begins: `QUEUE-01, QUEUE-02: because …`.
fn ids(text: &str) -> Vec<String> {
    let words = text.split(SEPARATORS).filter(|word| !word.is_empty());
    words.take_while(|word| is_id(word)).map(str::to_owned).collect()
}

/// Finds the name that this line gives to something: a function's, a type's, that of an `impl`'s
/// type.
fn name(line: &str) -> Option<(bool, &str)> {
    let words = line.split_inclusive([' ', '<']).map(|word| word.trim_end_matches([' ', '<']));
    let keywords = ["fn", "struct", "enum", "trait", "impl"];
    let keyword = words.clone().find(|word| keywords.contains(word))?;
    let rest = match (keyword, line.split_once(" for ")) {
        ("impl", Some((_, rest))) => rest,
        _ => line.split_once(keyword)?.1.trim_start(),
    };
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    Some((keyword == "fn", &rest[..end.unwrap_or(rest.len())]))
}

impl Sources {
    /// Reads all `.rs` files in a folder.
    fn read(&mut self, root: &Path, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.read(root, &path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                // The examples below hold nothing.
                if path != file!().replace('\\', "/") {
                    self.scan(&path, &text);
                }
            }
        }
    }

    fn scan(&mut self, path: &str, text: &str) {
        // One body for all executors: `on_executors!([name, …])` makes tests of it.
        let lists = text.split("on_executors!([").skip(1).filter_map(|rest| rest.split(']').next());
        let shared: BTreeSet<&str> =
            lists.flat_map(|list| list.split(',').map(str::trim)).collect();
        let (mut above, mut in_doctests) = (Vec::new(), Vec::new());
        let (mut is_test, mut must_not_compile, mut in_attribute) = (false, None, false);
        for line in text.lines().map(str::trim) {
            if let Some(doc) = line.strip_prefix("///").map(str::trim) {
                match (doc.strip_prefix("```"), must_not_compile) {
                    (Some(kind), None) => must_not_compile = Some(kind.starts_with("compile_fail")),
                    (Some(_), Some(_)) => must_not_compile = None,
                    (None, Some(true)) => {
                        in_doctests.extend(doc.strip_prefix("# //").map_or(Vec::new(), ids));
                    }
                    (None, Some(false)) => {}
                    (None, None) => above.extend(ids(doc)),
                }
            } else if let Some(comment) = line.strip_prefix("//") {
                above.extend(ids(comment));
            } else if in_attribute || line.starts_with("#[") {
                in_attribute = !line.ends_with(']');
                is_test = line == "#[test]" || is_test && !line.starts_with("#[ignore");
            } else if line != "Scenario {" {
                let scenario =
                    line.strip_prefix("name: \"").and_then(|rest| rest.split('"').next());
                let test = match name(line) {
                    Some((true, name)) if is_test || shared.contains(name) => Some(name),
                    _ => scenario,
                };
                for id in above.drain(..) {
                    match test {
                        Some(test) => self.add(id, test, path),
                        None => self.problems.push(format!("{id} in {path} stands above no test")),
                    }
                }
                for id in in_doctests.drain(..) {
                    let item = name(line).map_or("?", |(_, name)| name);
                    self.add(id, &format!("doctest of {item}"), path);
                }
                is_test = false;
            }
        }
    }

    fn add(&mut self, id: String, test: &str, path: &str) {
        self.tests.entry(id).or_default().insert(format!("[{test}](../{path})"));
    }

    /// Makes the last column of a row.
    fn held_by(&self, id: &str) -> String {
        let links = self.tests.get(id).map(|links| links.iter().cloned().collect::<Vec<_>>());
        links.map_or("—".to_owned(), |links| links.join(", "))
    }
}

/// Finds the rows of the document that speak of a behaviour: id, behaviour, CPython, here, held by.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let lines = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 5 && is_id(cells[0])).collect()
}

fn fails(cpython: &str) -> bool {
    FAILS.iter().any(|word| cpython.contains(word))
}

/// Makes what is to stand between the marks of the totals.
fn totals(rows: &[Vec<&str>], page: &Page) -> String {
    let of = |group: Option<&str>| {
        let is_of = |id: &str| group.is_none_or(|group| id.split('-').next() == Some(group));
        let of_group: Vec<_> = rows.iter().filter(|row| is_of(row[0])).collect();
        let held = of_group.iter().filter(|row| row[4] != "—").count();
        (held, of_group.len(), of_group.iter().filter(|row| fails(row[2])).count())
    };
    let (held, all, better) = of(None);
    let numbers = [("HELD", held), ("ALL", all), ("BETTER", better)];
    let mut text = numbers.iter().fold(page.summary.to_owned(), |text, (name, number)| {
        text.replace(name, &number.to_string())
    });
    write!(text, "\n\n| {} |\n| --- | --- | --- |\n", page.head).unwrap();
    for group in GROUPS {
        let (held, all, better) = of(Some(group));
        writeln!(text, "| {group} | {held}{}{all} | {better} |", page.of).unwrap();
    }
    text
}

/// Returns a page with these totals between the marks.
fn with_totals(text: &str, totals: &str) -> String {
    let (before, rest) = text.split_once(TOTALS[0]).expect("it has a mark for the totals");
    let (_, after) = rest.split_once(TOTALS[1]).expect("it has a mark for their end");
    [before, TOTALS[0], totals, TOTALS[1], after].concat()
}

/// Returns the document with the last column and the totals as they should be.
fn corrected(document: &str, sources: &Sources) -> String {
    let mut text = String::new();
    for line in document.lines() {
        match rows(line).first() {
            Some(row) => {
                let held_by = sources.held_by(row[0]);
                writeln!(text, "| {} | {held_by} |", row[..4].join(" | ")).unwrap();
            }
            None => writeln!(text, "{line}").unwrap(),
        }
    }
    with_totals(&text, &totals(&rows(&text), &ENGLISH))
}

/// Returns the part that both languages have: what CPython fails at, and the tables behind that.
fn notes<'a>(text: &'a str, page: &Page) -> &'a str {
    text.split_once(page.better).expect("it has that section").1
}

/// Lists, for each heading, row and item, its mark, its ids and its pieces of code.
fn pieces(notes: &str) -> Vec<BTreeSet<&str>> {
    let lines = notes.lines().filter(|line| line.starts_with(['#', '|', '-']));
    let pieces = lines.map(|line| {
        let mark = line.split(' ').take(1);
        let ids = line.split(SEPARATORS).filter(|word| is_id(word));
        mark.chain(ids).chain(line.split('`').skip(1).step_by(2)).collect()
    });
    pieces.collect()
}

/// Compares the document with the tests, and the Chinese page with it; returns what differs. If
/// told to, writes the document's last column and the totals of both before.
pub(crate) fn problems(root: &Path, write: bool) -> Vec<String> {
    let mut sources = Sources::default();
    for folder in ["src", "tests"] {
        let members = fs::read_dir(root).unwrap().map(|member| member.unwrap().path());
        let mut members: Vec<_> =
            members.filter(|path| path.join("Cargo.toml").is_file()).collect();
        members.sort();
        members.iter().for_each(|member| sources.read(root, &member.join(folder)));
    }
    let read = |page: &Page| fs::read_to_string(root.join(page.path)).unwrap();
    let (mut document, mut overview) = (read(&ENGLISH), read(&CHINESE));
    if write {
        document = corrected(&document, &sources);
        overview = with_totals(&overview, &totals(&rows(&document), &CHINESE));
        fs::write(root.join(ENGLISH.path), &document).unwrap();
        fs::write(root.join(CHINESE.path), &overview).unwrap();
    }

    let rows = rows(&document);
    let known: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    let mut problems = std::mem::take(&mut sources.problems);
    if known.len() < rows.len() {
        problems.push("an id has two rows".to_owned());
    }
    for id in sources.tests.keys().filter(|id| !known.contains(id.as_str())) {
        problems.push(format!("{id} has a test, but no row: {}", sources.held_by(id)));
    }
    for row in &rows {
        let held_by = sources.held_by(row[0]);
        if row[4] != held_by {
            problems.push(format!("{} is held by {held_by}, not by {}", row[0], row[4]));
        }
    }
    let better = notes(&document, &ENGLISH).split("\n## ").next().unwrap_or_default();
    let better: BTreeSet<String> =
        better.lines().filter_map(|line| line.strip_prefix("- ")).flat_map(ids).collect();
    let failing = rows.iter().filter(|row| fails(row[2])).map(|row| row[0].to_owned());
    let failing: BTreeSet<String> = failing.collect();
    for id in failing.symmetric_difference(&better) {
        problems.push(format!("{id}: what CPython does and \"Better than Python\" differ"));
    }
    for (page, text) in [(&ENGLISH, &document), (&CHINESE, &overview)] {
        let totals = totals(&rows, page);
        if !text.contains(&totals) {
            problems.push(format!("{}: the totals are:\n{totals}", page.path));
        }
    }
    let (english, chinese) =
        (pieces(notes(&document, &ENGLISH)), pieces(notes(&overview, &CHINESE)));
    if english != chinese {
        let same = english.iter().zip(&chinese).take_while(|(a, b)| a == b).count();
        let (english, chinese) = (english.get(same), chinese.get(same));
        problems.push(format!("{}: {english:?} became {chinese:?}", CHINESE.path));
    }
    if !problems.is_empty() {
        problems.push(format!(
            "{} and the tests differ; `cargo xtask conformance --write` writes the last column \
             and the totals",
            ENGLISH.path
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_of_the_document_is_held_by_the_tests_that_it_names() {
        assert_eq!(problems(crate::root(), false), [""; 0]);
    }

    #[test]
    fn ids_are_found_above_tests_of_all_kinds_and_nowhere_else() {
        let mut sources = Sources::default();
        let text = "
            /// QUEUE-01, POOL-B02: and why
            #[test]
            #[expect(clippy::unwrap_used, reason = \"\")]
            fn a_test() {}
            /// FUT-03
            fn shared<E: Executor>() {}
            on_executors!([shared, other]);
            // PROC-25
            Scenario {
                name: \"a_scenario\",
            /// ```compile_fail,E0382
            /// # // CONN-02
            /// ```
            impl<T> From<PipeReader> for Receiver<T> {
            /// PPE-01
            fn no_test() {}
            /// PPE-02
            #[test]
            #[ignore = \"long\"]
            fn ignored() {}
            /// Not EXEC-01
            #[test]
            fn another() {}";
        sources.scan("a/b.rs", text);
        let all: Vec<(&str, String)> =
            sources.tests.keys().map(|id| (id.as_str(), sources.held_by(id))).collect();
        let link = |name: &str| format!("[{name}](../a/b.rs)");
        let expected = [
            ("CONN-02", link("doctest of Receiver")),
            ("FUT-03", link("shared")),
            ("POOL-B02", link("a_test")),
            ("PROC-25", link("a_scenario")),
            ("QUEUE-01", link("a_test")),
        ];
        assert_eq!(all, expected);
        let problems =
            ["PPE-01", "PPE-02"].map(|id| format!("{id} in a/b.rs stands above no test"));
        assert_eq!(sources.problems, problems);
    }
}
