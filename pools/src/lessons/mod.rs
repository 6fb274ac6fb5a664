//! The lessons, in the tutorial's order.

use std::time::Duration;

use common::lessons::Lesson;

mod a_worker_is_killed;
mod blocking_or_not;
mod four_tasks_three_workers;
mod in_sequence_or_in_parallel;
mod pool_methods;
mod pool_parameters;
mod pools_of_threads;
mod ten_basins_three_taps;
mod who_did_what;

pub(crate) const ALL: &[Lesson] = &[
    ten_basins_three_taps::LESSON,
    pool_parameters::LESSON,
    pool_methods::LESSON,
    blocking_or_not::LESSON,
    four_tasks_three_workers::LESSON,
    in_sequence_or_in_parallel::LESSON,
    pools_of_threads::LESSON,
    a_worker_is_killed::LESSON,
];

/// How long the parent waits for a worker's word: if none can come, the lesson ends with an error.
const PATIENCE: Duration = Duration::from_secs(30);
