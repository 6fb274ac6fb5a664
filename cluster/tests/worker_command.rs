//! The command `cluster-worker`: its command line, its line on the screen, its end.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use cluster::local::{LocalServer, test_server, test_server_with};
use cluster::{ClusterExecutor, Secret, ServerConfig};
use testing::{Deadline, LONG};

multiprocess::test_entry!();

/// Returns the command with these arguments, separated by spaces.
fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.arg("cluster-worker").args(arguments.split_whitespace()).stdin(Stdio::null());
    command.env("LANG", "C").env_remove("LC_ALL").env_remove("LC_MESSAGES");
    command.env_remove("CLUSTER_USER").env_remove("CLUSTER_SECRET");
    command
}

fn run(arguments: &str) -> Output {
    let _deadline = Deadline::seconds(60);
    command(arguments).output().unwrap()
}

/// A worker that is running, and what it says.
struct Worker {
    process: Child,
    said: Receiver<String>,
    complained: Receiver<String>,
}

impl Worker {
    fn start(server: &LocalServer, options: &str) -> Self {
        Self::of(command(&format!("{} {options}", server.address())))
    }

    fn of(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(process.stdout.take().unwrap());
        let complained = lines(process.stderr.take().unwrap());
        Self { process, said, complained }
    }

    /// Returns the next line on standard output.
    fn says(&mut self) -> String {
        next_line(&self.said)
    }

    /// Returns the next line on standard error.
    fn complains(&mut self) -> String {
        next_line(&self.complained)
    }

    /// Waits for its end; returns its exit code.
    #[cfg(unix)]
    fn exit_code(&mut self) -> Option<i32> {
        testing::until("the worker ends", || self.process.try_wait().unwrap().is_some());
        self.process.wait().unwrap().code()
    }
}

/// Kills a worker that a failed test has left.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads lines in a thread, so that a test needn't wait for one without end.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    lines
}

/// Returns the next line; an empty one at the end.
fn next_line(from: &Receiver<String>) -> String {
    match from.recv_timeout(LONG) {
        Err(RecvTimeoutError::Timeout) => panic!("no line for {LONG:?}"),
        line => line.unwrap_or_default(),
    }
}

#[test]
fn the_help_names_all_options_and_exit_codes() {
    let Output { status, stdout, .. } = run("--help");
    let help = String::from_utf8(stdout).unwrap();
    assert_eq!(status.code(), Some(0));
    let options = "URL --processes --name --cluster --user --secret-file --credentials-file \
                   --ca-file --client-certificate --client-key --insecure --most-bytes --help";
    for option in options.split_whitespace().chain(["Ctrl-C", "KillMode=mixed", "130 "]) {
        assert!(help.contains(option), "{option} is not in {help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
}

#[test]
fn the_help_speaks_the_readers_language() {
    let by_system = command("--help").env("LC_ALL", "zh_CN.UTF-8").output().unwrap();
    let by_option = run("--lang zh --help");
    for Output { status, stdout, .. } in [by_system, by_option] {
        let help = String::from_utf8(stdout).unwrap();
        assert_eq!(status.code(), Some(0));
        for text in ["用法：", "工作机器", "--secret-file <文件>", "[默认：default]", "退出码："]
        {
            assert!(help.contains(text), "{text} is not in {help}");
        }
        let letters = |line: &str| line.chars().filter(char::is_ascii_alphabetic).count();
        let english = |line: &&str| line.split_whitespace().count() > 6 && letters(line) > 30;
        assert_eq!(help.lines().find(english), None, "{help}");
    }
}

#[test]
fn a_wrong_command_line_gets_exit_code_2_and_one_sentence() {
    for (arguments, sentence) in [
        ("", "<URL>... is missing"),
        ("nats://127.0.0.1 --processes 0", "it is a whole number from 1 to 4094"),
        ("nats://127.0.0.1 --processes 4095", "it is a whole number from 1 to 4094"),
        ("nats://127.0.0.1 --most-bytes 0", "--most-bytes"),
        ("nats://127.0.0.1 --proceses 3", "there is no option --proceses"),
        ("nats://127.0.0.1 --name a.b", "\"a.b\" is no name"),
        ("nats://127.0.0.1 --cluster *", "\"*\" is no name"),
        ("nats://127.0.0.1 --client-key key", "--client-certificate <FILE> is missing"),
        ("nats://127.0.0.1 --secret-file /none/of/it", "can't read /none/of/it"),
        ("nats://127.0.0.1 --user me", "CLUSTER_SECRET"),
        ("nats://elsewhere", "in the clear"),
        ("redis://127.0.0.1", "redis:// is another kind of server"),
        ("nats://me:secret@127.0.0.1", "don't belong into it"),
    ] {
        let Output { status, stdout, stderr } = run(arguments);
        let said = String::from_utf8(stderr).unwrap().replace('\n', " ");
        assert_eq!(status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(sentence), "{arguments}: {said}");
        assert!(stdout.is_empty() && !said.contains("secret@"), "{arguments}: {said}");
    }
}

#[test]
fn a_worker_that_is_ready_says_so_in_one_line() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let mut worker = Worker::start(&server, "--processes 3 --name host-3");
    let line = worker.says();
    let (start, rest) = line.split_once(", build ").unwrap();
    let (build, address) = rest.split_once(", at ").unwrap();
    assert_eq!(start, "host-3: 3 processes");
    assert!(build.len() == 16 && u64::from_str_radix(build, 16).is_ok(), "{build}");
    assert_eq!(address, server.address());
}

/// With no more rights than the configuration gives.
#[test]
fn a_worker_tells_of_each_client_of_another_build() {
    let _deadline = Deadline::seconds(120);
    let config = ServerConfig::new("localhost", "default").unwrap();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let mut command = command(&format!("{} --name host-3", server.address()));
    command.env("CLUSTER_USER", "worker").env("CLUSTER_SECRET", config.worker_password());
    let mut worker = Worker::of(command);
    let line = worker.says();
    let (_, line) = line.split_once(", build ").unwrap();
    let (build, _) = line.split_once(',').unwrap();
    for _ in 0..2 {
        let secret = Secret::new(config.client_password().to_owned());
        let client = ClusterExecutor::builder().server(server.address());
        // This test is another executable than the command.
        let executor = client.user("client", secret).connect().unwrap();
        let line = worker.complains();
        let start = format!("host-3: the client default-{}-", std::process::id());
        assert!(line.starts_with(&start) && line.contains("has another build, "), "{line}");
        let end = format!(
            "this worker of {build} gets no tasks of it: run the same executable \
                           on both machines"
        );
        assert!(line.ends_with(&end), "{line}");
        assert!(!executor.workers()[0].is_ours);
    }
    assert!(!server.log().unwrap().contains("Violation"));
}

#[test]
fn a_worker_without_a_server_says_so_and_keeps_trying() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    server.kill().unwrap();
    let mut worker = Worker::start(&server, "--name host-3");
    let line = worker.complains();
    let expected = format!("host-3: no server answers at {}", server.address());
    assert!(line.starts_with(&expected) && line.ends_with("; trying again"), "{line}");
    server.restart().unwrap();
    assert!(worker.says().starts_with("host-3: "));
}

#[test]
fn a_worker_that_loses_its_server_says_so_and_keeps_trying() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let mut worker = Worker::start(&server, "--name host-3");
    worker.says();
    server.kill().unwrap();
    let expected = format!("host-3: no server at {}; trying again", server.address());
    assert_eq!(worker.complains(), expected);
}

#[test]
fn a_server_that_refuses_a_worker_ends_it_with_a_sentence() {
    let _deadline = Deadline::seconds(120);
    let configuration = "jetstream {}\nauthorization { user: me, password: correct }\n";
    let Some(server) = test_server_with(configuration) else { return };
    let mut command = command(&server.address());
    let wrong = command.env("CLUSTER_USER", "me").env("CLUSTER_SECRET", "wrong").output().unwrap();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("refuses the user \"me\""), "{said}");
}

/// On Windows there is no such signal.
#[cfg(unix)]
mod signals {
    use testing::{Other, Signal, signal};

    use super::*;

    #[test]
    fn each_signal_ends_an_idle_worker_with_exit_code_0() {
        let _deadline = Deadline::seconds(240);
        let Some(server) = test_server() else { return };
        for number in [Signal::TERM, Signal::INT, Signal::HUP] {
            let mut worker = Worker::start(&server, "--processes 1");
            worker.says();
            signal(worker.process.id(), number);
            assert_eq!(worker.exit_code(), Some(0));
            assert_eq!((worker.says(), worker.complains()), (String::new(), String::new()));
        }
    }

    #[test]
    fn a_worker_whose_next_agent_finds_no_server_ends_at_the_first_signal() {
        let _deadline = Deadline::seconds(120);
        let Some(server) = test_server() else { return };
        let mut worker = Worker::start(&server, "--processes 1 --name host-3");
        worker.says();
        let executor = ClusterExecutor::connect(&server.address()).unwrap();
        // The command is another build, which is seen all the same.
        testing::until("its agent is seen", || !executor.workers().is_empty());
        let agent = Other::of(executor.workers()[0].pid).unwrap();
        server.kill().unwrap();
        assert!(agent.kill());
        while !worker.complains().ends_with("another one starts") {}
        // It looks for the server now.
        while !worker.complains().ends_with("trying again") {}
        signal(worker.process.id(), Signal::TERM);
        assert_eq!(worker.exit_code(), Some(0));
        drop(executor);
    }

    #[test]
    fn a_worker_that_waits_for_its_server_ends_at_the_first_signal() {
        let _deadline = Deadline::seconds(120);
        let Some(server) = test_server() else { return };
        server.kill().unwrap();
        let mut worker = Worker::start(&server, "");
        worker.complains();
        signal(worker.process.id(), Signal::TERM);
        assert_eq!(worker.exit_code(), Some(0));
    }
}
