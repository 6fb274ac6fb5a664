//! A server of one's own: it is there, comes back, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::thread;

use cluster::ClusterExecutor;
use cluster::local::{LocalCluster, LocalError, LocalServer, test_server, test_server_with};
use multiprocess::{active_children, tasks};
use tempfile::TempDir;
use testing::{Deadline, LONG, Other, alone, own_program};

multiprocess::test_entry!();
tasks![ask_the_keeper];

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
fn a_keeper_that_is_asked_to_end_stays_as_long_as_its_program() {
    // Keepers on Windows can't be asked; and other tests have keepers, which must have begun.
    if test_server().is_some() && !cfg!(windows) {
        alone(ask_the_keeper);
    }
}

/// Runs in a process of its own.
fn ask_the_keeper((): ()) {
    let server = LocalServer::start().unwrap();
    for keeper in active_children() {
        keeper.terminate().unwrap();
    }
    server.restart().unwrap();
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
fn a_program_that_is_killed_leaves_neither_server_nor_workers() {
    let _deadline = Deadline::seconds(120);
    let Some(_server) = test_server() else { return };
    let (mut program, mut said, folder) = started("waits");
    let mut next = || said.by_ref().map(Result::unwrap).find_map(|line| pid(&line)).unwrap();
    let all = [next(), next(), next()].map(|pid| Other::of(pid).unwrap());
    program.kill().unwrap();
    program.wait().unwrap();
    for other in all {
        assert!(other.ends_within(LONG));
    }
    // The end of standard output, which the keepers have, too.
    assert_eq!(said.filter(|line| pid(line.as_ref().unwrap()).is_some()).count(), 0);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_program_that_forgets_its_cluster_ends_it_all_the_same() {
    let _deadline = Deadline::seconds(120);
    let Some(_server) = test_server() else { return };
    let (mut program, said, folder) = started("forgets");
    let all: Vec<u32> = said.filter_map(|line| pid(&line.unwrap())).collect();
    assert!(program.wait().unwrap().success());
    assert_eq!(all.len(), 3);
    assert!(all.into_iter().filter_map(Other::of).all(|other| other.ends_within(LONG)));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// Starts the program of this name; returns what it says, and its folder for temporary files.
fn started(name: &str) -> (Child, Lines<BufReader<ChildStdout>>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = own_program::command(name);
    for variable in ["TMPDIR", "TMP"] {
        command.env(variable, folder.path());
    }
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(program.stdout.take().unwrap()).lines();
    (program, said, folder)
}

/// Returns the process id in a line of the program.
fn pid(line: &str) -> Option<u32> {
    line.strip_prefix("pid ")?.parse().ok()
}

#[test]
fn program_of_its_own() {
    let Some(name) = own_program::name() else { return };
    let say = |pid: u32| {
        // Behind the test harness's back, which may keep the line to itself.
        writeln!(std::io::stdout(), "\npid {pid}").unwrap();
    };
    multiprocess::main(|| {
        let mut cluster = LocalCluster::new(1, 1).unwrap();
        let executor = ClusterExecutor::connect(&cluster.address()).unwrap();
        executor.wait_for_processes(1, LONG).unwrap();
        say(cluster.server().pid().unwrap());
        say(cluster.workers()[0].process().pid().unwrap());
        say(executor.workers()[0].pid);
        if name == "waits" {
            loop {
                thread::park();
            }
        }
        std::mem::forget((cluster, executor));
    });
}
