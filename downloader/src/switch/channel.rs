//! The channels that a token can take, each written once: threads and processes use the same code.

use std::hint::spin_loop;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::Duration;

use common::text;
use crossbeam::channel::{Receiver, Sender, unbounded};
use multiprocess::process::handover;
use multiprocess::queue::Words;
use multiprocess::{Failure, Queue};
use serde::{Deserialize, Serialize};

/// The carrier of a token; another of its kind carries it back. There is an example at
/// [`Cell`](super::Cell).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// The kernel's own pipes: one write and one read for a token.
    Pipe,
    /// A word in shared memory; a waiter sleeps in the kernel.
    Futex,
    /// `multiprocess::Queue`, which processes and threads can share.
    Queue,
    /// crossbeam's channel, which only threads can share.
    Crossbeam,
    /// A word in shared memory; a waiter looks again and again.
    Spin,
    /// A word in shared memory; a waiter lets others run: `sched_yield`.
    Yield,
}

/// An end of a pair of channels: puts into one of them, gets from the other. An end of crossbeam's
/// channels can't go to another process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    Pipe {
        #[serde(with = "handover")]
        into: PipeWriter,
        #[serde(with = "handover")]
        from: PipeReader,
    },
    Word {
        words: Words,
        into: usize,
        from: usize,
        wait: Wait,
    },
    Queue {
        into: Queue<u64>,
        from: Queue<u64>,
    },
    #[serde(skip)]
    Crossbeam {
        into: Sender<u64>,
        from: Receiver<u64>,
    },
}

/// How an end waits at a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wait {
    Sleep,
    Spin,
    Yield,
}

/// The distance of words in cache lines of their own, also of processors that fetch two lines at a
/// time.
const APART: usize = 16;

/// The longest sleep before looking again. No wake-up is lost, so no end sleeps that long.
const NAP: Duration = Duration::from_secs(10);

impl Channel {
    /// Returns its name in the tables: a word or two in the reader's language.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Pipe => text!("kernel pipes"),
            Self::Futex => text!("futex word"),
            Self::Queue => text!("our queue"),
            Self::Crossbeam => "crossbeam".to_owned(),
            Self::Spin => text!("spinning"),
            Self::Yield => "sched_yield".to_owned(),
        }
    }

    /// Makes the two ends.
    pub(crate) fn ends(self) -> Result<[End; 2], Failure> {
        Ok(match self {
            Self::Pipe => {
                let (there, back) = (pipe()?, pipe()?);
                [
                    End::Pipe { into: there.1, from: back.0 },
                    End::Pipe { into: back.1, from: there.0 },
                ]
            }
            Self::Futex => words(Wait::Sleep)?,
            Self::Spin => words(Wait::Spin)?,
            Self::Yield => words(Wait::Yield)?,
            Self::Queue => {
                let (there, back) = (Queue::unbounded()?, Queue::unbounded()?);
                let first = End::Queue { into: there.clone(), from: back.clone() };
                [first, End::Queue { into: back, from: there }]
            }
            Self::Crossbeam => {
                let (there, back) = (unbounded(), unbounded());
                [
                    End::Crossbeam { into: there.0, from: back.1 },
                    End::Crossbeam { into: back.0, from: there.1 },
                ]
            }
        })
    }
}

fn words(wait: Wait) -> Result<[End; 2], Failure> {
    let words = Words::new(2 * APART)?;
    let end = |into, from| End::Word { words: words.clone(), into, from, wait };
    Ok([end(0, APART), end(APART, 0)])
}

impl End {
    /// Puts a token, which isn't 0, for the other end, which has got the one before.
    pub(crate) fn put(&mut self, token: u64) -> Result<(), Failure> {
        match self {
            Self::Pipe { into, .. } => Ok(into.write_all(&token.to_ne_bytes())?),
            Self::Word { words, into, wait, .. } => {
                words[*into].store(token, Ordering::Release);
                if *wait == Wait::Sleep {
                    words.wake(*into, 1);
                }
                Ok(())
            }
            Self::Queue { into, .. } => Ok(into.put(token)?),
            Self::Crossbeam { into, .. } => Ok(into.send(token)?),
        }
    }

    /// Waits for the other end's token, and gets it. If the other end is gone, that is an error or,
    /// at a word, a wait until this process is ended.
    pub(crate) fn get(&mut self) -> Result<u64, Failure> {
        match self {
            Self::Pipe { from, .. } => {
                let mut token = [0; 8];
                from.read_exact(&mut token)?;
                Ok(u64::from_ne_bytes(token))
            }
            Self::Word { words, from, wait, .. } => Ok(match wait {
                Wait::Sleep => take(&words[*from], || words.sleep_while(*from, 0, NAP)),
                Wait::Spin => take(&words[*from], spin_loop),
                Wait::Yield => take(&words[*from], yield_now),
            }),
            Self::Queue { from, .. } => Ok(from.get()?),
            Self::Crossbeam { from, .. } => Ok(from.recv()?),
        }
    }
}

/// Takes the token out of a word that had none, as soon as there is one.
fn take(word: &AtomicU64, wait: impl Fn()) -> u64 {
    loop {
        let token = word.load(Ordering::Acquire);
        if token != 0 {
            word.store(0, Ordering::Relaxed);
            return token;
        }
        wait();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn over_every_channel_each_token_comes_to_the_other_end() {
        let _deadline = testing::Deadline::seconds(60);
        use Channel::{Crossbeam, Futex, Pipe, Queue, Spin, Yield};
        for channel in [Pipe, Futex, Queue, Crossbeam, Spin, Yield] {
            let [mut here, mut there] = channel.ends().unwrap();
            let other = thread::spawn(move || {
                for _ in 0..20 {
                    let token = there.get().unwrap();
                    there.put(token + 100).unwrap();
                }
            });
            for token in 1..=20 {
                here.put(token).unwrap();
                assert_eq!(here.get().unwrap(), token + 100, "{channel:?}");
            }
            other.join().unwrap();
        }
    }
}
