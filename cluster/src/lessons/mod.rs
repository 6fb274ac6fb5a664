//! Lesson 2.5.
