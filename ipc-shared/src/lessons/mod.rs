//! The lessons: first what is shared, then who may use it when.

use common::lessons::Lesson;

mod a_holder_is_killed;
mod a_table_of_numbers;
mod all_at_the_start;
mod ask_the_clerk;
mod lights_out;
mod never_torn;
mod one_plus_one;
mod three_at_the_spring;

pub(crate) const ALL: &[Lesson] = common::lessons![
    one_plus_one,
    a_holder_is_killed,
    never_torn,
    a_table_of_numbers,
    three_at_the_spring,
    all_at_the_start,
    lights_out,
    ask_the_clerk,
];
