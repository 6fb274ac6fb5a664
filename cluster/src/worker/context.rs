//! What the parts of an agent share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use multiprocess::futures::TaskError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::protocol::WorkerId;
use crate::worker::outbox::Report;

/// Settings of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) id: WorkerId,
    /// Number of the pool's processes.
    pub(crate) processes: usize,
    /// Largest size of a task's arguments, and of a result.
    pub(crate) most_bytes: u64,
    /// Time for which outcomes and questions of a client that nobody hears of are kept.
    pub(crate) away: Duration,
}

/// An agent's connection, pool and settings.
pub(crate) struct Context<E, X> {
    pub(crate) engine: E,
    pub(crate) pool: X,
    pub(crate) setup: Setup,
    /// Processes that are free.
    free: Arc<Semaphore>,
    reports: mpsc::UnboundedSender<Report>,
    /// True once the pool has given up.
    is_broken: AtomicBool,
    /// True once the agent begins nothing any more.
    leaves: watch::Sender<bool>,
    /// What is to begin: questions under way, and tasks that wait for arguments or a process.
    beginning: Mutex<JoinSet<()>>,
}

impl<E, X> Context<E, X> {
    /// `reports` leads to the outbox; `leaves` becomes true in [`Context::leave`].
    pub(crate) fn new(
        engine: E,
        pool: X,
        setup: Setup,
        reports: mpsc::UnboundedSender<Report>,
        leaves: watch::Sender<bool>,
    ) -> Self {
        let free = Arc::new(Semaphore::new(setup.processes));
        let (is_broken, beginning) = (AtomicBool::new(false), Mutex::default());
        Self { engine, pool, setup, free, reports, is_broken, leaves, beginning }
    }

    /// Lets nothing begin any more.
    pub(crate) fn leave(&self) {
        self.leaves.send_replace(true);
    }

    /// Returns what becomes true once nothing begins any more.
    pub(crate) fn leaves(&self) -> watch::Receiver<bool> {
        self.leaves.subscribe()
    }

    /// Waits until nothing begins any more.
    pub(crate) async fn has_left(&self) {
        let _ = self.leaves().wait_for(|leaves| *leaves).await;
    }

    /// Does something in the background for which an agent that leaves waits a little.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        while beginning.try_join_next().is_some() {}
        beginning.spawn(work);
    }

    /// Waits for what [`Context::spawn`] does, at most for so long.
    pub(crate) async fn all_spawned(&self, most: Duration) {
        let all = || {
            let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *beginning)
        };
        let finish = async {
            // One of them may be the last to spawn another.
            loop {
                let mut spawned = all();
                if spawned.is_empty() {
                    return;
                }
                while spawned.join_next().await.is_some() {}
            }
        };
        // What takes longer is aborted.
        let _ = timeout(most, finish).await;
        drop(all());
    }

    /// Claims a process; waits until one is free.
    pub(crate) async fn one_process(&self) -> OwnedSemaphorePermit {
        let one = Arc::clone(&self.free).acquire_owned().await;
        one.expect("the semaphore is never closed")
    }

    /// Claims all processes that are free; waits for the first.
    pub(crate) async fn free_processes(&self) -> OwnedSemaphorePermit {
        let mut permits = self.one_process().await;
        let more = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(more) {
            permits.merge(more);
        }
        permits
    }

    /// Waits until all processes are free, and keeps them so: nothing begins any more.
    pub(crate) async fn all_processes(&self) {
        let all = u32::try_from(self.setup.processes).unwrap_or(u32::MAX);
        if let Ok(permits) = self.free.acquire_many(all).await {
            permits.forget();
        }
    }

    /// Puts an outcome into the outbox.
    pub(crate) fn report(&self, report: Report) {
        // The outbox ends before only if this agent leaves, and has waited long enough.
        let _ = self.reports.send(report);
    }

    /// Returns true once the pool has given up.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Notes that the pool has given up for this reason; returns the error for a task.
    pub(crate) fn broken(&self, reason: impl std::fmt::Display) -> TaskError {
        self.is_broken.store(true, Ordering::Relaxed);
        TaskError::Broken(self.located(reason))
    }

    /// Adds to a text on which machine it was.
    pub(crate) fn located(&self, text: impl std::fmt::Display) -> String {
        format!("{text}, on {}", self.setup.id.name)
    }
}
