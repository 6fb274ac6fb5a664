//! What goes between a pool and its workers: whatever it is, reading it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| assert!(multiprocess::pool::read_any(bytes) <= bytes.len()));
