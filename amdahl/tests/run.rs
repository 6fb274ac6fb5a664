//! Plans that are really done.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Mutex;
use std::thread::yield_now;

use amdahl::{Plan, RunError, Task};
use multiprocess::futures::ThreadPoolExecutor;
use testing::Deadline;

/// Plans four stages of three tasks; each waits for all of the stage before, and holds one of two
/// tools.
fn stages() -> Plan {
    let name = |stage: usize, number: usize| format!("{stage}.{number}");
    let task = |index: usize| {
        let (stage, number) = (index / 3, index % 3);
        let after = (0..3).filter(|_| stage > 0).map(|number| name(stage - 1, number)).collect();
        Task { after, ..Task::new(&name(stage, number), 1.0, &[]) }.needing("tool", 1)
    };
    Plan::new((0..12).map(task).collect(), [("tool".to_owned(), 2)].into()).unwrap()
}

#[test]
fn each_task_is_done_once_after_what_it_waits_for_with_no_more_tools_than_there_are() {
    static LOG: Mutex<(usize, usize, Vec<u32>)> = Mutex::new((0, 0, Vec::new()));
    fn work(task: u32) -> u32 {
        let mut log = LOG.lock().unwrap();
        log.0 += 1;
        log.1 = log.1.max(log.0);
        log.2.push(task);
        drop(log);
        (0..100).for_each(|_| yield_now());
        LOG.lock().unwrap().0 -= 1;
        task * 10
    }
    let _deadline = Deadline::seconds(60);
    let results = stages().run(None, &ThreadPoolExecutor::new(8), work, |task| task).unwrap();
    assert_eq!(results, (0..12).map(|task| task * 10).collect::<Vec<u32>>());
    let log = LOG.lock().unwrap();
    assert!(log.1 <= 2, "{} at work at the same time", log.1);
    let stages: Vec<u32> = log.2.iter().map(|task| task / 3).collect();
    assert!(stages.is_sorted() && stages.len() == 12, "{stages:?}");
}

#[test]
fn a_task_that_fails_ends_the_run_with_its_name_and_the_rest_never_begins() {
    static BEGUN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    fn work(task: u32) {
        BEGUN.lock().unwrap().push(task);
        if task == 4 {
            std::panic::resume_unwind(Box::new("no luck"));
        }
    }
    let _deadline = Deadline::seconds(60);
    let error = stages().run(Some(1), &ThreadPoolExecutor::new(1), work, |task| task).unwrap_err();
    assert!(matches!(&error, RunError::Task(name, _) if name == "1.1"), "{error}");
    assert!(error.to_string().contains("no luck"), "{error}");
    assert_eq!(*BEGUN.lock().unwrap(), [0, 1, 2, 3, 4]);
}
