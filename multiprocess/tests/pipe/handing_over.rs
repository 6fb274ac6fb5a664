//! Ends go to new processes among their arguments, with whatever is still in their pipes.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::fs;

use multiprocess::pipe::Error;
use multiprocess::{Connection, Failure, Process, Receiver, Sender, one_way, pipe, tasks};
use testing::{Deadline, ends_well, room_for_descriptors, start};

multiprocess::test_entry!();
tasks![
    repeat,
    one_and_hand_on,
    two,
    pass_all_on,
    number_each,
    hand_over_many,
    a_closed_receiver_arrives,
];
#[cfg(target_os = "linux")]
tasks![ends_held];

/// Runs in the child, until it is killed.
fn repeat(mut end: Connection<String, String>) -> Result<(), Failure> {
    loop {
        let message = end.recv()?;
        end.send(&message)?;
    }
}

/// CONN-03
#[test]
fn the_child_can_use_its_end_after_the_parent_has_closed_its_copy() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe::<String, String>().unwrap();
    // The only copy was in the process, and went with its start.
    let child = start(repeat, other);
    end.send(&"hello".into()).unwrap();
    assert_eq!(end.recv().unwrap(), "hello");
    child.kill().unwrap();
    assert!(matches!(end.recv(), Err(Error::EndOfFile)), "no copy was left in the parent");
    child.join().unwrap();
}

/// Runs in the child.
fn one_and_hand_on(mut sender: Sender<u32>) -> Result<(), Failure> {
    sender.send(&1)?;
    let mut grandchild = Process::new(two, sender);
    grandchild.start()?;
    ends_well(&grandchild);
    Ok(())
}

/// Runs in the child's child.
fn two(mut sender: Sender<u32>) -> Result<(), Failure> {
    Ok(sender.send(&2)?)
}

/// CONN-17
#[test]
fn a_child_hands_its_end_on_to_its_own_child() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way().unwrap();
    let child = start(one_and_hand_on, sender);
    assert_eq!([receiver.recv().unwrap(), receiver.recv().unwrap()], [1, 2]);
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    ends_well(&child);
}

/// Runs in the child.
fn pass_all_on((mut from, mut to): (Receiver<u32>, Sender<u32>)) -> Result<(), Failure> {
    while let Ok(message) = from.recv() {
        to.send(&message)?;
    }
    Ok(())
}

#[test]
fn messages_not_received_yet_go_with_the_receiver_to_another_process() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, mut sender) = one_way().unwrap();
    for number in 0..10 {
        sender.send(&number).unwrap();
    }
    assert_eq!([receiver.recv().unwrap(), receiver.recv().unwrap()], [0, 1]);
    let (mut rest, to) = one_way().unwrap();
    let child = start(pass_all_on, (receiver, to));
    sender.send(&10).unwrap();
    drop(sender);
    for number in 2..=10 {
        assert_eq!(rest.recv().unwrap(), number);
    }
    assert!(matches!(rest.recv(), Err(Error::EndOfFile)));
    ends_well(&child);
}

/// Runs in the child.
fn number_each(senders: Vec<Sender<usize>>) -> Result<(), Failure> {
    for (number, mut sender) in senders.into_iter().enumerate() {
        sender.send(&number)?;
    }
    Ok(())
}

/// Runs in a process of its own.
fn hand_over_many((): ()) -> Result<(), Failure> {
    // Two ends each, and one more on its way.
    let count = 254.min(room_for_descriptors() / 3);
    let (mut receivers, senders): (Vec<_>, Vec<_>) = (0..count).map(|_| one_way().unwrap()).unzip();
    let child = start(number_each, senders);
    for (number, receiver) in receivers.iter_mut().enumerate() {
        assert_eq!(receiver.recv()?, number);
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    }
    ends_well(&child);
    Ok(())
}

#[test]
fn more_ends_than_one_kernel_message_carries_go_to_a_child() {
    let _deadline = Deadline::seconds(60);
    ends_well(&start(hand_over_many, ()));
}

/// Runs in the child. Tells which pipes this process holds, standard streams aside.
#[cfg(target_os = "linux")]
fn ends_held(mut end: Connection<Vec<String>, ()>) -> Result<(), Failure> {
    let mut pipes = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let standard = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"];
        let target = fs::read_link(&path).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        if target.starts_with("pipe:") && !standard.iter().any(|name| path.ends_with(name)) {
            pipes.push(target);
        }
    }
    Ok(end.send(&pipes)?)
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_holds_only_the_ends_it_was_given() {
    let _deadline = Deadline::seconds(60);
    let _others: Vec<_> = (0..20).map(|_| pipe::<u8, u8>().unwrap()).collect();
    let (mut end, other) = pipe().unwrap();
    let child = start(ends_held, other);
    assert_eq!(end.recv().unwrap().len(), 2);
    ends_well(&child);
}

/// Runs in the child.
fn a_closed_receiver_arrives(mut receiver: Receiver<()>) {
    assert!(matches!(receiver.recv(), Err(Error::Closed)));
}

#[test]
fn a_closed_receiver_is_closed_in_another_process_too() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, mut sender) = one_way().unwrap();
    sender.send_bytes(b"too long").unwrap();
    assert!(matches!(receiver.recv_bytes(0), Err(Error::TooLong { .. })));
    ends_well(&start(a_closed_receiver_arrives, receiver));
}
