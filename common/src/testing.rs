//! What the tests of several crates need: a kill timer, texts and numbers to try things with, a
//! program's output, a lesson's stable part, a chapter, an exercise.

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::contents::{lessons_of, section_of};
use crate::stock::{Stock, raise_file_limit};
use crate::sys;

pub(crate) mod other;
mod pages;
mod program;
mod screen;

pub use other::Other;
pub use pages::{check_links, check_translation};
pub use program::{Running, example, kill};
pub use screen::{fitting, in_terminal};

pub use crate::sys::Signal;

/// So many KiB may come and stay: the allocator keeps what a thread of its own has used, and has
/// seen the busiest moment only after many rounds.
const MOST_GROWTH: u64 = 2 << 10;

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
                let _ = writeln!(io::stderr(), "{test} did not end within {seconds} s:");
                let _ = sys::threads_of_session().and_then(|all| io::stderr().write_all(&all));
                std::process::abort();
            }
        });
        Self(sender)
    }
}

/// Returns how many rounds a heavy test does: so many, or that divided by `FEWER_ROUNDS`, which CI
/// sets for Wine, but at least one.
///
/// Wine 8 keeps the handles of a child for ever if its parent is killed at a certain moment inside
/// `CreateProcess`. A test that kills parents at random moments, and waits for such a handle to go,
/// meets that in one of a hundred rounds.
///
/// # Panics
/// If the variable is not a number above 0.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    let divisor = std::env::var("FEWER_ROUNDS")
        .map_or(1, |number| number.parse().expect("FEWER_ROUNDS is a number"));
    (usual / divisor).max(1)
}

/// How many descriptors this process may open besides those it has, some to spare; its limit is
/// raised as far as the system lets it. A test that wants many takes at most so many.
///
/// # Panics
/// If the system doesn't tell how many it has.
#[must_use]
pub fn room_for_descriptors() -> usize {
    const SPARE: u64 = 40;
    let limit = raise_file_limit();
    let open = sys::inventory().expect("the system tells").descriptors.len() as u64;
    usize::try_from(limit.saturating_sub(open + SPARE)).unwrap_or(usize::MAX)
}

/// The process ids of the children of this process; on Linux also those that have ended, until
/// somebody waits for them.
///
/// # Panics
/// If the system doesn't tell.
#[must_use]
pub fn children() -> Vec<u32> {
    crate::sys::inventory().expect("the system tells").children
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
/// Options of the crate's own may follow, with which it tells all its lessons sooner.
#[doc(hidden)]
#[macro_export]
macro_rules! test_lessons {
    ($program:expr $(, $option:expr)*) => {
        #[test]
        fn every_lesson_prints_what_the_readme_shows() {
            let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
            $crate::testing::check_chapter(env!("CARGO_PKG_NAME"), $program, readme);
        }

        #[test]
        fn the_chinese_chapter_says_the_same() {
            $crate::testing::check_translation(env!("CARGO_MANIFEST_DIR"));
        }

        #[test]
        fn without_a_name_all_lessons_are_told_and_told_again_they_leave_nothing() {
            $crate::testing::check_nothing_is_left(env!("CARGO_PKG_NAME"), $program, &[$($option),*]);
        }

        #[test]
        fn a_full_disk_is_an_error_and_a_full_pipe_is_waited_for() {
            $crate::testing::check_output(env!("CARGO_PKG_NAME"), $program, &[$($option),*]);
        }
    };
}

/// Checks a lesson crate against what the course says of it.
///
/// Its `--list` is what the table of contents has; and every block of its `README.md` that begins
/// with `$ cargo run -p package -- lesson` shows, but for the lines with `~`, what the lesson
/// prints. Every lesson has such a block, and a heading.
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
    pages::write_chapter(package, program, readme);
    let readme = fs::read_to_string(readme).expect("the chapter can be read");
    for name in names {
        assert!(
            readme.contains(&format!("\n### {name}\n")),
            "{package}/README.md has no heading {name}"
        );
        let prompt = pages::prompt(package, name);
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
            "{name} and the README differ; if the lesson is right, `CHAPTERS={name} cargo test -p {package} \
             --test lessons every_lesson` writes what it prints into both languages"
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

/// Has a program print onto a full disk: the exit code is 1, and standard error says why.
///
/// # Panics
/// If it is another.
pub fn check_full_disk(program: &str, arguments: &[&str]) {
    let _deadline = Deadline::seconds(60);
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let mut command = Command::new(program);
    let end = command.args(arguments).stdin(Stdio::null()).stdout(full).output();
    let end = end.expect("the program can be started");
    let said = utf8(&end.stderr);
    assert_eq!(end.status.code(), Some(1), "{arguments:?}: {said}");
    // The number of the error, whose text differs: ENOSPC, ERROR_DISK_FULL.
    let is_full = ["os error 28", "os error 112"].iter().any(|number| said.contains(number));
    assert!(said.contains("standard output: ") && is_full, "{arguments:?}: {said}");
}

/// Does a round again and again: after a tenth of them, which may make what is made once, the
/// others leave nothing behind. All that this process has counts, so it must be one of its own; on
/// Linux also processes whose parents have ended without them.
///
/// # Panics
/// If something is left.
pub fn leaves_nothing(rounds: usize, mut round: impl FnMut(usize)) {
    sys::adopt_orphans().expect("it may adopt");
    let first = rounds / 10;
    (0..first).for_each(&mut round);
    let before = Stock::now().expect("the system tells");
    (first..rounds).for_each(&mut round);
    before.comes_back().unwrap_or_else(|left| panic!("{left}"));
    let grown = before.grown().expect("the system tells");
    println!("{rounds} rounds: memory has grown by {grown} KiB");
    assert!(grown < MOST_GROWTH, "memory has grown by {grown} KiB");
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}
