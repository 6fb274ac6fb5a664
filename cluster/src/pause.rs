//! Pauses of a loop that meets an error again and again.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// Shortest pause.
const SHORTEST: Duration = Duration::from_millis(100);

/// Pauses that grow: 0.1 s, 0.2 s, 0.4 s and so on, up to a limit. (Exponential back-off.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Returns pauses of at most this length.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { next: SHORTEST, longest }
    }

    /// Begins anew, after a success.
    pub(crate) fn reset(&mut self) {
        self.next = SHORTEST;
    }

    /// Waits for the next pause.
    pub(crate) async fn pause(&mut self) {
        sleep(self.grow()).await;
    }

    fn grow(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        now
    }
}

/// Pauses of a loop over an error of the network: at most 2 s.
impl Default for Pauses {
    fn default() -> Self {
        Self::up_to(Duration::from_secs(2))
    }
}

/// Waits until then; for ever without a time.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_tenth_of_a_second_to_their_limit_and_begin_anew() {
        let mut pauses = Pauses::default();
        let mut grown = [(); 7].map(|()| pauses.grow().as_millis());
        assert_eq!(grown, [100, 200, 400, 800, 1600, 2000, 2000]);
        pauses.reset();
        grown[0] = pauses.grow().as_millis();
        assert_eq!(grown[0], 100);
    }
}
