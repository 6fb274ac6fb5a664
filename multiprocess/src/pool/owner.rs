//! [`Owner`]: the handle that starts an engine, and ends it.

use std::env;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::future::at_exit::wait_at_exit;
use crate::pool::engine::{Engine, Link};
use crate::pool::error::Error;
use crate::pool::manager::Manager;
use crate::pool::settings::{Kind, Settings};

/// Size of the manager's stack in bytes: that of a program's main thread, because the manager
/// deserialises what a worker's main thread has serialised.
const STACK: usize = 8 << 20;

/// The owner's handle to an engine. Dropping it terminates the workers, unless it was
/// [detached](Self::detach).
pub(crate) struct Owner {
    engine: Arc<Engine>,
    manager: Option<JoinHandle<()>>,
    is_detached: bool,
}

impl Owner {
    /// Starts the manager, and all workers if the engine is a pool's.
    ///
    /// # Errors
    /// As [`Engine::new`]; [`Error::Start`]. No worker is left then.
    pub(crate) fn start(settings: Settings, kind: Kind) -> Result<Self, Error> {
        let engine = Arc::new(Engine::new(settings, kind)?);
        let mut owner = Self { engine, manager: None, is_detached: false };
        // An error drops the owner, which ends the workers that have been started.
        owner.fill_slots().map_err(Error::Start)?;
        let engine = Arc::clone(&owner.engine);
        let mut manager = thread::Builder::new().name(String::from("pool-manager"));
        // Otherwise the user has set the size.
        if env::var_os("RUST_MIN_STACK").is_none() {
            manager = manager.stack_size(STACK);
        }
        let manager = manager.spawn(move || Manager::new(&engine).run()).map_err(Error::System)?;
        owner.state().manager = Some(manager.thread().id());
        owner.manager = Some(manager);
        if kind == Kind::Executor {
            let engine = Arc::downgrade(&owner.engine);
            wait_at_exit(engine);
        }
        Ok(owner)
    }

    /// Returns a weak handle.
    #[must_use]
    pub(crate) fn link(&self) -> Link {
        Link::to(&self.engine)
    }

    /// Closes the engine and drops this handle without ending the workers: submitted tasks are
    /// still done.
    pub(crate) fn detach(mut self) {
        self.close();
        self.is_detached = true;
    }
}

impl Deref for Owner {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.is_detached {
            return;
        }
        self.terminate();
        let Some(manager) = self.manager.take() else {
            // Starting the workers failed before the manager's thread was.
            Manager::new(&self.engine).run();
            return;
        };
        // A callback may hold the last handle.
        if manager.thread().id() != thread::current().id() {
            let _ = manager.join();
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "{} workers, {:?}", state.slots.workers().count(), state.ledger.phase())
    }
}
