//! A signal that arrives while a process sends, receives or waits changes nothing about it.
//! Signals that are handled exist on Unix alone; to which thread one goes, the tests learn from
//! `/proc`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe as raw_pipe};
use std::process::Command;
use std::time::{Duration, Instant};

use multiprocess::{Connection, Failure, Receiver, Sender, one_way, pipe, tasks};
use serde::{Deserialize, Serialize};
use signal_hook::consts::SIGUSR1;
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![
    receive_and_answer,
    send_sixteen_mebibytes,
    receive_in_parts,
    poll_for_ever,
    poll_for_a_while
];

/// 16 MiB and one byte.
const LARGE: usize = (16 << 20) + 1;

/// The handler writes a byte into it at each signal, so the parent knows that it has run.
#[derive(Serialize, Deserialize)]
struct Bell(#[serde(with = "multiprocess::process::handover")] PipeWriter);

/// The parent's side of a [`Bell`].
struct Rings(PipeReader);

fn bell() -> (Rings, Bell) {
    let (reader, writer) = raw_pipe().unwrap();
    (Rings(reader), Bell(writer))
}

impl Bell {
    /// Runs in the child, in the thread that is to be disturbed; tells which one that is.
    fn install(mut self) {
        let thread = fs::read_link("/proc/thread-self").unwrap();
        let thread: u32 = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        signal_hook::low_level::pipe::register(SIGUSR1, self.0.try_clone().unwrap()).unwrap();
        // Not before the handler is there: without it the signal would be the end.
        self.0.write_all(&thread.to_le_bytes()).unwrap();
    }
}

impl Rings {
    /// The child's thread. Its test harness waits in another, and a signal for the whole process
    /// would go there.
    fn thread(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    /// Sends ten signals to this thread, each when the handler of the one before has run.
    fn interrupt(&mut self, thread: u32) {
        for _ in 0..10 {
            send("-USR1", thread);
            self.0.read_exact(&mut [0]).unwrap();
        }
    }
}

fn send(signal: &str, to: u32) {
    let kill = Command::new("kill").args([signal, &to.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// Runs in the child.
fn receive_and_answer((mut end, bell): (Connection<String, String>, Bell)) -> Result<(), Failure> {
    bell.install();
    end.send(&"ready".into())?;
    let message = end.recv()?;
    Ok(end.send(&message)?)
}

/// CONN-15
#[test]
fn a_signal_during_a_blocked_recv_does_not_disturb_it() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let (mut rings, bell) = bell();
    let child = start(receive_and_answer, (other, bell));
    assert_eq!(end.recv().unwrap(), "ready");
    let thread = rings.thread();
    rings.interrupt(thread);
    end.send(&"after ten signals".into()).unwrap();
    assert_eq!(end.recv().unwrap(), "after ten signals");
    ends_well(&child);
}

/// Runs in the child.
fn send_sixteen_mebibytes((mut sender, bell): (Sender<()>, Bell)) -> Result<(), Failure> {
    bell.install();
    Ok(sender.send_bytes(&vec![7; LARGE])?)
}

/// CONN-15
#[test]
fn a_signal_during_a_blocked_send_does_not_disturb_it() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way().unwrap();
    let (mut rings, bell) = bell();
    let child = start(send_sixteen_mebibytes, (sender, bell));
    assert!(receiver.poll(None).unwrap(), "it has begun");
    let thread = rings.thread();
    rings.interrupt(thread);
    assert!(receiver.recv_bytes(None).unwrap() == vec![7; LARGE]);
    ends_well(&child);
}

/// Runs in the child.
fn receive_in_parts(
    (mut receiver, mut ready, bell): (Receiver<()>, Sender<()>, Bell),
) -> Result<(), Failure> {
    bell.install();
    ready.send(&())?;
    assert!(receiver.recv_bytes(None)? == vec![7; LARGE]);
    Ok(())
}

/// CONN-15
#[test]
fn a_signal_between_the_parts_of_a_message_does_not_disturb_it() {
    let _deadline = Deadline::seconds(60);
    let (reader, mut writer) = raw_pipe().unwrap();
    let (mut ready, say_ready) = one_way().unwrap();
    let (mut rings, bell) = bell();
    let child = start(receive_in_parts, (Receiver::from(reader), say_ready, bell));
    ready.recv().unwrap();
    let header = (LARGE as u64).to_le_bytes();
    let body = vec![7; LARGE];
    let thread = rings.thread();
    for part in [&header[..5], &header[5..], &body[..3], &body[3..LARGE - 1], &body[LARGE - 1..]] {
        rings.interrupt(thread);
        writer.write_all(part).unwrap();
    }
    ends_well(&child);
}

/// Runs in the child.
fn poll_for_ever((mut end, bell): (Connection<(), ()>, Bell)) -> Result<(), Failure> {
    bell.install();
    end.send(&())?;
    assert!(end.poll(None)?);
    Ok(end.recv()?)
}

/// CONN-15
#[test]
fn a_signal_does_not_end_a_poll() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let (mut rings, bell) = bell();
    let child = start(poll_for_ever, (other, bell));
    end.recv().unwrap();
    let thread = rings.thread();
    rings.interrupt(thread);
    end.send(&()).unwrap();
    ends_well(&child);
}

/// Runs in the child. Nothing ever comes out of the silent end.
fn poll_for_a_while(
    (silent, mut over, bell): (Receiver<()>, Receiver<()>, Bell),
) -> Result<(), Failure> {
    let begin = Instant::now();
    bell.install();
    assert!(!silent.poll(Duration::from_millis(200))?);
    assert!(begin.elapsed() >= Duration::from_millis(200));
    Ok(over.recv()?)
}

/// CONN-15
#[test]
fn a_signal_does_not_change_when_a_poll_ends() {
    let _deadline = Deadline::seconds(60);
    let (silent, _nobody_sends) = one_way().unwrap();
    let (over, mut say_over) = one_way().unwrap();
    let (mut rings, bell) = bell();
    let child = start(poll_for_a_while, (silent, over, bell));
    let thread = rings.thread();
    rings.interrupt(thread);
    say_over.send(&()).unwrap();
    ends_well(&child);
}

#[test]
fn a_sender_stopped_inside_a_message_goes_on_with_it() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way().unwrap();
    let (_rings, bell) = bell();
    let child = start(send_sixteen_mebibytes, (sender, bell));
    assert!(receiver.poll(None).unwrap(), "it has begun");
    send("-STOP", child.pid().unwrap());
    send("-CONT", child.pid().unwrap());
    assert!(receiver.recv_bytes(None).unwrap() == vec![7; LARGE]);
    ends_well(&child);
}
