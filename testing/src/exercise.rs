//! The exercises at the end of the chapters: programs that are run, and asked, as a user would.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;
use std::{env, thread};

use common::group::Group;

use crate::sys::Signal;
use crate::{LONG, Other};

/// The most lines that a program may say in the end.
const LINES: usize = 1000;

/// Returns the path of the crate's example of this name, built from a file or a folder of files.
///
/// # Panics
/// If it is not built, or was changed since: `cargo test --test` builds no examples.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("it is in deps, which is beside examples");
    let program = folder.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    // Tests run in their crate's folder.
    let source = Path::new("examples").join(name);
    let files = match source.read_dir() {
        Ok(folder) => folder.flatten().map(|file| file.path()).collect(),
        Err(_) => vec![source.with_extension("rs")],
    };
    let time = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let is_built = files.iter().all(|file| time(&program) > time(file));
    assert!(is_built, "{name} has changed, or was never built: cargo build --examples");
    program
}

/// A program that runs. Each line that it says, on standard output or standard error, is printed.
///
/// Dropped before its end, it is killed, with all the processes that it has started.
#[derive(Debug)]
pub struct Running {
    process: Child,
    group: Group,
    lines: Receiver<String>,
    until: Instant,
    ended: bool,
}

impl Running {
    /// Starts the program, with half a minute to live.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str]) -> Self {
        let (reader, writer) = io::pipe().expect("there are descriptors left");
        let mut command = Command::new(program);
        command.args(arguments).env_remove("RUST_BACKTRACE").env("LC_ALL", "C");
        command.stdin(Stdio::piped());
        command.stdout(writer.try_clone().expect("there are descriptors left")).stderr(writer);
        let started = Group::spawn(&mut command);
        let (process, group) = started.expect("the program can be started");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                println!("{line}");
                // The test may have seen enough.
                let _ = sender.send(line);
            }
        });
        Self { process, group, lines, until: Instant::now() + LONG, ended: false }
    }

    /// Gives the program this line on standard input.
    ///
    /// # Panics
    /// If it doesn't listen any more.
    pub fn tell(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("its input is not closed");
        writeln!(input, "{line}").expect("the program listens");
    }

    /// Closes the program's standard input.
    pub fn close_input(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Returns the next line that the program says.
    ///
    /// # Panics
    /// If it says nothing more.
    pub fn line(&mut self) -> String {
        self.next().expect("the program says one more line")
    }

    fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more for {LONG:?}, and no end"),
        }
    }

    /// Waits for the program's end; returns what it says until then, and its exit code. No process
    /// that it has started is left.
    ///
    /// # Panics
    /// If one is left, or it doesn't end.
    pub fn end(mut self) -> (Vec<String>, Option<i32>) {
        self.close_input();
        let rest: Vec<_> = std::iter::from_fn(|| self.next()).take(LINES).collect();
        assert!(rest.len() < LINES, "it has no end");
        // All have closed their standard output: so it ends now.
        let end = self.process.wait().expect("nobody else waits for it");
        self.ended = true;
        let left = !self.group.is_empty();
        self.group.kill();
        assert!(!left, "a process that it has started outlived it");
        (rest, end.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.group.kill();
            let _ = self.process.wait();
        }
    }
}

/// Has this signal end the process of this id; returns when it has ended.
///
/// # Panics
/// If there is no such process, or the signal doesn't end it.
pub fn kill(pid: &str, signal: Signal) {
    let number = pid.parse().unwrap_or_else(|_| panic!("{pid} is no process id"));
    let process = Other::of(number).expect("the process is there");
    assert!(process.signal(signal), "the process is there");
    assert!(process.ends_within(LONG), "{signal:?} ends it");
}
