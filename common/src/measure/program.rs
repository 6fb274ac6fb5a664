//! Another program that measures, under a deadline.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use multiprocess::Failure;

use super::{Budget, HANGS};
use crate::group::Group;

/// A program that runs, and all that it has started. Dropped, it kills them.
pub struct Program {
    child: Child,
    group: Group,
    stdout: ChildStdout,
}

impl Program {
    /// Starts a program. Its standard input stays open until it is dropped.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, group) = Group::spawn(command)?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
        Ok(Self { child, group, stdout })
    }

    /// Reads what it prints: until this is enough, or to the end.
    ///
    /// # Errors
    /// If it isn't done in time; if it ends without a word, the last line that it has printed on
    /// standard error.
    pub fn output(
        mut self,
        budget: &Budget,
        is_enough: impl Fn(&[u8]) -> bool,
    ) -> Result<String, Failure> {
        self.read(budget, is_enough)
    }

    /// Writes a line to its standard input, and reads the line with which it answers.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn ask(&mut self, question: &str, budget: &Budget) -> Result<String, Failure> {
        let stdin = self.child.stdin.as_mut().ok_or_else(|| Failure::new("no standard input"))?;
        // If it has ended, reading tells why.
        let _ = writeln!(stdin, "{question}");
        self.read(budget, |bytes| bytes.ends_with(b"\n"))
    }

    fn read(
        &mut self,
        budget: &Budget,
        is_enough: impl Fn(&[u8]) -> bool,
    ) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let mut some = [0; 4096];
        while !is_enough(&bytes) {
            if multiprocess::wait(&[&self.stdout], Some(budget.left()))?.is_empty() {
                return Err(Failure::new(HANGS));
            }
            match self.stdout.read(&mut some)? {
                0 if bytes.is_empty() => return Err(Failure::new(self.complaint())),
                0 => break,
                length => bytes.extend_from_slice(&some[..length]),
            }
        }
        Ok(String::from_utf8(bytes)?)
    }

    /// Returns the last line that it has printed on standard error.
    fn complaint(&mut self) -> String {
        // If it has ended, what it started may still be in the group.
        self.group.kill();
        let stderr = self.child.stderr.take().map(io::read_to_string);
        let text = stderr.and_then(Result::ok).unwrap_or_default();
        text.trim().lines().last().unwrap_or("it ended without a word").to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.group.kill();
        let _ = self.child.wait();
    }
}
