//! What an end does with its tokens, the same as a thread and as a process.
//!
//! ```text
//!   leader                                follower
//!     touches its memory
//!     puts a token ───────────────────────▶ gets it
//!                                            touches its memory
//!     gets it again ◀─────────────────────── puts it back          a round trip: two hops
//! ```

use std::hint::black_box;
use std::io;
use std::time::Duration;

use common::time::{Stopwatch, context_switches};
use common::{cores, text};
use multiprocess::Failure;
use serde::{Deserialize, Serialize};

use super::channel::End;

/// The round trips before those that count.
const WARM_UP: u64 = 16;

/// The time, about, between two looks at the clock: a look costs as much as a hop between two ends
/// that spin.
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// The token that ends the round trips.
const STOP: u64 = u64::MAX;

/// The bytes of a cache line: to touch one of them has the whole line in the cache.
const CACHE_LINE: usize = 64;

/// The work of an end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The core it binds itself to.
    pub(crate) core: Option<usize>,
    /// Bytes of its own that it touches before every put.
    pub(crate) touched: usize,
    /// The time for which it goes on.
    pub(crate) time: Duration,
}

/// The figures of an end's work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The round trips that count, and their time. A follower has no time.
    pub(crate) rounds: u64,
    pub(crate) time: Duration,
    /// The number of times that it was switched away meanwhile; `None`: not counted on this system.
    pub(crate) switches: Option<u64>,
    /// The cores that it could run on.
    pub(crate) cores: Vec<usize>,
}

impl Part {
    /// Sends the tokens and waits for each to come back.
    pub(crate) fn lead(&self, mut end: End) -> Result<Report, Failure> {
        let mut memory = self.begin()?;
        let mut round = |token| {
            touch(&mut memory);
            end.put(token)?;
            end.get()
        };
        let report = self.count(&mut round)?;
        end.put(STOP)?;
        Ok(report)
    }

    /// Sends each token back.
    pub(crate) fn follow(&self, mut end: End) -> Result<Report, Failure> {
        let mut memory = self.begin()?;
        let mut before = switches()?;
        for due in 1.. {
            if due == WARM_UP + 1 {
                before = switches()?;
            }
            let token = end.get()?;
            if token == STOP {
                let (rounds, switches) = (due - 1 - WARM_UP, switches_since(before)?);
                return Ok(Report {
                    rounds,
                    switches,
                    cores: cores::usable()?,
                    ..Report::default()
                });
            }
            expect(due, token)?;
            touch(&mut memory);
            end.put(token)?;
        }
        Err(Failure::new("no token is left"))
    }

    /// Does alone what the two do: as many puts, gets and touches, without a wait for the other
    /// end.
    pub(crate) fn alone(&self, [mut here, mut there]: [End; 2]) -> Result<Report, Failure> {
        let mut memory = self.begin()?;
        self.count(|token| {
            touch(&mut memory);
            here.put(token)?;
            let token = there.get()?;
            touch(&mut memory);
            there.put(token)?;
            here.get()
        })
    }

    fn begin(&self) -> Result<Vec<u8>, Failure> {
        if let Some(core) = self.core {
            cores::bind_to(&[core])?;
        }
        Ok(vec![1; self.touched])
    }

    fn count(&self, mut round: impl FnMut(u64) -> Result<u64, Failure>) -> Result<Report, Failure> {
        let mut token = 0;
        let mut rounds = |count| {
            for _ in 0..count {
                token += 1;
                expect(token, round(token)?)?;
            }
            Ok::<_, Failure>(())
        };
        rounds(WARM_UP)?;
        let before = switches()?;
        let watch = Stopwatch::start();
        let mut report = Report::default();
        let mut batch = 1;
        while report.time < self.time || report.rounds == 0 {
            rounds(batch)?;
            report.rounds += batch;
            let last = std::mem::replace(&mut report.time, watch.elapsed());
            if report.time - last < BETWEEN_LOOKS {
                batch *= 2;
            }
        }
        Ok(Report { switches: switches_since(before)?, cores: cores::usable()?, ..report })
    }
}

/// Counts how often the calling thread was switched away so far; `None`: not counted here.
fn switches() -> io::Result<Option<u64>> {
    match context_switches() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        count => count.map(Some),
    }
}

fn switches_since(before: Option<u64>) -> io::Result<Option<u64>> {
    Ok(switches()?.zip(before).map(|(now, before)| now - before))
}

fn touch(memory: &mut Vec<u8>) {
    for line in memory.iter_mut().step_by(CACHE_LINE) {
        *line = line.wrapping_add(1);
    }
    black_box(memory);
}

fn expect(due: u64, token: u64) -> Result<(), Failure> {
    if token == due {
        return Ok(());
    }
    Err(Failure::new(text!("token {} was due, but {} came", due, token)))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Channel;
    use super::*;

    fn part(milliseconds: u64) -> Part {
        Part { core: None, touched: 200, time: Duration::from_millis(milliseconds) }
    }

    #[test]
    fn leader_and_follower_count_the_same_round_trips() {
        let _deadline = testing::Deadline::seconds(60);
        let [here, there] = Channel::Futex.ends().unwrap();
        let follower = thread::spawn(move || part(0).follow(there));
        let led = part(2).lead(here).unwrap();
        let followed = follower.join().unwrap().unwrap();
        assert!(led.rounds > 0 && led.time >= Duration::from_millis(2));
        assert_eq!(led.rounds, followed.rounds);
    }

    #[test]
    fn who_plays_alone_waits_for_nobody() {
        let report = part(2).alone(Channel::Pipe.ends().unwrap()).unwrap();
        assert!(report.rounds > 0 && report.switches.is_none_or(|count| count < report.rounds));
    }

    #[test]
    fn a_token_out_of_turn_is_noticed() {
        let _deadline = testing::Deadline::seconds(20);
        let [mut here, there] = Channel::Queue.ends().unwrap();
        here.put(2).unwrap();
        let error = part(0).follow(there).unwrap_err().to_string();
        assert_eq!(error, text!("token {} was due, but {} came", 1, 2));
    }

    #[test]
    fn one_byte_of_every_line_is_touched() {
        let mut memory = vec![1; 200];
        touch(&mut memory);
        let touched: Vec<usize> = (0..200).filter(|place| memory[*place] == 2).collect();
        assert_eq!(touched, [0, 64, 128, 192]);
    }
}
