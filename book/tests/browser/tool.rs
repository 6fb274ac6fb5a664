//! The tools of `amdahl`, run as they are on a command line.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a tool with these arguments, and with a file on its standard input; cargo builds it first.
pub(crate) fn amdahl(arguments: &[&str], input: &str) -> Output {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository");
    let mut child = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "-p", "amdahl", "--"])
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo starts");
    // A tool that is told nonsense on its command line reads no input.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Returns what a tool prints.
pub(crate) fn printed(arguments: &[&str], input: &str) -> String {
    let output = amdahl(arguments, input);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// Returns why a tool refuses, without blanks: where its lines end is up to the terminal.
pub(crate) fn refused(arguments: &[&str], input: &str) -> String {
    let output = amdahl(arguments, input);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    without_blanks(&String::from_utf8(output.stderr).expect("it is text"))
}

/// Returns a text without its blanks and ends of lines.
pub(crate) fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Returns the rows of the first table that a tool printed, without its titles.
pub(crate) fn rows(printed: &str) -> Vec<Vec<String>> {
    let rows = printed.lines().skip(2).take_while(|line| line.contains('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}
