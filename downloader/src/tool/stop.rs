//! Ctrl-C: the first time all is to stop, the second time it ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::interrupt;

/// The exit code of a run that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// The wish that the run stop, and what to do then.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) is_asked: Arc<AtomicBool>,
    first: Arc<dyn Fn() + Send + Sync>,
}

impl Stop {
    /// Listens to Ctrl-C, SIGTERM and SIGHUP from now on. At the first of them `first` is called;
    /// at the second `second` is, and the process ends.
    pub(super) fn listen(
        first: impl Fn() + Send + Sync + 'static,
        second: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Self { is_asked: Arc::default(), first: Arc::new(first) };
        // A program that sees what a signal has done to others knows of the signal.
        let signals = interrupt::listen(&stop.is_asked)?;
        let listening = stop.clone();
        thread::Builder::new().spawn(move || {
            if signals.recv().is_ok() {
                listening.ask();
            }
            if signals.recv().is_ok() {
                second();
                std::process::exit(INTERRUPTED.into());
            }
        })?;
        Ok(stop)
    }

    /// Asks all to stop.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        (self.first)();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }
}
