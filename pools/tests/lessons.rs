//! The lessons say what the chapter shows.

testing::test_lessons!(
    env!("CARGO_BIN_EXE_pools");
    ten_basins_three_taps,
    pool_parameters,
    pool_methods,
    blocking_or_not,
    four_tasks_three_workers,
    in_sequence_or_in_parallel,
    pools_of_threads,
    a_worker_is_killed,
);
