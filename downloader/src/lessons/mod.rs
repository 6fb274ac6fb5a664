//! The lessons, in the tutorial's order.

use clap::Arg;
use common::lessons::Lesson;

pub(crate) const ALL: &[Lesson] = &[];

/// What their command line has besides.
pub(crate) fn options() -> Vec<Arg> {
    Vec::new()
}
