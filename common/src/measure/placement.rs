//! The cores that the workers of a workload run on, and whether that can be had on this machine.

use std::hint::black_box;
use std::sync::LazyLock;
use std::{fs, io, thread};

use multiprocess::{Failure, Process, tasks};
use serde::{Deserialize, Serialize};

use super::Execution;
use crate::{cores, text};

tasks![compute_for_ever];

/// The cores that the workers run on.
///
/// ```
/// use common::measure::Placement;
///
/// let names = Placement::ALL.map(Placement::name);
/// // In English: both on one core, one core each, not pinned.
/// assert!(names.iter().all(|name| !name.is_empty()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// All bound to one core.
    OneCore,
    /// The even workers bound to one core, the odd ones to another.
    TwoCores,
    /// Wherever the kernel puts them.
    Free,
}

impl Placement {
    /// All three placements.
    pub const ALL: [Self; 3] = [Self::OneCore, Self::TwoCores, Self::Free];

    /// Returns its name in the tables: a few words in the reader's language.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::OneCore => text!("both on one core"),
            Self::TwoCores => text!("one core each"),
            Self::Free => text!("not pinned"),
        }
    }

    /// Returns the core of the even workers and that of the odd ones; `None`: not bound.
    ///
    /// # Errors
    /// The reason in words why the placement can't be had here.
    pub fn cores(self, execution: Execution) -> Result<[Option<usize>; 2], String> {
        HERE.of(execution, self)
    }
}

/// The cores of this machine: tries to bind a thread, and reads back whether it is bound.
static HERE: LazyLock<Cores> = LazyLock::new(|| {
    let usable = cores::usable().unwrap_or_default();
    let one = usable.first().copied().ok_or_else(|| text!("the cores are not known"));
    let one = one.and_then(|core| can_bind(core, &usable));
    let another = one.as_ref().ok().and_then(|one| another_core(&usable, *one));
    let two = match (&one, another) {
        (Err(reason), _) => Err(reason.clone()),
        (Ok(_), None) => Err(text!("there is only one core here")),
        (Ok(_), Some(core)) => can_bind(core, &usable),
    };
    let threads_apart = match (&one, &two) {
        (Ok(one), Ok(two)) => can_bind_apart(*one, *two, &usable),
        (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
    };
    Cores { one, two, threads_apart }
});

/// The cores of each placement, or why there are none.
struct Cores {
    one: Result<usize, String>,
    two: Result<usize, String>,
    /// Whether two threads of one process can be bound to these two cores.
    threads_apart: Result<(), String>,
}

impl Cores {
    fn of(&self, execution: Execution, placement: Placement) -> Result<[Option<usize>; 2], String> {
        Ok(match placement {
            Placement::OneCore => [Some(self.one.clone()?); 2],
            Placement::TwoCores => {
                if execution == Execution::Threads {
                    self.threads_apart.clone()?;
                }
                [Some(self.one.clone()?), Some(self.two.clone()?)]
            }
            Placement::Free => [None; 2],
        })
    }
}

/// Returns another core, if possible none that shares its hardware with this one (SMT); only Linux
/// tells which do.
fn another_core(usable: &[usize], one: usize) -> Option<usize> {
    let siblings = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    let siblings = numbers(&fs::read_to_string(siblings).unwrap_or_default());
    let others = || usable.iter().copied().filter(|core| *core != one);
    others().find(|core| !siblings.contains(core)).or_else(|| others().next())
}

/// Parses a list of cores: `0-1,4` are 0, 1 and 4.
fn numbers(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

fn can_bind(core: usize, usable: &[usize]) -> Result<usize, String> {
    let bound = bound_to(core, usable, || Ok(()))?;
    if bound != [core] {
        return Err(text!("a thread bound to core {} may still run on others", core));
    }
    Ok(core)
}

fn can_bind_apart(one: usize, two: usize, usable: &[usize]) -> Result<(), String> {
    let bound = bound_to(one, usable, || bound_to(two, &[two], || Ok(())).map(|_| ()))?;
    if bound != [one] {
        return Err(text!("this system binds all threads of a process together"));
    }
    Ok(())
}

/// Returns where a thread may run that has bound itself to this core and done this work. Windows
/// binds the whole process, so it is bound to `afterwards` in the end.
fn bound_to(
    core: usize,
    afterwards: &[usize],
    work: impl FnOnce() -> Result<(), String> + Send,
) -> Result<Vec<usize>, String> {
    let failed = |_: io::Error| text!("the system refuses to bind a thread to core {}", core);
    let bind = || {
        cores::bind_to(&[core]).map_err(failed)?;
        let (worked, bound) = (work(), cores::usable());
        cores::bind_to(afterwards).map_err(failed)?;
        worked.and(bound.map_err(failed))
    };
    thread::scope(|scope| scope.spawn(bind).join()).expect("nothing in it panics")
}

/// Processes that compute, one for each usable core: a machine that does something else, too.
/// Dropped, it ends them.
pub struct BusyLoops(Vec<Process>);

impl BusyLoops {
    /// Starts them.
    ///
    /// # Errors
    /// If a process can't be started.
    pub fn start() -> Result<Self, Failure> {
        let mut loops = Self(Vec::new());
        for _ in cores::usable()? {
            let mut process = Process::new(compute_for_ever, ()).daemonic(true);
            process.start()?;
            loops.0.push(process);
        }
        Ok(loops)
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // To kill a process that has ended does no harm.
            let _ = process.kill().and_then(|()| process.join());
        }
    }
}

/// Runs in each process of the loops.
fn compute_for_ever((): ()) {
    let mut number = 0_u64;
    loop {
        number = black_box(number).wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// No machine has so many.
    const NO_CORE: usize = 1 << 20;

    #[test]
    fn a_placement_that_cannot_be_had_says_why() {
        let reason = || "there is only one core here".to_owned();
        let cores = Cores { one: Ok(3), two: Err(reason()), threads_apart: Err(reason()) };
        let of = |placement| cores.of(Execution::Processes, placement);
        assert_eq!(of(Placement::OneCore).unwrap(), [Some(3), Some(3)]);
        assert_eq!(of(Placement::Free).unwrap(), [None, None]);
        assert_eq!(of(Placement::TwoCores), Err(reason()));
        let refused = text!("the system refuses to bind a thread to core {}", NO_CORE);
        assert_eq!(can_bind(NO_CORE, &[0]), Err(refused));
    }

    #[test]
    fn only_threads_need_to_be_bound_apart() {
        let reason = || "this system binds all threads of a process together".to_owned();
        let cores = Cores { one: Ok(3), two: Ok(4), threads_apart: Err(reason()) };
        assert_eq!(cores.of(Execution::Threads, Placement::TwoCores), Err(reason()));
        assert_eq!(cores.of(Execution::Processes, Placement::TwoCores), Ok([Some(3), Some(4)]));
        assert_eq!(cores.of(Execution::Threads, Placement::OneCore), Ok([Some(3), Some(3)]));
    }

    #[test]
    fn to_look_leaves_the_process_as_it_is() {
        let before = cores::usable().unwrap();
        let _ = Placement::TwoCores.cores(Execution::Threads);
        assert_eq!(cores::usable().unwrap(), before);
    }

    #[test]
    fn the_other_core_is_not_the_same_one_seen_twice() {
        assert_eq!(numbers("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(numbers(""), [0; 0]);
        assert_eq!(another_core(&[0], 0), None);
        assert!(another_core(&[0, 1, 2, 3], 0).is_some_and(|core| core != 0));
    }

    #[test]
    fn busy_loops_compute_until_they_are_dropped() {
        let _deadline = testing::Deadline::seconds(60);
        let loops = BusyLoops::start().unwrap();
        let pids = loops.0.iter().filter_map(Process::pid);
        let others: Vec<_> = pids.filter_map(testing::Other::of).collect();
        assert_eq!(others.len(), cores::usable().unwrap().len());
        drop(loops);
        assert!(others.into_iter().all(|other| other.ends_within(Duration::ZERO)));
    }
}
