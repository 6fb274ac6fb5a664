//! The signals of Linux and macOS that ask a program to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

pub(crate) fn listen(asked: &Arc<AtomicBool>) -> io::Result<Receiver<i32>> {
    const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
    for signal in SIGNALS {
        // In the handler itself: a thread that sees what the signal has done to other processes
        // sees the flag, too.
        flag::register(signal, Arc::clone(asked))?;
    }
    let mut signals = Signals::new(SIGNALS)?;
    let (sender, receiver) = channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            // The program may have heard enough.
            let _ = sender.send(signal);
        }
    })?;
    Ok(receiver)
}
