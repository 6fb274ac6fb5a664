//! Measuring peers side by side: every peer gives a sample in every round, so that what disturbs
//! the machine for a while disturbs all. Behind the feature `measure`.
//!
//! ```text
//!   Benchmark: its peers ──▶ measure: rounds of samples ──▶ Measured ──▶ report, chart
//!                              │
//!                              └─ a sample: a Workload (roles, placement) over a Transport;
//!                                 the harness starts its workers, which wait at a latch
//! ```
//!
//! To read in this order: rounds of samples (`rounds.rs`), what the workers of a sample do
//! (`workload.rs`, `roles.rs`), over what (`transports.rs`), how they are started (`harness.rs`)
//! and on which cores (`placement.rs`); what is shown (`report.rs`, `chart.rs`, `machine.rs`).
//! [`perf`] is another program's measurement of the same thing.

#[cfg(feature = "drawing")]
pub mod chart;
mod compare;
pub mod harness;
mod machine;
pub mod perf;
mod placement;
mod program;
pub mod report;
mod roles;
mod rounds;
pub mod transports;
mod workload;

pub use compare::Earlier;
pub use machine::Machine;
pub use placement::{BusyLoops, Placement};
pub use program::Program;
pub use roles::{Message, sleeps_are_counted, times_slept_by};
pub use rounds::{
    Benchmark, Effort, Measured, Peer, Sample, TakeSample, Unit, interleaved, measure, seconds_each,
};
pub use transports::Transport;
pub use workload::{
    Budget, Execution, Report, Role, Tally, WaitCost, Worker, Workload, mean_round_trip, median,
    p99, rate, waited,
};

/// The reason given for a peer whose sample isn't there in time.
pub const HANGS: &str = "it hangs";
