//! The lessons say what the chapter shows.

common::test_lessons!(env!("CARGO_BIN_EXE_amdahl"));
