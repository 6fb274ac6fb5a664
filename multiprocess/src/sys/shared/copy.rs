//! Bytes to and from words that processes share.
//!
//! A loop over the words is what every processor can do. Where memory is fresh from another core's
//! cache, it waits for each line; a string move of x86-64 has many lines under way at once. Between
//! two cores, 64 KiB took 8 µs by the loop and 1.7 µs by the move.
//!
//! # Memory ordering
//!
//! All accesses are Relaxed: a slot's state orders them. A string move is no more than that. Its
//! accesses have no order among themselves, but come after the loads before it and before the
//! stores behind it (Intel, *Software Developer's Manual*, volume 3, "Memory-Ordering Model for
//! String Operations on Write-Back Memory"). So an Acquire load before it, and a Release store
//! behind it, have their usual meaning.

use std::sync::atomic::{AtomicU64, Ordering};

const WORD: usize = size_of::<AtomicU64>();

/// Stores bytes into words, as many as there is room for.
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    if !string_move::store(words, bytes) {
        store_each(words, bytes);
    }
}

/// Loads bytes from words, as many as there are.
pub(crate) fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    if !string_move::load(words, bytes) {
        load_each(words, bytes);
    }
}

fn store_each(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks();
    for (word, eight) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*eight), Ordering::Relaxed);
    }
    if let (Some(word), false) = (words.get(whole.len()), rest.is_empty()) {
        let mut eight = [0; WORD];
        eight[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
    }
}

fn load_each(words: &[AtomicU64], bytes: &mut [u8]) {
    let (whole, rest) = bytes.as_chunks_mut();
    for (word, eight) in words.iter().zip(&mut *whole) {
        *eight = word.load(Ordering::Relaxed).to_le_bytes();
    }
    if let Some(word) = words.get(whole.len()) {
        let eight = word.load(Ordering::Relaxed).to_le_bytes();
        rest.copy_from_slice(&eight[..rest.len()]);
    }
}

/// The string move of x86-64; its functions return false if the loop is as fast.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod string_move {
    use std::arch::{asm, is_x86_feature_detected};
    use std::sync::atomic::AtomicU64;

    use crate::sys::copy::stumbles;

    /// Number of bytes from which it is as fast as the loop where all of them are in the cache.
    const LONG: usize = 1 << 10;

    #[expect(unsafe_code, reason = "no atomic access is longer than a word")]
    pub(super) fn store(words: &[AtomicU64], bytes: &[u8]) -> bool {
        let length = bytes.len().min(size_of_val(words));
        let (to, from) = (words.as_ptr().cast_mut().cast(), bytes.as_ptr());
        // SAFETY: both ranges have this length. The words may change, because they are atomics; no
        // reference to plain bytes leads there, so the ranges don't overlap.
        pays(to, from, length)
            && unsafe {
                move_bytes(to, from, length);
                true
            }
    }

    #[expect(unsafe_code, reason = "no atomic access is longer than a word")]
    pub(super) fn load(words: &[AtomicU64], bytes: &mut [u8]) -> bool {
        let length = bytes.len().min(size_of_val(words));
        let (to, from) = (bytes.as_mut_ptr(), words.as_ptr().cast());
        // SAFETY: both ranges have this length, and don't overlap, as above.
        pays(to, from, length)
            && unsafe {
                move_bytes(to, from, length);
                true
            }
    }

    /// Older processors move byte by byte.
    fn pays(to: *const u8, from: *const u8, length: usize) -> bool {
        length >= LONG && !stumbles(to, from) && is_x86_feature_detected!("ermsb")
    }

    /// Moves bytes as if by a Relaxed access to each.
    ///
    /// # Safety
    /// This many bytes can be read at `from` and written at `to`, and the ranges don't overlap.
    /// Other threads may access them meanwhile, but only by atomics.
    #[expect(unsafe_code, reason = "an instruction")]
    unsafe fn move_bytes(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: only these bytes and registers are accessed; the direction flag is clear where
        // `asm` begins; any access of this processor is at least a Relaxed one, so none is a data
        // race.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") length => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod string_move {
    use std::sync::atomic::AtomicU64;

    pub(super) fn store(_words: &[AtomicU64], _bytes: &[u8]) -> bool {
        false
    }

    pub(super) fn load(_words: &[AtomicU64], _bytes: &mut [u8]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way to store bytes, and one to load them.
    type Way = (fn(&[AtomicU64], &[u8]), fn(&[AtomicU64], &mut [u8]));

    /// Word by word, and however it is fastest.
    const WAYS: [Way; 2] = [(store_each, load_each), (store, load)];

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(u64::MAX)).collect()
    }

    #[test]
    fn bytes_of_any_number_and_address_come_back_from_words_in_every_way() {
        let bytes: Vec<u8> = (0..=250).cycle().take(5000).collect();
        for length in (0..=80).chain(1000..1100).chain([4096, 4999]) {
            let message = &bytes[length % 9..][..length.min(4990)];
            for (store, _) in WAYS {
                let words = words(message.len().div_ceil(WORD) + 1);
                store(&words, message);
                assert_eq!(words[words.len() - 1].load(Ordering::Relaxed), u64::MAX);
                for (_, load) in WAYS {
                    let mut back = vec![0; message.len() + 2];
                    load(&words, &mut back[1..=message.len()]);
                    assert_eq!(back[1..=message.len()], *message);
                    assert_eq!((back[0], back[message.len() + 1]), (0, 0));
                }
            }
        }
    }

    #[test]
    fn nothing_is_copied_beyond_the_words() {
        for (store, load) in WAYS {
            for count in [0, 3, 500] {
                let all = words(count + 1);
                let (words, behind) = all.split_at(count);
                store(words, &vec![1; WORD * count + 5]);
                assert_eq!(behind[0].load(Ordering::Relaxed), u64::MAX);
                let mut back = vec![0; WORD * count + 5];
                load(words, &mut back);
                assert_eq!(back[WORD * count..], [0; 5]);
                assert!(back[..WORD * count].iter().all(|byte| *byte == 1));
            }
        }
    }
}
