//! A server of one's own: it is there, comes back, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;

use cluster::local::{LocalError, LocalServer, test_server, test_server_with};
use testing::{Deadline, LONG, Other, own_program};

multiprocess::test_entry!();

/// Connects, and returns what the server says of itself.
fn greeting(server: &LocalServer) -> String {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_server_listens_with_jetstream_and_is_gone_after_its_drop() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    assert!(greeting(&server).contains("\"jetstream\":true"));
    assert_eq!(server.address(), format!("nats://127.0.0.1:{}", server.port()));
    let other = Other::of(server.pid().unwrap()).unwrap();
    drop(server);
    assert!(other.ends_within(LONG));
}

#[test]
fn servers_stand_beside_each_other() {
    let _deadline = Deadline::seconds(120);
    let Some(first) = test_server() else { return };
    let second = LocalServer::start().unwrap();
    assert_ne!(first.port(), second.port());
    assert_ne!(greeting(&first), greeting(&second));
}

#[test]
fn a_killed_server_comes_back_at_its_port_with_its_folder() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let first = Other::of(server.pid().unwrap()).unwrap();
    server.kill().unwrap();
    assert!(first.ends_within(LONG) && server.pid().is_none());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    let pid = server.restart().unwrap();
    assert_eq!(server.pid(), Some(pid));
    assert!(greeting(&server).contains("\"jetstream\":true"));
    // It is killed first, if it runs.
    let second = Other::of(pid).unwrap();
    server.restart().unwrap();
    assert!(second.ends_within(LONG));
    greeting(&server);
}

#[test]
fn a_wrong_configuration_is_told_in_the_server_s_words() {
    let _deadline = Deadline::seconds(120);
    let Some(_server) = test_server() else { return };
    let error = LocalServer::with_configuration("no_such_setting: 1\n").unwrap_err();
    assert!(matches!(&error, LocalError::NotStarted(said) if said.contains("no_such_setting")));
    assert!(test_server_with("").is_some_and(|it| !greeting(&it).contains("\"jetstream\":true")));
}

#[test]
fn a_program_that_is_killed_leaves_no_server() {
    let _deadline = Deadline::seconds(120);
    let Some(_server) = test_server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = own_program::command("server");
    for variable in ["TMPDIR", "TMP"] {
        command.env(variable, folder.path());
    }
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = said.by_ref().map(Result::unwrap).find_map(|line| {
        line.split_once("server: ").map(|(_, pid)| pid.trim().parse::<u32>().unwrap())
    });
    let server = Other::of(line.unwrap()).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(server.ends_within(LONG));
    // The end of standard output, which the keeper has, too.
    assert_eq!(said.count(), 0);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn program_of_its_own() {
    if own_program::name().as_deref() == Some("server") {
        let server = LocalServer::start().unwrap();
        // Behind the test harness's back, which may keep the line to itself.
        writeln!(std::io::stdout(), "\nserver: {}", server.pid().unwrap()).unwrap();
        loop {
            thread::park();
        }
    }
}
