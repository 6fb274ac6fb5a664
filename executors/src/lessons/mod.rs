//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_future_s_life;
mod asking_for_results;
mod counting;
mod leaving_the_scope;
mod the_same_on_processes;
mod too_early;
mod wait_for_all;

pub(crate) const ALL: &[Lesson] = common::lessons![
    a_future_s_life,
    too_early,
    wait_for_all,
    leaving_the_scope,
    asking_for_results,
    the_same_on_processes,
];
