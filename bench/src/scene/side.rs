//! The loops of a scene, each written once: they know of a channel only how to put and how to get.

use std::time::Duration;
use std::{env, fs, thread};

use common::time::{clock, cpu_time};
use multiprocess::Failure;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Report, Tally};

/// The last message of a side that doesn't know how many the other expects.
const END: u64 = u64::MAX;

/// The bits of the producer's number, the lowest of a message's number; above them is its position
/// among the producer's messages.
const PRODUCER_BITS: u32 = 3;
const PRODUCERS: usize = 1 << PRODUCER_BITS;

/// The time from one message to the next where latency is measured.
const SLOT: Duration = Duration::from_micros(100);

/// The part of a side in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Puts as many as it can, then an end marker.
    Produce,
    /// Gets until an end marker comes; there are as many consumers as producers.
    Consume,
    /// Puts one, gets one.
    Ask,
    /// Gets one, puts it back.
    Answer,
    /// Puts one, gets one, as its opposite does at the same time; the leader says when it is over.
    Lead,
    /// The opposite of `Lead`.
    Follow,
    /// Puts its clock's reading every 100 µs.
    Tick,
    /// Says how old each reading is that it gets.
    Listen,
    /// Puts one message, after all the time.
    Wake,
    /// Waits for it and says how often it woke up per second, and how much CPU time it used.
    Wait,
}

impl Act {
    /// Returns true if it puts and gets, so that two channels are needed.
    pub(crate) fn is_both_ways(self) -> bool {
        matches!(self, Self::Ask | Self::Answer | Self::Lead | Self::Follow)
    }

    /// Returns true if it is the side to which others come: it gets first.
    pub(crate) fn is_host(self) -> bool {
        matches!(self, Self::Consume | Self::Answer | Self::Follow | Self::Listen | Self::Wait)
    }
}

/// A side: what it does, for how long, on which cores.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) act: Act,
    /// Its number in the scene.
    pub(crate) number: u64,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) seconds: f64,
    /// The cores it binds itself to; none: it doesn't.
    pub(crate) cores: Vec<usize>,
}

/// A message: a number, in as many bytes as the scene says.
pub(crate) trait Message: Sized {
    fn numbered(number: u64, size: usize) -> Self;

    /// Returns the number, if the message is whole.
    fn number(&self, size: usize) -> Result<u64, Failure>;
}

impl Message for u64 {
    fn numbered(number: u64, _size: usize) -> Self {
        number
    }

    fn number(&self, _size: usize) -> Result<u64, Failure> {
        Ok(*self)
    }
}

/// The number stands at the front and at the end, so that a torn message shows.
impl Message for ByteBuf {
    fn numbered(number: u64, size: usize) -> Self {
        let number = number.to_le_bytes();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(number);
        bytes.resize(size.saturating_sub(number.len()), b'.');
        if bytes.len() < size {
            bytes.extend(number);
        }
        Self::from(bytes)
    }

    fn number(&self, size: usize) -> Result<u64, Failure> {
        match (self.first_chunk(), self.last_chunk()) {
            (Some(first), Some(last)) if self.len() == size && first == last => {
                Ok(u64::from_le_bytes(*first))
            }
            _ => Err(Failure::new("a message is torn")),
        }
    }
}

impl Side {
    /// Binds the calling thread as the side wants it.
    pub(crate) fn bind(&self) -> Result<(), Failure> {
        if !self.cores.is_empty() {
            common::cores::bind_to(&self.cores)?;
        }
        Ok(())
    }

    /// Plays it.
    pub(crate) fn play<M: Message>(
        &self,
        mut put: impl FnMut(M) -> Result<(), Failure>,
        mut get: impl FnMut() -> Result<M, Failure>,
    ) -> Result<Report, Failure> {
        let size = self.size;
        let put = |number: u64| put(M::numbered(number, size));
        let get = || get()?.number(size);
        match self.act {
            Act::Produce => self.produce(put),
            Act::Consume => consume(get),
            Act::Ask => self.ask(put, get),
            Act::Answer => answer(put, get),
            Act::Lead => self.lead(put, get),
            Act::Follow => follow(put, get),
            Act::Tick => self.tick(put),
            Act::Listen => listen(get),
            Act::Wake => self.wake(put),
            Act::Wait => wait(get),
        }
    }

    fn over(&self) -> f64 {
        now() + self.seconds
    }

    fn produce(&self, mut put: impl FnMut(u64) -> Result<(), Failure>) -> Result<Report, Failure> {
        // A look at the clock every 64 KiB costs nothing that could be seen.
        let between_looks = ((64 << 10) / self.size).clamp(1, 64) as u64;
        let producer = self.number & (PRODUCERS as u64 - 1);
        let first_put = now();
        let over = first_put + self.seconds;
        let mut tally = Tally::default();
        while now() < over {
            for _ in 0..between_looks {
                let number = tally.count << PRODUCER_BITS | producer;
                put(number)?;
                tally.add(number);
            }
        }
        put(END)?;
        Ok(Report { first_put: Some(first_put), put: tally, ..Report::default() })
    }

    fn ask(
        &self,
        mut put: impl FnMut(u64) -> Result<(), Failure>,
        mut get: impl FnMut() -> Result<u64, Failure>,
    ) -> Result<Report, Failure> {
        let mut report = Report { first_put: Some(now()), ..Report::default() };
        let over = self.over();
        while now() < over {
            let number = report.put.count;
            put(number)?;
            report.put.add(number);
            expect(number, get()?)?;
            report.got.add(number);
        }
        report.last_get = Some(now());
        put(END)?;
        Ok(report)
    }

    fn lead(
        &self,
        mut put: impl FnMut(u64) -> Result<(), Failure>,
        mut get: impl FnMut() -> Result<u64, Failure>,
    ) -> Result<Report, Failure> {
        let report = self.ask(&mut put, &mut get)?;
        // What the other has put for a round that isn't played any more.
        expect(report.got.count, get()?)?;
        Ok(report)
    }

    fn tick(&self, mut put: impl FnMut(u64) -> Result<(), Failure>) -> Result<Report, Failure> {
        let mut report = Report { first_put: Some(now()), ..Report::default() };
        let over = clock() + Duration::try_from_secs_f64(self.seconds)?;
        let mut slot = clock();
        while slot < over {
            slot += SLOT;
            thread::sleep(slot.saturating_sub(clock()));
            let reading = clock().as_nanos() as u64;
            put(reading)?;
            report.put.add(reading);
        }
        put(END)?;
        Ok(report)
    }

    fn wake(&self, mut put: impl FnMut(u64) -> Result<(), Failure>) -> Result<Report, Failure> {
        let first_put = Some(now());
        thread::sleep(Duration::try_from_secs_f64(self.seconds)?);
        put(0)?;
        Ok(Report { first_put, put: Tally { count: 1, sum: 0 }, ..Report::default() })
    }
}

/// Returns the seconds on the clock that all processes share.
fn now() -> f64 {
    clock().as_secs_f64()
}

fn expect(number: u64, got: u64) -> Result<(), Failure> {
    if got == number {
        return Ok(());
    }
    Err(Failure::new(format!("message {number} was due, but {got} came")))
}

fn consume(mut get: impl FnMut() -> Result<u64, Failure>) -> Result<Report, Failure> {
    // Of each producer, what may come next: the numbers between may have gone to other consumers.
    let mut due = [0; PRODUCERS];
    let mut got = Tally::default();
    loop {
        let number = get()?;
        if number == END {
            return Ok(Report { last_get: Some(now()), got, ..Report::default() });
        }
        let due = &mut due[number as usize & (PRODUCERS - 1)];
        if number < *due {
            return Err(Failure::new(format!("{number} came when {due} or more was due")));
        }
        *due = number + 1;
        got.add(number);
    }
}

fn answer(
    mut put: impl FnMut(u64) -> Result<(), Failure>,
    mut get: impl FnMut() -> Result<u64, Failure>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    loop {
        let number = get()?;
        if number == END {
            return Ok(report);
        }
        expect(report.got.count, number)?;
        report.got.add(number);
        put(number)?;
        report.put.add(number);
    }
}

fn follow(
    mut put: impl FnMut(u64) -> Result<(), Failure>,
    mut get: impl FnMut() -> Result<u64, Failure>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    loop {
        let due = report.put.count;
        put(due)?;
        let number = get()?;
        if number == END {
            return Ok(report);
        }
        expect(due, number)?;
        report.put.add(number);
        report.got.add(number);
    }
}

fn listen(mut get: impl FnMut() -> Result<u64, Failure>) -> Result<Report, Failure> {
    let mut report = Report::default();
    loop {
        let reading = get()?;
        if reading == END {
            return Ok(Report { last_get: Some(now()), ..report });
        }
        let age = clock().saturating_sub(Duration::from_nanos(reading));
        report.got.add(reading);
        report.figures.push(age.as_secs_f64());
    }
}

/// The costs of a waiting process, in the order of the figures in its report.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiter {
    /// Seconds of CPU time per second.
    Cpu,
    /// Wake-ups per second, without the last one; only where they are counted.
    WakeUps,
}

fn wait(mut get: impl FnMut() -> Result<u64, Failure>) -> Result<Report, Failure> {
    let (begun, slept, computed) = (now(), times_slept()?, cpu_time());
    let number = get()?;
    let (computed, slept) = (cpu_time() - computed, times_slept()?.zip(slept));
    let last_get = now();
    let seconds = last_get - begun;
    let mut figures = vec![computed.as_secs_f64() / seconds];
    // A thread that has ended meanwhile has taken its count along.
    figures.extend(slept.map(|(now, before)| now.saturating_sub(before + 1) as f64 / seconds));
    let mut got = Tally::default();
    got.add(number);
    Ok(Report { last_get: Some(last_get), got, figures, ..Report::default() })
}

/// Tells whether the system counts how often each thread of a process goes to sleep: Linux does.
pub(crate) fn sleeps_are_counted() -> bool {
    env::consts::OS == "linux"
}

/// Counts how often the threads of this process went to sleep, where the system does.
fn times_slept() -> Result<Option<u64>, Failure> {
    sleeps_are_counted().then(|| times_slept_by(std::process::id())).transpose()
}

/// Counts how often the threads of a process went to sleep.
pub(crate) fn times_slept_by(pid: u32) -> Result<u64, Failure> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ends just now counts no more.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = count.ok_or_else(|| Failure::new("the kernel does not count switches"))?;
        total += count.trim().parse::<u64>()?;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(numbers: &[u64]) -> Result<Report, Failure> {
        let mut numbers = numbers.iter().copied().chain([END]);
        consume(|| numbers.next().ok_or_else(|| Failure::new("after the end")))
    }

    #[test]
    fn a_consumer_takes_each_producers_messages_in_order_only() {
        // Of producer 0: 0, 8, 24; of producer 1: 1, 9.
        assert_eq!(got(&[0, 1, 8, 9, 24]).unwrap().got, Tally { count: 5, sum: 42 });
        assert!(got(&[0, 8, 0]).is_err(), "twice");
        assert!(got(&[0, 9, 8, 1]).is_err(), "out of order");
    }

    #[test]
    fn a_message_is_as_long_as_wanted_and_a_torn_one_is_noticed() {
        for size in [8, 9, 16, 200, 65536] {
            let message = ByteBuf::numbered(258, size);
            assert_eq!(message.len(), size);
            let whole = message.number(size);
            assert!(whole.is_ok_and(|number| number == 258) || (9..16).contains(&size), "{size}");
        }
        let mut torn = ByteBuf::numbered(258, 200);
        torn[199] ^= 1;
        assert!(torn.number(200).is_err());
        assert!(ByteBuf::numbered(258, 200).number(201).is_err());
    }

    #[test]
    fn an_answer_out_of_turn_is_noticed() {
        let mut numbers = [0, 2].into_iter();
        let get = || numbers.next().ok_or_else(|| Failure::new("no more"));
        assert!(answer(|_| Ok(()), get).unwrap_err().to_string().contains("1 was due, but 2"));
    }

    #[test]
    fn two_who_both_put_first_count_the_same_rounds() {
        let (to_follower, from_leader) = std::sync::mpsc::channel();
        let (to_leader, from_follower) = std::sync::mpsc::channel();
        let follower = thread::spawn(move || {
            follow(|number| Ok(to_leader.send(number)?), || Ok(from_leader.recv()?))
        });
        let side = Side { act: Act::Lead, number: 0, size: 8, seconds: 0.01, cores: Vec::new() };
        let put = |number| Ok(to_follower.send(number)?);
        let led = side.lead(put, || Ok(from_follower.recv()?)).unwrap();
        let followed = follower.join().unwrap().unwrap();
        assert!(led.put.count > 0);
        assert_eq!((led.put, led.got), (followed.put, followed.got));
    }
}
