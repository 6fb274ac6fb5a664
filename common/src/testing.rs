//! What the tests of several crates need: a kill timer, texts and numbers to try things with, a program's
//! output, a lesson's stable part, a chapter.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::contents::{lessons_of, section_of};

mod pages;
mod screen;

pub use pages::{check_links, check_translation};
pub use screen::{fitting, in_terminal};

/// Ends the whole test program if it isn't dropped in time, so that a hang is a failure that names
/// the test: `let _deadline = Deadline::seconds(60);`
#[derive(Debug)]
pub struct Deadline(#[expect(dead_code, reason = "held only to be dropped")] Sender<()>);

impl Deadline {
    /// Starts the timer.
    ///
    /// # Panics
    /// If no thread can be started.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        let (sender, receiver) = channel();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            let over = receiver.recv_timeout(Duration::from_secs(seconds));
            if over == Err(RecvTimeoutError::Timeout) {
                // Not by a macro: the test harness would keep it to itself.
                let _ = writeln!(io::stderr(), "{test} did not end within {seconds} s");
                std::process::abort();
            }
        });
        Self(sender)
    }
}

/// A text of so many bytes that differs from its neighbours' of the same length.
#[must_use]
pub fn text(seed: usize, length: usize) -> String {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678";
    let start = seed % LETTERS.len();
    let mut text = LETTERS.repeat((start + length) / LETTERS.len() + 1);
    text.truncate(start + length);
    text.split_off(start)
}

/// Numbers that look random and are the same for the same seed, which isn't 0 (xorshift64*).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper bits of the product are the better ones; a small limit asks for the lower ones.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32)
    }

    /// A number below the limit.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// What the program at this path says and how it ends, without a terminal; killed after a minute.
///
/// # Panics
/// If it can't be started, or doesn't end.
#[must_use]
pub fn output(program: &str, arguments: &[&str]) -> Output {
    let _deadline = Deadline::seconds(60);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_BACKTRACE");
    command.output().expect("the program can be started")
}

/// The lines of a lesson that are the same in every run: all but those with `~`.
#[must_use]
pub fn stable(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('~'));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The tests that every lesson crate has: `common::test_lessons!(env!("CARGO_BIN_EXE_ipc-pipe"));`
///
/// `one by one` behind the program leaves out the run of all lessons in a row.
#[doc(hidden)]
#[macro_export]
macro_rules! test_lessons {
    ($program:expr) => {
        $crate::test_lessons!($program, one by one);

        #[test]
        fn without_a_name_all_lessons_are_told_in_order() {
            $crate::testing::check_whole_run(env!("CARGO_PKG_NAME"), $program);
        }
    };
    ($program:expr, one by one) => {
        #[test]
        fn every_lesson_prints_what_the_readme_shows() {
            let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
            $crate::testing::check_chapter(env!("CARGO_PKG_NAME"), $program, readme);
        }

        #[test]
        fn the_chinese_chapter_says_the_same() {
            $crate::testing::check_translation(env!("CARGO_MANIFEST_DIR"));
        }
    };
}

/// Checks a lesson crate against what the course says of it.
///
/// Its `--list` is what the table of contents has; and every block of its `README.md` that begins
/// with `$ cargo run -p package -- lesson` shows, but for the lines with `~`, what the lesson
/// prints. Every lesson has such a block, and a heading.
///
/// # Panics
/// If something differs.
pub fn check_chapter(package: &str, program: &str, readme: &str) {
    let readme = fs::read_to_string(readme).expect("the chapter can be read");
    let list = output(program, &["--list"]);
    let names = lessons_of(package);
    assert_eq!(utf8(&list.stdout), names.join("\n") + "\n", "the table of contents of {package}");
    for name in names {
        assert!(readme.contains(&format!("\n### {name}\n")), "the README has no heading {name}");
        let prompt = format!("$ cargo run -p {package} -- {name}\n");
        let block = readme.split("```").find_map(|block| block.split_once(&prompt));
        let (_, expected) = block.unwrap_or_else(|| panic!("the README has no block for {name}"));
        let run = output(program, &[name, "--speed", "100"]);
        let errors = utf8(&run.stderr);
        assert!(run.status.success(), "{name}: {:?}\n{errors}", run.status);
        let text = utf8(&run.stdout);
        assert!(!text.contains('\u{1b}'), "{name}: no colours in a pipe");
        let printed = stable(fitting(80, &text).trim_end());
        let number = section_of(name);
        assert!(printed.starts_with(&format!("# {name} · §{number}\n")), "{name}: the section");
        assert_eq!(printed, stable(expected.trim_end()), "{name} and the README differ");
    }
}

/// Checks that a lesson crate without a lesson's name tells all it has, in the order of the contents;
/// and that a small window has room for it.
///
/// # Panics
/// If it doesn't.
pub fn check_whole_run(package: &str, program: &str) {
    let run = in_terminal(60, program, &["--speed", "100"]);
    assert!(run.status.success(), "{:?}\n{}", run.status, utf8(&run.stderr));
    let text = fitting(60, &utf8(&run.stdout));
    let titles = text.lines().filter_map(|line| line.strip_prefix("# ")?.split(' ').next());
    assert_eq!(titles.collect::<Vec<_>>(), lessons_of(package));
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}
