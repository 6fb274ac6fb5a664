//! What the readers of files in `amdahl/src/tool` answer if something is wrong.

use std::fmt::Display;

pub struct Refusal(pub String);

impl Refusal {
    pub fn wrong(text: impl Display) -> Self {
        Self(text.to_string())
    }
}
