//! The chapters' outputs: what the lessons print, in both languages.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::contents::{CONTENTS, find, lessons_of};
use common::text::Language;
use testing::pages::{CHAPTERS, prompt};
use testing::stable;

/// Writes what these lessons print at the usual pace into the chapters of both languages: lessons
/// of these names, or all of a crate of this name. Returns what could not be written.
///
/// Blocks that are given, but without a line with `~`, get none; an empty one gets all.
pub(crate) fn problems(root: &Path, names: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for name in names {
        let lessons = match find(name) {
            Some((section, entry)) => vec![(section.package, entry.name)],
            None => {
                let packages = CONTENTS.iter().map(|section| section.package);
                let package = packages.into_iter().find(|package| package == name);
                let lessons = |package| lessons_of(package).into_iter().map(move |l| (package, l));
                package.into_iter().flat_map(lessons).collect()
            }
        };
        if lessons.is_empty() {
            problems.push(format!("there is no lesson and no crate with lessons {name}"));
        }
        for (package, lesson) in lessons {
            for (language, chapter) in CHAPTERS {
                let path = root.join(package).join(chapter);
                problems.extend(write(root, package, lesson, language, &path).err());
            }
        }
    }
    problems
}

/// Writes what a lesson prints in this language into this chapter.
fn write(
    root: &Path,
    package: &str,
    lesson: &str,
    language: Language,
    chapter: &Path,
) -> Result<(), String> {
    let place = || format!("{}, {lesson}", chapter.display());
    let failed = |error| format!("{}: {error}", place());
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "-p", package, "--", lesson, "--lang", &language.to_string()]);
    let run = command.current_dir(root).stderr(Stdio::inherit()).output().map_err(failed)?;
    if !run.status.success() {
        return Err(format!("{}: {}", place(), run.status));
    }
    let page = fs::read_to_string(chapter).map_err(failed)?;
    let printed = String::from_utf8_lossy(&run.stdout);
    let written = with_output(&page, &prompt(package, lesson), &printed);
    let written = written.ok_or_else(|| format!("{}: there is no block", place()))?;
    fs::write(chapter, written).map_err(failed)
}

/// Returns the page with this output in the block that begins with this prompt, if it has one. A
/// block that has lines, but none with `~`, gets none.
fn with_output(page: &str, prompt: &str, printed: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("```console\n{prompt}"))?;
    let (shown, after) = rest.split_once("```")?;
    let all = shown.is_empty() || shown.lines().any(|line| line.trim_start().starts_with('~'));
    let lines = printed.trim_end().lines().map(|line| format!("{}\n", line.trim_end()));
    let output = if all { lines.collect() } else { stable(printed.trim_end()) };
    Some(format!("{before}```console\n{prompt}{output}```{after}"))
}

#[cfg(test)]
mod tests {
    use super::with_output;

    const PROMPT: &str = "$ cargo run -p a -- b\n";
    const PRINTED: &str = "# b · §1\n  ok          so it is  \n  ~ 3 ms\n\n";

    /// Writes a block that has these lines; returns what it becomes.
    fn written(shown: &str) -> String {
        let page =
            |shown: &str| format!("## B\n\n```console\n{PROMPT}{shown}```\n\n```text\n~\n```\n");
        let written = with_output(&page(shown), PROMPT, PRINTED).expect("it has the block");
        let (before, after) =
            page("|").split_once('|').map(|(a, b)| (a.len(), b.len())).expect("|");
        assert_eq!(page(&written[before..written.len() - after]), written, "the rest is as it was");
        written[before..written.len() - after].to_owned()
    }

    #[test]
    fn a_block_gets_the_lines_that_are_printed_now() {
        let all = "# b · §1\n  ok          so it is\n  ~ 3 ms\n";
        assert_eq!(written(""), all);
        assert_eq!(written("# old\n  ~ 2 ms\n"), all);
    }

    #[test]
    fn a_block_that_leaves_out_what_may_differ_goes_on_to_do_so() {
        assert_eq!(written("# old\n  ok\n"), "# b · §1\n  ok          so it is\n");
    }

    #[test]
    fn a_page_without_the_block_gets_none() {
        assert_eq!(with_output("```console\n$ cargo run\n```\n", PROMPT, PRINTED), None);
    }
}
