//! The transports that this project measures, each written once: threads and processes use the same
//! code.

use std::hint::spin_loop;
use std::io::{PipeReader, PipeWriter, pipe};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::Duration;

use crossbeam::channel;
use multiprocess::process::handover;
use multiprocess::queue::Words;
use multiprocess::{Connection, Failure, Queue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Workload;
use super::roles::Message;

/// A transport between the workers of a workload: a value is the end that one of them holds, which
/// puts into one channel and gets from another.
pub trait Transport: Sized + Send + 'static {
    /// The messages that it carries.
    type Message: Message;

    /// Makes an end for each worker.
    ///
    /// # Errors
    /// If the system refuses.
    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure>;

    /// Connects the end, in its worker, before the first message.
    ///
    /// # Errors
    /// If it can't.
    fn connect(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Puts a message; waits for room.
    ///
    /// # Errors
    /// If the others are gone, or the system refuses.
    fn put(&mut self, message: Self::Message) -> Result<(), Failure>;

    /// Waits for a message, and gets it.
    ///
    /// # Errors
    /// If the others are gone, or the system refuses.
    fn get(&mut self) -> Result<Self::Message, Failure>;
}

/// Makes an end for each worker of the two channels of a workload.
fn ends_of<C, E>(workload: &Workload, channels: &[C; 2], end: impl Fn(&C, &C) -> E) -> Vec<E> {
    let ends = (0..workload.roles.len()).map(|worker| {
        let (into, from) = workload.channels(worker);
        end(&channels[into], &channels[from])
    });
    ends.collect()
}

/// [`multiprocess::Queue`], which processes and threads can share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "M: Serialize + DeserializeOwned")]
pub struct OurQueue<M> {
    into: Queue<M>,
    from: Queue<M>,
}

impl<M: Message + Serialize + DeserializeOwned> Transport for OurQueue<M> {
    type Message = M;

    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure> {
        let new = || workload.capacity.map_or_else(Queue::unbounded, Queue::bounded);
        Ok(ends_of(workload, &[new()?, new()?], |into, from| Self {
            into: into.clone(),
            from: from.clone(),
        }))
    }

    fn put(&mut self, message: M) -> Result<(), Failure> {
        Ok(self.into.put(message)?)
    }

    fn get(&mut self) -> Result<M, Failure> {
        Ok(self.from.get()?)
    }
}

/// Our pipe of both directions, for two workers. Numbers go as values, bytes as bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct OurPipe<M>(Connection<u64, u64>, PhantomData<M>);

impl<M> OurPipe<M> {
    fn both() -> Result<Vec<Self>, Failure> {
        let (one, other) = multiprocess::pipe()?;
        Ok([one, other].map(|end| Self(end, PhantomData)).into())
    }
}

impl Transport for OurPipe<u64> {
    type Message = u64;

    fn ends(_workload: &Workload) -> Result<Vec<Self>, Failure> {
        Self::both()
    }

    fn put(&mut self, message: u64) -> Result<(), Failure> {
        Ok(self.0.send(&message)?)
    }

    fn get(&mut self) -> Result<u64, Failure> {
        Ok(self.0.recv()?)
    }
}

impl Transport for OurPipe<ByteBuf> {
    type Message = ByteBuf;

    fn ends(_workload: &Workload) -> Result<Vec<Self>, Failure> {
        Self::both()
    }

    fn put(&mut self, message: ByteBuf) -> Result<(), Failure> {
        Ok(self.0.send_bytes(&message)?)
    }

    fn get(&mut self) -> Result<ByteBuf, Failure> {
        Ok(ByteBuf::from(self.0.recv_bytes(None)?))
    }
}

/// The kernel's own pipes, without anything around them: the limit. Each message is one write, and
/// as many reads as the kernel needs. Messages of at most a page don't mix, so several workers may
/// share a pipe.
#[derive(Debug, Serialize, Deserialize)]
pub struct BarePipe<M> {
    #[serde(with = "handover")]
    into: PipeWriter,
    #[serde(with = "handover")]
    from: PipeReader,
    size: usize,
    messages: PhantomData<M>,
}

impl<M: Message> Transport for BarePipe<M> {
    type Message = M;

    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure> {
        let size = workload.size.unwrap_or(size_of::<u64>());
        let end = |into: &(PipeReader, PipeWriter), from: &(PipeReader, PipeWriter)| {
            let (into, from) = (into.1.try_clone()?, from.0.try_clone()?);
            Ok(Self { into, from, size, messages: PhantomData })
        };
        ends_of(workload, &[pipe()?, pipe()?], end).into_iter().collect()
    }

    fn put(&mut self, message: M) -> Result<(), Failure> {
        Ok(message.write(&mut self.into)?)
    }

    fn get(&mut self) -> Result<M, Failure> {
        Ok(M::read(&mut self.from, self.size)?)
    }
}

/// crossbeam's channel, which only threads can share.
#[derive(Debug)]
pub struct Crossbeam<M> {
    into: channel::Sender<M>,
    from: channel::Receiver<M>,
}

impl<M: Message + Sync> Transport for Crossbeam<M> {
    type Message = M;

    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure> {
        let new = || workload.capacity.map_or_else(channel::unbounded, channel::bounded);
        Ok(ends_of(workload, &[new(), new()], |into, from| Self {
            into: into.0.clone(),
            from: from.1.clone(),
        }))
    }

    fn put(&mut self, message: M) -> Result<(), Failure> {
        Ok(self.into.send(message)?)
    }

    fn get(&mut self) -> Result<M, Failure> {
        Ok(self.from.recv()?)
    }
}

/// A word in shared memory for each direction, between two workers that ask and answer. If the
/// other worker is gone, a get waits until this process is ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Word<W> {
    words: Words,
    into: usize,
    from: usize,
    waiting: PhantomData<W>,
}

/// How a worker waits at a [`Word`].
pub trait Waiting: Send + 'static {
    /// Waits a moment while the word is 0.
    fn pause(words: &Words, word: usize);

    /// Wakes who waits.
    fn wake(_words: &Words, _word: usize) {}
}

/// Sleeps in the kernel.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sleeping;
/// Looks again and again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spinning;
/// Lets others run: `sched_yield`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Yielding;

/// The longest sleep before looking again. No wake-up is lost, so no worker sleeps that long.
const NAP: Duration = Duration::from_secs(10);

impl Waiting for Sleeping {
    fn pause(words: &Words, word: usize) {
        words.sleep_while(word, 0, NAP);
    }

    fn wake(words: &Words, word: usize) {
        words.wake(word, 1);
    }
}

impl Waiting for Spinning {
    fn pause(_words: &Words, _word: usize) {
        spin_loop();
    }
}

impl Waiting for Yielding {
    fn pause(_words: &Words, _word: usize) {
        yield_now();
    }
}

/// The distance of words in cache lines of their own, also of processors that fetch two lines at a
/// time.
const APART: usize = 16;

impl<W: Waiting> Transport for Word<W> {
    type Message = u64;

    fn ends(_workload: &Workload) -> Result<Vec<Self>, Failure> {
        let words = Words::new(2 * APART)?;
        let end = |into, from| Self { words: words.clone(), into, from, waiting: PhantomData };
        Ok(vec![end(0, APART), end(APART, 0)])
    }

    /// Stores the number and 1: an empty word is 0. The other worker has taken the one before.
    fn put(&mut self, number: u64) -> Result<(), Failure> {
        self.words[self.into].store(number + 1, Ordering::Release);
        W::wake(&self.words, self.into);
        Ok(())
    }

    fn get(&mut self) -> Result<u64, Failure> {
        let word: &AtomicU64 = &self.words[self.from];
        loop {
            let number = word.load(Ordering::Acquire);
            if number != 0 {
                word.store(0, Ordering::Relaxed);
                return Ok(number - 1);
            }
            W::pause(&self.words, self.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::{Execution, Placement};
    use super::*;

    fn check<T: Transport<Message = u64>>() {
        let workload = Workload::round_trip(Execution::Threads, Placement::Free);
        let [mut here, mut there]: [T; 2] =
            T::ends(&workload).unwrap().try_into().ok().expect("two ends");
        let other = thread::spawn(move || {
            for _ in 0..20 {
                let number = there.get().unwrap();
                there.put(number + 100).unwrap();
            }
        });
        for number in 0..20 {
            here.put(number).unwrap();
            assert_eq!(here.get().unwrap(), number + 100);
        }
        other.join().unwrap();
    }

    #[test]
    fn over_every_transport_each_message_comes_to_the_other_end() {
        let _deadline = testing::Deadline::seconds(60);
        check::<OurQueue<u64>>();
        check::<OurPipe<u64>>();
        check::<BarePipe<u64>>();
        check::<Crossbeam<u64>>();
        check::<Word<Sleeping>>();
        check::<Word<Spinning>>();
        check::<Word<Yielding>>();
    }
}
