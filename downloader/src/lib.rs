//! An image downloader on threads and on processes.
//!
//! [`switch`] is what the lesson `switch-cost` measures with.

pub mod switch;

#[cfg(test)]
process_basics::test_entry!();
