//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod nothing_is_shared;
mod poll_and_end_of_file;
mod producer_and_consumer;
mod sender_and_receiver;
mod two_ends;

pub(crate) const ALL: &[Lesson] = &[
    nothing_is_shared::LESSON,
    two_ends::LESSON,
    poll_and_end_of_file::LESSON,
    sender_and_receiver::LESSON,
    producer_and_consumer::LESSON,
];
