//! [`WorkerId`]: which agent it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::message::{Malformed, ensure};
use super::subject::is_token;

/// Identity of an agent: two machines may have the same name, and an agent that starts anew is
/// another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct WorkerId {
    /// The machine's name.
    pub(crate) name: String,
    /// Process id of the agent.
    pub(crate) pid: u32,
    /// Random number, chosen when the agent starts.
    pub(crate) random: u64,
}

/// Shows name and process id: `host-3 (4711)`.
impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

impl WorkerId {
    /// Returns the subject of answers to an agent's hellos. Every user may listen to such a one.
    pub(crate) fn inbox(&self) -> String {
        format!("_INBOX.{:016x}", self.random)
    }

    pub(super) fn check(&self) -> Result<(), Malformed> {
        ensure(is_token(&self.name), "a worker has no such name")
    }
}
