//! How programs end that have executors: each is this file as a program of its own.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use multiprocess::futures::{Executor, ProcessPoolExecutor, Promise, ThreadPoolExecutor};
use multiprocess::{at_exit, tasks};
#[cfg(unix)]
use rustix::process::{Pid, kill_process_group};
use testing::own_program::{command, name, run};
use testing::{Deadline, LONG, Other, Signal, until};

multiprocess::test_entry!();
tasks![apple, pid_then_wait, never_ready, square];

/// A call: takes a moment, and says something.
fn apple(_: u64) {
    thread::sleep(Duration::from_millis(300));
    say("apple");
}

/// Returns the channel on which a call hears that the program has come to its end, before the
/// executors are ended that it has now.
fn end_of_program() -> Receiver<()> {
    let (tell, told) = channel();
    at_exit(move || tell.send(()).unwrap());
    told
}

/// Not by `println!`, which test harnesses keep to themselves.
fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// A call that submits another one when the program has come to its end.
fn submits_late(
    executor: &'static (impl Executor + Sync),
    end: Receiver<()>,
) -> impl FnOnce() + Send {
    move || {
        end.recv_timeout(LONG).unwrap();
        let result = executor.submit(square, 3).unwrap().into_result();
        say(format_args!("apple {result:?}"));
    }
}

/// A call that says who does it, and never ends.
fn pid_then_wait(_: u64) {
    say(format_args!("pid {}", std::process::id()));
    loop {
        thread::park();
    }
}

fn square(number: u64) -> u64 {
    number * number
}

/// Runs in each worker.
fn never_ready(_: ()) {
    panic!("not today");
}

static THREADS: OnceLock<ThreadPoolExecutor> = OnceLock::new();
static PROCESSES: OnceLock<ProcessPoolExecutor> = OnceLock::new();

fn threads(workers: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(workers)
}

fn processes(workers: usize) -> ProcessPoolExecutor {
    ProcessPoolExecutor::new(workers).unwrap()
}

/// The programs: what their `main` does.
fn body(name: &str) {
    match name {
        "threads dropped" => drop(threads(1).submit(apple, 0).unwrap()),
        "processes dropped" => drop(processes(1).submit(apple, 0).unwrap()),
        "threads in a static" => drop(THREADS.get_or_init(|| threads(1)).submit(apple, 0).unwrap()),
        "processes in a static" => {
            drop(PROCESSES.get_or_init(|| processes(1)).submit(apple, 0).unwrap());
        }
        "threads forgotten" => drop(Box::leak(Box::new(threads(1))).submit(apple, 0).unwrap()),
        "threads left" => leave(threads(1), false),
        "processes left" => leave(processes(1), false),
        "threads left, cancelled" => leave(threads(1), true),
        "processes left, cancelled" => leave(processes(1), true),
        "panic with threads" => {
            let _future = THREADS.get_or_init(|| threads(1)).submit(apple, 0).unwrap();
            panic!("main panics");
        }
        "threads use processes at the end" => {
            // The processes were there first: they are ended last.
            let processes = PROCESSES.get_or_init(|| processes(1));
            assert_eq!(processes.submit(square, 2).unwrap().into_result(), Ok(4));
            let threads = THREADS.get_or_init(|| threads(1));
            let _future = threads.spawn(submits_late(processes, end_of_program())).unwrap();
        }
        "threads use threads at the end" => {
            let first = THREADS.get_or_init(|| threads(1));
            let second = Box::leak(Box::new(threads(1)));
            let _future = second.spawn(submits_late(first, end_of_program())).unwrap();
        }
        "calls submitted at the end" => {
            let executor = THREADS.get_or_init(|| threads(1));
            let end = end_of_program();
            let call = move || {
                end.recv_timeout(LONG).unwrap();
                // Soon after that it takes no more.
                let mut late = Ok(());
                until("a call is refused", || {
                    late = executor.spawn(|| ()).map(drop);
                    late.is_err()
                });
                say(format_args!("apple {late:?}"));
            };
            let _future = executor.spawn(call).unwrap();
        }
        "hooks" => {
            at_exit(|| say("registered first, runs last"));
            let executor = THREADS.get_or_init(|| threads(1));
            let end = end_of_program();
            let call = move || {
                end.recv_timeout(LONG).unwrap();
                say("apple");
            };
            let _future = executor.spawn(call).unwrap();
            at_exit(|| say("registered last, runs first"));
        }
        "exit" => {
            let executor = PROCESSES.get_or_init(|| processes(2));
            let _futures = [0, 1].map(|number| executor.submit(pid_then_wait, number).unwrap());
            std::io::stdin().read_exact(&mut [0]).unwrap();
            std::process::exit(3);
        }
        "wait for ever" => {
            #[cfg(unix)]
            die_of_ctrl_c();
            let executor = processes(2);
            let _futures = [0, 1].map(|number| executor.submit(pid_then_wait, number).unwrap());
            loop {
                thread::park();
            }
        }
        "initializers" => {
            let executor = ThreadPoolExecutor::builder().max_workers(1);
            let executor = executor.initializer(|| never_ready(())).build().unwrap();
            assert!(executor.spawn(|| ()).unwrap().into_result().is_err());
            let executor = ProcessPoolExecutor::builder().max_workers(1).strict(true);
            let executor = executor.initializer(never_ready, ()).build().unwrap();
            assert!(executor.submit(square, 1).unwrap().into_result().is_err());
        }
        "no threads" => {
            // Each has a stack larger than any memory.
            let refused = threads(2).submit(square, 2).unwrap_err();
            say(format_args!("{refused}"));
            say(format_args!("{}", ProcessPoolExecutor::new(2).unwrap_err()));
        }
        "callbacks" => {
            let (promise, future) = Promise::new();
            future.add_done_callback(|_| panic!("in time"));
            promise.set_result(1).unwrap();
            future.add_done_callback(|_| panic!("too late"));
        }
        _ => panic!("no program {name}"),
    }
}

/// Restores the default of SIGINT, which a shell that starts the tests in the background ignores.
#[cfg(unix)]
fn die_of_ctrl_c() {
    let yes = std::sync::Arc::new(true.into());
    signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, yes).unwrap();
}

fn leave<E: Executor>(executor: E, cancel_futures: bool) {
    let _future = executor.submit(apple, 0).unwrap();
    executor.shutdown(false, cancel_futures);
}

/// This file as one of them; else it proves nothing.
#[test]
fn program_of_its_own() {
    let Some(name) = name() else { return };
    let code = multiprocess::main(|| body(&name));
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// What it prints on both streams, but for the test harness; it ends well.
fn output(name: &str) -> (String, String) {
    let output = run(name);
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{name}: {:?}\n{errors}", output.status);
    let out = out.lines().filter(|line| !line.is_empty() && !line.starts_with("running "));
    (out.map(|line| format!("{line}\n")).collect(), errors)
}

/// EXEC-18
#[test]
fn a_program_ends_when_its_calls_are_done_without_any_shutdown() {
    for name in [
        "threads dropped",
        "processes dropped",
        "threads in a static",
        "processes in a static",
        "threads forgotten",
    ] {
        assert_eq!(output(name), (String::from("apple\n"), String::new()), "{name}");
    }
}

/// TPE-10, and for processes, too.
#[test]
fn a_program_ends_when_the_calls_are_done_that_it_did_not_wait_for() {
    for name in ["threads left", "processes left"] {
        assert_eq!(output(name), (String::from("apple\n"), String::new()), "{name}");
    }
}

/// TPE-11, and for processes, too.
#[test]
fn a_program_that_cancels_its_calls_ends_whether_they_had_begun_or_not() {
    for name in ["threads left, cancelled", "processes left, cancelled"] {
        let (out, errors) = output(name);
        assert!(["", "apple\n"].contains(&out.as_str()), "{name}: {out}");
        assert_eq!(errors, "", "{name}");
    }
}

#[test]
fn a_program_whose_main_panics_waits_for_its_calls() {
    let output = run("panic with threads");
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("apple\n"));
}

#[test]
fn executors_end_before_those_that_were_there_before_them() {
    for name in ["threads use processes at the end", "threads use threads at the end"] {
        assert_eq!(output(name).0, "apple Ok(9)\n", "{name}");
    }
    let (out, _) = output("calls submitted at the end");
    assert_eq!(out, "apple Err(Shutdown)\n");
    let expected = "registered last, runs first\napple\nregistered first, runs last\n";
    assert_eq!(output("hooks").0, expected);
}

/// On Windows the test harness can't do without one either.
#[test]
#[cfg(unix)]
fn an_executor_that_gets_no_threads_says_so() {
    let _deadline = Deadline::seconds(60);
    let output = command("no threads").env("RUST_MIN_STACK", (1_u64 << 60).to_string()).output();
    let out = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(out.contains("a worker can't be started: "), "{out}");
    assert!(out.contains("the executor can't be made: "), "{out}");
}

/// EXEC-23
#[test]
fn an_initializer_that_panics_says_so_on_standard_error() {
    let (_, errors) = output("initializers");
    assert_eq!(errors.matches("not today").count(), 2, "{errors}");
}

/// FUT-04, FUT-06
#[test]
fn a_callback_that_panics_says_so_on_standard_error() {
    let (_, errors) = output("callbacks");
    assert!(errors.contains("in time") && errors.contains("too late"), "{errors}");
    let line = "exception calling callback for <Future at 0x";
    assert_eq!(errors.matches(line).count(), 2, "{errors}");
}

/// PPE-B09: better than in Python, where idle workers live on.
#[test]
fn workers_end_when_their_parent_does_in_whatever_way() {
    let _deadline = Deadline::seconds(60);
    for way in 0..4 {
        let mut command = command(if way == 0 { "exit" } else { "wait for ever" });
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pids = lines.by_ref().map_while(Result::ok);
        let pids = pids.filter_map(|line| line.strip_prefix("pid ")?.parse::<u32>().ok());
        let workers: Vec<Other> = pids.take(2).map(|pid| Other::of(pid).unwrap()).collect();
        match way {
            0 => child.stdin.take().unwrap().write_all(b"!").unwrap(),
            1 => child.kill().unwrap(),
            // Ctrl-C: the workers leave it to the parent, which dies of it.
            #[cfg(unix)]
            2 => kill_process_group(Pid::from_child(&child), Signal::INT).unwrap(),
            _ => drop(Other::of(child.id()).unwrap().signal(Signal::TERM)),
        }
        child.wait().unwrap();
        assert!(workers.iter().all(|worker| worker.ends_within(LONG)), "way {way}");
    }
}
