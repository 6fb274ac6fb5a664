//! A process's identity, its parent, and what it is given.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::fs;
use std::io::Read;
use std::time::Duration;

use multiprocess::{
    Exit, Gate, Process, Run, Waiting, active_children, cpu_count, current_process, parent_process,
    tasks,
};
#[cfg(target_os = "linux")]
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use serde::{Deserialize, Serialize};
use testing::{Deadline, Report, alone, ended, reports};

multiprocess::test_entry!();

const LONG: Duration = Duration::from_secs(30);

/// PROC-01
#[test]
fn the_main_process_lives_is_no_daemon_and_has_no_exit_code() {
    let this = current_process();
    assert!(this.is_alive() && !this.is_daemon());
    assert_eq!((this.pid(), this.exitcode()), (std::process::id(), None));
    assert_eq!(this.name(), "MainProcess");
}

tasks![return_arguments];

type Payloads = (i32, String, Vec<i32>, (i32,), Option<f64>, BTreeMap<char, ()>);

/// Runs in the child.
fn return_arguments((report, payloads): (Report, Payloads)) {
    report.say(payloads);
}

/// PROC-02
#[test]
fn arguments_of_any_type_reach_the_child_as_they_were() {
    let _deadline = Deadline::seconds(60);
    let payloads =
        || (1, "str".to_owned(), vec![1], (1,), Some(-0.5), BTreeMap::from([('啊', ())]));
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(return_arguments, (report, payloads()))), Some(0));
    assert_eq!(answers.next::<Payloads>(), payloads());
    answers.end();
}

tasks![report_daemon_flags, do_nothing];

/// Runs in the child.
fn do_nothing((): ()) {}

/// Runs in the child.
fn report_daemon_flags(report: Report) {
    let own = current_process().is_daemon();
    let inherited = Process::new(do_nothing, ()).is_daemon();
    let set = [true, false].map(|flag| Process::new(do_nothing, ()).daemonic(flag));
    report.say((own, inherited, set.map(|process| process.is_daemon())));
}

/// PROC-03
#[test]
fn the_daemon_flag_is_inherited_unless_it_is_set() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    for flag in [false, true] {
        let process = Process::new(report_daemon_flags, report.another()).daemonic(flag);
        assert_eq!(process.is_daemon(), flag);
        assert_eq!(ended(process), Some(0));
        assert_eq!(answers.next::<(bool, bool, [bool; 2])>(), (flag, flag, [true, false]));
    }
    assert!(!Process::new(do_nothing, ()).is_daemon());
}

tasks![report_parent];

/// Runs in the child.
fn report_parent(report: Report) {
    let parent = parent_process().unwrap();
    report.say((parent.pid(), parent.name(), parent.is_alive()));
}

/// PROC-04
#[test]
fn a_child_knows_its_parent_and_the_main_process_has_none() {
    let _deadline = Deadline::seconds(60);
    assert!(parent_process().is_none());
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(report_parent, report)), Some(0));
    let parent = (std::process::id(), "MainProcess".to_owned(), true);
    assert_eq!(answers.next::<(u32, String, bool)>(), parent);
}

tasks![have_a_child_and_wait, report_the_end_of_the_parent];

/// Runs in the child: has a child of its own, and waits for its own end.
fn have_a_child_and_wait((report, waiting): (Report, Waiting)) {
    Process::new(report_the_end_of_the_parent, report).start().unwrap();
    waiting.wait();
}

/// Runs in the grandchild.
fn report_the_end_of_the_parent(report: Report) {
    let parent = parent_process().unwrap();
    let early = parent.join_timeout(Duration::ZERO);
    report.say((parent.name(), parent.is_alive(), early));
    let ended = parent.join_timeout(LONG);
    report.say((parent.name(), parent.is_alive(), ended));
    parent.join();
}

/// PROC-05
#[test]
fn a_grandchild_sees_its_parent_alive_until_it_is_terminated() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (_gate, waiting) = Gate::new().unwrap();
    let mut parent = Process::new(have_a_child_and_wait, (report, waiting)).named("the parent");
    parent.start().unwrap();
    let answer = |alive, ended| ("the parent".to_owned(), alive, ended);
    assert_eq!(answers.next::<(String, bool, bool)>(), answer(true, false));
    parent.terminate().unwrap();
    assert_eq!(answers.next::<(String, bool, bool)>(), answer(false, true));
    answers.end();
    parent.join().unwrap();
    assert_eq!(parent.exitcode(), Some(-15));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keywords {
    hello: u32,
    bye: f64,
}

tasks![report_yourself];

/// Runs in the child.
fn report_yourself((one, two, keywords, report, waiting): (u8, u8, Keywords, Report, Waiting)) {
    report.say((one, two, keywords, current_process().name(), current_process().pid()));
    waiting.wait();
}

/// PROC-06, PROC-13
#[test]
fn a_process_has_its_attributes_before_while_and_after_it_runs() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let keywords = Keywords { hello: 23, bye: 2.54 };
    let arguments = (1, 2, keywords.clone(), report, waiting);
    let mut process = Process::new(report_yourself, arguments).named("SomeProcess");
    let is_active = || active_children().iter().any(|child| child.name() == "SomeProcess");
    assert!(!process.is_alive() && !is_active());
    assert_eq!((process.pid(), process.exitcode()), (None, None));
    assert_eq!(process.authkey(), current_process().authkey());
    assert!(process.sentinel().is_none());

    process.start().unwrap();
    let child = answers.next::<(u8, u8, Keywords, String, u32)>();
    assert_eq!(child, (1, 2, keywords, "SomeProcess".to_owned(), process.pid().unwrap()));
    assert!(process.is_alive() && is_active());
    assert_eq!(process.exitcode(), None);

    gate.open();
    process.join().unwrap();
    assert!(!process.is_alive() && !is_active());
    assert_eq!((process.exitcode(), process.pid()), (Some(0), Some(child.4)));
}

tasks![report_thread];

/// Runs in the child.
fn report_thread(report: Report) {
    report.say((testing::thread_id(), std::process::id()));
}

/// PROC-07
#[test]
fn a_child_runs_in_another_thread_of_another_process() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(report_thread, report)), Some(0));
    let (thread, process): (u64, u32) = answers.next();
    assert_ne!(thread, testing::thread_id());
    assert_ne!(process, std::process::id());
}

/// PROC-12
#[test]
fn there_is_at_least_one_core() {
    assert!(cpu_count() >= 1);
}

tasks![active_children_are_those_that_run];

/// Runs in a process of its own.
fn active_children_are_those_that_run((): ()) {
    let _deadline = Deadline::seconds(60);
    let name = |child: &Process| child.name().to_owned();
    let names = || active_children().iter().map(name).collect::<Vec<_>>();
    let none: [&str; 0] = [];
    let (gate, waiting) = Gate::new().unwrap();
    let mut first = Process::new(wait_at_gate, waiting.another().unwrap()).named("first");
    let mut second = Process::new(wait_at_gate, waiting).named("second").daemonic(true);
    assert_eq!(names(), none);
    second.start().unwrap();
    first.start().unwrap();
    assert_eq!(names(), ["second", "first"], "in the order of their start");
    assert_eq!(active_children().iter().filter(|child| child.is_daemon()).count(), 1);
    second.kill().unwrap();
    second.join().unwrap();
    assert_eq!(names(), ["first"]);
    gate.open();
    first.join().unwrap();
    assert_eq!(names(), none);
}

/// PROC-13
#[test]
fn active_children_has_a_process_from_its_start_to_its_join() {
    alone(active_children_are_those_that_run);
}

tasks![wait_at_gate];

/// Runs in the child.
fn wait_at_gate(waiting: Waiting) {
    waiting.wait();
}

tasks![dropped_handles_are_found_again];

/// Runs in a process of its own.
fn dropped_handles_are_found_again((): ()) {
    let _deadline = Deadline::seconds(60);
    let (gate, waiting) = Gate::new().unwrap();
    let mut process = Process::new(wait_at_gate, waiting).named("dropped");
    process.start().unwrap();
    let pid = process.pid();
    drop(process);
    let [child] = &active_children()[..] else { panic!("one child") };
    assert!(child.is_alive());
    assert_eq!((child.name(), child.pid()), ("dropped", pid));
    gate.open();
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(0));
    assert!(active_children().is_empty());
}

#[test]
fn dropping_a_process_does_not_end_it_and_active_children_still_has_it() {
    alone(dropped_handles_are_found_again);
}

tasks![tree];

/// Runs in the children: reports its place, then lets its two children do so, one after another.
fn tree((report, place): (Report, Vec<u8>)) {
    report.say(&place);
    if place.len() < 2 {
        for branch in 0..2 {
            let place = [&place[..], &[branch]].concat();
            assert_eq!(ended(Process::new(tree, (report.another(), place))), Some(0));
        }
    }
}

/// PROC-14
#[test]
fn children_have_children_in_order() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(tree, (report, vec![]))), Some(0));
    let places: Vec<Vec<u8>> = std::iter::from_fn(|| answers.try_next()).collect();
    assert_eq!(places, [&[][..], &[0], &[0, 0], &[0, 1], &[1], &[1, 0], &[1, 1]]);
}

tasks![count_names, report_default_names];

/// Runs in a process of its own, which is named `Process-7` or so.
fn count_names((): ()) {
    let (mut answers, report) = reports();
    let own = current_process().name();
    let first = Process::new(report_default_names, report.another());
    let second = Process::new(report_default_names, report);
    assert_eq!(first.name(), format!("{own}:1"));
    assert_eq!(second.name(), format!("{own}:2"));
    for (process, count) in [(first.named("renamed"), 1), (second, 2)] {
        assert_eq!(ended(process), Some(0));
        let expected = [1, 2].map(|grandchild| format!("{own}:{count}:{grandchild}"));
        assert_eq!(answers.next::<[String; 2]>(), expected);
    }
}

/// Runs in the child.
fn report_default_names(report: Report) {
    report.say([(); 2].map(|()| Process::new(count_names, ()).name().to_owned()));
}

/// PROC-B09
#[test]
fn default_names_count_the_children_of_each_process() {
    alone(count_names);
    let name = Process::new(count_names, ()).name().to_owned();
    let count = name.strip_prefix("Process-").unwrap();
    assert!(count.parse::<u32>().unwrap() >= 1, "{name}");
}

tasks![report_name];

/// Runs in the child.
fn report_name(report: Report) {
    report.say(current_process().name());
}

/// Each of these is the name of a child that knows it.
fn names_arrive(names: &[&str]) {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    for name in names {
        let process = Process::new(report_name, report.another()).named(*name);
        assert_eq!(ended(process), Some(0), "{name}");
        assert_eq!(answers.next::<String>(), *name);
    }
}

#[test]
fn any_text_is_a_name() {
    names_arrive(&["", " ", "a b", "a\0b", "--exact", "\n", "%s{}", "子进程", &"x".repeat(1_000)]);
}

/// What process lists show of it is cut, and not inside a character.
#[test]
fn a_long_name_may_be_chinese() {
    for ascii in 0..4 {
        names_arrive(&[&("x".repeat(ascii) + &"子进程".repeat(30))]);
    }
}

tasks![report_command_line];

/// Runs in the child.
fn report_command_line((report, waiting): (Report, Waiting)) {
    report.say(std::env::args().next());
    waiting.wait();
}

#[test]
fn process_lists_show_a_child_under_its_name() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (_gate, waiting) = Gate::new().unwrap();
    let arguments = (report, waiting);
    let mut process = Process::new(report_command_line, arguments).named("child_1");
    process.start().unwrap();
    let name = answers.next::<Option<String>>().unwrap();
    assert!(name.ends_with("child_1"), "{name}");
    #[cfg(target_os = "linux")]
    {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", process.pid().unwrap()));
        let line = line.unwrap();
        assert!(line.split('\0').next().unwrap().ends_with("child_1"), "{line}");
    }
    assert_eq!(format!("{process:?}"), format!("child_1, pid {}, running", process.pid().unwrap()));
    process.kill().unwrap();
    process.join().unwrap();
    assert!(format!("{process:?}").ends_with("killed by signal 9"));
}

tasks![report_authkey];

/// Runs in the child and the grandchild.
fn report_authkey((report, depth): (Report, u8)) {
    report.say(current_process().authkey());
    if depth > 0 {
        assert_eq!(ended(Process::new(report_authkey, (report, depth - 1))), Some(0));
    }
}

#[test]
fn all_relatives_have_one_key() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(report_authkey, (report, 1))), Some(0));
    for _ in 0..2 {
        assert_eq!(answers.next::<[u8; 32]>(), current_process().authkey());
    }
    assert_ne!(current_process().authkey(), [0; 32]);
}

tasks![report_descriptors];

/// Runs in the child.
fn report_descriptors((report, waiting): (Report, Waiting)) {
    report.say(testing::descriptors().len());
    waiting.wait();
}

/// PROC-18
#[test]
fn every_child_has_the_same_number_of_descriptors() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let mut processes = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..5 {
        let arguments = (report.another(), waiting.another().unwrap());
        let mut process = Process::new(report_descriptors, arguments);
        process.start().unwrap();
        counts.push(answers.next::<usize>());
        processes.push(process);
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    gate.open();
    processes.iter().for_each(|process| process.join().unwrap());
}

#[cfg(target_os = "linux")]
tasks![an_inheritable_descriptor, report_open_numbers];

/// Runs in a process of its own.
#[cfg(target_os = "linux")]
fn an_inheritable_descriptor((): ()) {
    let null = fs::File::open("/dev/null").unwrap();
    let inheritable = fcntl_dupfd_cloexec(&null, 50).unwrap();
    fcntl_setfd(&inheritable, FdFlags::empty()).unwrap();
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(report_open_numbers, report)), Some(0));
    let numbers: Vec<String> = answers.next();
    assert!(numbers.iter().all(|number| number.parse::<u32>().unwrap() < 50), "{numbers:?}");
    fcntl_setfd(&inheritable, FdFlags::CLOEXEC).unwrap();
}

/// Runs in the child.
#[cfg(target_os = "linux")]
fn report_open_numbers(report: Report) {
    let numbers = fs::read_dir("/proc/self/fd").unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    report.say(numbers.map(|entry| name(entry).unwrap()).collect::<Vec<_>>());
}

/// PROC-24
#[test]
#[cfg(target_os = "linux")]
fn a_child_does_not_inherit_a_descriptor_that_it_was_not_given() {
    alone(an_inheritable_descriptor);
}

tasks![report_standard_input];

/// Runs in the child.
fn report_standard_input(report: Report) {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    report.say(text);
    #[cfg(target_os = "linux")]
    assert_eq!(fs::read_link("/proc/self/fd/0").unwrap().to_str(), Some("/dev/null"));
}

/// PROC-B21
#[test]
fn a_childs_standard_input_is_empty() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    assert_eq!(ended(Process::new(report_standard_input, report)), Some(0));
    assert_eq!(answers.next::<String>(), "");
}

tasks![Counter::run];

#[derive(Serialize, Deserialize)]
struct Counter {
    from: i32,
    report: Option<Report>,
}

impl Run for Counter {
    fn run(self) -> Exit {
        let counted = self.from + 1;
        if let Some(report) = self.report {
            report.say((counted, std::process::id()));
        }
        Exit(counted)
    }
}

/// SUB-B02
#[test]
fn run_called_directly_runs_in_the_calling_process() {
    let _deadline = Deadline::seconds(60);
    let (mut answers, report) = reports();
    let here = Counter { from: 98, report: Some(report.another()) };
    assert_eq!(here.run(), Exit(99));
    assert_eq!(answers.next::<(i32, u32)>(), (99, std::process::id()));

    let mut there = Process::of(Counter { from: 6, report: Some(report) });
    assert_eq!(there.pid(), None);
    there.start().unwrap();
    assert_eq!(answers.next::<(i32, u32)>(), (7, there.pid().unwrap()));
    there.join().unwrap();
    assert_eq!(there.exitcode(), Some(7));
}
