//! The lessons, in their order.

use common::lessons::Lesson;

mod a_machine_is_gone;
mod another_build;
mod at_most_once;
mod desk;
mod other_program;
mod the_server_is_gone;
mod two_machines;

pub(crate) const ALL: &[Lesson] = common::lessons![
    two_machines,
    a_machine_is_gone,
    the_server_is_gone,
    another_build,
    at_most_once,
];
