//! Lesson 2.5: `cargo run -p cluster`.

#![forbid(unsafe_code)]

fn main() {}
