//! Calls inside calls: a function that a server calls may itself call functions of states, of the
//! same server or others, but none of the states whose calls it runs in.
//!
//! ```text
//!   client ── call a ──▶ a's function ── call b ──▶ b's function ── call a ──▶ would wait for ever
//!                                     inside a                    inside a, b
//! ```

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

use crate::manager::Address;
use crate::manager::request::{Place, StateId};

/// Address of the server that this process is, if it is one.
static SERVER: OnceLock<Address> = OnceLock::new();

thread_local! {
    /// States in whose calls the call was made that this thread runs.
    static OUTER: RefCell<Option<Vec<Place>>> = const { RefCell::new(None) };
    /// State that this thread runs a call on.
    static STATE: Cell<Option<StateId>> = const { Cell::new(None) };
}

/// Makes this process a server.
pub(crate) fn begin(address: &Address) {
    SERVER.get_or_init(|| address.clone());
}

/// Returns true if this process is the server of one of these states, and that is this one.
pub(crate) fn is_inside(outer: Option<&Vec<Place>>, state: StateId) -> bool {
    let is_it = |place: &Place| place.1 == state && SERVER.get() == Some(&place.0);
    outer.is_some_and(|outer| outer.iter().any(is_it))
}

/// Runs a call on a state, or without one the function that builds it.
pub(crate) fn enter<T>(
    outer: Option<Vec<Place>>,
    state: Option<StateId>,
    work: impl FnOnce() -> T,
) -> T {
    /// Leaves the call, also if it panics.
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            OUTER.take();
            STATE.take();
        }
    }
    OUTER.set(outer);
    STATE.set(state);
    let _left = Left;
    work()
}

/// Returns the states in whose calls this thread is, for a call that it makes.
pub(crate) fn inside() -> Option<Vec<Place>> {
    // A thread that is ending has no such values any more, and is inside nothing.
    let outer = OUTER.try_with(|outer| outer.borrow().clone()).ok().flatten();
    let Some(state) = STATE.try_with(Cell::get).ok().flatten() else { return outer };
    let mut inside = outer.unwrap_or_default();
    inside.extend(SERVER.get().map(|server| Place(server.clone(), state)));
    Some(inside)
}
