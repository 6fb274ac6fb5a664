//! Plans and the laws of speedup: what can be done at the same time, and what more workers can
//! give.
//!
//! ```
//! use amdahl::{Plan, Task, laws};
//!
//! let kettle = Task::new("wash the kettle", 1.0, &[]);
//! let boil = Task::new("boil the water", 15.0, &["wash the kettle"]);
//! let cups = Task::new("wash the cups", 2.0, &[]);
//! let brew = Task::new("brew", 0.0, &["boil the water", "wash the cups"]);
//! let plan = Plan::new(vec![kettle, boil, cups, brew], Default::default())?;
//! let timetable = plan.timetable();
//! assert_eq!(timetable.makespan, 16.0);
//! assert_eq!(timetable.tasks[2].slack, 14.0);
//! assert_eq!(timetable.critical_paths().next(), Some(vec![0, 1, 3]));
//!
//! assert_eq!(laws::amdahl(0.5, 2.0)?, 4.0 / 3.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To read in this order: the plan (`plan/mod.rs`), when its tasks can be done
//! (`plan/timetable.rs`, `plan/critical.rs`), which worker does them (`plan/schedule.rs`), running
//! them (`run.rs`), the [`laws`] (`laws.rs`), and the law that fits measurements (`usl.rs`). What
//! the tools say of all that is in [`report`], the plans of the lessons are in [`examples`].
//! Running needs the feature `processes`, which is on by default; a browser has all the rest.

pub mod examples;
pub mod laws;
mod plan;
pub mod report;
#[cfg(feature = "processes")]
mod run;
mod usl;

pub use plan::{
    CriticalPaths, Dispatcher, Graph, Placement, Plan, PlanError, Schedule, Start, Task, Times,
    Timetable, three_point,
};
#[cfg(feature = "processes")]
pub use run::RunError;
pub use usl::{Fit, FitError, MIN_DIFFERENT, MIN_POINTS, Usl, fit};
