//! What the system does about a connection: other users, the limit of open files, signals, children
//! that outlive a listener. The tests need an address by its name in the kernel, and root.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use multiprocess::manager::{Address, Client, Listener};
use multiprocess::pipe::Error;
use multiprocess::process::frame;
use multiprocess::{Failure, Gate, Process, Sender, Waiting, one_way, tasks};
use rustix::fs::Uid;
use testing::{
    Deadline, Report, Signal, alone, ends_well, kill_child, limit_descriptors, reports,
    signal_thread, start, text,
};

multiprocess::test_entry!();
tasks![
    come_as_another_user,
    echo,
    listen_as_another_user,
    listen_with_a_child,
    too_few_descriptors,
    too_many_clients,
    while_signals_come,
    Waiting::wait,
];

/// A user that this test isn't.
const ANOTHER: u32 = 65534;

/// Returns the kernel's name of a listener of the user who runs the tests.
fn name_of(address: &Address, user: u32) -> SocketAddr {
    SocketAddr::from_abstract_name(format!("multiprocess/{user}/{address}")).unwrap()
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("SKIPPED: only root can be another user");
    }
    is_root
}

/// Makes this thread another user's.
fn become_another_user() {
    rustix::thread::set_thread_uid(Uid::from_raw(ANOTHER)).unwrap();
}

/// Runs in the child.
fn come_as_another_user((address, report): (Address, Report)) -> Result<(), Failure> {
    become_another_user();
    let refused = Client::<(), ()>::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "names of their own");
    let mut frame = Vec::new();
    frame::encode("hello", &mut frame)?;
    let mut silent = UnixStream::connect_addr(&name_of(&address, 0))?;
    let mut talks = UnixStream::connect_addr(&name_of(&address, 0))?;
    talks.write_all(&frame)?;
    report.say("has come");
    for stream in [&mut silent, &mut talks] {
        let ended = stream.read(&mut [0]);
        let is_reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
        assert!(matches!(ended, Ok(0)) || ended.is_err_and(|error| is_reset(&error)));
    }
    Ok(())
}

/// LISTEN-07
#[test]
fn another_user_is_refused_and_the_listener_goes_on() {
    let _deadline = Deadline::seconds(60);
    if !is_root() {
        return;
    }
    let listener = Listener::new().unwrap();
    let (mut reports, report) = reports();
    let child = start(come_as_another_user, (listener.address().clone(), report));
    assert_eq!(reports.next::<String>(), "has come");
    let mut client = Client::<u32, u32>::connect(listener.address()).unwrap();
    client.send(&5).unwrap();
    assert_eq!(listener.accept::<u32, u32>().unwrap().recv().unwrap(), 5);
    ends_well(&child);
}

/// Runs in the child.
fn listen_as_another_user((address, report): (Address, Report)) -> Result<(), Failure> {
    become_another_user();
    let listener = UnixListener::bind_addr(&name_of(&address, 0))?;
    report.say("listens");
    let (mut client, _) = listener.accept()?;
    assert_eq!(client.read(&mut [0])?, 0, "nothing is sent to another user");
    Ok(())
}

/// LISTEN-07
#[test]
fn a_client_refuses_the_listener_of_another_user() {
    let _deadline = Deadline::seconds(60);
    if !is_root() {
        return;
    }
    let address: Address = format!("false-{}", std::process::id()).parse().unwrap();
    let (mut reports, report) = reports();
    let child = start(listen_as_another_user, (address.clone(), report));
    assert_eq!(reports.next::<String>(), "listens");
    assert_eq!(Listener::at(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
    let refused = Client::<u32, u32>::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert!(refused.to_string().ends_with("is another user's"), "{refused}");
    ends_well(&child);
}

/// Returns the number that the next descriptor gets.
fn lowest_free() -> u64 {
    File::open("/dev/null").unwrap().as_raw_fd().try_into().unwrap()
}

/// Runs in a process of its own.
fn too_few_descriptors((): ()) {
    let listener = Listener::new().unwrap();
    let mut client = Client::<Vec<Sender<u32>>, ()>::connect(listener.address()).unwrap();
    let mut other = listener.accept::<(), Vec<Sender<u32>>>().unwrap();
    let (mut receivers, senders): (Vec<_>, Vec<_>) =
        (0..10).map(|_| one_way::<u32>().unwrap()).unzip();
    client.send(&senders).unwrap();
    drop(senders);
    limit_descriptors(lowest_free() + 3);
    let refused = other.recv().unwrap_err();
    assert!(matches!(refused, Error::Decode { .. }), "{refused}");
    assert!(refused.to_string().contains("the limit of open files"), "{refused}");
    for receiver in &mut receivers {
        assert!(matches!(receiver.recv(), Err(Error::EndOfFile)), "no copy is left");
    }
    client.send(&Vec::new()).unwrap();
    assert!(other.recv().unwrap().is_empty(), "the connection goes on");
}

#[test]
fn a_message_with_more_ends_than_may_be_open_is_used_up_and_the_next_one_comes() {
    alone(too_few_descriptors);
}

/// Runs in a process of its own.
fn too_many_clients((): ()) {
    let listener = Listener::new().unwrap();
    let mut client = Client::<u32, ()>::connect(listener.address()).unwrap();
    client.send(&5).unwrap();
    limit_descriptors(lowest_free());
    let refused = listener.accept::<(), u32>().unwrap_err();
    assert!(refused.to_string().contains("Too many open files"), "{refused}");
    assert!(Client::<(), ()>::connect(listener.address()).is_err());
    limit_descriptors(1000);
    assert_eq!(listener.accept::<(), u32>().unwrap().recv().unwrap(), 5);
}

#[test]
fn a_client_for_whom_no_descriptor_is_left_waits_until_there_is_one() {
    alone(too_many_clients);
}

/// Runs in the child, until it is killed.
fn listen_with_a_child((address, report, waiting): (Address, Report, Waiting)) {
    let listener = Listener::at(&address).unwrap();
    let client = Client::<(), ()>::connect(&address).unwrap();
    let accepted = listener.accept::<(), ()>().unwrap();
    let mut grandchild = Process::new(Waiting::wait, waiting);
    grandchild.start().unwrap();
    report.say(grandchild.pid());
    drop(grandchild.join());
    drop((client, accepted));
}

/// LISTEN-B01
#[test]
fn an_address_is_free_although_a_child_of_the_killed_listener_lives_on() {
    let _deadline = Deadline::seconds(60);
    let address: Address = format!("parent-{}", std::process::id()).parse().unwrap();
    let (mut reports, report) = reports();
    let (gate, waiting) = Gate::new().unwrap();
    let child = start(listen_with_a_child, (address.clone(), report, waiting));
    let grandchild: Option<u32> = reports.next();
    let mut client = Client::<(), ()>::connect(&address).unwrap();
    kill_child(&child);
    assert!(matches!(client.recv(), Err(Error::EndOfFile)));
    drop(Listener::at(&address).unwrap());
    let lives = testing::Other::of(grandchild.unwrap()).unwrap();
    gate.open();
    assert!(lives.ends_within(testing::LONG));
}

/// Runs in the child: gives back what comes, until it has seen the end.
fn echo(address: Address) -> Result<(), Failure> {
    let mut client = Client::<String, String>::connect(&address)?;
    loop {
        match client.recv() {
            Err(Error::EndOfFile) => return Ok(()),
            message => client.send(&message?)?,
        }
    }
}

/// Runs in a process of its own.
fn while_signals_come((): ()) {
    signal_hook::flag::register(Signal::USR1.as_raw(), Arc::default()).unwrap();
    let disturbed = i32::try_from(testing::thread_id()).unwrap();
    let is_over = AtomicBool::new(false);
    let listener = Listener::new().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                signal_thread(disturbed, Signal::USR1);
                thread::yield_now();
            }
        });
        let child = start(echo, listener.address().clone());
        let mut client = listener.accept::<String, String>().unwrap();
        for length in [10, 2 << 20, 10, 3 << 20] {
            let message = text(length, length);
            client.send(&message).unwrap();
            assert!(client.recv().unwrap() == message);
        }
        assert!(!client.poll(testing::SHORT).unwrap());
        drop(client);
        ends_well(&child);
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn signals_disturb_no_wait_for_a_client_or_a_message() {
    alone(while_signals_come);
}
