//! [`Parts`]: a byte string that comes in parts.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::message::{Malformed, ensure};
use crate::buffers;

/// Parts of a byte string that come in any order, perhaps more than once. Nothing is allocated for
/// a part that isn't there.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    whole: u64,
    have: u64,
    parts: BTreeMap<u64, Bytes>,
}

impl Parts {
    /// Waits for so many bytes.
    pub(crate) fn of(whole: u64) -> Self {
        Self { whole, have: 0, parts: BTreeMap::new() }
    }

    /// Returns the length of the whole in bytes.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }

    /// Adds a part, unless it is there already; returns true if none is missing.
    ///
    /// # Errors
    /// [`Malformed`] if it overlaps another part, or ends beyond the whole.
    pub(crate) fn add(&mut self, from: u64, bytes: Bytes) -> Result<bool, Malformed> {
        let end = from.checked_add(bytes.len() as u64).filter(|end| *end <= self.whole);
        let end = end.ok_or(Malformed("a part ends beyond the whole"))?;
        let end_of = |(from, bytes): (&u64, &Bytes)| from + bytes.len() as u64;
        if self.parts.get(&from).is_some_and(|there| there.len() == bytes.len()) {
            return Ok(self.have == self.whole);
        }
        let before = self.parts.range(..=from).next_back().map_or(0, end_of);
        let behind = self.parts.range(from..).next().map_or(self.whole, |(from, _)| *from);
        ensure(before <= from && end <= behind, "parts overlap")?;
        self.have += bytes.len() as u64;
        if !bytes.is_empty() {
            self.parts.insert(from, bytes);
        }
        Ok(self.have == self.whole)
    }

    /// Joins the parts, none of which is missing.
    pub(crate) fn join(self) -> Bytes {
        let mut parts = self.parts.into_values();
        if parts.len() == 1 {
            return parts.next().unwrap_or_default();
        }
        buffers::joined(&parts.collect::<Vec<_>>())
    }
}
