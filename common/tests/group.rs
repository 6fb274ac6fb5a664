//! Groups of processes. This file is also the programs that it starts: they say a line, and then
//! live until their standard input is closed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::process::{Child, Command, Stdio};

use common::group::Group;
use testing::Deadline;
use testing::own_program::{command, name};

/// Returns the program of this name.
fn program(name: &str) -> Command {
    let mut command = command(name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn program_of_its_own() {
    let Some(name) = name() else { return };
    let mut listener = program("listener");
    listener.stdin(Stdio::inherit());
    let (mut child, _group) = match &*name {
        "parent" => (Some(listener.spawn().unwrap()), None),
        "owner of a group" => {
            let (child, group) = Group::spawn(&mut listener).unwrap();
            (Some(child), Some(group))
        }
        _ => (None, None),
    };
    child.as_mut().map(hear);
    println!("\nlistens");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    child.as_mut().map(Child::wait);
}

/// Waits until the program listens.
fn hear(child: &mut Child) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "listens"));
}

/// Starts a program that has started another; both hold the pipe open that is returned.
fn two() -> (Child, Group, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let (mut child, group) = Group::spawn(program("parent").stderr(writer)).unwrap();
    hear(&mut child);
    (child, group, reader)
}

#[test]
fn a_group_ends_with_what_its_first_process_has_started() {
    let _deadline = Deadline::seconds(60);
    for (end, code) in [(Group::terminate as fn(&Group), 0x1000f), (Group::kill, 0x10009)] {
        let (mut child, group, mut held) = two();
        assert!(!group.is_empty());
        end(&group);
        held.read_to_end(&mut Vec::new()).unwrap();
        let expected = cfg!(windows).then_some(code);
        assert_eq!(child.wait().unwrap().code(), expected);
        while !group.is_empty() {
            std::thread::yield_now();
        }
        // What is gone can be ended again.
        end(&group);
    }
}

/// Elsewhere a process group goes on.
#[cfg(windows)]
#[test]
fn a_group_ends_when_its_owner_is_killed() {
    let _deadline = Deadline::seconds(60);
    let (mut held, writer) = io::pipe().unwrap();
    let mut child = program("owner of a group").stderr(writer).spawn().unwrap();
    hear(&mut child);
    child.kill().unwrap();
    held.read_to_end(&mut Vec::new()).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_group_goes_on_without_its_first_process_and_when_it_is_dropped() {
    let _deadline = Deadline::seconds(60);
    let (mut child, group, held) = two();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!group.is_empty());
    group.kill();
    drop(held);

    let (mut child, _) = Group::spawn(&mut program("listener")).unwrap();
    hear(&mut child);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
