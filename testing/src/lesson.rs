//! What every lesson crate is tested for: [`test_lessons!`](crate::test_lessons).

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use common::contents::{lessons_of, section_of};
use common::text::Language;

use crate::output::{check_full_disk, output, output_in, utf8};
use crate::pages::{CHAPTERS, prompt};
use crate::{Deadline, fitting, in_terminal, sys};

/// The most lines of a lesson's source.
const LONGEST: usize = 80;

/// Returns the lines of a lesson that are the same in every run: all but those with `~`.
#[must_use]
pub fn stable(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('~'));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Defines the tests that every lesson crate has, one for each lesson among them:
/// `testing::test_lessons!(env!("CARGO_BIN_EXE_ipc-pipe"); two_ends, producer_and_consumer);`
///
/// Behind another semicolon, options of the crate's own may follow, with which its lessons end
/// sooner.
#[doc(hidden)]
#[macro_export]
macro_rules! test_lessons {
    ($program:expr; $($lesson:ident),+ $(,)? $(; $($option:expr),+)?) => {
        $(
            #[test]
            fn $lesson() {
                let chapter = env!("CARGO_MANIFEST_DIR");
                $crate::lesson::check_lesson(chapter, $program, stringify!($lesson));
            }
        )+

        #[test]
        fn each_lesson_has_a_test_and_a_place_in_the_contents() {
            let tested = [$(stringify!($lesson)),+];
            $crate::lesson::check_list(env!("CARGO_PKG_NAME"), $program, &tested);
        }

        #[test]
        fn the_chinese_chapter_says_the_same() -> Result<(), String> {
            $crate::pages::check_translation(env!("CARGO_MANIFEST_DIR").as_ref())
        }

        #[test]
        fn all_lessons_fit_the_screen_in_both_languages_and_told_again_they_leave_nothing() {
            let package = env!("CARGO_PKG_NAME");
            $crate::lesson::check_nothing_is_left(package, $program, &[$($($option),+)?]);
        }

        #[test]
        fn a_full_disk_is_an_error_and_a_full_pipe_is_waited_for() {
            let package = env!("CARGO_PKG_NAME");
            $crate::lesson::check_output(package, $program, &[$($($option),+)?]);
        }
    };
}

/// Checks that a crate's lessons are those that it tests, and those of the table of contents; and
/// that each has a source that can be read at a sitting.
///
/// # Panics
/// If one is missing somewhere, the order differs, or a source is too long.
pub fn check_list(package: &str, program: &str, tested: &[&str]) {
    let list = output(program, &["--list"]);
    let names = lessons_of(package);
    let differ = format!("{package}'s list and common::contents differ");
    assert_eq!(utf8(&list.stdout), names.join("\n") + "\n", "{differ}");
    let tested: Vec<String> = tested.iter().map(|lesson| lesson.replace('_', "-")).collect();
    assert_eq!(tested, names, "{package}: the tests of the lessons");
    for name in names {
        let source = utf8(&output(program, &[name, "--source"]).stdout);
        let lines = source.lines().count();
        assert!((1..=LONGEST).contains(&lines), "{name} has {lines} lines");
    }
}

/// Checks that a lesson prints, in a pipe and in both languages, what the chapter of that language
/// shows, but for the lines with `~`. A lesson that says that this system can't do something may
/// leave out more.
///
/// # Panics
/// If something differs, or English is mixed with Chinese.
pub fn check_lesson(folder: &str, program: &str, module: &str) {
    let folder = Path::new(folder);
    let package = folder.file_name().and_then(|name| name.to_str()).expect("it has a name");
    let lesson = module.replace('_', "-");
    for (language, chapter) in CHAPTERS {
        let page = fs::read_to_string(folder.join(chapter)).expect("the chapter can be read");
        let place = format!("{package}/{chapter}");
        assert!(page.contains(&format!("\n### {lesson}\n")), "{place} has no heading {lesson}");
        let prompt = prompt(package, &lesson);
        let block = page.split("```").find_map(|block| block.split_once(&prompt));
        let (_, shown) = block.unwrap_or_else(|| panic!("{place} has no block for {lesson}"));
        let run = output_in(language, program, &[&lesson, "--speed", "100"]);
        let errors = utf8(&run.stderr);
        assert!(run.status.success(), "{lesson}: {:?}\n{errors}", run.status);
        let text = utf8(&run.stdout);
        assert!(!text.contains('\u{1b}'), "{lesson}: no colours in a pipe");
        let printed = stable(fitting(80, &text).trim_end());
        let (head, rest) = printed.split_once('\n').unwrap_or_default();
        assert_eq!(head, format!("# {lesson} · §{}", section_of(&lesson)));
        let is_chinese = rest.contains(|letter: char| ('\u{4e00}'..'\u{a000}').contains(&letter));
        assert_eq!(is_chinese, language == Language::Chinese, "{rest}");
        if ["~ this system can't", "~ 这个系统不能"].iter().any(|line| text.contains(line)) {
            continue;
        }
        assert_eq!(
            printed,
            stable(shown.trim_end()),
            "{lesson} and {place} differ; if the lesson is right, `cargo xtask chapters {lesson}` \
             writes what it prints into both languages"
        );
    }
}

/// Has a lesson crate tell all its lessons in both languages on a narrow screen (on Windows, where
/// they run without one, as if on a usual one).
///
/// Told twice, as `--times` does, they leave nothing behind in its process, and when that has
/// ended, no other process and no temporary file.
///
/// # Panics
/// If something is, or not all is told.
pub fn check_nothing_is_left(package: &str, program: &str, arguments: &[&str]) {
    let folder = std::env::temp_dir().join(format!("{package}-{}", std::process::id()));
    fs::create_dir(&folder).expect("a temporary folder can be made");
    let columns = if sys::HAS_TERMINALS { 60 } else { 80 };
    for ((language, _), times) in CHAPTERS.into_iter().zip([2, 1]) {
        let mut command = Command::new(program);
        command.args(["--speed", "1000", "--times", &times.to_string()]).args(arguments);
        command.args(["--lang", &language.to_string()]);
        // On Unix the folder for temporary files has the first of these names, on Windows the
        // others.
        command.envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, &folder)));
        let run = in_terminal(columns, command);
        assert!(run.status.success(), "{:?}\n{}", run.status, utf8(&run.stderr));
        let text = fitting(columns.into(), &utf8(&run.stdout));
        let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let all = lessons_of(package).into_iter().flat_map(|name| vec![name; times]);
        let all = all.map(|name| format!("{name} · §{}", section_of(name)));
        assert_eq!(told, all.collect::<Vec<_>>());
    }
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
    command.env("LC_ALL", "C");
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
