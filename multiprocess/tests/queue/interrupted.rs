//! The recipe for Ctrl-C in docs/porting.md, which is the example `interrupted`.

#![cfg(unix)] // No console is there to press Ctrl-C in on Windows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use testing::{Deadline, example};

#[test]
fn ctrl_c_reaches_all_and_the_parent_ends_with_its_child_in_peace() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let mut command = Command::new(example("interrupted"));
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "press Ctrl-C");
        kill_process_group(Pid::from_child(&program), Signal::INT).unwrap();
        let last = said.next().unwrap().unwrap();
        assert!(last.ends_with(" numbers, exit code Some(0)"), "{last}");
        let end = program.wait_with_output().unwrap();
        assert_eq!(end.status.code(), Some(0), "{}", String::from_utf8_lossy(&end.stderr));
    }
}

#[test]
fn the_recipe_is_the_example() {
    let porting = fs::read_to_string("../docs/porting.md").unwrap();
    let example = fs::read_to_string("examples/interrupted.rs").unwrap();
    let program = example.split_once("\n\n").unwrap().1;
    assert!(porting.contains(program), "docs/porting.md has another program");
}
