//! The rows of `conformance-sharing.md` about `Listener` and `Client`, under their ids, and what
//! else two programs may do to each other over a connection.

use std::io::ErrorKind;
use std::time::Duration;

use multiprocess::manager::{Address, Client, Listener};
use multiprocess::pipe::Error;
use multiprocess::shared::{Lock, Value};
use multiprocess::{Failure, Gate, Queue, Receiver, Sender, Waiting, one_way, tasks, wait};
use testing::{Deadline, ends_well, kill_child, start};

multiprocess::test_entry!();
tasks![hold_a_lock, say_hello, shout, listen_until_killed, use_an_end, take_over];

/// LISTEN-01
#[test]
fn a_second_listener_at_the_same_address_is_an_error() {
    let _deadline = Deadline::seconds(60);
    let first = Listener::new().unwrap();
    let refused = Listener::at(first.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    assert_eq!(
        refused.to_string(),
        format!("another listener is at the address {}", first.address())
    );
    let address = first.address().clone();
    drop(first);
    Listener::at(&address).unwrap();
}

/// Runs in the child.
fn shout(address: Address) -> Result<(), Failure> {
    let mut client = Client::<String, String>::connect(&address)?;
    let word = client.recv()?;
    Ok(client.send(&word.to_uppercase())?)
}

/// LISTEN-02
#[test]
fn a_number_passes_and_a_dropped_listener_is_reached_no_more() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let address = listener.address().clone();
    let mut client = Client::<u32, u32>::connect(&address).unwrap();
    let mut other = listener.accept::<u32, u32>().unwrap();
    client.send(&1729).unwrap();
    assert_eq!(other.recv().unwrap(), 1729);
    drop(listener);
    let refused = Client::<u32, u32>::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    other.send(&1730).unwrap();
    assert_eq!(client.recv().unwrap(), 1730, "connections live on");
}

/// LISTEN-04
#[test]
fn programs_agree_on_a_name_which_is_free_again_afterwards() {
    let _deadline = Deadline::seconds(60);
    let address: Address = format!("shout-{}", std::process::id()).parse().unwrap();
    for _ in 0..2 {
        let listener = Listener::at(&address).unwrap();
        let child = start(shout, address.clone());
        let mut client = listener.accept::<String, String>().unwrap();
        client.send(&"hello".into()).unwrap();
        assert_eq!(client.recv().unwrap(), "HELLO");
        ends_well(&child);
    }
}

/// Runs in the child.
fn say_hello((address, length): (Address, usize)) -> Result<(), Failure> {
    let mut client = Client::<String, ()>::connect(&address)?;
    Ok(client.send(&"hello".repeat(length))?)
}

/// LISTEN-05
#[test]
fn what_a_client_sent_before_it_was_accepted_and_has_gone_is_received_all_the_same() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    ends_well(&start(say_hello, (listener.address().clone(), 1)));
    let mut client = listener.accept::<(), String>().unwrap();
    assert_eq!(client.recv().unwrap(), "hello");
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
    assert!(matches!(client.send(&()), Err(Error::BrokenPipe)));
}

/// LISTEN-06
#[test]
fn a_client_sees_what_came_before_the_end_and_the_end() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let mut client = Client::<(), String>::connect(listener.address()).unwrap();
    let mut other = listener.accept::<String, ()>().unwrap();
    assert!(!client.poll(Duration::ZERO).unwrap());
    other.send(&"some bytes".into()).unwrap();
    drop((other, listener));
    assert!(client.poll(Duration::from_secs(1)).unwrap());
    assert_eq!(wait(&[&client, &client], None).unwrap(), [0, 1]);
    assert_eq!(client.recv().unwrap(), "some bytes");
    assert!(client.poll(None).unwrap());
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
}

/// Runs in the child.
fn take_over(mut client: Client<String, String>) -> Result<(), Failure> {
    let word = client.recv()?;
    Ok(client.send(&word.to_uppercase())?)
}

/// LISTEN-10
#[test]
fn an_accepted_connection_goes_on_in_a_new_process() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let mut client = Client::<String, String>::connect(listener.address()).unwrap();
    let accepted = listener.accept::<String, String>().unwrap();
    let child = start(take_over, accepted);
    client.send(&"over".into()).unwrap();
    assert_eq!(client.recv().unwrap(), "OVER");
    assert!(matches!(client.recv(), Err(Error::EndOfFile)), "no copy is left here");
    ends_well(&child);
}

/// What the child of the next test receives and gives back.
type Ends = (Sender<u32>, Queue<u32>, Client<u32, u32>);

/// Runs in the child.
fn use_an_end(address: Address) -> Result<(), Failure> {
    let mut client = Client::<Receiver<u32>, Ends>::connect(&address)?;
    let (mut sender, queue, mut third) = client.recv()?;
    sender.send(&1)?;
    queue.put(2)?;
    third.send(&3)?;
    let (receiver, mut back) = one_way()?;
    client.send(&receiver)?;
    Ok(back.send(&4)?)
}

/// LISTEN-10
#[test]
fn ends_of_pipes_queues_and_connections_travel_in_messages_between_programs() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let child = start(use_an_end, listener.address().clone());
    let mut client = listener.accept::<Ends, Receiver<u32>>().unwrap();
    let (mut receiver, sender) = one_way().unwrap();
    let queue = Queue::bounded(3).unwrap();
    let third = Client::connect(listener.address()).unwrap();
    let mut fourth = listener.accept::<u32, u32>().unwrap();
    let ends = (sender, queue.clone(), third);
    client.send(&ends).unwrap();
    drop(ends);
    assert_eq!(receiver.recv().unwrap(), 1);
    assert_eq!(queue.get().unwrap(), 2);
    assert_eq!(fourth.recv().unwrap(), 3);
    let mut back = client.recv().unwrap();
    assert_eq!(back.recv().unwrap(), 4);
    for end in [receiver.recv(), fourth.recv(), back.recv()] {
        assert!(matches!(end, Err(Error::EndOfFile)), "no copy is left anywhere");
    }
    ends_well(&child);
}

/// Runs in the child, until it is killed.
fn hold_a_lock(address: Address) -> Result<(), Failure> {
    let mut client = Client::<u64, (Lock, Value<u64>)>::connect(&address)?;
    let (lock, value) = client.recv()?;
    let _held = lock.lock()?;
    value.update(|number| *number += 1);
    client.send(&value.get())?;
    // Until the end of the connection, which never comes.
    client.recv()?;
    Ok(())
}

/// LISTEN-10
#[test]
fn a_lock_and_a_value_are_shared_by_programs_that_are_no_relatives() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let child = start(hold_a_lock, listener.address().clone());
    let mut client = listener.accept::<(Lock, Value<u64>), u64>().unwrap();
    let shared = (Lock::new().unwrap(), Value::new(5).unwrap());
    client.send(&shared).unwrap();
    assert_eq!(client.recv().unwrap(), 6);
    let (lock, value) = shared;
    assert_eq!(value.get(), 6);
    assert!(lock.is_locked());
    kill_child(&child);
    let told = lock.lock().unwrap_err();
    assert_eq!(told.died().pid, child.pid().unwrap());
    drop(told.recover());
}

/// Runs in the child, until it is killed.
fn listen_until_killed((mut ready, waiting): (Sender<Address>, Waiting)) -> Result<(), Failure> {
    let listener = Listener::new()?;
    ready.send(listener.address())?;
    let client = listener.accept::<(), ()>()?;
    waiting.wait();
    drop(client);
    Ok(())
}

/// LISTEN-B01, LISTEN-B05
#[test]
fn a_killed_listener_leaves_nothing_and_its_clients_see_the_end() {
    let _deadline = Deadline::seconds(60);
    let (mut ready, sender) = one_way().unwrap();
    let (gate, waiting) = Gate::new().unwrap();
    let child = start(listen_until_killed, (sender, waiting));
    let address: Address = ready.recv().unwrap();
    let mut accepted = Client::<u32, u32>::connect(&address).unwrap();
    let mut waits = Client::<u32, u32>::connect(&address).unwrap();
    waits.send(&1).unwrap();
    kill_child(&child);
    for client in [&mut accepted, &mut waits] {
        assert!(matches!(client.recv(), Err(Error::EndOfFile)));
        assert!(matches!(client.send(&1), Err(Error::BrokenPipe)));
    }
    let refused = Client::<u32, u32>::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(refused.to_string().ends_with(&format!("at the address {address}")), "{refused}");
    let _again = Listener::at(&address).unwrap();
    gate.open();
}

/// LISTEN-B02
#[test]
fn a_client_that_says_nothing_delays_no_other() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    let silent = Client::<u32, u32>::connect(listener.address()).unwrap();
    let mut talks = Client::<u32, u32>::connect(listener.address()).unwrap();
    talks.send(&5).unwrap();
    let first = listener.accept::<u32, u32>().unwrap();
    let mut second = listener.accept::<u32, u32>().unwrap();
    assert_eq!(second.recv().unwrap(), 5);
    assert!(!first.poll(Duration::ZERO).unwrap());
    drop(silent);
}

/// LISTEN-B03
#[test]
fn a_client_that_has_gone_without_a_word_is_passed_over() {
    let _deadline = Deadline::seconds(60);
    let listener = Listener::new().unwrap();
    for _ in 0..10 {
        drop(Client::<u32, u32>::connect(listener.address()).unwrap());
    }
    assert!(listener.accept_timeout::<u32, u32>(Duration::ZERO).unwrap().is_none());
    let mut client = Client::<u32, u32>::connect(listener.address()).unwrap();
    client.send(&5).unwrap();
    assert_eq!(listener.accept::<u32, u32>().unwrap().recv().unwrap(), 5);
    assert!(listener.accept_timeout::<u32, u32>(Duration::from_millis(50)).unwrap().is_none());
}
