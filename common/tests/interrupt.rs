//! Being asked to end, in a process of its own: the signals would reach other tests.

#![cfg(unix)] // No console is there to press Ctrl-C in on Windows: `sys` tests the handler itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::interrupt::listen;
use rustix::process::{Signal, getpid, kill_process};
use testing::Deadline;

#[test]
fn each_signal_is_told_by_its_number_and_the_flag_is_set_before() {
    let _deadline = Deadline::seconds(60);
    let asked = Arc::new(AtomicBool::new(false));
    let signals = listen(&asked).unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::INT] {
        assert!(!asked.load(Ordering::SeqCst));
        kill_process(getpid(), signal).unwrap();
        assert_eq!(signals.recv(), Ok(signal.as_raw()));
        assert!(asked.swap(false, Ordering::SeqCst));
    }
}
