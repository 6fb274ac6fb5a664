//! What a cluster's clients and agents tell each other over the network: whatever it is, reading it
//! ends, and a client's tasks and machines are what they may be.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| cluster::hostile::read(bytes));

// Chance finds no header with the right names: now and then it begins with a message.
fuzz_mutator!(|bytes: &mut [u8], length: usize, most: usize, seed: u32| {
    let messages = cluster::hostile::messages();
    let message = &messages[seed as usize / 100 % messages.len()];
    let begins_anew = seed % 100 == 0 && message.len() <= most;
    let length = if begins_anew { message.len() } else { length };
    if begins_anew {
        bytes[..length].copy_from_slice(message);
    }
    fuzzer_mutate(bytes, length, most)
});
