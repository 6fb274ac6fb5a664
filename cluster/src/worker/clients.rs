//! What an agent remembers of clients that don't answer.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest number of clients that nobody hears of to be remembered.
const MOST_GONE: usize = 4096;

/// Clients that leave questions open for long: they were stopped, perhaps. By the number of these
/// questions.
#[derive(Debug, Default)]
pub(crate) struct Slow(Mutex<HashMap<String, usize>>);

impl Slow {
    fn all(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contains(&self, client: &str) -> bool {
        self.all().contains_key(client)
    }

    /// Counts a question until what this returns is dropped.
    pub(crate) fn count<'a>(&'a self, client: &'a str) -> Overdue<'a> {
        *self.all().entry(client.to_owned()).or_default() += 1;
        Overdue { slow: self, client }
    }
}

/// A question that is open for long.
#[derive(Debug)]
pub(crate) struct Overdue<'a> {
    slow: &'a Slow,
    client: &'a str,
}

impl Drop for Overdue<'_> {
    fn drop(&mut self) {
        let mut all = self.slow.all();
        if let Some(count) = all.get_mut(self.client) {
            *count -= 1;
            if *count == 0 {
                all.remove(self.client);
            }
        }
    }
}

/// Clients that nobody hears of. Their tasks are in the way of others, so each costs one question,
/// and no patience. (A purge of their subject would hide tasks of others from the consumer: see
/// nats-server #3838.)
#[derive(Debug, Default)]
pub(crate) struct Gone(Mutex<HashSet<String>>);

impl Gone {
    /// Sets whether the client is one of them.
    pub(crate) fn set(&self, client: &str, is_gone: bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_gone {
            all.remove(client);
            return;
        }
        if all.len() >= MOST_GONE {
            all.clear();
        }
        all.insert(client.to_owned());
    }

    pub(crate) fn contains(&self, client: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(client)
    }
}
