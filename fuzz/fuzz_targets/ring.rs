//! A queue whose memory is damaged, before it is opened and while it is used: every call on it ends, in a
//! value or in an error.
#![no_main]

#[path = "../../multiprocess/tests/queue/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| support::damage::play(script).unwrap());
