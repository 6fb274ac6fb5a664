//! The connections of a thread, one for each server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::manager::request::{Reply, Request};
use crate::manager::{Address, Client};

/// A connection with a server, from a proxy's side.
pub(crate) type Connection = Client<Request, Reply>;

thread_local! {
    static CONNECTIONS: RefCell<Connections> = RefCell::default();
}

#[derive(Default)]
struct Connections {
    /// Process that has made them. In a forked copy of it they would mix its answers with the
    /// other's.
    process: u32,
    /// `None` while in use: a call may be made inside another, for example in a `Serialize`.
    to: HashMap<Address, Option<Connection>>,
}

/// Takes this thread's connection with a server, if it has one. No other call uses it until it is
/// [given back](give_back).
pub(crate) fn take(address: &Address) -> Option<Connection> {
    let process = std::process::id();
    with(|all| {
        if all.process != process {
            *all = Connections { process, to: HashMap::new() };
        }
        all.to.get_mut(address)?.take()
    })
    .flatten()
}

/// Keeps the connection for this thread's next call.
pub(crate) fn give_back(address: &Address, connection: Connection) {
    with(|all| {
        if let Some(place) = all.to.get_mut(address) {
            *place = Some(connection);
            return;
        }
        // Servers that have ended since leave no descriptors here: nothing but their end is to be
        // received outside of a call.
        let lives = |connection: &Connection| !connection.poll(Duration::ZERO).unwrap_or(true);
        all.to.retain(|_, connection| connection.as_ref().is_none_or(lives));
        all.to.insert(address.clone(), Some(connection));
    });
}

/// Forgets the connection with a server that has ended.
pub(crate) fn forget(address: &Address) {
    with(|all| all.to.remove(address));
}

/// Does something with this thread's connections; nothing if the thread is ending, and has none any
/// more. A call in a destructor of a thread-local value then has a connection of its own.
fn with<T>(work: impl FnOnce(&mut Connections) -> T) -> Option<T> {
    CONNECTIONS.try_with(|all| work(&mut all.borrow_mut())).ok()
}
