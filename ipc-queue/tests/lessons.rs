//! The lessons say what the chapter shows.

testing::test_lessons!(
    env!("CARGO_BIN_EXE_ipc-queue");
    first_in_first_out,
    full_and_empty,
    one_message,
    producers_and_consumers,
    a_consumer_is_killed,
);
