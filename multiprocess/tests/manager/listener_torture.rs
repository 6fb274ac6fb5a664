//! Kill torture: clients and listeners are killed and stopped at random instants. Every message is
//! whole and in its turn, then comes the end; ends that came with a message work or end; the
//! listener, or the next one at the same address, goes on.
//!
//! The long version:
//! `TORTURE_SECONDS=60 cargo test -p multiprocess --test manager-listener-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::any::Any;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::manager::{Address, Client, Listener};
use multiprocess::pipe::Error;
use multiprocess::{Failure, Process, Sender, one_way, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, Other, Random, descriptors, ends_well, start, text, until};

multiprocess::test_entry!();
tasks![ask_for_ever, clients_are_killed, listeners_are_killed, serve_for_ever];

/// Number of threads that start one client after the other, or that are clients.
const DRIVERS: u64 = 3;

/// A pipe's end whose holder is alive. A byte in it says that the holder is connected, or listens.
#[derive(Serialize, Deserialize)]
struct Alive(#[serde(with = "multiprocess::process::handover")] PipeWriter);

impl Alive {
    fn is_ready(&mut self) {
        self.0.write_all(b"r").unwrap();
    }
}

/// The message of a client.
#[derive(Serialize, Deserialize)]
struct Question {
    number: usize,
    text: String,
    /// The answer goes there, too.
    copy_to: Option<Sender<usize>>,
}

/// Sums of what was seen.
#[derive(Debug, Default)]
struct Counts {
    kills: AtomicU64,
    stops: AtomicU64,
    answers: AtomicU64,
    copies: AtomicU64,
    ends: AtomicU64,
    cut_off: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Returns the question of this number: now and then longer than the kernel holds, and with an end
/// of a pipe.
fn question(number: usize, copy_to: Option<Sender<usize>>) -> Question {
    let length = if number % 50 == 49 { 600_000 } else { number % 700 };
    Question { number, text: text(number, length), copy_to }
}

/// Asks questions, and returns the error in which that ends.
fn ask(client: &mut Client<Question, usize>, counts: &Counts) -> Error {
    for number in 0.. {
        let (mut copy, copy_to) = match number % 3 {
            0 => one_way().map(|(receiver, sender)| (Some(receiver), Some(sender))).unwrap(),
            _ => (None, None),
        };
        let sent = client.send(&question(number, copy_to));
        match sent.and_then(|()| client.recv()) {
            Ok(answer) => assert_eq!(answer, number),
            Err(error) => return error,
        }
        count(&counts.answers);
        match copy.as_mut().map(|receiver| receiver.recv()) {
            None => {}
            Some(Ok(answer)) => {
                assert_eq!(answer, number);
                count(&counts.copies);
            }
            Some(Err(Error::EndOfFile)) => count(&counts.cut_off),
            Some(Err(error)) => panic!("the copy of answer {number}: {error}"),
        }
    }
    unreachable!()
}

/// Answers the questions of a client to its end.
fn answer(mut client: Client<usize, Question>, counts: &Counts) {
    for expected in 0.. {
        let Question { number, text: word, copy_to } = match client.recv() {
            Ok(question) => question,
            Err(Error::EndOfFile) => return count(&counts.ends),
            Err(Error::Truncated { .. }) => return count(&counts.cut_off),
            // The sender of a handle may be killed before it is fetched.
            Err(Error::Io(_)) if cfg!(windows) => return count(&counts.cut_off),
            Err(error) => panic!("question {expected}: {error}"),
        };
        assert_eq!(number, expected);
        assert!(word == question(number, None).text, "question {number}");
        if client.send(&number).is_err() {
            return count(&counts.cut_off);
        }
        if let Some(mut copy_to) = copy_to {
            // The client may have been killed.
            let _ = copy_to.send(&number);
        }
    }
}

/// Runs in the child, until it is killed.
fn ask_for_ever((address, mut alive): (Address, Alive)) -> Result<(), Failure> {
    multiprocess::end_with_parent()?;
    let mut client = Client::connect(&address)?;
    alive.is_ready();
    let error = ask(&mut client, &Counts::default());
    drop(alive);
    Err(error.into())
}

/// Runs in the child, until it is killed.
fn serve_for_ever((address, mut alive): (Address, Alive)) -> Result<(), Failure> {
    multiprocess::end_with_parent()?;
    let listener = Listener::at(&address)?;
    alive.is_ready();
    loop {
        let client = listener.accept()?;
        thread::spawn(|| answer(client, &Counts::default()));
    }
}

/// Kills the process some time after its start, or after it is ready, in which it may be stopped.
fn kill_at_some_instant(
    child: &Process,
    lives: &mut PipeReader,
    random: &mut Random,
    counts: &Counts,
) {
    if random.below(3) > 0 {
        lives.read_exact(&mut [0]).unwrap();
    }
    let other = Other::of(child.pid().unwrap()).unwrap();
    let mut instant = || Duration::from_micros(random.below(20_000));
    let (before, while_stopped) = (instant(), instant());
    // Any instant will do: these sleeps aren't waits for something.
    thread::sleep(before);
    if random.below(2) == 0 {
        other.stop();
        count(&counts.stops);
        thread::sleep(while_stopped);
    }
    child.kill().unwrap();
    other.go_on();
    count(&counts.kills);
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(-9), "{child:?}");
}

/// Plays on several threads, for this time and until enough is seen, which a busy machine delays.
fn play(
    milliseconds: u64,
    is_enough: impl Fn(&Counts) -> bool + Sync,
    game: impl Fn(u64, &mut Random, &Counts) + Sync,
) -> Counts {
    let _deadline = Deadline::seconds(60 + milliseconds / 1000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED");
    let seed = seed.map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap());
    println!("TORTURE_SEED={seed}");
    let end = Instant::now() + Duration::from_millis(milliseconds);
    let counts = Counts::default();
    thread::scope(|scope| {
        for number in 0..DRIVERS {
            let (counts, game, is_enough) = (&counts, &game, &is_enough);
            scope.spawn(move || {
                let mut random = Random((seed ^ number << 40) | 1);
                while Instant::now() < end || !is_enough(counts) {
                    let _deadline = Deadline::seconds(60);
                    game(number, &mut random, counts);
                }
            });
        }
    });
    println!("{counts:?}");
    counts
}

/// Returns the number of clients of which an end was seen.
fn ends(counts: &Counts) -> u64 {
    counts.ends.load(Ordering::Relaxed) + counts.cut_off.load(Ordering::Relaxed)
}

/// Runs in a process of its own.
fn clients_are_killed(milliseconds: u64) {
    multiprocess::end_with_parent().unwrap();
    let listener = Listener::new().unwrap();
    let before = descriptors().len();
    let is_over = AtomicBool::new(false);
    let answered = Counts::default();
    let counts = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let client = listener.accept_timeout(Duration::from_millis(10)).unwrap();
                client.map(|client| scope.spawn(|| answer(client, &answered)));
            }
        });
        let some_ended = |_: &Counts| ends(&answered) > 0;
        let counts = play(milliseconds, some_ended, |_, random, counts| {
            let (mut lives, alive) = std::io::pipe().unwrap();
            let child = start(ask_for_ever, (listener.address().clone(), Alive(alive)));
            kill_at_some_instant(&child, &mut lives, random, counts);
            lives.read_to_end(&mut Vec::new()).unwrap();
        });
        is_over.store(true, Ordering::Relaxed);
        counts
    });
    println!("{answered:?}");
    assert!(counts.kills.into_inner() >= ends(&answered));
    until("nothing is left open", || descriptors().len() <= before);
}

/// Runs in a process of its own.
fn listeners_are_killed(milliseconds: u64) {
    multiprocess::end_with_parent().unwrap();
    let some_answered = |counts: &Counts| counts.answers.load(Ordering::Relaxed) > 0;
    play(milliseconds, some_answered, |driver, random, counts| {
        // At each driver's address one listener follows the other.
        let address: Address = format!("{}-{driver}", std::process::id()).parse().unwrap();
        let (mut lives, alive) = std::io::pipe().unwrap();
        let child = start(serve_for_ever, (address.clone(), Alive(alive)));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // The listener may not have begun, or it has been killed before it did.
                    let mut client = loop {
                        match Client::connect(&address) {
                            Ok(client) => break client,
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                            }
                        }
                        if !child.is_alive() {
                            return;
                        }
                        thread::yield_now();
                    };
                    match ask(&mut client, counts) {
                        Error::EndOfFile | Error::BrokenPipe => count(&counts.ends),
                        Error::Truncated { .. } => count(&counts.cut_off),
                        error => panic!("{error}"),
                    }
                });
            }
            kill_at_some_instant(&child, &mut lives, random, counts);
        });
        lives.read_to_end(&mut Vec::new()).unwrap();
    });
}

/// Runs a game in a process of its own, for the time of the environment or for a minute.
fn long(game: impl Fn(u64) + Any) {
    let seconds = std::env::var("TORTURE_SECONDS");
    let seconds: u64 = seconds.map_or(60, |seconds| seconds.parse().unwrap());
    ends_well(&start(game, 1000 * seconds));
}

#[test]
fn a_listener_goes_on_whenever_a_client_is_killed() {
    ends_well(&start(clients_are_killed, 700));
}

#[test]
fn clients_see_the_end_whenever_a_listener_is_killed_and_the_next_one_has_its_address() {
    ends_well(&start(listeners_are_killed, 700));
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_a_listener_goes_on_whenever_a_client_is_killed() {
    long(clients_are_killed);
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_clients_see_the_end_whenever_a_listener_is_killed() {
    long(listeners_are_killed);
}
