//! Waiting for whichever of several ends has something first.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::pipe::Error;
use multiprocess::process::ends::AsEnd;
use multiprocess::{Failure, Gate, Receiver, Sender, Waiting, one_way, pipe, tasks, wait};
#[cfg(unix)]
use serde::{Deserialize, Serialize};
use testing::{Deadline, ends_well, room_for_descriptors, start};

multiprocess::test_entry!();
tasks![ten_numbers, one_number, at_the_gate, three_hundred_ends];
// Sockets are no handles on Windows: there they can't be waited for beside pipes.
#[cfg(unix)]
tasks![tcp_client, unix_client];

/// Runs in the child. Sends 0 to 9 with its process id, at once or with pauses.
fn ten_numbers((mut sender, pauses): (Sender<(u32, u32)>, bool)) -> Result<(), Failure> {
    for number in 0..10 {
        if pauses {
            thread::sleep(Duration::from_millis(rand::random_range(0..10)));
        }
        sender.send(&(number, std::process::id()))?;
    }
    Ok(())
}

/// CONN-10
#[test]
fn four_children_deliver_all_forty_messages_and_then_end() {
    let _deadline = Deadline::seconds(60);
    for pauses in [false, true] {
        let mut receivers = Vec::new();
        let mut children = Vec::new();
        for _ in 0..4 {
            let (receiver, sender) = one_way().unwrap();
            receivers.push(receiver);
            children.push(start(ten_numbers, (sender, pauses)));
        }
        let mut arrived = Vec::new();
        while !receivers.is_empty() {
            for place in wait(&receivers, None).unwrap().into_iter().rev() {
                match receivers[place].recv() {
                    Err(Error::EndOfFile) => drop(receivers.remove(place)),
                    message => arrived.push(message.unwrap()),
                }
            }
        }
        for child in &children {
            let pid = child.pid().unwrap();
            let of_child = arrived.iter().filter(|(_, from)| *from == pid);
            assert!(of_child.map(|(number, _)| *number).eq(0..10), "in the order of sending");
            ends_well(child);
        }
        assert_eq!(arrived.len(), 40);
    }
}

/// Runs in the child.
fn one_number(mut sender: Sender<u32>) -> Result<(), Failure> {
    Ok(sender.send(&1)?)
}

/// CONN-11, CONN-13
#[test]
fn nothing_is_ready_until_the_time_is_over_unless_a_message_comes() {
    let _deadline = Deadline::seconds(60);
    let (mut a, to_a) = one_way::<u32>().unwrap();
    let (b, _to_b) = one_way::<u32>().unwrap();
    assert_eq!(wait(&[&a, &b], Duration::ZERO).unwrap(), [0; 0]);
    let begin = Instant::now();
    assert_eq!(wait(&[&a, &b], Duration::from_millis(50)).unwrap(), [0; 0]);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    let child = start(one_number, to_a);
    assert_eq!(wait(&[&a, &b], Duration::from_secs(50)).unwrap(), [0]);
    assert_eq!(a.recv().unwrap(), 1);
    ends_well(&child);
}

/// Runs in the child.
fn at_the_gate(gate: Waiting) {
    gate.wait();
}

/// CONN-12
#[test]
fn a_sentinel_and_two_ends_stay_ready_once_they_are() {
    let _deadline = Deadline::seconds(60);
    let (gate, waiting) = Gate::new().unwrap();
    let child = start(at_the_gate, waiting);
    let (mut a, mut to_a) = one_way::<u32>().unwrap();
    let (mut b, mut to_b) = one_way::<u32>().unwrap();
    let sentinel = child.sentinel().unwrap();
    let ready = |a: &Receiver<u32>, b: &Receiver<u32>, timeout| {
        wait(&[a.as_end(), sentinel, b.as_end()], timeout).unwrap()
    };
    assert_eq!(ready(&a, &b, Some(Duration::from_millis(20))), [0; 0]);
    gate.open();
    assert_eq!(ready(&a, &b, None), [1]);
    to_b.send(&1).unwrap();
    assert_eq!(ready(&a, &b, None), [1, 2]);
    to_a.send(&2).unwrap();
    for _ in 0..3 {
        assert_eq!(ready(&a, &b, Some(Duration::ZERO)), [0, 1, 2], "nothing is received by it");
    }
    assert_eq!((a.recv().unwrap(), b.recv().unwrap()), (2, 1));
    assert_eq!(ready(&a, &b, None), [1]);
    ends_well(&child);
    assert_eq!(ready(&a, &b, None), [1], "also when it was joined");
}

/// CONN-13
#[test]
fn a_timeout_of_zero_looks_and_does_not_wait() {
    let _deadline = Deadline::seconds(60);
    let (a, mut to_a) = one_way::<u32>().unwrap();
    assert_eq!(wait(&[&a], Duration::ZERO).unwrap(), [0; 0]);
    assert!(!a.poll(Duration::ZERO).unwrap());
    to_a.send(&1).unwrap();
    assert_eq!(wait(&[&a], Duration::ZERO).unwrap(), [0]);
    assert!(a.poll(Duration::ZERO).unwrap());
    assert_eq!(wait::<Receiver<u32>>(&[], Duration::ZERO).unwrap(), [0; 0]);
}

/// Runs in the child.
#[cfg(unix)]
fn tcp_client(port: u16) -> Result<(), Failure> {
    lines_to(TcpStream::connect(("127.0.0.1", port))?)
}

/// A socket as an argument.
#[derive(Serialize, Deserialize)]
#[cfg(unix)]
struct Socket(#[serde(with = "multiprocess::process::handover")] UnixStream);

/// Runs in the child.
#[cfg(unix)]
fn unix_client(socket: Socket) -> Result<(), Failure> {
    lines_to(socket.0)
}

#[cfg(unix)]
fn lines_to(mut stream: impl Write) -> Result<(), Failure> {
    for number in 0..10 {
        writeln!(stream, "{number}")?;
    }
    Ok(())
}

/// What comes out of each until its end of file.
#[cfg(unix)]
fn texts_of<S: AsFd + Read>(streams: Vec<S>) -> Vec<String> {
    let mut open: Vec<(S, Vec<u8>)> = streams.into_iter().map(|s| (s, Vec::new())).collect();
    let mut texts = Vec::new();
    while !open.is_empty() {
        let ends: Vec<_> = open.iter().map(|(stream, _)| stream.as_fd()).collect();
        for place in wait(&ends, None).unwrap().into_iter().rev() {
            let (stream, text) = &mut open[place];
            let mut some = [0; 8];
            match stream.read(&mut some).unwrap() {
                0 => texts.push(String::from_utf8(open.remove(place).1).unwrap()),
                got => text.extend_from_slice(&some[..got]),
            }
        }
    }
    texts
}

/// CONN-14
#[test]
#[cfg(unix)]
fn sockets_can_be_waited_for_like_pipes() {
    let _deadline = Deadline::seconds(60);
    let lines = ["0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"; 4];

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let children: Vec<_> = (0..4).map(|_| start(tcp_client, port)).collect();
    let accepted = (0..4).map(|_| listener.accept().unwrap().0).collect();
    assert_eq!(texts_of::<TcpStream>(accepted), lines);
    children.iter().for_each(ends_well);

    let (streams, children): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (stream, other) = UnixStream::pair().unwrap();
            (stream, start(unix_client, Socket(other)))
        })
        .unzip();
    assert_eq!(texts_of(streams), lines);
    children.iter().for_each(ends_well);
}

#[test]
fn a_wait_without_an_end_or_with_a_very_late_one_ends_when_something_comes() {
    let _deadline = Deadline::seconds(60);
    let timeouts = [
        None,
        Some(Duration::MAX),
        Some(Duration::from_secs(u64::MAX)),
        Some(Duration::from_secs(i64::MAX as u64)),
        Some(Duration::from_secs(i64::MAX as u64 - (1 << 40))),
        Some(Duration::from_secs(1 << 33)),
    ];
    for timeout in timeouts {
        let (mut receiver, sender) = one_way().unwrap();
        let child = start(one_number, sender);
        assert!(receiver.poll(timeout).unwrap(), "{timeout:?}");
        assert_eq!(receiver.recv().unwrap(), 1);
        assert_eq!(wait(&[&receiver], timeout).unwrap(), [0], "the end of file, {timeout:?}");
        ends_well(&child);
    }
}

/// Runs in a process of its own.
fn three_hundred_ends((): ()) {
    let count = 300.min(room_for_descriptors() / 2);
    let (receivers, mut senders): (Vec<_>, Vec<_>) =
        (0..count).map(|_| one_way::<u32>().unwrap()).unzip();
    assert_eq!(wait(&receivers, Duration::ZERO).unwrap(), [0; 0]);
    senders[count - 1].send(&1).unwrap();
    senders[7].send(&1).unwrap();
    assert_eq!(wait(&receivers, None).unwrap(), [7, count - 1]);
    for sender in &mut senders {
        sender.send(&2).unwrap();
    }
    assert!(wait(&receivers, None).unwrap().into_iter().eq(0..count));
}

#[test]
fn three_hundred_ends_can_be_waited_for() {
    let _deadline = Deadline::seconds(60);
    ends_well(&start(three_hundred_ends, ()));
}

#[test]
fn the_same_end_twice_is_ready_twice() {
    let _deadline = Deadline::seconds(60);
    let (a, mut to_a) = one_way::<u32>().unwrap();
    to_a.send(&1).unwrap();
    assert_eq!(wait(&[&a, &a], None).unwrap(), [0, 1]);
}

#[test]
fn a_connection_is_ready_when_it_can_receive() {
    let _deadline = Deadline::seconds(60);
    let (mut a, mut b) = pipe::<u32, u32>().unwrap();
    b.send(&1).unwrap();
    assert_eq!(wait(&[&a, &b], None).unwrap(), [0]);
    a.send(&2).unwrap();
    assert_eq!(wait(&[&a, &b], None).unwrap(), [0, 1]);
    a.recv().unwrap();
    assert_eq!(wait(&[&a, &b], None).unwrap(), [1]);
}
