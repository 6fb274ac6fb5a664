//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod a_consumer_is_killed;
mod first_in_first_out;
mod full_and_empty;
mod one_message;
mod producers_and_consumers;

pub(crate) const ALL: &[Lesson] = common::lessons![
    first_in_first_out,
    full_and_empty,
    one_message,
    producers_and_consumers,
    a_consumer_is_killed,
];
