//! Numbers and texts to try things with.

/// Numbers that look random and are the same for the same seed, which isn't 0 (xorshift64*).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns the next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper bits of the product are the better ones; a small limit asks for the lower ones.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32)
    }

    /// Returns a number below the limit.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Returns a text of so many bytes that differs from its neighbours' of the same length.
#[must_use]
pub fn text(seed: usize, length: usize) -> String {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678";
    let start = seed % LETTERS.len();
    let mut text = LETTERS.repeat((start + length) / LETTERS.len() + 1);
    text.truncate(start + length);
    text.split_off(start)
}
