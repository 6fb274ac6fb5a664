//! Lesson 2.5.

use common::lessons::Lesson;

pub(crate) const ALL: &[Lesson] = common::lessons![];
