//! Running a given command and timing it, so that it never outlives this program.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use common::files::reason;
use common::group::Group;
use common::interrupt;
use common::text;
use common::time::Stopwatch;

use super::Refusal;

/// The time that a command which was asked to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event while a command runs.
enum Event {
    /// The command has ended, after this time.
    Ended(io::Result<ExitStatus>, Duration),
    /// A signal asks this program to end.
    Signal(i32),
}

/// Runs commands one after the other; each is ended if this program is asked to end.
pub(super) struct Runs {
    events: Receiver<Event>,
    teller: Sender<Event>,
}

impl Runs {
    pub(super) fn new() -> Result<Self, Refusal> {
        let (teller, events) = channel();
        let signals = interrupt::listen(&Arc::default());
        let signals = signals.map_err(|error| Refusal::failed(reason(&error)))?;
        let to_us = teller.clone();
        thread::spawn(move || {
            for signal in signals {
                let _ = to_us.send(Event::Signal(signal));
            }
        });
        Ok(Self { events, teller })
    }

    /// Runs the command, and returns how long it takes.
    pub(super) fn time(&mut self, words: &[String]) -> Result<Duration, Refusal> {
        let shown = words.join(" ");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        let watch = Stopwatch::start();
        // A group, to reach its children as well.
        let started = Group::spawn(&mut command);
        let failed = |error| Refusal::failed(format!("{shown}: {}", reason(&error)));
        let (mut child, group) = started.map_err(failed)?;
        let teller = self.teller.clone();
        thread::spawn(move || {
            let ended = child.wait();
            let _ = teller.send(Event::Ended(ended, watch.elapsed()));
        });
        match self.events.recv().map_err(Refusal::failed)? {
            Event::Ended(Ok(status), time) if status.success() => Ok(time),
            Event::Ended(Ok(status), _) => Err(Refusal::failed(match status.code() {
                Some(code) => text!("the command failed with exit code {}: {}", code, shown),
                None => text!("the command was ended by a signal: {}", shown),
            })),
            Event::Ended(Err(error), _) => Err(failed(error)),
            Event::Signal(signal) => {
                self.end(&group);
                let code = 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0));
                let text = text!("ended by signal {}, and the command too", signal);
                Err(Refusal { code, text })
            }
        }
    }

    /// Asks the command to end, and makes it.
    fn end(&self, group: &Group) {
        for (end, patience) in
            [(Group::terminate as fn(&Group), PATIENCE), (Group::kill, Duration::MAX)]
        {
            end(group);
            loop {
                match self.events.recv_timeout(patience) {
                    Ok(Event::Ended(..)) | Err(RecvTimeoutError::Disconnected) => {
                        // Also what the command had started and left behind.
                        group.kill();
                        return;
                    }
                    Ok(Event::Signal(_)) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
    }
}
