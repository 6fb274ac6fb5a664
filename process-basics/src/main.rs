//! Lessons 一, 2.1 and 2.2.
fn main() {}
