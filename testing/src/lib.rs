//! What the tests of all crates share. Only tests and tools for those who work on the workspace
//! depend on it.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`deadline`] | a kill timer for tests that could hang, longest waits, rounds |
//! | [`random`] | numbers and texts to try things with |
//! | [`other`] | processes known by their ids: signals, stopping, killing |
//! | [`resources`] | what a process has of the kernel, and whether something is left |
//! | [`processes`] | starting a child, ending it, scenarios in a process of their own |
//! | [`report`] | a pipe on which children report |
//! | [`stage`](mod@stage) | a gate and counters that a test shares with the workers of its pool |
//! | [`relay`] | the same stage for workers that can't share memory with the test |
//! | [`executors`] | the test bodies that all executors share |
//! | [`values`] | values that fail on their way between processes |
//! | [`wakers`] | polling a future by hand |
//! | `damage` | a queue whose memory is damaged while it is used (Linux) |
//! | [`own_program`] | a test file that is also a program |
//! | [`output`](mod@output) | what a program prints, also onto a full disk |
//! | [`screen`] | a program in a terminal |
//! | [`exercise`] | the programs of the exercises |
//! | [`lesson`] | the tests that each lesson crate has |
//! | [`pages`] | the pages: both languages, links, outputs of lessons |

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
pub mod damage;
pub mod deadline;
pub mod executors;
pub mod exercise;
pub mod lesson;
pub mod other;
pub mod output;
pub mod own_program;
pub mod pages;
pub mod processes;
pub mod random;
pub mod relay;
pub mod report;
pub mod resources;
pub mod screen;
pub mod stage;
mod sys;
pub mod values;
pub mod wakers;

pub use deadline::{Deadline, LONG, SHORT, rounds, until};
pub use executors::{OnStage, kind, kind_of, outcome};
pub use exercise::{Running, example};
pub use lesson::stable;
pub use other::{Other, kill, signal, signal_self};
pub use output::{check_full_disk, check_language, output, output_in};
pub use processes::{alone, ended, ends_well, kill_child, start, whole_text};
pub use random::{Random, text};
pub use report::{Report, Reports, reports};
pub use resources::{children, descriptors, leaves_nothing, room_for_descriptors, stock};
pub use screen::{fitting, in_terminal};
pub use stage::{Stage, begin, count, hold, pid_of_worker, stage};
#[cfg(unix)]
pub use sys::{Action, number, on_signal};
pub use sys::{
    Signal, adopt_orphans, end_by_signal, give_way_to_all, ignore_sigterm, let_go,
    limit_descriptors, resident, thread_id, work_of_this_thread,
};
#[cfg(target_os = "linux")]
pub use sys::{signal_thread, state};
pub use values::Trap;
pub use wakers::{Bell, bell, block_on};
