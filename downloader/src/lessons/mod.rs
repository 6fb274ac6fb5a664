//! The lessons, in the tutorial's order.

use clap::Arg;
use common::lessons::Lesson;

mod figures;
mod image_downloader;

pub(crate) const ALL: &[Lesson] = &[image_downloader::LESSON];

/// What their command line has besides.
pub(crate) fn options() -> Vec<Arg> {
    image_downloader::options().into()
}
