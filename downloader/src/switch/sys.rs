//! What only the operating system can count, and the only unsafe code of this crate.

use std::io;

/// How often the calling thread was taken off its core so far: because it waited, or because it
/// yielded or its time was up.
#[expect(unsafe_code, reason = "getrusage is a C function")]
pub(crate) fn switches() -> io::Result<u64> {
    // SAFETY: all zeros is a value of this C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the struct lives until the call returns.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usage.ru_nvcsw.cast_unsigned() + usage.ru_nivcsw.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_for_an_answer_is_switched_away() {
        let (sender, receiver) = channel::<()>();
        let (ready, is_ready) = channel();
        let waiter = thread::spawn(move || {
            let before = switches().unwrap();
            ready.send(rustix::thread::gettid()).unwrap();
            receiver.recv().unwrap();
            switches().unwrap() - before
        });
        let thread = is_ready.recv().unwrap();
        // It sleeps when the kernel says so.
        let status = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        while !std::fs::read_to_string(&status).unwrap().contains(") S ") {
            thread::yield_now();
        }
        sender.send(()).unwrap();
        assert!(waiter.join().unwrap() >= 1);
    }
}
