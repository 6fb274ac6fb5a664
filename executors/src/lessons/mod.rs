//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_future_s_life;
mod asking_for_results;
mod counting;
mod leaving_the_scope;
mod the_same_on_processes;
mod too_early;
mod wait_for_all;

pub(crate) const ALL: &[Lesson] = &[
    a_future_s_life::LESSON,
    too_early::LESSON,
    wait_for_all::LESSON,
    leaving_the_scope::LESSON,
    asking_for_results::LESSON,
    the_same_on_processes::LESSON,
];
