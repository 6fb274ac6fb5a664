//! Messages that are much larger than what a pipe holds.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::fs;
use std::thread;
use std::time::Duration;

use multiprocess::pipe::Error;
use multiprocess::{Connection, Failure, Receiver, Sender, one_way, pipe, tasks};
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![send_back, send_before_receiving, both_at_once, remember_no_sending, remember_no_receiving,];

/// Runs in the child.
fn send_back(mut end: Connection<(), ()>) -> Result<(), Failure> {
    let message = end.recv_bytes(None)?;
    Ok(end.send_bytes(&message)?)
}

/// CONN-01
#[test]
fn sixteen_mebibytes_come_back_whole() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(send_back, other);
    let large = (0..=250).cycle().take(16 << 20).collect::<Vec<u8>>();
    end.send_bytes(&large).unwrap();
    assert!(end.recv_bytes(None).unwrap() == large);
    ends_well(&child);
}

/// Runs in the child.
fn send_before_receiving(mut end: Connection<(), ()>) -> Result<(), Failure> {
    end.send_bytes(&vec![7; 2 << 20])?;
    end.recv_bytes(None)?;
    Ok(())
}

/// CONN-B07
#[test]
fn two_ends_that_both_send_first_wait_for_each_other_for_ever() {
    let _deadline = Deadline::seconds(60);
    let (a, b) = pipe().unwrap();
    let first = start(send_before_receiving, a);
    let second = start(send_before_receiving, b);
    assert!(!first.join_timeout(Duration::from_millis(300)).unwrap());
    assert!(!second.join_timeout(Duration::from_millis(100)).unwrap());
    first.kill().unwrap();
    first.join().unwrap();
    // The other one's message can't be delivered any more: an error, no longer a deadlock.
    second.join().unwrap();
    assert_eq!((first.exitcode(), second.exitcode()), (Some(-9), Some(1)));
}

/// 64 megabytes: a thousand times what a pipe holds.
const BULK: usize = 64_000_000;

/// Runs in both processes: a thread for each direction.
fn both_at_once(end: Connection<(), ()>) -> Result<(), Failure> {
    let (mut receiver, mut sender) = end.split();
    let sending = thread::spawn(move || sender.send_bytes(&vec![7; BULK]));
    let received = receiver.recv_bytes(None)?;
    assert!(received == vec![7; BULK]);
    sending.join().unwrap()?;
    assert!(matches!(receiver.recv_bytes(None), Err(Error::EndOfFile)));
    Ok(())
}

/// CONN-B07
#[test]
fn a_thread_for_each_direction_gets_large_messages_through_both_ways() {
    let _deadline = Deadline::seconds(60);
    let (end, other) = pipe().unwrap();
    let child = start(both_at_once, other);
    both_at_once(end).unwrap();
    ends_well(&child);
}

/// A message much larger than the buffers that are kept.
const LARGE: usize = 64 << 20;

/// How much memory this process has now, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).unwrap();
    number.parse::<usize>().unwrap() << 10
}

/// Runs in the child.
fn remember_no_sending(mut sender: Sender<String>) -> Result<(), Failure> {
    sender.send(&"x".repeat(LARGE))?;
    #[cfg(target_os = "linux")]
    assert!(resident() < LARGE / 2, "{} bytes", resident());
    Ok(())
}

/// Runs in the child.
fn remember_no_receiving(mut receiver: Receiver<String>) -> Result<(), Failure> {
    assert_eq!(receiver.recv()?.len(), LARGE);
    #[cfg(target_os = "linux")]
    assert!(resident() < LARGE / 2, "{} bytes", resident());
    Ok(())
}

#[test]
fn one_large_message_leaves_no_large_buffer_behind() {
    let _deadline = Deadline::seconds(60);
    let (receiver, sender) = one_way().unwrap();
    let sending = start(remember_no_sending, sender);
    ends_well(&start(remember_no_receiving, receiver));
    ends_well(&sending);
}
