//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_worker_is_killed;
mod blocking_or_not;
mod done;
mod four_tasks_three_workers;
mod in_sequence_or_in_parallel;
mod pool_methods;
mod pool_parameters;
mod pools_of_threads;
mod ten_basins_three_taps;

pub(crate) const ALL: &[Lesson] = common::lessons![
    ten_basins_three_taps,
    pool_parameters,
    pool_methods,
    blocking_or_not,
    four_tasks_three_workers,
    in_sequence_or_in_parallel,
    pools_of_threads,
    a_worker_is_killed,
];
