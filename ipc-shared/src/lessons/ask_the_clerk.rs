//! Three clients book in a ledger that lies in a process of its own, the clerk's; one of them is
//! killed in the middle, and the others notice nothing.
//!
//! ```python
//! def book(ledger):
//!     for _ in range(1000):
//!         ledger["milk"] += 1       # two calls: one gets, one sets
//! ledger = Manager().dict(milk=0)   # the server process
//! clients = [Process(target=book, args=(ledger,)) for _ in range(3)]
//! for client in clients: client.start()
//! clients[2].kill()
//! clients[0].join(); clients[1].join()
//! print(ledger["milk"])             # far less than 2000
//! ```

use std::collections::BTreeMap;

use common::pretend::{hold_children, wait_while_held};
use common::{check, say};
use multiprocess::manager::{Manager, Proxy};
use multiprocess::{Failure, Process, exposed, tasks};

const EACH: u32 = 1_000;

/// What the clerk keeps: how often each thing was booked.
#[derive(Default)]
struct Ledger(BTreeMap<String, u32>);

exposed![Ledger::new, Ledger::book, Ledger::count];

/// Runs in the server process, one call after the other.
impl Ledger {
    fn new((): ()) -> Self {
        Self::default()
    }

    fn book(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    fn count(&self, what: String) -> u32 {
        self.0.get(&what).copied().unwrap_or_default()
    }
}

tasks![book];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let manager = Manager::start(Ledger::new, ())?;
    let ledger = manager.proxy();
    let count = || ledger.call(Ledger::count, "milk".to_owned());
    say!("starts three clients; each books milk {} times", EACH);
    let new_client = |name| Process::new(book, ledger.clone()).named(name);
    let mut clients = ["Ann", "Ben", "Cleo"].map(new_client);
    clients.iter_mut().try_for_each(Process::start)?;
    held.wait_for(3)?;
    check!(count()? == 3 * EACH / 2, "half of it is done: the clerk has counted {}", 3 * EACH / 2);

    say!("kills {}", "Cleo");
    clients[2].kill()?;
    clients[2].join()?;
    held.release();
    clients.iter().try_for_each(Process::join)?;
    let [ann, ben, _] = clients.each_ref().map(Process::exitcode);
    check!([ann, ben] == [Some(0); 2], "{} and {} have done all of theirs", "Ann", "Ben");
    check!(count()? == 5 * EACH / 2, "the clerk has counted {}: none is lost", 5 * EACH / 2);
    Ok(())
}

/// Runs in each of the three; in the middle it waits for the others.
fn book(ledger: Proxy<Ledger>) -> Result<(), Failure> {
    for turn in 0..EACH {
        if turn == EACH / 2 {
            wait_while_held();
        }
        ledger.call(Ledger::book, "milk".to_owned())?;
    }
    Ok(())
}
