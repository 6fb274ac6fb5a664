//! How long tests wait: a kill timer for those that could hang, and how many rounds they do.

use std::io::{self, Write};
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys;

/// The longest that a test waits for anything.
pub const LONG: Duration = Duration::from_secs(30);

/// A moment in which nothing shall happen.
pub const SHORT: Duration = Duration::from_millis(50);

/// A kill timer: it ends the whole test program if it isn't dropped in time, so that a hang is a
/// failure that names the test.
///
/// ```
/// let _deadline = testing::Deadline::seconds(60);
/// ```
#[derive(Debug)]
pub struct Deadline(#[expect(dead_code, reason = "held only to be dropped")] Sender<()>);

impl Deadline {
    /// Starts the timer.
    ///
    /// # Panics
    /// If no thread can be started.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        let (sender, receiver) = channel();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            let over = receiver.recv_timeout(Duration::from_secs(seconds));
            if over == Err(RecvTimeoutError::Timeout) {
                // Not by a macro: the test harness would keep it to itself.
                let _ = writeln!(io::stderr(), "{test} did not end within {seconds} s:");
                let _ = sys::threads_of_session().and_then(|all| io::stderr().write_all(&all));
                abort();
            }
        });
        Self(sender)
    }
}

/// Asks again and again until the answer is yes, for what can't be waited for otherwise.
///
/// # Panics
/// If that takes longer than [`LONG`].
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}

/// Returns how many rounds a heavy test does: so many, or that divided by `FEWER_ROUNDS`, which CI
/// sets for Wine, but at least one.
///
/// Wine 8 keeps the handles of a child for ever if its parent is killed at a certain moment inside
/// `CreateProcess`. A test that kills parents at random moments, and waits for such a handle to go,
/// meets that in one of a hundred rounds.
///
/// # Panics
/// If the variable is not a number above 0.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    let divisor = std::env::var("FEWER_ROUNDS")
        .map_or(1, |number| number.parse().expect("FEWER_ROUNDS is a number"));
    (usual / divisor).max(1)
}
