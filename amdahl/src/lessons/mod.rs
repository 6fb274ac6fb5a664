//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod amdahls_law;
mod build_a_house;
mod fourier_transform;
mod how_many_workers;
mod make_tea;
mod slept;

pub(crate) const ALL: &[Lesson] =
    common::lessons![build_a_house, make_tea, fourier_transform, amdahls_law, how_many_workers,];
