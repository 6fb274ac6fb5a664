//! This program three times at once: as the main process, and as two children of it.
//!
//! ```python
//! while True:                       # each of two children does this
//!     print(os.getpid(), os.getppid())
//!     time.sleep(1)
//! ```

use common::pretend::{rounds, work};
use common::{check, note, say};
use multiprocess::{Failure, Process, current_process, parent_process, tasks};

tasks![say_hello];

pub(crate) fn main() -> Result<(), Failure> {
    let me = std::process::id();
    note!("the process id of the main process is {}", me);
    say!("starts its own program twice");
    // Daemonic: with `--forever`, too, they end with this program.
    let mut first = Process::new(say_hello, ()).named("first").daemonic(true);
    let mut second = Process::new(say_hello, ()).named("second").daemonic(true);
    first.start()?;
    second.start()?;
    let children = [first.pid(), second.pid()];
    check!(children[0] != children[1], "the two children have two process ids");
    check!(!children.contains(&Some(me)), "and neither is that of the main process");
    first.join()?;
    second.join()?;
    check!([first.exitcode(), second.exitcode()] == [Some(0); 2], "both have ended");
    Ok(())
}

/// Runs in both children: says hello once a second.
fn say_hello(_: ()) {
    let (me, parent) = (current_process().pid(), parent_process().map_or(0, |p| p.pid()));
    for _ in rounds(3) {
        say!("hello: my id is {}, my parent's is {}", me, parent);
        work(1.0);
    }
}
