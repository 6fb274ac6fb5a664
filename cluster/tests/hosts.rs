//! Machines by network namespaces, each with a cable of its own: cut off for long, cut off for a
//! moment, and with a bad line.
//!
//! ```text
//!   hcl-<pid>-<n>-s: server, client ── bridge 10.77.0.1 ─┬─ cable ─ hcl-<pid>-<n>-a: worker
//!                                                        └─ cable ─ hcl-<pid>-<n>-b: worker
//! ```
//!
//! Nothing of this is in the namespace of the machine itself. It needs root and `ip`; elsewhere the
//! tests say that they are skipped.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use std::{env, process};

use cluster::{ClusterExecutor, Worker};
use multiprocess::futures::Executor;
use multiprocess::{end_with_parent, tasks};
use tempfile::TempDir;
use testing::{Deadline, LONG, Other, own_program, until};

multiprocess::test_entry!();
tasks![mark];

const SERVER: &str = "10.77.0.1";
const PORT: &str = "4222";
/// The hosts of a network: the server's and client's, and those of the workers.
const HOSTS: [&str; 3] = ["s", "a", "b"];
const CALLS: u64 = 100;
/// The longest that a test waits for an outcome.
const OUTCOME: Duration = Duration::from_secs(60);
/// The calls before this one wait for nothing on machine b.
const FREE: u64 = 50;

// ------------------------------------------------------------------------------------ the network

/// Runs `ip` with these words.
fn ip(words: &str) -> Result<(), String> {
    run("ip", words)
}

fn run(program: &str, words: &str) -> Result<(), String> {
    match Command::new(program).args(words.split(' ')).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// Removes the hosts of tests that were killed.
fn remove_what_is_left() {
    let listed = Command::new("ip").args(["netns", "list"]).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    for line in String::from_utf8_lossy(&listed).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let pid = name.strip_prefix("hcl-").and_then(|rest| rest.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid| Other::of(pid).is_none()) {
            // Another test may be faster.
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Three hosts, and the programs on them. All is gone with it.
struct Network {
    /// Their names' beginning.
    prefix: String,
    folder: TempDir,
    programs: Vec<Child>,
}

impl Network {
    /// Makes the hosts, with a server and a worker of one process on each of the others. Returns
    /// `None`, and says why, where that can't be done and need not.
    fn new() -> Option<Self> {
        remove_what_is_left();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("hcl-{}-{number}", process::id());
        let mut network =
            Self { prefix, folder: tempfile::tempdir().unwrap(), programs: Vec::new() };
        match network.lay().and_then(|()| run("nats-server", "--version")) {
            Ok(()) => network.start(),
            Err(reason) if is_required() => panic!("no network: {reason}"),
            Err(reason) => {
                // Not by a macro: the test harness would keep it to itself.
                let _ = writeln!(io::stderr(), "SKIPPED: no network of one's own ({reason})");
                return None;
            }
        }
        Some(network)
    }

    /// Makes the hosts and their cables.
    fn lay(&self) -> Result<(), String> {
        let prefix = &self.prefix;
        for host in HOSTS {
            ip(&format!("netns add {prefix}-{host}"))?;
            ip(&format!("-n {prefix}-{host} link set lo up"))?;
        }
        ip(&format!("-n {prefix}-s link add br0 type bridge"))?;
        ip(&format!("-n {prefix}-s addr add {SERVER}/24 dev br0"))?;
        ip(&format!("-n {prefix}-s link set br0 up"))?;
        for (host, number) in HOSTS[1..].iter().zip(2..) {
            let to = format!("type veth peer name eth0 netns {prefix}-{host}");
            ip(&format!("-n {prefix}-s link add to-{host} {to}"))?;
            ip(&format!("-n {prefix}-s link set to-{host} master br0 up"))?;
            ip(&format!("-n {prefix}-{host} addr add 10.77.0.{number}/24 dev eth0"))?;
            self.cable(host, "up")?;
        }
        Ok(())
    }

    /// Cuts a host's cable (`down`), or mends it (`up`).
    fn cable(&self, host: &str, way: &str) -> Result<(), String> {
        ip(&format!("-n {}-{host} link set eth0 {way}", self.prefix))
    }

    /// Starts the server and the workers.
    fn start(&mut self) {
        self.program("s", "server", Stdio::null());
        let log = self.folder.path().join("log");
        let is_ready = || fs::read_to_string(&log).is_ok_and(|text| text.contains("is ready"));
        until("the server is ready", is_ready);
        for host in &HOSTS[1..] {
            self.program(host, "worker", Stdio::null());
        }
    }

    /// Starts a program of this file on a host. It ends when this process does.
    fn program(&mut self, host: &str, name: &str, stdout: Stdio) -> Option<ChildStdout> {
        let itself = own_program::command(name);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-{host}", self.prefix)]);
        command.arg(itself.get_program()).args(itself.get_args());
        let set = itself.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set).env("HOST", host).env("FOLDER", self.folder.path());
        command.stdin(Stdio::piped()).stdout(stdout);
        self.programs.push(command.spawn().unwrap());
        self.programs.last_mut().unwrap().stdout.take()
    }

    /// Starts a client, which hears nothing of a machine for so long until it is lost.
    fn client(&mut self, lost_after: Duration) -> Client {
        fs::write(self.folder.path().join("lost-after"), lost_after.as_secs().to_string()).unwrap();
        let stdout = self.program("s", "client", Stdio::piped()).unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        Client { lines, outcomes: BTreeMap::new() }
    }

    /// Returns the machines on which each call has begun.
    fn runs(&self) -> BTreeMap<u64, Vec<String>> {
        let mut runs = BTreeMap::<u64, Vec<String>>::new();
        let text = fs::read_to_string(self.folder.path().join("marks")).unwrap_or_default();
        for line in text.lines() {
            let (call, host) = line.split_once(' ').unwrap();
            runs.entry(call.parse().unwrap()).or_default().push(host.to_owned());
        }
        runs
    }

    /// Waits until a call has begun on both machines.
    fn until_both_work(&self) {
        until("both machines work", || {
            let runs = self.runs();
            HOSTS[1..].iter().all(|host| runs.values().flatten().any(|of| of == host))
        });
    }

    /// Lets all calls go on.
    fn open(&self) {
        fs::write(self.folder.path().join("open"), "").unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let (server, others) = match self.programs.split_first_mut() {
            Some((server, others)) => (Some(server), others),
            None => (None, &mut [][..]),
        };
        for program in others {
            let _ = program.kill();
            let _ = program.wait();
        }
        if let Some(server) = server {
            drop(server.stdin.take());
            let _ = server.wait();
        }
        for host in HOSTS {
            // Some were never made where there is no right to.
            let _ = ip(&format!("netns del {}-{host}", self.prefix));
        }
    }
}

/// Returns whether these tests must not be skipped.
fn is_required() -> bool {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout == b"0\n");
    is_root && env::var("CLUSTER_TESTS").is_ok_and(|value| value == "required")
}

// ----------------------------------------------------------------------------------- the programs

#[test]
fn program_of_its_own() {
    match own_program::name().as_deref() {
        Some("server") => server(),
        Some("worker") => worker(),
        Some("client") => client(),
        _ => {}
    }
}

fn folder() -> PathBuf {
    env::var_os("FOLDER").unwrap().into()
}

fn address() -> String {
    format!("nats://{SERVER}:{PORT}")
}

/// Runs a server until the standard input is closed.
fn server() {
    let mut command = Command::new("nats-server");
    command.args(["-js", "-a", SERVER, "-p", PORT, "-sd"]).arg(folder().join("store"));
    command.arg("-l").arg(folder().join("log")).stdin(Stdio::null());
    let mut server = command.spawn().unwrap();
    let _ = io::stdin().read_to_end(&mut Vec::new());
    server.kill().unwrap();
    server.wait().unwrap();
}

fn worker() {
    end_with_parent().unwrap();
    let host = env::var("HOST").unwrap();
    let worker = Worker::builder().server(address()).insecure(true).name(host).processes(1);
    worker.run().unwrap();
}

/// Submits the calls, and prints what becomes of each at once.
fn client() {
    end_with_parent().unwrap();
    let seconds = fs::read_to_string(folder().join("lost-after")).unwrap().parse().unwrap();
    let builder = ClusterExecutor::builder().server(address()).insecure(true);
    let executor = builder.lost_after(Duration::from_secs(seconds)).connect().unwrap();
    executor.wait_for_processes(2, LONG).unwrap();
    for call in 0..CALLS {
        let future = executor.submit(mark, call).unwrap();
        future.add_done_callback(move |future| match future.result() {
            Ok(result) => println!("outcome {call} {}", if *result == call { "ok" } else { "no" }),
            Err(error) => println!("outcome {call} {error}"),
        });
    }
}

/// A call: marks that it has begun and where, then waits until it may go on.
fn mark(call: u64) -> u64 {
    let host = env::var("HOST").unwrap();
    let mut marks = OpenOptions::new().create(true).append(true).open(folder().join("marks"));
    marks.as_mut().unwrap().write_all(format!("{call} {host}\n").as_bytes()).unwrap();
    let is_free = host == "b" && call < FREE;
    let open: &Path = &folder().join("open");
    while !is_free && !open.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    call
}

/// A client that runs, and the outcomes that it has told.
struct Client {
    lines: Receiver<String>,
    outcomes: BTreeMap<u64, String>,
}

impl Client {
    /// Reads one more outcome; returns false at the end.
    fn next(&mut self) -> bool {
        loop {
            let line = match self.lines.recv_timeout(OUTCOME) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("no outcome: {:?}", self.outcomes),
            };
            // The test harness prints before it.
            if let Some((_, outcome)) = line.split_once("outcome ") {
                let (call, outcome) = outcome.split_once(' ').unwrap();
                let earlier = self.outcomes.insert(call.parse().unwrap(), outcome.to_owned());
                assert_eq!(earlier, None, "{call} ended twice");
                return true;
            }
        }
    }

    /// Reads all outcomes; returns those that are errors.
    fn failures(&mut self) -> Vec<(u64, &str)> {
        while self.next() {}
        assert_eq!(self.outcomes.len() as u64, CALLS, "{:?}", self.outcomes);
        let all = self.outcomes.iter().map(|(call, outcome)| (*call, &**outcome));
        all.filter(|(_, outcome)| *outcome != "ok").collect()
    }
}

// -------------------------------------------------------------------------------------- the tests

#[test]
fn hosts_of_a_killed_test_are_removed_by_the_next_one() {
    let _deadline = Deadline::seconds(60);
    // Only Linux has such hosts, and `true`.
    if let Err(reason) = ip("netns list") {
        assert!(!is_required(), "{reason}");
        return;
    }
    let mut ended = Command::new("true").spawn().unwrap();
    let (ended_pid, _) = (ended.id(), ended.wait().unwrap());
    let [ended, running] = [ended_pid, process::id()].map(|pid| format!("hcl-{pid}-left-a"));
    if let Err(reason) = ip(&format!("netns add {ended}")) {
        assert!(!is_required(), "{reason}");
        return;
    }
    ip(&format!("netns add {running}")).unwrap();
    remove_what_is_left();
    assert!(ip(&format!("netns del {ended}")).is_err(), "it is there");
    ip(&format!("netns del {running}")).unwrap();
}

fn each_ran_once(network: &Network) {
    let runs = network.runs();
    assert!(runs.keys().copied().eq(0..CALLS), "{runs:?}");
    assert!(runs.values().all(|hosts| hosts.len() == 1), "{runs:?}");
}

#[test]
fn a_machine_that_is_cut_off_loses_the_one_call_that_had_begun_there() {
    let _deadline = Deadline::seconds(120);
    let Some(mut network) = Network::new() else { return };
    let mut client = network.client(Duration::from_secs(3));
    network.until_both_work();
    network.cable("a", "down").unwrap();
    while client.outcomes.values().all(|outcome| outcome == "ok") {
        assert!(client.next(), "{:?}", client.outcomes);
    }
    network.cable("a", "up").unwrap();
    network.open();
    let failures = client.failures();
    let [(lost, error)] = failures[..] else { panic!("{failures:?}") };
    assert!(error.contains("no sign of life of a ("), "{error}");
    assert!(error.contains("it may still be running there"), "{error}");
    assert_eq!(network.runs()[&lost], ["a"]);
    each_ran_once(&network);
}

#[test]
fn a_machine_that_is_cut_off_for_a_moment_loses_nothing() {
    let _deadline = Deadline::seconds(120);
    let Some(mut network) = Network::new() else { return };
    let mut client = network.client(Duration::from_secs(20));
    network.until_both_work();
    network.cable("a", "down").unwrap();
    // The moment: nothing is waited for.
    thread::sleep(Duration::from_millis(1500));
    network.cable("a", "up").unwrap();
    network.open();
    assert_eq!(client.failures(), []);
    each_ran_once(&network);
}

#[test]
fn a_line_that_loses_every_fifth_packet_loses_no_call() {
    let _deadline = Deadline::seconds(120);
    let Some(mut network) = Network::new() else { return };
    let is_over = AtomicBool::new(false);
    let mut client = network.client(Duration::from_secs(20));
    network.open();
    thread::scope(|scope| {
        scope.spawn(|| make_it_bad(&network, &is_over));
        let failures = client.failures();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(failures, []);
    });
    each_ran_once(&network);
}

/// Lets both cables lose packets, until all is over.
fn make_it_bad(network: &Network, is_over: &AtomicBool) {
    let netem = |host| {
        let words = "tc qdisc add dev eth0 root netem loss 20% delay 50ms";
        ip(&format!("netns exec {}-{host} {words}", network.prefix))
    };
    if netem("a").and_then(|()| netem("b")).is_ok() {
        return;
    }
    // A kernel without that: cut for a fifth of the time.
    while !is_over.load(Ordering::Relaxed) {
        for (way, time) in [("down", 60), ("up", 240)] {
            for host in &HOSTS[1..] {
                network.cable(host, way).unwrap();
            }
            thread::sleep(Duration::from_millis(time));
        }
    }
}
