//! Ctrl-C: the first time no attempt is begun any more, the second time all ends at once.

use std::io;
use std::sync::Arc;
use std::thread;

use common::interrupt;

use super::frontier::Frontier;
use super::output_dir::OutputDir;

/// The exit code of a run that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// Listens to Ctrl-C, SIGTERM and SIGHUP from now on: the first of them closes the frontier, the
/// second the folder, and ends the process.
pub(super) fn listen(frontier: &Arc<Frontier>, output_dir: &Arc<OutputDir>) -> io::Result<()> {
    // A program that sees what a signal has done to others knows of the signal.
    let signals = interrupt::listen(&frontier.is_closed)?;
    let (frontier, output_dir) = (Arc::clone(frontier), Arc::clone(output_dir));
    let listen = move || {
        if signals.recv().is_ok() {
            frontier.close();
        }
        if signals.recv().is_ok() {
            output_dir.close();
            std::process::exit(INTERRUPTED.into());
        }
    };
    thread::Builder::new().spawn(listen).map(drop)
}
