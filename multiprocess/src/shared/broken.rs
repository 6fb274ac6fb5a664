//! How a wait at a barrier ends: [`Passed`], or [`Broken`].

use thiserror::Error;

/// Success of a wait at a barrier: all seats were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub(crate) is_leader: bool,
}

impl Passed {
    /// Returns true for exactly one seat in each round, which came last. Python:
    /// `barrier.wait() == 0`.
    #[must_use]
    pub const fn is_leader(self) -> bool {
        self.is_leader
    }
}

/// Why not all seats come to a barrier. It stays broken until it is
/// [reset](crate::shared::Seat::reset). Python: `threading.BrokenBarrierError`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Broken {
    /// The process with a seat has ended, or has dropped the seat, or was never started.
    #[error(
        "seat {seat} of the barrier is empty: {} has ended, or has dropped it",
        process(*pid, name.as_deref())
    )]
    Ended {
        /// Number of the seat.
        seat: usize,
        /// Id of the process; 0 if it has ended before it had the seat.
        pid: u32,
        /// Name of the process, its first 32 bytes. Python: `Process.name`.
        name: Option<String>,
    },
    /// The leader's action has panicked.
    #[error("the action at seat {seat} panicked, in {}", process(*pid, name.as_deref()))]
    Panicked {
        /// Number of the leader's seat.
        seat: usize,
        /// Id of its process.
        pid: u32,
        /// Name of the process, its first 32 bytes. Python: `Process.name`.
        name: Option<String>,
    },
    /// A process has called [`abort`](crate::shared::Seat::abort).
    #[error("the barrier was aborted")]
    Aborted,
    /// The time of a waiting seat was over.
    #[error("the time at the barrier was over before all seats had come")]
    TimedOut,
    /// A process has called [`reset`](crate::shared::Seat::reset) while this seat waited.
    #[error("the barrier was reset while this seat waited")]
    Reset,
    /// The seat is no longer this process's.
    #[error("the seat was handed to another process")]
    HandedOver,
    /// The memory has a content that no process writes by way of a seat.
    #[error("the memory of the barrier is damaged")]
    Damaged,
}

/// Names a process.
fn process(pid: u32, name: Option<&str>) -> String {
    match (name, pid) {
        (Some(name), _) => format!("{name} (process {pid})"),
        (None, 0) => String::from("a process that was just starting"),
        (None, _) => format!("process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_barrier_says_whose_seat_is_empty() {
        let name = Some(String::from("Process-3"));
        let ended = Broken::Ended { seat: 2, pid: 71, name: name.clone() };
        let text =
            "seat 2 of the barrier is empty: Process-3 (process 71) has ended, or has dropped it";
        assert_eq!(ended.to_string(), text);
        let ended = Broken::Ended { seat: 0, pid: 0, name: None };
        assert!(ended.to_string().contains("a process that was just starting has ended"));
        let panicked = Broken::Panicked { seat: 2, pid: 71, name };
        assert!(panicked.to_string().ends_with("panicked, in Process-3 (process 71)"));
    }
}
