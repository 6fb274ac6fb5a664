//! The loop of each role, written once: it knows of a transport only how to put and how to get.
//! `roles.py` of the crate `bench` mirrors them for Python.
//!
//! ```text
//!   asks                                  answers
//!     touches its memory
//!     puts a number ──────────────────────▶ gets it
//!                                            touches its memory
//!     gets it again ◀─────────────────────── puts it back          a round trip: two hops
//! ```

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;
use std::{env, fs, thread};

use multiprocess::Failure;
use serde_bytes::ByteBuf;

use super::Transport;
use super::workload::{Report, Role, Tally, Worker};
use crate::time::{Stopwatch, clock, context_switches, cpu_time};
use crate::{cores, text};

/// The last message of a worker that doesn't know how many the other expects. Not the largest
/// number: a transport may add 1.
const END: u64 = u64::MAX - 1;

/// The bits of the producer's number, the lowest of a message's number; above them is its position
/// among the producer's messages.
const PRODUCER_BITS: u32 = 4;
const PRODUCERS: usize = 1 << PRODUCER_BITS;

/// The time from one message to the next where latency is measured.
const SLOT: Duration = Duration::from_micros(100);

/// The round trips before those that count.
const WARM_UP: u64 = 16;

/// The time, about, between two looks at the clock: a look costs as much as a hop between two
/// workers that spin.
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// The bytes of a cache line: to touch one of them has the whole line in the cache.
const CACHE_LINE: usize = 64;

/// A message: a number, in as many bytes as the workload says.
pub trait Message: Sized + Send + 'static {
    /// Makes a message of this number.
    fn numbered(number: u64, size: usize) -> Self;

    /// Returns the number.
    ///
    /// # Errors
    /// If the message isn't whole.
    fn number(&self, size: usize) -> Result<u64, Failure>;

    /// Writes the message to a pipe.
    ///
    /// # Errors
    /// Those of the pipe.
    fn write(&self, pipe: impl Write) -> io::Result<()>;

    /// Reads a message of this size from a pipe.
    ///
    /// # Errors
    /// Those of the pipe.
    fn read(pipe: impl Read, size: usize) -> io::Result<Self>;
}

impl Message for u64 {
    fn numbered(number: u64, _size: usize) -> Self {
        number
    }

    fn number(&self, _size: usize) -> Result<u64, Failure> {
        Ok(*self)
    }

    fn write(&self, mut pipe: impl Write) -> io::Result<()> {
        pipe.write_all(&self.to_ne_bytes())
    }

    fn read(mut pipe: impl Read, _size: usize) -> io::Result<Self> {
        let mut number = [0; 8];
        pipe.read_exact(&mut number)?;
        Ok(Self::from_ne_bytes(number))
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

    fn write(&self, mut pipe: impl Write) -> io::Result<()> {
        pipe.write_all(self)
    }

    fn read(mut pipe: impl Read, size: usize) -> io::Result<Self> {
        let mut message = vec![0; size];
        pipe.read_exact(&mut message)?;
        Ok(Self::from(message))
    }
}

/// A worker's end of a transport, through which numbers go.
struct Numbers<'a, T> {
    end: &'a mut T,
    size: usize,
}

impl<T: Transport> Numbers<'_, T> {
    fn put(&mut self, number: u64) -> Result<(), Failure> {
        self.end.put(T::Message::numbered(number, self.size))
    }

    fn get(&mut self) -> Result<u64, Failure> {
        self.end.get()?.number(self.size)
    }
}

impl Worker {
    /// Binds the calling thread to the worker's core, if it has one.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn bind(&self) -> Result<(), Failure> {
        self.core.map_or(Ok(()), |core| Ok(cores::bind_to(&[core])?))
    }

    /// Does the worker's work with its end of the transport.
    pub(super) fn work<T: Transport>(&self, end: &mut T) -> Result<Report, Failure> {
        let ends = Numbers { end, size: self.size };
        let report = match self.role {
            Role::Produce => self.produce(ends),
            Role::Consume => self.consume(ends),
            Role::Ask => self.ask(ends),
            Role::Answer => self.answer(ends),
            Role::Lead => self.lead(ends),
            Role::Follow => follow(ends),
            Role::Tick => self.tick(ends),
            Role::Listen => listen(ends),
            Role::Wake => self.wake(ends),
            Role::Wait => wait(ends),
        }?;
        self.check_core()?;
        Ok(report)
    }

    /// Does alone what the two do that ask and answer: as many puts, gets and touches, without a
    /// wait for another.
    pub(super) fn work_alone<T: Transport>(
        &self,
        [here, there]: &mut [T; 2],
    ) -> Result<Report, Failure> {
        let [mut here, mut there] = [here, there].map(|end| Numbers { end, size: self.size });
        let mut memory = vec![1; self.touched];
        let report = self.round_trips(|number| {
            touch(&mut memory);
            here.put(number)?;
            let number = there.get()?;
            touch(&mut memory);
            there.put(number)?;
            here.get()
        })?;
        self.check_core()?;
        Ok(report)
    }

    fn check_core(&self) -> Result<(), Failure> {
        match self.core {
            Some(core) if cores::usable()? != [core] => {
                Err(Failure::new(text!("a worker could leave the core it was bound to")))
            }
            _ => Ok(()),
        }
    }

    fn produce<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        // A look at the clock every 64 KiB costs nothing that could be seen.
        let between_looks = ((64 << 10) / self.size).clamp(1, 64) as u64;
        let producer = self.number & (PRODUCERS as u64 - 1);
        let first_put = now();
        let over = first_put + self.seconds;
        let mut tally = Tally::default();
        while now() < over {
            for _ in 0..between_looks {
                let number = tally.count << PRODUCER_BITS | producer;
                end.put(number)?;
                tally.add(number);
            }
        }
        end.put(END)?;
        Ok(Report { first_put: Some(first_put), put: tally, ..Report::default() })
    }

    fn consume<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        // Of each producer, what may come next: the numbers between may have gone to other
        // consumers.
        let mut due = [0; PRODUCERS];
        let mut got = Tally::default();
        let mut ends = self.ends;
        loop {
            let number = end.get()?;
            if number == END {
                ends -= 1;
                if ends == 0 {
                    return Ok(Report { last_get: Some(now()), got, ..Report::default() });
                }
                continue;
            }
            let due = &mut due[number as usize & (PRODUCERS - 1)];
            if number < *due {
                return Err(Failure::new(format!("{number} came when {due} or more was due")));
            }
            *due = number + 1;
            got.add(number);
        }
    }

    fn ask<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        let mut memory = vec![1; self.touched];
        let report = self.round_trips(|number| {
            touch(&mut memory);
            end.put(number)?;
            end.get()
        })?;
        end.put(END)?;
        Ok(report)
    }

    /// Makes round trips for the worker's time, and measures how long one takes.
    fn round_trips(
        &self,
        mut round_trip: impl FnMut(u64) -> Result<u64, Failure>,
    ) -> Result<Report, Failure> {
        let mut tally = Tally::default();
        let mut trips = |count: u64| {
            for _ in 0..count {
                let due = tally.count;
                expect(due, round_trip(due)?)?;
                tally.add(due);
            }
            Ok::<_, Failure>(())
        };
        trips(WARM_UP)?;
        let switches_before = switches()?;
        let first_put = now();
        let watch = Stopwatch::start();
        let (mut counted, mut batch, mut spent) = (0, 1, Duration::ZERO);
        while counted == 0 || spent.as_secs_f64() < self.seconds {
            trips(batch)?;
            counted += batch;
            let before = std::mem::replace(&mut spent, watch.elapsed());
            if spent - before < BETWEEN_LOOKS {
                batch *= 2;
            }
        }
        Ok(Report {
            first_put: Some(first_put),
            last_get: Some(now()),
            put: tally,
            got: tally,
            figures: vec![spent.as_secs_f64() / counted as f64],
            switches: switches_since(switches_before, counted)?,
        })
    }

    fn answer<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        let mut memory = vec![1; self.touched];
        let mut tally = Tally::default();
        let mut before = None;
        loop {
            if tally.count == WARM_UP {
                before = switches()?;
            }
            let number = end.get()?;
            if number == END {
                let switches = switches_since(before, tally.count.saturating_sub(WARM_UP))?;
                return Ok(Report { put: tally, got: tally, switches, ..Report::default() });
            }
            expect(tally.count, number)?;
            tally.add(number);
            touch(&mut memory);
            end.put(number)?;
        }
    }

    fn lead<T: Transport>(&self, end: Numbers<'_, T>) -> Result<Report, Failure> {
        let Numbers { end, size } = end;
        let report = self.ask(Numbers { end: &mut *end, size })?;
        // What the other has put for a round that isn't begun any more.
        expect(report.got.count, Numbers { end, size }.get()?)?;
        Ok(report)
    }

    fn tick<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        let mut report = Report { first_put: Some(now()), ..Report::default() };
        let over = clock() + Duration::try_from_secs_f64(self.seconds)?;
        let mut slot = clock();
        while slot < over {
            slot += SLOT;
            thread::sleep(slot.saturating_sub(clock()));
            let reading = clock().as_nanos() as u64;
            end.put(reading)?;
            report.put.add(reading);
        }
        end.put(END)?;
        Ok(report)
    }

    fn wake<T: Transport>(&self, mut end: Numbers<'_, T>) -> Result<Report, Failure> {
        let first_put = Some(now());
        thread::sleep(Duration::try_from_secs_f64(self.seconds)?);
        end.put(0)?;
        Ok(Report { first_put, put: Tally { count: 1, sum: 0 }, ..Report::default() })
    }
}

/// Returns the seconds on the clock that all processes share.
fn now() -> f64 {
    clock().as_secs_f64()
}

/// Counts how often the calling thread was switched away so far; `None`: not counted here.
fn switches() -> io::Result<Option<u64>> {
    match context_switches() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        count => count.map(Some),
    }
}

/// Returns how often that was in each of so many round trips.
fn switches_since(before: Option<u64>, round_trips: u64) -> io::Result<Option<f64>> {
    let switches = switches()?.zip(before).map(|(now, before)| (now - before) as f64);
    Ok(switches.map(|switches| switches / round_trips.max(1) as f64))
}

fn touch(memory: &mut Vec<u8>) {
    for line in memory.iter_mut().step_by(CACHE_LINE) {
        *line = line.wrapping_add(1);
    }
    black_box(memory);
}

fn expect(due: u64, number: u64) -> Result<(), Failure> {
    if number == due {
        return Ok(());
    }
    Err(Failure::new(text!("message {} was due, but {} came", due, number)))
}

fn follow<T: Transport>(mut end: Numbers<'_, T>) -> Result<Report, Failure> {
    let mut tally = Tally::default();
    loop {
        let due = tally.count;
        end.put(due)?;
        let number = end.get()?;
        if number == END {
            return Ok(Report { put: tally, got: tally, ..Report::default() });
        }
        expect(due, number)?;
        tally.add(number);
    }
}

fn listen<T: Transport>(mut end: Numbers<'_, T>) -> Result<Report, Failure> {
    let mut report = Report::default();
    loop {
        let reading = end.get()?;
        if reading == END {
            return Ok(Report { last_get: Some(now()), ..report });
        }
        let age = clock().saturating_sub(Duration::from_nanos(reading));
        report.got.add(reading);
        report.figures.push(age.as_secs_f64());
    }
}

fn wait<T: Transport>(mut end: Numbers<'_, T>) -> Result<Report, Failure> {
    let (begun, slept, computed) = (now(), times_slept()?, cpu_time());
    let number = end.get()?;
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

/// Returns true if the system counts how often each thread of a process goes to sleep: Linux does.
#[must_use]
pub fn sleeps_are_counted() -> bool {
    env::consts::OS == "linux"
}

/// Counts how often the threads of this process went to sleep, where the system does.
fn times_slept() -> Result<Option<u64>, Failure> {
    sleeps_are_counted().then(|| times_slept_by(std::process::id())).transpose()
}

/// Counts how often the threads of a process went to sleep.
///
/// # Errors
/// If the system doesn't tell: only Linux does.
pub fn times_slept_by(pid: u32) -> Result<u64, Failure> {
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
    use super::super::transports::Crossbeam;
    use super::super::{Execution, Placement, Workload};
    use super::*;

    fn worker(role: Role, seconds: f64) -> Worker {
        Worker { role, number: 0, size: 8, touched: 200, seconds, core: None, ends: 1 }
    }

    fn ends() -> [Crossbeam<u64>; 2] {
        let workload = Workload::round_trip(Execution::Threads, Placement::Free);
        Crossbeam::ends(&workload).unwrap().try_into().ok().unwrap()
    }

    /// Runs two roles against each other, in threads.
    fn both(first: Role, second: Role) -> [Report; 2] {
        let _deadline = testing::Deadline::seconds(60);
        let [mut here, mut there] = ends();
        let other = thread::spawn(move || worker(second, 0.0).work(&mut there).unwrap());
        [worker(first, 0.002).work(&mut here).unwrap(), other.join().unwrap()]
    }

    fn got(numbers: &[u64]) -> Result<Report, Failure> {
        let [mut here, mut there] = ends();
        numbers.iter().chain([&END]).for_each(|number| here.put(*number).unwrap());
        worker(Role::Consume, 0.0).work(&mut there)
    }

    #[test]
    fn a_consumer_takes_each_producers_messages_in_order_only() {
        // Of producer 0: 0, 16, 48; of producer 1: 1, 17; of 7: 23; of 15: 15.
        let numbers = [0, 1, 16, 23, 15, 17, 48];
        assert_eq!(got(&numbers).unwrap().got, Tally { count: 7, sum: 120 });
        assert!(got(&[0, 16, 0]).is_err(), "twice");
        assert!(got(&[0, 17, 16, 1]).is_err(), "out of order");
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
        let [mut here, mut there] = ends();
        here.put(2).unwrap();
        let error = worker(Role::Answer, 0.0).work(&mut there).unwrap_err().to_string();
        assert_eq!(error, text!("message {} was due, but {} came", 0, 2));
    }

    #[test]
    fn two_that_pass_messages_count_the_same_round_trips() {
        for [first, second] in [[Role::Ask, Role::Answer], [Role::Lead, Role::Follow]] {
            let [led, followed] = both(first, second);
            assert!(led.put.count > WARM_UP && led.figures[0] > 0.0);
            assert_eq!((led.put, led.got), (followed.put, followed.got));
        }
    }

    #[test]
    fn a_worker_alone_is_not_switched_away() {
        let report = worker(Role::Ask, 0.002).work_alone(&mut ends()).unwrap();
        assert!(report.figures[0] > 0.0 && report.switches.is_none_or(|count| count < 1.0));
    }

    #[test]
    fn one_byte_of_every_line_is_touched() {
        let mut memory = vec![1; 200];
        touch(&mut memory);
        let touched: Vec<usize> = (0..200).filter(|place| memory[*place] == 2).collect();
        assert_eq!(touched, [0, 64, 128, 192]);
    }
}
