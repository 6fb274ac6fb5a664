//! The lessons, in the tutorial's order.

use common::lessons::Lesson;

mod nothing_is_shared;
mod poll_and_end_of_file;
mod producer_and_consumer;
mod sender_and_receiver;
mod two_ends;

pub(crate) const ALL: &[Lesson] = common::lessons![
    nothing_is_shared,
    two_ends,
    poll_and_end_of_file,
    sender_and_receiver,
    producer_and_consumer,
];
