//! Kill torture: children that answer over a pipe are killed and stopped at random instants. Each
//! answer is right and in its turn, then comes the end; the child of a killed child ends, too.
//!
//! The long version:
//! `TORTURE_SECONDS=60 cargo test -p multiprocess --test pipe-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{PipeWriter, Read};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::pipe::Error;
use multiprocess::{Connection, Failure, Process, pipe, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, Other, Random, start, text};

multiprocess::test_entry!();
tasks![answer, live];

/// Number of threads that start one child after the other.
const DRIVERS: u64 = 3;

/// A pipe's end whose holder is alive.
#[derive(Serialize, Deserialize)]
struct Alive(#[serde(with = "multiprocess::process::handover")] PipeWriter);

/// Runs in the child: sends back what comes.
fn answer((mut end, alive): (Connection<String, String>, Alive)) -> Result<(), Failure> {
    Process::new(live, alive).daemonic(true).start()?;
    loop {
        match end.recv() {
            Err(Error::EndOfFile) => return Ok(()),
            message => end.send(&message?)?,
        }
    }
}

/// Runs in the child's child, until its parent ends.
fn live(_alive: Alive) {
    loop {
        thread::park();
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    children: u64,
    killed: u64,
    stopped: u64,
    messages: u64,
    ended_inside: u64,
}

/// A child, disturbed at some instant.
fn one_child(random: &mut Random, counts: &mut Counts) {
    let (mut lives, alive) = std::io::pipe().unwrap();
    let (mut end, other) = pipe::<String, String>().unwrap();
    let child = start(answer, (other, Alive(alive)));
    let other_child = Other::of(child.pid().unwrap()).unwrap();
    let (is_stopped, is_killed) = (random.below(2) == 0, random.below(4) > 0);
    let mut instant = || Duration::from_micros(random.below(20_000));
    let (before, while_stopped) = (instant(), instant());
    let number_of_messages = random.below(2000) as usize;
    thread::scope(|scope| {
        scope.spawn(|| {
            // Any instant will do: these sleeps aren't waits for something.
            thread::sleep(before);
            if is_stopped {
                other_child.stop();
                thread::sleep(while_stopped);
            }
            if is_killed {
                child.kill().unwrap();
            }
            if is_stopped {
                // It may have been collected already.
                other_child.go_on();
            }
        });
        for number in 0..number_of_messages {
            // Now and then more than the kernel holds.
            let length = if number % 50 == 49 { 300_000 } else { number % 700 };
            let message = text(number, length);
            match end.send(&message).and_then(|()| end.recv()) {
                Ok(answer) => assert!(answer == message, "message {number}: {answer}"),
                Err(error) => {
                    let is_end = matches!(
                        error,
                        Error::EndOfFile
                            | Error::Truncated { .. }
                            | Error::BrokenPipe
                            | Error::Io(_)
                    );
                    assert!(is_end && is_killed, "message {number}: {error}");
                    counts.ended_inside += u64::from(!matches!(error, Error::EndOfFile));
                    break;
                }
            }
            counts.messages += 1;
        }
    });
    drop(end);
    child.join().unwrap();
    assert_eq!(child.exitcode(), Some(if is_killed { -9 } else { 0 }), "{child:?}");
    // Until nobody is alive who could write.
    lives.read_to_end(&mut Vec::new()).unwrap();
    counts.children += 1;
    counts.killed += u64::from(is_killed);
    counts.stopped += u64::from(is_stopped);
}

/// Starts one child after the other, on several threads, for this time.
fn torture(time: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED");
    let seed = seed.map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap());
    println!("TORTURE_SEED={seed}");
    let end = Instant::now() + time;
    let drive = |number: u64| {
        let mut counts = Counts::default();
        let mut random = Random((seed ^ number << 40) | 1);
        while Instant::now() < end {
            let _deadline = Deadline::seconds(60);
            one_child(&mut random, &mut counts);
        }
        counts
    };
    let mut sum = Counts::default();
    thread::scope(|scope| {
        let drivers = (0..DRIVERS).map(|number| scope.spawn(move || drive(number)));
        for driver in drivers.collect::<Vec<_>>() {
            let counts = driver.join().unwrap();
            sum.children += counts.children;
            sum.killed += counts.killed;
            sum.stopped += counts.stopped;
            sum.messages += counts.messages;
            sum.ended_inside += counts.ended_inside;
        }
    });
    println!("{sum:?}");
    assert!(sum.killed > 0 && sum.messages > 0);
}

#[test]
fn children_that_are_killed_while_they_answer() {
    torture(Duration::from_millis(700));
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_children_that_are_killed_while_they_answer() {
    let seconds = std::env::var("TORTURE_SECONDS");
    torture(Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap())));
}
