//! What every lesson crate is tested for: [`test_lessons!`](crate::test_lessons).

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use common::contents::{lessons_of, section_of};

use crate::output::{check_full_disk, output, utf8};
use crate::pages::{prompt, write_chapter};
use crate::{Deadline, fitting, in_terminal, sys};

/// Returns the lines of a lesson that are the same in every run: all but those with `~`.
#[must_use]
pub fn stable(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('~'));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Defines the tests that every lesson crate has:
/// `testing::test_lessons!(env!("CARGO_BIN_EXE_ipc-pipe"));`
///
/// Options of the crate's own may follow, with which it tells all its lessons sooner.
#[doc(hidden)]
#[macro_export]
macro_rules! test_lessons {
    ($program:expr $(, $option:expr)*) => {
        #[test]
        fn every_lesson_prints_what_the_readme_shows() {
            let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
            $crate::lesson::check_chapter(env!("CARGO_PKG_NAME"), $program, readme);
        }

        #[test]
        fn the_chinese_chapter_says_the_same() -> Result<(), String> {
            $crate::pages::check_translation(env!("CARGO_MANIFEST_DIR").as_ref())
        }

        #[test]
        fn without_a_name_all_lessons_are_told_and_told_again_they_leave_nothing() {
            let package = env!("CARGO_PKG_NAME");
            $crate::lesson::check_nothing_is_left(package, $program, &[$($option),*]);
        }

        #[test]
        fn a_full_disk_is_an_error_and_a_full_pipe_is_waited_for() {
            $crate::lesson::check_output(env!("CARGO_PKG_NAME"), $program, &[$($option),*]);
        }
    };
}

/// Checks a lesson crate against what the course says of it.
///
/// What `--list` prints is what the table of contents has; and every block of its `README.md` that
/// begins with `$ cargo run -p package -- lesson` shows, but for the lines with `~`, what the
/// lesson prints. Every lesson has such a block, and a heading.
///
/// `CHAPTERS=all`, or a lesson's name, writes what is printed at the usual pace into the blocks of
/// both languages before. A block that has lines, but none with `~`, gets none.
///
/// # Panics
/// If something differs.
pub fn check_chapter(package: &str, program: &str, readme: &str) {
    let list = output(program, &["--list"]);
    let names = lessons_of(package);
    let differ = format!("{package}'s list and common::contents differ");
    assert_eq!(utf8(&list.stdout), names.join("\n") + "\n", "{differ}");
    write_chapter(package, program, readme);
    let readme = fs::read_to_string(readme).expect("the chapter can be read");
    for name in names {
        assert!(
            readme.contains(&format!("\n### {name}\n")),
            "{package}/README.md has no heading {name}"
        );
        let prompt = prompt(package, name);
        let block = readme.split("```").find_map(|block| block.split_once(&prompt));
        let (_, expected) =
            block.unwrap_or_else(|| panic!("{package}/README.md has no block for {name}"));
        let run = output(program, &[name, "--speed", "100"]);
        let errors = utf8(&run.stderr);
        assert!(run.status.success(), "{name}: {:?}\n{errors}", run.status);
        let text = utf8(&run.stdout);
        assert!(!text.contains('\u{1b}'), "{name}: no colours in a pipe");
        let printed = stable(fitting(80, &text).trim_end());
        let number = section_of(name);
        assert!(printed.starts_with(&format!("# {name} · §{number}\n")), "{name}: the section");
        assert_eq!(
            printed,
            stable(expected.trim_end()),
            "{name} and the README differ; if the lesson is right, `CHAPTERS={name} cargo test \
             -p {package} --test lessons every_lesson` writes what it prints into both languages"
        );
    }
}

/// Has a lesson crate tell all its lessons twice, as `--times` does: a small window has room for
/// them (on Windows, where they run without one, a screen of 80 columns), nothing is left behind in
/// its process, and when that has ended, no other process and no temporary file.
///
/// # Panics
/// If something is, or not all is told.
pub fn check_nothing_is_left(package: &str, program: &str, arguments: &[&str]) {
    let folder = std::env::temp_dir().join(format!("{package}-{}", std::process::id()));
    fs::create_dir(&folder).expect("a temporary folder can be made");
    let mut command = Command::new(program);
    command.args(["--speed", "1000", "--times", "2"]).args(arguments);
    // On Unix the folder for temporary files has the first of these names, on Windows the others.
    command.envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, &folder)));
    let columns = if sys::HAS_TERMINALS { 60 } else { 80 };
    let run = in_terminal(columns, command);
    assert!(run.status.success(), "{:?}\n{}", run.status, utf8(&run.stderr));
    let text = fitting(columns.into(), &utf8(&run.stdout));
    let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let twice = lessons_of(package).into_iter().flat_map(|name| [name; 2]);
    let twice: Vec<String> = twice.map(|name| format!("{name} · §{}", section_of(name))).collect();
    assert_eq!(told, twice);
    fs::remove_dir(&folder).expect("nothing is left in the temporary folder");
}

/// Has a lesson crate print where that is difficult, if the system has such places: onto a full
/// disk, which is an error, and into a pipe that is full and doesn't block, which is waited for.
///
/// # Panics
/// If a line is lost without an error.
pub fn check_output(package: &str, program: &str, arguments: &[&str]) {
    let lesson = [&[lessons_of(package)[0], "--speed", "1000"], arguments].concat();
    for arguments in [&["--list"][..], &["--help"], &lesson] {
        check_full_disk(program, arguments);
    }
    let _deadline = Deadline::seconds(60);
    let Some((mut reader, mut writer)) = sys::small_pipe().expect("a pipe can be made") else {
        return;
    };
    // The lesson's first line finds room, but not all of it.
    const FILLED: usize = 3800;
    writer.write_all(&[b'\n'; FILLED]).expect("it holds 4096 bytes");
    let mut command = Command::new(program);
    command.args(&lesson).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().expect("the program can be started");
    drop(command);
    while sys::held(&reader).expect("the system tells") <= FILLED as u64 {
        thread::yield_now();
    }
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is UTF-8");
    let end = child.wait_with_output().expect("it ends");
    assert!(end.status.success(), "{}", utf8(&end.stderr));
    let expected = stable(&utf8(&output(program, &lesson).stdout));
    assert_eq!(stable(&text[FILLED..]), expected);
}
