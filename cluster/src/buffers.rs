//! Memory for large messages, used again and again.
//!
//! An allocator gives large memory back to the system when it is freed, and new memory costs a page
//! fault for each 4 KiB: more time than it takes to fill them. So each thread keeps the buffers
//! that it has filled last, while they are in use and afterwards, at most 4 of 4 MiB.

use std::cell::RefCell;

use bytes::Bytes;

/// Smallest buffer that is kept, in bytes: an allocator keeps smaller ones itself.
const SMALLEST: usize = 64 << 10;

/// Largest buffer that is kept, in bytes.
const LARGEST: usize = 4 << 20;

/// Number of buffers that each thread keeps.
const MOST: usize = 4;

thread_local! {
    /// The buffers that were filled last, perhaps still in use.
    static FILLED: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer for so many bytes, and more.
pub(crate) fn empty_for(length: usize) -> Vec<u8> {
    if length < SMALLEST { Vec::new() } else { empty() }
}

/// Returns an empty buffer for bytes whose number isn't known: one of [`filled`] to which nothing
/// refers any more, if there is one.
pub(crate) fn empty() -> Vec<u8> {
    FILLED.with_borrow_mut(|kept| {
        let Some(free) = kept.iter().position(Bytes::is_unique) else { return Vec::new() };
        let mut bytes = kept.swap_remove(free);
        // `Vec` copies what is left of them; and without any, their memory would be freed.
        bytes.truncate(1);
        let mut buffer = Vec::from(bytes);
        buffer.clear();
        buffer
    })
}

/// Makes bytes of a buffer, whose memory is used again once nothing refers to them any more.
pub(crate) fn filled(buffer: Vec<u8>) -> Bytes {
    let capacity = buffer.capacity();
    let bytes = Bytes::from(buffer);
    if (SMALLEST..=LARGEST).contains(&capacity) {
        FILLED.with_borrow_mut(|kept| {
            if kept.len() == MOST {
                kept.remove(0);
            }
            kept.push(bytes.clone());
        });
    }
    bytes
}

/// Joins bytes, in one piece of memory.
pub(crate) fn joined(parts: &[Bytes]) -> Bytes {
    let length = parts.iter().map(Bytes::len).sum();
    let mut buffer = empty_for(length);
    buffer.reserve_exact(length);
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
    filled(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a buffer with so many bytes.
    fn fill(length: usize) -> Bytes {
        let mut buffer = empty();
        assert!(buffer.is_empty());
        buffer.resize(length, 7);
        filled(buffer)
    }

    #[test]
    fn memory_is_used_again_once_nothing_refers_to_it() {
        let first = fill(100_000);
        let part = first.slice(10..20);
        drop(first);
        assert_eq!(empty().capacity(), 0, "a part of it is in use");
        drop(part);
        assert!(empty().capacity() >= 100_000);
    }

    #[test]
    fn so_many_buffers_are_kept_and_no_very_large_ones() {
        let kept = || FILLED.with_borrow(Vec::len);
        drop((fill(100), fill(LARGEST + 1)));
        assert_eq!(kept(), 0);
        let buffers = [(); MOST + 1].map(|()| fill(SMALLEST));
        assert_eq!((kept(), buffers.len()), (MOST, MOST + 1));
    }
}
