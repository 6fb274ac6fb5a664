//! Engines for which the program waits at its end.

use std::mem::take;
use std::sync::{Mutex, Once, PoisonError};

use crate::engine::Link;

static AWAITED: Mutex<Vec<Link>> = Mutex::new(Vec::new());

/// Sees to it that the program waits for this engine.
pub(crate) fn wait_at_exit(link: Link) {
    static ONCE: Once = Once::new();
    let awaited = || AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut links = awaited();
    links.retain(|link| link.0.strong_count() > 0);
    links.push(link);
    drop(links);
    ONCE.call_once(|| {
        process_basics::at_exit(move || {
            let links = take(&mut *awaited());
            links.iter().for_each(Link::finish);
        });
    });
}
