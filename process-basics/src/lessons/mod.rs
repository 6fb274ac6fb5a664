//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_process_of_your_own;
mod attributes;
mod concurrent_or_parallel;
mod hello_process;
mod methods;
mod three_workers;
mod two_children;

pub(crate) const ALL: &[Lesson] = &[
    hello_process::LESSON,
    concurrent_or_parallel::LESSON,
    three_workers::LESSON,
    methods::LESSON,
    attributes::LESSON,
    two_children::LESSON,
    a_process_of_your_own::LESSON,
];
