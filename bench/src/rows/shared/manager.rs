//! Clients that call a function on a value in a manager's server.

use common::measure::Budget;
use common::measure::harness::in_process;
use multiprocess::manager::{Manager, Proxy};
use multiprocess::{Failure, Sender, exposed, tasks};

use super::alone::alone;
use super::pair::{BATCH, Start, Steps, both, check, count_of, rate};

exposed![Tally::new, Tally::add];
tasks![call];

/// A number to which clients add, in the server.
struct Tally(u64);

impl Tally {
    fn new((): ()) -> Self {
        Self(0)
    }

    fn add(&mut self, more: u64) -> u64 {
        self.0 += more;
        self.0
    }
}

/// Measures the seconds of a call.
pub(super) fn one_client(budget: &Budget) -> Result<f64, Failure> {
    let manager = Manager::start(Tally::new, ())?;
    let tally = manager.proxy();
    let mut calls = 0;
    alone(budget, || {
        calls += 1;
        check(tally.call(Tally::add, 1)? == calls)
    })
}

/// Measures the calls per second of two processes.
pub(super) fn two_clients(budget: &Budget) -> Result<f64, Failure> {
    let manager = Manager::start(Tally::new, ())?;
    let proxies = [manager.proxy(), manager.proxy()];
    let steps = both(budget, proxies, |arguments| in_process(budget, call, arguments))?;
    check(manager.proxy().call(Tally::add, 0)? == count_of(&steps))?;
    Ok(rate(&steps))
}

/// Runs in each of two processes.
fn call(
    ((tally, start), mut steps): ((Proxy<Tally>, Start), Sender<Steps>),
) -> Result<(), Failure> {
    let add = || {
        tally.call(Tally::add, 1)?;
        Ok(())
    };
    Ok(steps.send(&start.steps(BATCH, add)?)?)
}
