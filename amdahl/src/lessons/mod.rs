//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod amdahls_law;
mod build_a_house;
mod fourier_transform;
mod how_many_workers;
mod make_tea;
mod slept;

pub(crate) const ALL: &[Lesson] = &[
    build_a_house::LESSON,
    make_tea::LESSON,
    fourier_transform::LESSON,
    amdahls_law::LESSON,
    how_many_workers::LESSON,
];
