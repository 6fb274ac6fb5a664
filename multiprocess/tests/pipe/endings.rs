//! What one side sees when the other closes its end, ends, or is killed.

#[cfg(unix)]
use std::io::{PipeReader, PipeWriter, pipe as raw_pipe};
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
#[cfg(unix)]
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use multiprocess::pipe::Error;
use multiprocess::{Exit, Failure, Gate, Process, Receiver, Sender, Waiting, one_way, tasks};
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![
    close_and_wait,
    eight_mebibytes,
    nothing,
    send_until_refused,
    look_and_wait,
    numbers_of_random_sizes,
    panic_with_an_end,
    exit_at_once,
];

/// Runs in the child. It lives on after it has closed its end.
fn close_and_wait((sender, gate): (Sender<u32>, Waiting)) {
    drop(sender);
    gate.wait();
}

/// CONN-B06
#[test]
fn an_end_closed_by_a_living_child_is_the_end_of_file_again_and_again() {
    let _deadline = Deadline::seconds(60);
    let (gate, waiting) = Gate::new().unwrap();
    let (mut receiver, sender) = one_way().unwrap();
    let child = start(close_and_wait, (sender, waiting));
    for _ in 0..3 {
        assert!(receiver.poll(None).unwrap(), "the end of file can be received");
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
        assert!(matches!(receiver.recv_bytes(None), Err(Error::EndOfFile)));
    }
    assert!(child.is_alive());
    gate.open();
    ends_well(&child);
}

/// Runs in the child. More than a pipe holds.
fn eight_mebibytes(mut sender: Sender<()>) -> Result<(), Failure> {
    Ok(sender.send_bytes(&vec![7; 8 << 20])?)
}

/// CONN-B04
#[test]
fn a_writer_killed_inside_a_message_is_no_end_of_file() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way().unwrap();
    let child = start(eight_mebibytes, sender);
    assert!(receiver.poll(None).unwrap(), "it has begun");
    child.kill().unwrap();
    let cut = receiver.recv_bytes(None);
    assert!(matches!(cut, Err(Error::Truncated { missing: 1.. })), "{cut:?}");
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(-9));
}

/// Runs in the child.
fn nothing(_end: Sender<u32>) {}

/// CONN-B05
#[test]
fn a_process_that_was_not_started_keeps_its_end_open() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way::<u32>().unwrap();
    let process = Process::new(nothing, sender);
    assert!(!receiver.poll(Duration::from_millis(50)).unwrap());
    drop(process);
    assert!(receiver.poll(None).unwrap());
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
}

/// CONN-B05, CONN-B06
#[test]
fn a_started_process_has_the_only_copy_of_its_end() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way::<u32>().unwrap();
    let child = start(nothing, sender);
    assert!(receiver.poll(None).unwrap());
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    ends_well(&child);
}

/// Runs in the child. Rust programs ignore SIGPIPE, so it lives to say what it saw.
fn send_until_refused((mut sender, size): (Sender<()>, usize)) -> Exit {
    let message = vec![7; size];
    loop {
        match sender.send_bytes(&message) {
            Ok(()) => {}
            Err(Error::BrokenPipe) => return Exit(42),
            Err(_) => return Exit::FAILURE,
        }
    }
}

#[test]
fn sending_to_a_closed_receiver_is_an_error_and_no_signal() {
    let _deadline = Deadline::seconds(60);
    for size in [10, 8 << 20] {
        let (receiver, sender) = one_way().unwrap();
        let child = start(send_until_refused, (sender, size));
        assert!(receiver.poll(None).unwrap(), "it has begun");
        drop(receiver);
        child.join().unwrap();
        assert_eq!(child.exitcode(), Some(42), "messages of {size} bytes");
    }
}

/// Runs in the child. Sees that a message begins, and never receives it.
fn look_and_wait(
    (receiver, mut seen, gate): (Receiver<()>, Sender<()>, Waiting),
) -> Result<(), Failure> {
    receiver.poll(None)?;
    seen.send(&())?;
    gate.wait();
    Ok(())
}

#[test]
fn a_writer_blocked_on_a_full_pipe_is_told_that_the_reader_was_killed() {
    let _deadline = Deadline::seconds(60);
    let (_gate, waiting) = Gate::new().unwrap();
    let (receiver, mut sender) = one_way::<()>().unwrap();
    let (mut seen, see) = one_way().unwrap();
    let child = start(look_and_wait, (receiver, see, waiting));
    let writer = thread::spawn(move || sender.send_bytes(&vec![7; 8 << 20]));
    seen.recv().unwrap();
    assert!(!writer.is_finished());
    child.kill().unwrap();
    assert!(matches!(writer.join().unwrap(), Err(Error::BrokenPipe)));
    child.join().unwrap();
}

/// What message `number` is: its number, then bytes that are all the same.
fn numbered(number: u64, size: usize) -> Vec<u8> {
    let mut message = vec![number as u8; 8 + size];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

/// Runs in the child, as long as it may.
fn numbers_of_random_sizes(mut sender: Sender<()>) -> Result<(), Failure> {
    for number in 0.. {
        sender.send_bytes(&numbered(number, rand::random_range(0..200_000)))?;
    }
    Ok(())
}

#[test]
fn a_sender_killed_at_any_instant_leaves_whole_messages_and_one_error() {
    let _deadline = Deadline::seconds(60);
    for round in 0..50 {
        let (mut receiver, sender) = one_way::<()>().unwrap();
        let child = start(numbers_of_random_sizes, sender);
        if round % 5 != 0 {
            assert!(receiver.poll(None).unwrap(), "it has begun");
        }
        // The sleep is the random instant: nothing is waited for by it.
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_micros(rand::random_range(0..3000)));
            child.kill().unwrap();
            child.join().unwrap();
            assert_eq!(child.exitcode(), Some(-9));
        });
        let error = (0..)
            .find_map(|number| match receiver.recv_bytes(None) {
                Err(error) => Some(error),
                Ok(message) => {
                    assert!(message == numbered(number, message.len() - 8));
                    None
                }
            })
            .unwrap();
        assert!(matches!(error, Error::EndOfFile | Error::Truncated { .. }), "{error:?}");
        assert!(matches!(receiver.recv_bytes(None), Err(Error::EndOfFile)));
        killer.join().unwrap();
    }
}

/// Runs in the child.
fn panic_with_an_end(mut sender: Sender<u32>) -> Result<(), Failure> {
    sender.send(&1)?;
    panic!("this panic belongs to the test");
}

/// Runs in the child. Nothing is dropped; the kernel closes.
fn exit_at_once(mut sender: Sender<u32>) -> Result<(), Failure> {
    sender.send(&1)?;
    std::process::exit(1);
}

#[test]
fn a_child_that_panics_or_exits_closes_its_end_after_its_messages() {
    let _deadline = Deadline::seconds(60);
    for panics in [true, false] {
        let (mut receiver, sender) = one_way().unwrap();
        let child = match panics {
            true => start(panic_with_an_end, sender),
            false => start(exit_at_once, sender),
        };
        assert_eq!(receiver.recv().unwrap(), 1);
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
        child.join().unwrap();
        assert_eq!(child.exitcode(), Some(1));
    }
}

#[test]
#[cfg(unix)]
fn a_foreign_program_that_speaks_no_frames_is_refused_and_ended() {
    let _deadline = Deadline::seconds(60);
    let output_of = |program: &str| {
        let child = Command::new(program).arg("no frame").stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let output = PipeReader::from(OwnedFd::from(child.stdout.take().unwrap()));
        (child, Receiver::<String>::from(output))
    };
    let (mut child, mut receiver) = output_of("echo");
    assert!(matches!(receiver.recv(), Err(Error::Truncated { .. })));
    assert!(child.wait().unwrap().success());

    let (mut child, mut receiver) = output_of("yes");
    assert!(matches!(receiver.recv(), Err(Error::TooLong { .. })));
    assert!(matches!(receiver.recv(), Err(Error::Closed)));
    assert_eq!(child.wait().unwrap().signal(), Some(13), "SIGPIPE, although we hold the receiver");
}

#[test]
#[cfg(unix)]
fn a_foreign_program_can_pass_frames_on() {
    let _deadline = Deadline::seconds(60);
    let (from_cat, to_us): (PipeReader, PipeWriter) = raw_pipe().unwrap();
    let (cat_input, to_cat) = raw_pipe().unwrap();
    let mut cat = Command::new("cat").stdin(cat_input).stdout(to_us).spawn().unwrap();
    let mut sender = Sender::<String>::from(to_cat);
    let mut receiver = Receiver::<String>::from(from_cat);
    sender.send(&"through the cat".into()).unwrap();
    assert_eq!(receiver.recv().unwrap(), "through the cat");
    drop(sender);
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    assert!(cat.wait().unwrap().success());
}
