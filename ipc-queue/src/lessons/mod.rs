//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_consumer_is_killed;
mod first_in_first_out;
mod full_and_empty;
mod one_message;
mod producers_and_consumers;

pub(crate) const ALL: &[Lesson] = &[
    first_in_first_out::LESSON,
    full_and_empty::LESSON,
    one_message::LESSON,
    producers_and_consumers::LESSON,
    a_consumer_is_killed::LESSON,
];
