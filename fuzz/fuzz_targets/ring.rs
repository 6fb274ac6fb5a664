//! A queue whose memory is damaged, before it is opened and while it is used: every call on it
//! ends, in a value or in an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use testing::damage::play;

fuzz_target!(|script: &[u8]| play(script).unwrap());
