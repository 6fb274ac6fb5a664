//! Nothing is left of listeners and connections that were used: no descriptor, no child, no memory.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::thread;

use multiprocess::manager::{Address, Client, Listener};
use multiprocess::pipe::Error;
use multiprocess::{Failure, Queue, Sender, one_way, tasks};
use testing::{alone, ends_well, kill_child, leaves_nothing, rounds, start, text};

multiprocess::test_entry!();
tasks![ask, ask_for_ever, with_processes, without_processes];

/// What a client sends.
type Question = (String, Option<(Sender<usize>, Queue<usize>)>);

/// Runs in the child.
fn ask(address: Address) -> Result<(), Failure> {
    let mut client = Client::<Question, usize>::connect(&address)?;
    let (mut receiver, sender) = one_way()?;
    let queue = Queue::bounded(1)?;
    client.send(&(text(1, 1000), Some((sender, queue.clone()))))?;
    assert_eq!(receiver.recv()?, 1000);
    assert_eq!(queue.get()?, 1000);
    client.send(&(text(1, 300_000), None))?;
    assert_eq!(client.recv()?, 300_000);
    Ok(())
}

/// Runs in the child, until it is killed. Its messages are never received.
fn ask_for_ever(address: Address) -> Result<(), Failure> {
    let mut client = Client::<Question, usize>::connect(&address)?;
    loop {
        client.send(&(text(1, 1000), None))?;
    }
}

/// A listener, a client in another process and one that isn't accepted.
fn use_and_end(round: usize) {
    let listener = Listener::new().unwrap();
    let address = listener.address().clone();
    if round.is_multiple_of(3) {
        let child = start(ask_for_ever, address.clone());
        let client = listener.accept::<usize, Question>().unwrap();
        assert!(client.poll(None).unwrap());
        kill_child(&child);
        return;
    }
    let child = start(ask, address.clone());
    let mut client = listener.accept::<usize, Question>().unwrap();
    let _not_accepted = Client::<(), ()>::connect(&address).unwrap();
    let (word, ends) = client.recv().unwrap();
    let (mut sender, queue) = ends.unwrap();
    sender.send(&word.len()).unwrap();
    queue.put(word.len()).unwrap();
    let (word, _) = client.recv().unwrap();
    client.send(&word.len()).unwrap();
    ends_well(&child);
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
}

/// Runs in a process of its own.
fn with_processes((): ()) {
    leaves_nothing(rounds(90), use_and_end);
}

#[test]
fn connections_between_processes_leave_nothing() {
    alone(with_processes);
}

/// Runs in a process of its own.
fn without_processes((): ()) {
    leaves_nothing(rounds(500), |round| {
        let listener = Listener::new().unwrap();
        let mut client =
            Client::<Vec<Sender<String>>, Client<(), ()>>::connect(listener.address()).unwrap();
        let mut other = listener.accept::<Client<(), ()>, String>().unwrap();
        let (mut receiver, sender) = one_way().unwrap();
        thread::scope(|scope| {
            // No value of the type that is expected.
            scope.spawn(|| other.recv().unwrap_err());
            client.send(&vec![sender]).unwrap();
        });
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
        let third = Client::connect(listener.address()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let third = client.recv().unwrap();
                if round.is_multiple_of(2) {
                    drop(third);
                }
            });
            other.send(&third).unwrap();
        });
    });
}

#[test]
fn connections_within_a_process_leave_nothing() {
    alone(without_processes);
}
