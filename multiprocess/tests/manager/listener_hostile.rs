//! Clients and listeners that do what they should not: garbage, half messages, silence, another
//! user. None of them delays another client, and each is an error in one sentence.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::manager::{Address, Client, Listener};
use multiprocess::pipe::Error;
use multiprocess::process::ends::AsEnd;
use multiprocess::process::frame;
use multiprocess::{Failure, Gate, Sender, Waiting, one_way, tasks};
use serde::Serialize;
use testing::{
    Deadline, Random, Report, SHORT, alone, ends_well, kill_child, reports, room_for_descriptors,
    rounds, start, text,
};

multiprocess::test_entry!();
tasks![connect_many, large_messages, many_ends, talk_and_never_listen, thousand_clients];

/// Connects two clients in this process. Each may have its own idea of the messages.
fn connected<S, R, S2, R2>() -> (Client<S, R>, Client<S2, R2>) {
    let listener = Listener::new().unwrap();
    let client = Client::connect(listener.address()).unwrap();
    (client, listener.accept().unwrap())
}

/// Writes bytes to a connection as they are.
fn write_raw<S, R>(client: &Client<S, R>, bytes: &[u8]) {
    let mut raw = File::from(client.as_end().try_clone_to_owned().unwrap());
    raw.write_all(bytes).unwrap();
}

#[test]
fn a_message_that_is_announced_too_long_closes_the_connection_and_says_so() {
    let _deadline = Deadline::seconds(60);
    let (mut bad, mut good) = connected::<(), (), u32, u32>();
    write_raw(&bad, &[0xff; 64]);
    let refused = good.recv().unwrap_err();
    assert!(matches!(refused, Error::TooLong { length: u64::MAX, .. }), "{refused}");
    assert!(good.poll(None).unwrap());
    assert!(matches!(good.recv(), Err(Error::Closed)));
    assert!(matches!(good.send(&5), Err(Error::Closed)));
    assert!(matches!(bad.recv(), Err(Error::EndOfFile)), "the other end is told");
}

#[test]
fn a_message_longer_than_its_receiver_wants_closes_the_connection() {
    let _deadline = Deadline::seconds(60);
    let (mut sender, mut receiver) = connected::<(), (), (), ()>();
    sender.send_bytes(b"hello").unwrap();
    assert_eq!(receiver.recv_bytes(5).unwrap(), b"hello");
    sender.send_bytes(b"hello!").unwrap();
    let refused = receiver.recv_bytes(5);
    assert!(matches!(refused, Err(Error::TooLong { length: 6, limit: 5 })), "{refused:?}");
    assert!(matches!(receiver.recv_bytes(None), Err(Error::Closed)));
}

#[test]
fn half_a_message_keeps_no_other_client_waiting_and_is_no_end_of_file() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let mut frame = Vec::new();
    frame::encode("hello", &mut frame).unwrap();
    for cut in (1..frame.len()).step_by(9) {
        let half = Client::<(), ()>::connect(listener.address()).unwrap();
        write_raw(&half, &frame[..cut]);
        let mut whole = Client::<String, String>::connect(listener.address()).unwrap();
        whole.send(&"whole".to_owned()).unwrap();
        let mut cut_off = listener.accept::<(), String>().unwrap();
        let mut other = listener.accept::<String, String>().unwrap();
        let waits = thread::spawn(move || cut_off.recv());
        assert_eq!(other.recv().unwrap(), "whole");
        other.send(&"answer".to_owned()).unwrap();
        assert_eq!(whole.recv().unwrap(), "answer");
        drop(half);
        let cut_off = waits.join().unwrap();
        assert!(matches!(cut_off, Err(Error::Truncated { .. })), "{cut}: {cut_off:?}");
    }
}

#[test]
fn bytes_of_any_kind_are_a_message_or_an_error() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let mut random = Random(5);
    for _ in 0..200 {
        let client = Client::<(), ()>::connect(listener.address()).unwrap();
        // Some begin with a length that isn't too long for them.
        let length = random.below(300);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        if random.below(2) == 0 {
            bytes.splice(0..0, random.below(400).to_le_bytes());
        }
        write_raw(&client, &bytes);
        drop(client);
        let Some(mut other) =
            listener.accept_timeout::<(), (String, Vec<u64>)>(Duration::ZERO).unwrap()
        else {
            assert!(bytes.is_empty());
            continue;
        };
        while !matches!(
            other.recv(),
            Err(Error::EndOfFile | Error::Truncated { .. } | Error::Closed)
        ) {}
    }
}

#[test]
fn a_message_of_another_type_is_used_up_and_what_came_with_it_is_closed() {
    let _deadline = Deadline::seconds(60);
    let (mut client, mut other) = connected::<Option<Sender<u32>>, (), (), u32>();
    let (mut receiver, sender) = one_way::<u32>().unwrap();
    let receives = thread::spawn(move || {
        let refused = other.recv().unwrap_err();
        assert!(matches!(refused, Error::Decode { .. }), "{refused}");
        other
    });
    client.send(&Some(sender)).unwrap();
    let mut other = receives.join().unwrap();
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)), "no copy is left");
    client.send_bytes(&[5]).unwrap();
    assert_eq!(other.recv().unwrap(), 5);
}

#[test]
fn a_message_that_names_an_end_which_did_not_come_is_an_error() {
    let _deadline = Deadline::seconds(60);
    /// The form of a sender in a message.
    #[derive(Serialize)]
    struct Form {
        pipe: usize,
        closed: bool,
    }
    let (mut client, mut other) = connected::<Form, (), (), Sender<u32>>();
    client.send(&Form { pipe: 0, closed: false }).unwrap();
    let refused = other.recv().unwrap_err().to_string();
    assert!(refused.contains("this descriptor did not come along"), "{refused}");
}

/// Connects this many clients, and says a number with each of them.
fn connect_many((address, first, count): (Address, u32, u32)) -> Result<(), Failure> {
    assert!(room_for_descriptors() >= count as usize);
    let mut clients = Vec::new();
    for number in first..first + count {
        let mut client = Client::<u32, u32>::connect(&address)?;
        client.send(&number)?;
        clients.push(client);
    }
    for (number, mut client) in (first..).zip(clients) {
        assert_eq!(client.recv()?, number + 1);
    }
    Ok(())
}

/// Runs in a process of its own.
fn thousand_clients((): ()) {
    let room = u32::try_from(room_for_descriptors()).unwrap_or(u32::MAX);
    // Each takes a descriptor here, and one there.
    let count = room.min(1000) / 4;
    let listener = Listener::new().unwrap();
    let starts = (0..4).map(|part| (listener.address().clone(), part * count, count));
    let children: Vec<_> = starts.map(|part| start(connect_many, part)).collect();
    let mut clients: Vec<Client<u32, u32>> =
        (0..4 * count).map(|_| listener.accept().unwrap()).collect();
    let mut numbers: Vec<u32> = Vec::new();
    for client in &mut clients {
        let number = client.recv().unwrap();
        numbers.push(number);
        client.send(&(number + 1)).unwrap();
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4 * count).collect::<Vec<_>>());
    children.iter().for_each(ends_well);
}

#[test]
fn a_thousand_clients_are_connected_at_once() {
    alone(thousand_clients);
}

/// Runs in a process of its own.
fn many_ends((): ()) {
    // More than go with one call of the kernel's; each has two ends here, and a copy.
    let count = (room_for_descriptors() / 5).min(600);
    let (mut client, mut other) = connected::<Vec<Sender<usize>>, (), (), Vec<Sender<usize>>>();
    let (mut receivers, senders): (Vec<_>, Vec<_>) =
        (0..count).map(|_| one_way::<usize>().unwrap()).unzip();
    let came = thread::scope(|scope| {
        let receives = scope.spawn(|| other.recv().unwrap());
        client.send(&senders).unwrap();
        receives.join().unwrap()
    });
    drop(senders);
    for (number, mut sender) in came.into_iter().enumerate() {
        sender.send(&number).unwrap();
    }
    for (number, receiver) in receivers.iter_mut().enumerate() {
        assert_eq!(receiver.recv().unwrap(), number);
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    }
}

#[test]
fn hundreds_of_ends_travel_in_one_message() {
    alone(many_ends);
}

#[test]
fn two_threads_that_accept_share_the_clients() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let mut clients: Vec<_> =
        (0..8).map(|_| Client::<u32, u32>::connect(listener.address()).unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let mut client = listener.accept::<u32, u32>().unwrap();
                    scope.spawn(move || {
                        let number = client.recv().unwrap();
                        client.send(&(number + 1)).unwrap();
                    });
                }
            });
        }
        for (number, client) in (0..).zip(&mut clients) {
            client.send(&number).unwrap();
        }
        for (number, client) in (0..).zip(&mut clients) {
            assert_eq!(client.recv().unwrap(), number + 1);
        }
    });
    let before = Instant::now();
    assert!(listener.accept_timeout::<(), ()>(SHORT).unwrap().is_none());
    assert!(before.elapsed() >= SHORT);
}

#[test]
fn clients_that_come_and_go_in_a_hurry_are_all_accepted_by_some_thread() {
    const THREADS: u32 = 4;
    let _deadline = Deadline::seconds(120);
    let each = u32::try_from(rounds(200)).unwrap();
    let listener = Listener::new().unwrap();
    thread::scope(|scope| {
        for first in 0..THREADS {
            let listener = &listener;
            scope.spawn(move || {
                for _ in 0..each {
                    let mut client = listener.accept::<u32, u32>().unwrap();
                    let number = client.recv().unwrap();
                    client.send(&(number + 1)).unwrap();
                }
            });
            scope.spawn(move || {
                for number in first * each..(first + 1) * each {
                    let mut client = Client::<u32, u32>::connect(listener.address()).unwrap();
                    client.send(&number).unwrap();
                    assert_eq!(client.recv().unwrap(), number + 1);
                }
            });
        }
    });
    assert!(listener.accept_timeout::<(), ()>(Duration::ZERO).unwrap().is_none());
}

/// Runs in the child, until its client has gone.
fn large_messages(address: Address) -> Result<(), Failure> {
    let mut client = Client::<String, String>::connect(&address)?;
    loop {
        match client.recv() {
            Err(Error::EndOfFile) => return Ok(()),
            message => client.send(&message?)?,
        }
    }
}

#[test]
fn messages_of_any_length_come_back() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let child = start(large_messages, listener.address().clone());
    let mut client = listener.accept::<String, String>().unwrap();
    for length in [0, 1, 50, 51, 60, 70_000, 300_000, 3 << 20] {
        let message = text(length, length);
        client.send(&message).unwrap();
        assert!(client.recv().unwrap() == message, "{length}");
    }
    drop(client);
    ends_well(&child);
}

/// Runs in the child, until it is killed: sends three messages, and receives none.
fn talk_and_never_listen((address, report, waiting): (Address, Report, Waiting)) {
    let mut client = Client::<u32, ()>::connect(&address).unwrap();
    (0..3).for_each(|number| client.send(&number).unwrap());
    report.say("has sent");
    waiting.wait();
    drop(client);
}

#[test]
fn a_message_with_ends_to_a_process_that_dies_without_receiving_it_is_over_with_it() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let (mut reports, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let child = start(talk_and_never_listen, (listener.address().clone(), report, waiting));
    let mut client = listener.accept::<Sender<u32>, u32>().unwrap();
    assert_eq!(reports.next::<String>(), "has sent");
    let (mut receiver, sender) = one_way::<u32>().unwrap();
    thread::scope(|scope| {
        let sends = scope.spawn(|| {
            let sent = client.send(&sender);
            // Some systems keep the message for the receiver, others wait for it.
            assert!(matches!(sent, Ok(()) | Err(Error::BrokenPipe)), "{sent:?}");
        });
        kill_child(&child);
        sends.join().unwrap();
    });
    drop(sender);
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)), "no copy is left");
    for number in 0..3 {
        assert_eq!(client.recv().unwrap(), number, "what it has sent is received");
    }
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
    gate.open();
}
