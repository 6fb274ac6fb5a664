//! [`Message`]: what is wrong, for the report in English, for the screen in the reader's language.

use std::fmt::Display;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// A sentence in two languages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) english: String,
    /// The sentence in the reader's language.
    pub(super) shown: String,
}

impl Message {
    /// Says the same in both languages, such as where something is, before the sentence.
    pub(super) fn behind(self, place: impl Display) -> Self {
        let [english, shown] = [self.english, self.shown].map(|text| format!("{place}{text}"));
        Self { english, shown }
    }
}

impl AddAssign for Message {
    fn add_assign(&mut self, more: Self) {
        self.english += &more.english;
        self.shown += &more.shown;
    }
}

/// Makes a [`Message`] of a text and its values, as `text!` does.
macro_rules! message {
    ($text:literal $(, $value:expr)* $(,)?) => {
        $crate::tool::message::Message {
            english: ::std::format!($text $(, $value)*),
            shown: ::common::text!($text $(, $value)*),
        }
    };
}

pub(super) use message;
