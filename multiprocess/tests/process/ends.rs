//! How processes end, and how their parent gets to know it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(unix)]
use std::io::Read;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::process::abort;
#[cfg(target_os = "linux")]
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{panic, thread};

use common::time::{Spread, clock};
use multiprocess::process::Error;
use multiprocess::{
    Exit, Failure, Gate, Process, Waiting, active_children, at_exit, current_process,
    parent_process, tasks, wait,
};
#[cfg(unix)]
use rustix::process::{WaitOptions, waitpid};
#[cfg(target_os = "linux")]
use rustix::thread::gettid;
use serde::{Deserialize, Serialize};
#[cfg(target_os = "linux")]
use testing::state;
#[cfg(unix)]
use testing::{Action, Signal, number, on_signal};
use testing::{Deadline, Other, Report, alone, children, end_by_signal, ended, reports};

multiprocess::test_entry!();

const LONG: Duration = Duration::from_secs(30);

/// What a child does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Act {
    Return,
    Fail,
    FailAsText,
    Panic,
    Exit(i32),
    LeaveWith(i32),
    FinishWith(i32),
    SignalSelf(i32),
    Abort,
    Wait,
    #[cfg(unix)]
    IgnoreSigterm,
    #[cfg(unix)]
    HandleSigint,
}

tasks![perform];

/// Runs in the child.
fn perform((act, report, waiting): (Act, Report, Waiting)) -> Result<Exit, Failure> {
    let _said_last = SaysBye(report.another());
    #[cfg(unix)]
    on_signal(Signal::INT, Action::Default);
    match act {
        Act::Return => return Ok(Exit::SUCCESS),
        Act::Fail => return Err("bang".parse::<i32>().unwrap_err().into()),
        Act::FailAsText => return Err(Failure::new("ignore this")),
        Act::Panic => panic!("this panic is wanted"),
        Act::Exit(code) => std::process::exit(code),
        Act::LeaveWith(code) => return Ok(Exit(code)),
        Act::FinishWith(code) => {
            at_exit(move || std::process::exit(code));
            return Ok(Exit::SUCCESS);
        }
        Act::SignalSelf(signal) => end_by_signal(signal),
        Act::Abort => abort(),
        Act::Wait => report.say(()),
        #[cfg(unix)]
        Act::IgnoreSigterm => {
            on_signal(Signal::TERM, Action::Ignore);
            report.say(());
        }
        #[cfg(unix)]
        Act::HandleSigint => {
            let (mut reader, writer) = UnixStream::pair().unwrap();
            signal_hook::low_level::pipe::register(Signal::INT.as_raw(), writer).unwrap();
            report.say(());
            reader.read_exact(&mut [0]).unwrap();
            return Ok(Exit(9));
        }
    }
    waiting.wait();
    Ok(Exit::SUCCESS)
}

/// Reports when it is dropped: Python's `finally`.
struct SaysBye(Report);

impl Drop for SaysBye {
    fn drop(&mut self) {
        self.0.try_to_say("bye");
    }
}

/// A child that does this, started, and, if it waits for something, ready for it.
fn started(act: Act) -> (Process, testing::Reports, Gate) {
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(perform, (act, report, waiting));
    process.start().unwrap();
    match act {
        Act::Wait => answers.next::<()>(),
        #[cfg(unix)]
        Act::IgnoreSigterm | Act::HandleSigint => answers.next::<()>(),
        _ => {}
    }
    (process, answers, gate)
}

/// PROC-10, PROC-11
#[test]
#[cfg(unix)]
fn an_interrupted_child_ends_by_sigint() {
    let _deadline = Deadline::seconds(60);
    let (process, answers, _gate) = started(Act::Wait);
    process.interrupt().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-2));
    answers.end();
}

/// PROC-10
#[test]
#[cfg(unix)]
fn a_child_may_handle_an_interrupt() {
    let _deadline = Deadline::seconds(60);
    let (process, mut answers, _gate) = started(Act::HandleSigint);
    process.interrupt().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(9));
    assert_eq!(answers.next::<String>(), "bye");
}

#[test]
#[cfg(unix)]
fn a_child_may_leave_interrupts_to_its_parent_from_its_first_moment_on() {
    let _deadline = Deadline::seconds(60);
    for round in 0..10 {
        let (gate, waiting) = Gate::new().unwrap();
        let (mut answers, report) = reports();
        let mut process = Process::new(say_and_wait, (report, waiting)).ignoring_interrupts(true);
        process.start().unwrap();
        if round % 2 == 0 {
            answers.next::<()>();
        }
        process.interrupt().unwrap();
        gate.open();
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
    }
}

#[cfg(unix)]
tasks![say_and_wait];

/// Runs in the child.
#[cfg(unix)]
fn say_and_wait((report, waiting): (Report, Waiting)) {
    report.say(());
    waiting.wait();
}

/// Ctrl-C goes to all processes of a console there, never to one.
#[cfg(windows)]
#[test]
fn on_windows_an_interrupt_is_an_error_that_says_what_to_do() {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let refused = process.interrupt().unwrap_err().to_string();
    assert!(refused.ends_with("Windows has no Ctrl-C for one process: terminate it"), "{refused}");
    gate.open();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0));
}

tasks![hundred_processes, sleep_a_little, sleep_for_long];

/// Runs in a process of its own.
fn hundred_processes((): ()) {
    let _deadline = Deadline::seconds(100);
    let mut sleepers: Vec<Process> = (0..100).map(|_| Process::new(sleep_a_little, ())).collect();
    sleepers.iter_mut().for_each(|process| process.start().unwrap());
    for process in &sleepers {
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
    }
    drop(sleepers);
    let mut terminated: Vec<Process> = (0..100).map(|_| Process::new(sleep_for_long, ())).collect();
    for process in &mut terminated {
        process.start().unwrap();
        process.terminate().unwrap();
    }
    for process in &terminated {
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(-15));
    }
    assert!(active_children().is_empty() && children().is_empty());
}

/// Runs in the child.
fn sleep_a_little((): ()) {
    thread::sleep(Duration::from_millis(10));
}

/// Runs in the child.
fn sleep_for_long((): ()) {
    thread::sleep(Duration::from_secs(100));
}

/// PROC-17
#[test]
fn a_hundred_children_end_and_a_hundred_are_terminated() {
    alone(hundred_processes);
}

#[cfg(target_os = "linux")]
tasks![join_under_signals];

/// Runs in a process of its own.
#[cfg(target_os = "linux")]
fn join_under_signals((): ()) {
    let _deadline = Deadline::seconds(60);
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    signal_hook::flag::register_usize(Signal::USR1.as_raw(), Arc::new(AtomicUsize::new(0)), 1)
        .unwrap();
    let (mut handled, handler) = UnixStream::pair().unwrap();
    signal_hook::low_level::pipe::register(Signal::USR1.as_raw(), handler).unwrap();
    let (process, _answers, gate) = started(Act::Wait);
    let joining = Arc::new(AtomicBool::new(false));
    let (about_to_join, joiner) = (Arc::clone(&joining), gettid().as_raw_nonzero().get());
    let sender = thread::spawn(move || {
        while !joining.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        for _ in 0..5 {
            while state(joiner.cast_unsigned()) != Some('S') {
                thread::yield_now();
            }
            testing::signal_thread(joiner, Signal::USR1);
            handled.read_exact(&mut [0]).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
        gate.open();
    });
    about_to_join.store(true, Ordering::SeqCst);
    process.join().unwrap();
    assert_eq!((process.exitcode(), arrived.load(Ordering::SeqCst)), (Some(0), 5));
    sender.join().unwrap();
}

/// PROC-23
#[test]
#[cfg(target_os = "linux")]
fn signals_with_a_handler_do_not_break_a_join() {
    alone(join_under_signals);
}

tasks![register_hooks];

/// Runs in the child.
fn register_hooks((report, killed): (Report, bool)) {
    let hook = |name: &'static str| {
        let report = report.another();
        move || report.say(name)
    };
    at_exit(hook("first"));
    at_exit(hook("second"));
    at_exit(|| panic!("the panic of this hook is wanted"));
    let (late, third) = (hook("registered by a hook"), hook("third"));
    at_exit(move || {
        third();
        at_exit(late);
    });
    if killed {
        end_by_signal(9);
    }
    report.say("returns");
}

/// PROC-27
#[test]
fn hooks_run_in_reverse_order_at_the_end_even_if_one_panics() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(register_hooks, (report, false))), Some(0));
    for name in ["returns", "third", "registered by a hook", "second", "first"] {
        assert_eq!(answers.next::<String>(), name);
    }
    answers.end();
}

#[test]
fn hooks_do_not_run_in_a_child_that_is_killed() {
    let _deadline = Deadline::seconds(60);
    let (answers, report) = reports();
    assert_eq!(ended(Process::new(register_hooks, (report, true))), Some(-9));
    answers.end();
}

tasks![hook_of_a_panic];

/// Runs in the child.
fn hook_of_a_panic(report: Report) {
    at_exit(move || report.say("hook"));
    panic!("this panic is wanted");
}

#[test]
fn hooks_run_after_a_panic() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(hook_of_a_panic, report)), Some(1));
    assert_eq!(answers.next::<String>(), "hook");
}

tasks![start_a_child];

/// Runs in the child.
fn start_a_child(report: Report) {
    report.say(Process::new(sleep_a_little, ()).start().map_err(|error| error.to_string()));
}

/// PROC-B01
#[test]
fn a_daemon_may_not_have_children() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(start_a_child, report.another()).daemonic(true)), Some(0));
    let refused = answers.next::<Result<(), String>>();
    assert_eq!(refused.unwrap_err(), "daemonic processes are not allowed to have children");
    assert_eq!(ended(Process::new(start_a_child, report)), Some(0));
    answers.next::<Result<(), String>>().unwrap();
}

/// PROC-B02
#[test]
fn a_process_starts_once() {
    let _deadline = Deadline::seconds(60);
    let (mut process, _answers, gate) = started(Act::Wait);
    assert!(matches!(process.start(), Err(Error::StartedTwice { .. })));
    gate.open();
    process.join().unwrap();
    let again = process.start().unwrap_err().to_string();
    assert!(again.contains("can't be started twice"), "{again}");
    assert_eq!(process.exitcode(), Some(0));
}

/// PROC-B04
#[test]
fn a_process_that_has_started_can_not_become_a_daemon() {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let pid = process.pid();
    let refused = panic::catch_unwind(panic::AssertUnwindSafe(|| process.daemonic(true)));
    let text = refused.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("has already started"), "{text}");
    let process = active_children().into_iter().find(|child| child.pid() == pid).unwrap();
    assert!(!process.is_daemon());
    gate.open();
    process.join().unwrap();
}

/// PROC-B03
#[test]
fn only_a_started_process_can_be_joined_or_signalled() {
    let process = Process::new(sleep_a_little, ());
    let text = process.join().unwrap_err().to_string();
    assert!(text.contains("has not been started"), "{text}");
    let attempts = [
        process.join_timeout(Duration::ZERO).map(drop),
        process.terminate(),
        process.kill(),
        process.interrupt(),
    ];
    for attempt in attempts {
        assert!(matches!(attempt, Err(Error::NotStarted { .. })));
    }
    process.close().unwrap();
}

#[test]
fn only_an_ended_process_can_be_closed() {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let pid = process.pid();
    assert!(matches!(process.close(), Err(Error::StillRunning { .. })));
    let process = active_children().into_iter().find(|child| child.pid() == pid).unwrap();
    gate.open();
    process.join().unwrap();
    process.close().unwrap();
}

tasks![fail_on_stderr];

/// Runs in the child.
fn fail_on_stderr((act, report, waiting): (Act, Report, Waiting)) -> Result<Exit, Failure> {
    report.takes_standard_error();
    let (_nobody, elsewhere) = reports();
    perform((act, elsewhere, waiting))
}

/// How a child ends and what it has written to standard error by then.
fn said(act: Act) -> (Option<i32>, String) {
    let (answers, report) = reports();
    let (_gate, waiting) = Gate::new().unwrap();
    let process = Process::new(fail_on_stderr, (act, report, waiting)).named("child_1");
    (ended(process), answers.rest_as_text())
}

/// PROC-B05, SUB-02
#[test]
fn an_error_or_a_panic_is_exit_code_1_and_is_told_on_standard_error() {
    let _deadline = Deadline::seconds(60);
    let (code, text) = said(Act::Fail);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("Process child_1:\n"), "{text}");
    assert_eq!(text, "Process child_1:\ninvalid digit found in string\n");

    let (code, text) = said(Act::Panic);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("Process child_1:\n"), "{text}");
    assert!(text.contains("this panic is wanted"), "{text}");
    assert!(text.contains(concat!(file!(), ":")), "the place in the source: {text}");
}

tasks![fail_unheard];

/// Runs in the child: fails when nobody reads standard error any more.
fn fail_unheard((act, report, waiting): (Act, Report, Waiting)) -> Result<Exit, Failure> {
    reports().1.takes_standard_error();
    at_exit(move || report.say("hook"));
    perform((act, reports().1, waiting))
}

/// As in `program 2>&1 | head`, when head has gone.
#[test]
fn a_child_whose_standard_error_nobody_reads_ends_as_any_other() {
    let _deadline = Deadline::seconds(60);
    for act in [Act::Fail, Act::Panic] {
        let (mut answers, report) = reports();
        let (_gate, waiting) = Gate::new().unwrap();
        let process = Process::new(fail_unheard, (act, report, waiting));
        assert_eq!(ended(process), Some(1), "{act:?}");
        assert_eq!(answers.next::<String>(), "hook");
    }
}

/// PROC-B11, SUB-03
#[test]
fn exit_codes_are_what_the_system_makes_of_them() {
    let _deadline = Deadline::seconds(60);
    let expected = [
        (Act::Return, 0),
        (Act::LeaveWith(7), 7),
        (Act::LeaveWith(8), 8),
        (Act::LeaveWith(-1), 255),
        (Act::LeaveWith(256), 0),
        (Act::Exit(7), 7),
        // What a process calls exit with is kept whole on Windows.
        (Act::Exit(-1), if cfg!(windows) { -1 } else { 255 }),
        (Act::FinishWith(5), 5),
        (Act::Abort, -6),
        (Act::SignalSelf(11), -11),
        (Act::SignalSelf(9), -9),
        (Act::SignalSelf(15), -15),
        #[cfg(target_os = "linux")]
        (Act::SignalSelf(10), -10),
    ];
    for (act, code) in expected {
        assert_eq!(said(act), (Some(code), String::new()), "{act:?}");
    }
    let told = "Process child_1:\nignore this\n".to_owned();
    assert_eq!(said(Act::FailAsText), (Some(1), told));
}

#[cfg(target_os = "linux")]
tasks![zombies];

/// Runs in a process of its own.
#[cfg(target_os = "linux")]
fn zombies((): ()) {
    let _deadline = Deadline::seconds(60);
    type Look = fn(&Process);
    let looks: [Look; 6] = [
        |_| drop(active_children()),
        |_| assert_eq!(ended(Process::new(sleep_a_little, ())), Some(0)),
        |process| assert_eq!(process.exitcode(), Some(7)),
        |process| process.join().unwrap(),
        |process| assert!(process.join_timeout(Duration::ZERO).unwrap()),
        |process| assert!(!process.is_alive()),
    ];
    for look in looks {
        let (process, answers, _gate) = started(Act::LeaveWith(7));
        let pid = process.pid().unwrap();
        assert_eq!(answers.rest_as_text().matches("bye").count(), 1);
        assert_eq!(wait(&[process.sentinel().unwrap()], LONG).unwrap(), [0]);
        assert_eq!(state(pid), Some('Z'));
        look(&process);
        assert_eq!(state(pid), None);
        assert_eq!(process.exitcode(), Some(7), "also for those who ask later");
        process.join().unwrap();
    }
}

/// PROC-B12
#[test]
#[cfg(target_os = "linux")]
fn an_ended_child_is_a_zombie_until_somebody_looks() {
    alone(zombies);
}

tasks![have_a_grandchild, outlive_the_parent];

/// Runs in the child.
fn have_a_grandchild((report, waiting): (Report, Waiting)) {
    let hook = report.another();
    at_exit(move || hook.say("hook"));
    let _said_last = SaysBye(report.another());
    let arguments = (report, waiting.another().unwrap());
    Process::new(outlive_the_parent, arguments).start().unwrap();
    waiting.wait();
}

/// Runs in the grandchild.
fn outlive_the_parent((report, waiting): (Report, Waiting)) {
    report.say("up");
    parent_process().unwrap().join();
    report.say("an orphan");
    waiting.wait();
    report.say("done");
}

/// PROC-B14
#[test]
fn sigterm_runs_no_drop_and_no_hook_and_leaves_grandchildren_alone() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(have_a_grandchild, (report, waiting));
    process.start().unwrap();
    assert_eq!(answers.next::<String>(), "up");
    process.terminate().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-15));
    assert_eq!(answers.next::<String>(), "an orphan");
    gate.open();
    assert_eq!(answers.next::<String>(), "done");
    answers.end();
}

/// PROC-B15
#[test]
#[cfg(unix)]
fn a_child_that_ignores_sigterm_lives_until_it_is_killed() {
    let _deadline = Deadline::seconds(60);
    let (process, answers, _gate) = started(Act::IgnoreSigterm);
    process.terminate().unwrap();
    assert!(!process.join_timeout(Duration::from_millis(500)).unwrap());
    assert!(process.is_alive());
    assert_eq!(process.exitcode(), None);
    process.kill().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9));
    process.terminate().unwrap();
    process.kill().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "signals to one that has ended do nothing");
    answers.end();
}

tasks![leave_a_grandchild_behind];

/// Runs in the child.
fn leave_a_grandchild_behind((report, waiting): (Report, Waiting)) {
    Process::new(outlive_the_parent, (report, waiting)).start().unwrap();
    std::process::exit(5);
}

/// PROC-B16
#[test]
fn a_join_does_not_wait_for_grandchildren() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(leave_a_grandchild_behind, (report, waiting));
    process.start().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(5));
    assert_eq!(answers.next::<String>(), "up");
    assert_eq!(answers.next::<String>(), "an orphan");
    gate.open();
    assert_eq!(answers.next::<String>(), "done");
}

#[cfg(unix)]
tasks![somebody_else_collects];

/// Runs in a process of its own.
#[cfg(unix)]
fn somebody_else_collects((): ()) {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let pid = number(process.pid().unwrap());
    thread::scope(|scope| {
        let collector = scope.spawn(|| waitpid(Some(pid), WaitOptions::empty()).unwrap());
        gate.open();
        assert!(collector.join().unwrap().is_some());
    });
    end_is_unknown(&process);
    assert_eq!(ended(Process::new(sleep_a_little, ())), Some(0), "the next is as always");
}

/// Checks that a process has ended without a hang, and that how it ended is not known.
#[cfg(unix)]
fn end_is_unknown(process: &Process) {
    process.join().unwrap();
    assert!(process.join_timeout(Duration::ZERO).unwrap());
    assert!(!process.is_alive());
    assert_eq!(process.exitcode(), None);
    assert!(active_children().is_empty());
    assert_eq!(wait(&[process.sentinel().unwrap()], LONG).unwrap(), [0]);
    process.terminate().unwrap();
    assert!(format!("{process:?}").ends_with("somebody else collected its exit code"));
}

/// PROC-B17
#[test]
#[cfg(unix)]
fn a_child_that_somebody_else_collects_is_over_with_an_unknown_end() {
    alone(somebody_else_collects);
}

#[cfg(unix)]
tasks![sigchld_is_ignored];

/// Runs in a process of its own.
#[cfg(unix)]
fn sigchld_is_ignored((): ()) {
    let _deadline = Deadline::seconds(60);
    on_signal(Signal::CHILD, Action::Ignore);
    let (process, _answers, gate) = started(Act::Wait);
    assert!(process.is_alive());
    gate.open();
    end_is_unknown(&process);
    let (process, _answers, _gate) = started(Act::Wait);
    process.kill().unwrap();
    end_is_unknown(&process);
    for act in [Act::Return, Act::LeaveWith(3), Act::Abort, Act::SignalSelf(9)] {
        let (process, _answers, _gate) = started(act);
        end_is_unknown(&process);
    }
}

/// PROC-B17
#[test]
#[cfg(unix)]
fn a_program_that_ignores_sigchld_sees_its_children_end() {
    alone(sigchld_is_ignored);
}

/// PROC-B18
#[test]
fn all_threads_that_join_see_the_exit_code() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..20 {
        let (process, _answers, gate) = started(Act::Wait);
        let handle = || active_children().into_iter().find(|child| child.pid() == process.pid());
        let handles = [(); 4].map(|()| handle().unwrap());
        thread::scope(|scope| {
            let joiners = handles.map(|handle| {
                scope.spawn(move || {
                    handle.join().unwrap();
                    (handle.exitcode(), handle.is_alive())
                })
            });
            gate.open();
            for joiner in joiners {
                assert_eq!(joiner.join().unwrap(), (Some(0), false));
            }
        });
    }
}

/// PROC-B19
#[test]
fn a_ready_sentinel_means_an_exit_code() {
    let _deadline = Deadline::seconds(60);
    for code in 0..40 {
        let (process, _answers, _gate) = started(Act::LeaveWith(code));
        assert_eq!(wait(&[process.sentinel().unwrap()], LONG).unwrap(), [0]);
        assert_eq!(process.exitcode(), Some(code));
    }
}

#[test]
fn a_stopped_child_has_not_ended() {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let child = Other::of(process.pid().unwrap()).unwrap();
    assert!(child.stop());
    #[cfg(target_os = "linux")]
    while state(process.pid().unwrap()) != Some('T') {
        thread::yield_now();
    }
    gate.open();
    assert!(!process.join_timeout(Duration::from_millis(50)).unwrap());
    assert!(process.is_alive());
    assert_eq!(process.exitcode(), None);
    assert!(child.go_on());
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0));
}

#[test]
fn a_join_with_a_timeout_returns_after_it_and_not_before() {
    let _deadline = Deadline::seconds(60);
    let (process, _answers, gate) = started(Act::Wait);
    let start = Instant::now();
    assert!(!process.join_timeout(Duration::from_millis(50)).unwrap());
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(!process.join_timeout(Duration::ZERO).unwrap());
    gate.open();
    assert!(process.join_timeout(Duration::MAX).unwrap());
}

tasks![ends_wait_for_children, wait_and_say];

/// Runs in the child: returns while a child of its own still runs.
fn ends_wait_for_children((report, waiting): (Report, Waiting)) {
    let hook = report.another();
    Process::new(wait_and_say, (report, waiting)).start().unwrap();
    at_exit(move || hook.say("returned"));
}

/// Runs in the grandchild.
fn wait_and_say((report, waiting): (Report, Waiting)) {
    waiting.wait();
    report.say((current_process().name(), parent_process().unwrap().is_alive()));
}

/// PROC-B06
#[test]
fn a_child_ends_only_after_its_own_children() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(ends_wait_for_children, (report, waiting)).named("child");
    process.start().unwrap();
    assert_eq!(answers.next::<String>(), "returned");
    assert!(!process.join_timeout(Duration::from_millis(50)).unwrap());
    gate.open();
    assert!(answers.next::<(String, bool)>().1, "the parent is there until its children end");
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0));
}

tasks![say_when_it_ends];

/// Runs in the child.
fn say_when_it_ends(report: Report) {
    at_exit(move || report.say(clock()));
}

#[test]
#[ignore = "a timing: run by hand on a quiet machine"]
fn the_end_of_a_process_is_seen_within_milliseconds() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let measured = (0..20).map(|_| {
        let mut process = Process::new(say_when_it_ends, report.another());
        process.start().unwrap();
        assert!(process.join_timeout(LONG).unwrap());
        let seen = clock();
        seen - answers.next::<Duration>()
    });
    let spread = Spread::of(measured).unwrap();
    println!("from the last word of a process to the end of join: {spread}");
    assert!(spread.median < Duration::from_millis(10), "{spread}");
}
