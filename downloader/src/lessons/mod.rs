//! The lessons, in the tutorial's order.

use clap::Arg;
use common::lessons::Lesson;

mod figures;
mod image_downloader;
mod switch_cost;

pub(crate) const ALL: &[Lesson] = &[image_downloader::LESSON, switch_cost::LESSON];

/// Returns the options that only lessons of this crate have.
pub(crate) fn options() -> Vec<Arg> {
    image_downloader::options().into_iter().chain(switch_cost::options()).collect()
}
