//! The lessons say what the chapter shows.

testing::test_lessons!(
    env!("CARGO_BIN_EXE_ipc-pipe");
    nothing_is_shared,
    two_ends,
    poll_and_end_of_file,
    sender_and_receiver,
    producer_and_consumer,
);
