//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_process_of_your_own;
mod attributes;
mod concurrent_or_parallel;
mod hello_process;
mod methods;
mod three_workers;
mod two_children;

pub(crate) const ALL: &[Lesson] = common::lessons![
    hello_process,
    concurrent_or_parallel,
    three_workers,
    methods,
    attributes,
    two_children,
    a_process_of_your_own,
];
