//! Copies of bytes that no processor stumbles over.
//!
//! C libraries and kernels copy a few KiB and more by the string move of x86-64, `rep movsb`. On a
//! Zen 3 it takes 16 times as long (3 instead of 50 GB/s) if the destination begins 1 to 63 bytes
//! behind the source, as far as their places within a page of 4 KiB go; glibc knows it of Zen 4,
//! too (its bug 30994). Large blocks of `malloc` all begin 16 bytes behind the beginning of a page,
//! so with a header of a few bytes that is no rare bad luck. Short pieces are copied by other
//! instructions.

/// Size in bytes of what is copied without a string move.
const PIECE: usize = 1 << 10;

/// Returns true if a string move between these addresses is slow on some processors.
pub(crate) fn stumbles(to: *const u8, from: *const u8) -> bool {
    let behind = to.addr().wrapping_sub(from.addr()) % 4096;
    (1..64).contains(&behind)
}

/// Appends bytes to a buffer.
#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= PIECE {
        return buffer.extend_from_slice(bytes);
    }
    buffer.reserve(bytes.len());
    let place = buffer.spare_capacity_mut().as_ptr().cast();
    let piece = if stumbles(place, bytes.as_ptr()) { PIECE } else { bytes.len() };
    bytes.chunks(piece).for_each(|piece| buffer.extend_from_slice(piece));
}

/// Copies bytes into a new buffer.
#[inline]
pub(crate) fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(bytes.len());
    append(&mut copy, bytes);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_number_and_address_are_copied_whole() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * 4096).collect();
        for start in (0..4096).step_by(37) {
            for length in [0, 1, PIECE, PIECE + 1, 5000] {
                let mut buffer = vec![9; start % 50];
                append(&mut buffer, &bytes[start..][..length]);
                assert_eq!(buffer[start % 50..], bytes[start..][..length]);
                assert!(buffer[..start % 50].iter().all(|byte| *byte == 9));
                assert_eq!(copied(&bytes[start..][..length]), bytes[start..][..length]);
            }
        }
    }

    #[test]
    fn a_move_stumbles_if_it_goes_a_little_upwards_within_the_pages() {
        let page = std::ptr::without_provenance(7 * 4096);
        for (to, is_slow) in [
            (0, false),
            (1, true),
            (16, true),
            (63, true),
            (64, false),
            (4095, false),
            (4097, true),
        ] {
            let to = std::ptr::without_provenance(40 * 4096 + to);
            assert_eq!(stumbles(to, page), is_slow, "{to:?}");
        }
    }
}
