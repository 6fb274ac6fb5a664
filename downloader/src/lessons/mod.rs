//! The lessons, in the tutorial's order.

use clap::Arg;
use common::lessons::Lesson;

mod switch_cost;

pub(crate) const ALL: &[Lesson] = &[switch_cost::LESSON];

/// The options that only lessons of this crate have.
pub(crate) fn options() -> Vec<Arg> {
    switch_cost::options().into()
}
