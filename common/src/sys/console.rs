//! What a console of Windows tells its programs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

use super::windows::check;

/// The listeners to what the console tells.
static LISTENERS: Mutex<Vec<(Arc<AtomicBool>, Sender<i32>)>> = Mutex::new(Vec::new());

#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn listen(asked: &Arc<AtomicBool>) -> io::Result<Receiver<i32>> {
    let (sender, receiver) = channel();
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    if listeners.is_empty() {
        // SAFETY: the handler is a function that is always there.
        check(unsafe { SetConsoleCtrlHandler(Some(handle), 1) })?;
    }
    listeners.push((Arc::clone(asked), sender));
    Ok(receiver)
}

/// Handles an event; the system calls it, each time in a new thread.
extern "system" fn handle(event: u32) -> BOOL {
    if tell(event) == 2 {
        return 1;
    }
    // As soon as this returned, the system would end the process, which has a few seconds else.
    loop {
        thread::park();
    }
}

/// Tells all listeners; returns the number of the signal.
fn tell(event: u32) -> i32 {
    let signal = match event {
        CTRL_C_EVENT | CTRL_BREAK_EVENT => 2,
        CTRL_CLOSE_EVENT => 1,
        _ => 15,
    };
    for (asked, sender) in LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        asked.store(true, Ordering::SeqCst);
        // The program may have heard enough.
        let _ = sender.send(signal);
    }
    signal
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::Console::CTRL_SHUTDOWN_EVENT;

    use super::*;

    #[test]
    fn the_console_s_events_are_told_by_their_numbers() {
        let asked = Arc::new(AtomicBool::new(false));
        let signals = listen(&asked).unwrap();
        assert_eq!(handle(CTRL_C_EVENT), 1);
        let others = [CTRL_BREAK_EVENT, CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT];
        assert_eq!(others.map(tell), [2, 1, 15]);
        assert_eq!(signals.try_iter().collect::<Vec<i32>>(), [2, 2, 1, 15]);
        assert!(asked.load(Ordering::SeqCst));
    }
}
