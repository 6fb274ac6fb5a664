//! A process is killed while it holds a lock: the next one gets the lock, and is told who died.
//!
//! ```python
//! def work_alone(lock):
//!     with lock: time.sleep(60)
//! lock = Lock()
//! holder = Process(target=work_alone, args=(lock,), name="holder")
//! holder.start()
//! holder.kill()                     # while it holds the lock
//! lock.acquire()                    # in Python this waits for ever
//! ```

use common::pretend::{hold_children, work};
use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::shared::Lock;
use multiprocess::{Failure, Process, tasks};

tasks![work_alone];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let lock = Lock::new()?;
    let mut holder = Process::new(work_alone, lock.clone()).named("holder");
    say!("starts a process that takes the lock and works");
    holder.start()?;
    held.wait_for(1)?;
    check!(lock.is_locked(), "the lock is taken");
    check!(lock.try_lock()?.is_none(), "try_lock doesn't wait, and gets nothing");

    say!("kills the process, and waits for the lock");
    holder.kill()?;
    holder.join()?;
    let watch = Stopwatch::start();
    let error = lock.lock().expect_err("the holder has died");
    note!("it has waited {}", show(watch.elapsed()));
    let name = error.died().name.as_deref();
    check!(name == Some("holder"), "it has the lock, and is told that {} has died", "holder");
    check!(Some(error.died().pid) == holder.pid(), "it is told the process id, too");
    say!("gives the lock back, and takes it once more");
    drop(error);
    let error = lock.lock().expect_err("nobody has said that all is in order");
    check!(error.died().deaths == 1, "it is told again");
    say!("tidies up what the holder has left, and says so: recover");
    drop(error.recover());
    check!(lock.lock().is_ok(), "the next one is told nothing any more");
    Ok(())
}

/// Runs in the child.
fn work_alone(lock: Lock) -> Result<(), Failure> {
    let _guard = lock.lock()?;
    work(1.0);
    Ok(())
}
