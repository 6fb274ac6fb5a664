//! Messages that are none: dropped, counted, and told once a minute.

use std::time::{Duration, Instant};

use multiprocess::output::complain;

/// Shortest time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// A count of messages that were dropped.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    /// Number since the last line.
    count: u64,
    told: Option<Instant>,
}

impl Garbage {
    /// Counts a message that was dropped for this reason, and tells it on standard error, unless a
    /// line was written less than a minute ago.
    pub(crate) fn drop_one(&mut self, place: &str, reason: impl std::fmt::Display) {
        if let Some(line) = self.line(place, reason) {
            complain(line);
        }
    }

    fn line(&mut self, place: &str, reason: impl std::fmt::Display) -> Option<String> {
        self.count += 1;
        if self.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return None;
        }
        self.told = Some(Instant::now());
        let count = std::mem::take(&mut self.count);
        Some(format!("{place}: {count} messages were dropped, the last one because {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_messages_that_are_none_one_line_tells() {
        let mut garbage = Garbage::default();
        let line = garbage.line("host-3", "it is empty");
        let expected = "host-3: 1 messages were dropped, the last one because it is empty";
        assert_eq!(line.as_deref(), Some(expected));
        assert!((0..9).all(|_| garbage.line("host-3", "it is empty").is_none()));
        garbage.told = garbage.told.and_then(|told| told.checked_sub(PAUSE));
        let line = garbage.line("host-3", "it is long").unwrap();
        assert!(line.starts_with("host-3: 10 messages"), "{line}");
    }
}
