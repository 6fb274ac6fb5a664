//! The lessons say what the chapter shows.

testing::test_lessons!(env!("CARGO_BIN_EXE_ipc-pipe"));
