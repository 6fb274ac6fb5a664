//! Whole programs: what their `main` does, what their children do, and how they end.
//!
//! A target without the test harness (`harness = false`), so that its `main` is a real one:
//! `programs program NAME` is the program of that name, anything else runs them all and checks
//! what they say.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::fs;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;
use std::{env, thread};

use multiprocess::process::Error;
use multiprocess::{
    Exit, Failure, Gate, Process, Waiting, active_children, at_exit, current_process,
    parent_process, tasks,
};
#[cfg(unix)]
use testing::Signal;
use testing::{Deadline, Report, children, ended, reports};

/// A program, and what is to be seen when it runs.
struct Scenario {
    name: &'static str,
    program: fn() -> ExitCode,
    check: fn(Run),
}

/// How a program is run.
struct Run(Command);

impl Run {
    fn of(name: &str) -> Self {
        Self::of_file(&env::current_exe().unwrap(), name)
    }

    fn of_file(file: &Path, name: &str) -> Self {
        let mut command = Command::new(file);
        command.args(["program", name]).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
        Self(command)
    }

    /// Returns when nobody is left who could write to its standard output.
    fn output(mut self) -> Output {
        self.0.output().unwrap()
    }

    /// Checks that the program ends with this code and says this, and complains only if it fails.
    fn says(self, code: i32, expected: &str) {
        let output = self.output();
        let complaints = String::from_utf8(output.stderr).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), &said[..]), (Some(code), expected), "{complaints}");
        assert_eq!(complaints.is_empty(), code == 0, "{complaints}");
    }
}

const SCENARIOS: &[Scenario] = &[
    // PROC-B06
    Scenario {
        name: "main_waits_for_a_child_that_still_runs",
        program: || multiprocess::main(leave_a_child),
        check: |run| run.says(0, "main done\nchild done\n"),
    },
    // PROC-B06
    Scenario {
        name: "a_panicking_main_waits_for_a_child_too",
        program: || {
            multiprocess::main(|| {
                leave_a_child();
                panic!("this panic is wanted");
            })
        },
        check: |run| run.says(101, "main done\nchild done\n"),
    },
    // PROC-B07
    Scenario {
        name: "a_daemon_ends_when_main_returns",
        program: || multiprocess::main(leave_a_daemon),
        check: |run| run.says(0, "daemon is up\n"),
    },
    // PROC-B07
    Scenario {
        name: "a_daemon_ends_when_main_calls_exit",
        program: || {
            multiprocess::main(|| {
                leave_a_daemon();
                eprintln!("exits");
                std::process::exit(3);
            })
        },
        check: |run| run.says(3, "daemon is up\n"),
    },
    // PROC-B07
    Scenario {
        name: "a_daemon_ends_when_main_panics",
        program: || {
            multiprocess::main(|| {
                leave_a_daemon();
                panic!("this panic is wanted");
            })
        },
        check: |run| run.says(101, "daemon is up\n"),
    },
    // PROC-B07
    Scenario {
        name: "a_daemon_ends_when_main_returns_an_error_and_the_exit_code_is_1",
        program: || {
            multiprocess::main(|| {
                leave_a_daemon();
                Process::new(nothing, ()).join()
            })
        },
        check: |run| run.says(1, "daemon is up\n"),
    },
    // PROC-25
    Scenario {
        name: "a_child_that_does_not_reach_main_never_ran",
        program: || {
            if env::args().next().unwrap().ends_with(": Process-1") {
                let refused = Process::new(nothing, ()).start();
                return ExitCode::from(if refused.is_err() { 0 } else { 9 });
            }
            multiprocess::main(|| {
                let mut process = Process::new(nothing, ());
                let outcome = process.start().and_then(|()| process.join());
                println!("{}", outcome.unwrap_err());
                assert!(active_children().is_empty() && children().is_empty());
            })
        },
        check: |run| {
            let never = "the process Process-1 ended before it had its arguments (exit code 0); \
                         its function never ran\n";
            run.says(0, never);
        },
    },
    // PROC-25
    Scenario {
        name: "a_program_without_main_starts_nothing",
        program: || {
            println!("main runs");
            let error = Process::new(nothing, ()).start().unwrap_err();
            assert!(matches!(error, Error::OutsideMain) && children().is_empty());
            ExitCode::SUCCESS
        },
        check: |run| run.says(0, "main runs\n"),
    },
    // PROC-25
    Scenario {
        name: "only_what_stands_before_main_runs_in_a_child",
        program: || {
            println!("before");
            let code = multiprocess::main(|| {
                println!("body");
                assert_eq!(ended(Process::new(nothing, ())), Some(0));
            });
            println!("after");
            assert!(matches!(Process::new(nothing, ()).start(), Err(Error::OutsideMain)));
            code
        },
        check: |run| run.says(0, "before\nbody\nbefore\nafter\n"),
    },
    Scenario {
        name: "the_value_of_the_body_is_the_exit_code",
        program: || {
            multiprocess::main(|| {
                eprintln!("fails");
                leave_a_daemon();
                ExitCode::from(5)
            })
        },
        check: |run| run.says(5, "daemon is up\n"),
    },
    Scenario {
        name: "the_failure_of_the_body_is_told_in_its_own_words",
        program: || {
            multiprocess::main(|| -> Result<(), Failure> {
                let _: u32 = "x".parse()?;
                Ok(())
            })
        },
        check: |run| {
            let output = run.output();
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(output.stderr, b"Error: invalid digit found in string\n");
        },
    },
    Scenario {
        name: "a_child_gets_the_command_line_and_its_name",
        program: || {
            multiprocess::main(|| {
                let process = Process::new(show_command_line, ()).named("child_1");
                assert_eq!(ended(process), Some(0));
            })
        },
        check: |mut run| {
            run.0.args(["--long", "a b"]);
            let name = "a_child_gets_the_command_line_and_its_name";
            let line = format!("[\"program\", \"{name}\", \"--long\", \"a b\"]: child_1\n");
            run.says(0, &line);
        },
    },
    // PROC-B09
    Scenario {
        name: "default_names_begin_with_process_1",
        program: || {
            multiprocess::main(|| {
                for _ in 0..2 {
                    assert_eq!(ended(Process::new(show_names, 2)), Some(0));
                }
            })
        },
        check: |run| {
            let mut expected = String::new();
            for first in 1..=2 {
                expected += &format!("Process-{first} of MainProcess\n");
                for second in 1..=2 {
                    expected += &format!("Process-{first}:{second} of Process-{first}\n");
                }
            }
            run.says(0, &expected);
        },
    },
    // PROC-B21
    Scenario {
        name: "a_child_leaves_the_parents_input_alone",
        program: || {
            multiprocess::main(|| {
                assert_eq!(ended(Process::new(read_everything, ())), Some(0));
                read_everything(());
            })
        },
        check: |mut run| {
            run.0.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut program = run.0.spawn().unwrap();
            program.stdin.take().unwrap().write_all(b"hello").unwrap();
            let output = program.wait_with_output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "0 bytes\n5 bytes\n");
            assert!(output.status.success());
        },
    },
    Scenario {
        name: "a_hook_may_start_a_process_and_that_is_waited_for",
        program: || {
            multiprocess::main(|| {
                at_exit(|| Process::new(say, "started by a hook".to_owned()).start().unwrap());
            })
        },
        check: |run| run.says(0, "started by a hook\n"),
    },
    Scenario {
        name: "what_a_child_prints_without_a_line_end_is_not_lost",
        program: || {
            multiprocess::main(|| assert_eq!(ended(Process::new(print_and_end, false)), Some(0)))
        },
        check: |run| run.says(0, "printed"),
    },
    // PROC-B05
    Scenario {
        name: "what_a_child_prints_before_a_panic_is_not_lost",
        program: || {
            multiprocess::main(|| assert_eq!(ended(Process::new(print_and_end, true)), Some(1)))
        },
        check: |run| {
            let output = run.output();
            assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"printed"[..]));
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(told.starts_with("Process Process-1:\n"), "{told}");
        },
    },
    // A running program's file can't be removed on Windows; macOS starts it by its path.
    #[cfg(target_os = "linux")]
    Scenario {
        name: "a_program_whose_file_is_gone_starts_processes",
        program: || {
            multiprocess::main(|| {
                fs::remove_file(env::current_exe().unwrap()).unwrap();
                assert_eq!(ended(Process::new(say, "still here".to_owned())), Some(0));
            })
        },
        check: |_| {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
            let file = folder.join(format!("programs-{}", std::process::id()));
            fs::copy(env::current_exe().unwrap(), &file).unwrap();
            Run::of_file(&file, "a_program_whose_file_is_gone_starts_processes")
                .says(0, "still here\n");
            assert!(!file.exists());
        },
    },
    #[cfg(target_os = "linux")]
    Scenario {
        name: "a_program_without_standard_streams_starts_processes",
        program: || {
            multiprocess::main(|| {
                let (mut answers, report) = reports();
                assert_eq!(ended(Process::new(report_standard_streams, report)), Some(0));
                for _ in 0..3 {
                    assert_eq!(answers.next::<String>(), "/dev/null");
                }
            })
        },
        check: |run| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"]);
            shell.arg(run.0.get_program()).args(run.0.get_args());
            assert!(shell.status().unwrap().success());
        },
    },
    // The loader is the program then, for the kernel.
    #[cfg(target_os = "linux")]
    Scenario {
        name: "a_program_started_by_the_dynamic_loader_starts_processes",
        program: || {
            multiprocess::main(|| {
                env::set_current_dir("/").unwrap();
                assert_eq!(ended(Process::new(say, "a child".to_owned())), Some(0));
            })
        },
        check: |run| {
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let loader = maps.lines().find_map(|line| {
                let file = &line[line.find('/')?..];
                Path::new(file).file_name()?.to_str()?.starts_with("ld-").then_some(file)
            });
            // A program that is linked statically has none.
            let Some(loader) = loader else { return };
            let mut command = Command::new(loader);
            command.arg(run.0.get_program()).args(run.0.get_args());
            Run(command).says(0, "a child\n");
        },
    },
    #[cfg(unix)]
    Scenario {
        name: "exit_codes_are_kept_where_sigchld_is_inherited_as_ignored",
        program: || {
            if env::args().all(|argument| argument != "again") {
                testing::on_signal(Signal::CHILD, testing::Action::Ignore);
                let mut again = Command::new(env::current_exe().unwrap());
                panic!("{}", again.args(env::args().skip(1)).arg("again").exec());
            }
            multiprocess::main(|| {
                assert_eq!(ended(Process::new(leave_with, 3)), Some(3));
            })
        },
        check: |run| run.says(0, ""),
    },
    // Windows has no first argument that a program could choose for another.
    #[cfg(unix)]
    Scenario {
        name: "a_program_of_any_name_starts_processes",
        program: || multiprocess::main(|| assert_eq!(ended(Process::new(nothing, ())), Some(0))),
        check: |mut run| {
            run.0.arg0("").env_clear().current_dir("/");
            run.says(0, "");
        },
    },
];

tasks![say_done_when_open, live_for_ever, nothing, show_command_line, show_names];
tasks![print_and_end, read_everything, say];
#[cfg(unix)]
tasks![leave_with];
#[cfg(target_os = "linux")]
tasks![report_standard_streams];

/// Starts a child that still runs when the body of main is through.
fn leave_a_child() {
    let (gate, waiting) = Gate::new().unwrap();
    Process::new(say_done_when_open, waiting).start().unwrap();
    at_exit(move || {
        println!("main done");
        gate.open();
    });
}

/// Runs in the child.
fn say_done_when_open(waiting: Waiting) {
    waiting.wait();
    let deserted = parent_process().unwrap().join_timeout(Duration::from_millis(200));
    println!("{}", if deserted { "nobody waits" } else { "child done" });
}

/// Starts a daemon that never ends by itself.
fn leave_a_daemon() {
    let (mut answers, report) = reports();
    Process::new(live_for_ever, report).daemonic(true).start().unwrap();
    answers.next::<()>();
}

/// Runs in the daemon.
fn live_for_ever(report: Report) {
    println!("daemon is up");
    report.say(());
    loop {
        thread::park();
    }
}

/// Runs in the child.
fn nothing((): ()) {}

/// Runs in the child.
#[cfg(unix)]
fn leave_with(code: i32) -> Exit {
    Exit(code)
}

/// Runs in the child.
fn say(text: String) {
    println!("{text}");
}

/// Runs in the child.
fn print_and_end(panics: bool) {
    print!("printed");
    assert!(!panics, "this panic is wanted");
}

/// Runs in the child.
fn show_command_line((): ()) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name = env::args().next().unwrap();
    let program = env::current_exe().unwrap().file_stem().unwrap().to_str().unwrap().to_owned();
    println!("{arguments:?}{}", name.strip_prefix(&program).unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(fs::read_to_string("/proc/self/comm").unwrap().trim(), "child_1");
}

/// Runs in the child, and in the grandchildren.
fn show_names(children: u8) {
    println!("{} of {}", current_process().name(), parent_process().unwrap().name());
    for _ in 0..children {
        assert_eq!(ended(Process::new(show_names, 0)), Some(0));
    }
}

/// Runs in the child, then in the parent.
fn read_everything((): ()) -> Exit {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).unwrap();
    println!("{} bytes", bytes.len());
    Exit::SUCCESS
}

/// Runs in the child.
#[cfg(target_os = "linux")]
fn report_standard_streams(report: Report) {
    for number in 0..3 {
        report.say(fs::read_link(format!("/proc/self/fd/{number}")).unwrap());
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, name, ..] = &arguments[..]
        && first == "program"
    {
        return (SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap().program)();
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--list") {
        if !has("--ignored") {
            println!("programs: test");
        }
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen = |scenario: &&Scenario| {
        let named = filter.is_none_or(|filter| scenario.name.contains(filter.as_str()));
        named && !has("--ignored")
    };
    let mut failed = false;
    for scenario in SCENARIOS.iter().filter(chosen) {
        let ok = thread::Builder::new().name(scenario.name.to_owned()).spawn(|| {
            let _deadline = Deadline::seconds(60);
            catch_unwind(|| (scenario.check)(Run::of(scenario.name))).is_ok()
        });
        let ok = ok.unwrap().join().unwrap();
        println!("test {} ... {}", scenario.name, if ok { "ok" } else { "FAILED" });
        failed |= !ok;
    }
    // What Rust's own test harness ends with.
    if failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}
