//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

pub(crate) const ALL: &[Lesson] = &[];
