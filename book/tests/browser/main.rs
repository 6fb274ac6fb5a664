//! The book in a real browser: headless Chromium, which opens the pages from their folder.
//!
//! Without Chromium each test says so and passes, unless `BOOK_TESTS=required`.

mod chromium;
mod laws;
mod plans;
mod queue;
mod site;
mod support;
mod tool;
