//! Which cores the two ends run on, and whether that can be had on this machine.

use std::{fs, io, thread};

use common::{cores, text};
use serde::Serialize;

use super::Who;

/// The cores that the two ends run on.
///
/// ```
/// use downloader::switch::Placement;
///
/// let names = Placement::ALL.map(Placement::name);
/// // In English: both on one core, one core each, not pinned.
/// assert!(names.iter().all(|name| !name.is_empty()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Placement {
    /// Both bound to one core.
    OneCore,
    /// Each bound to a core of its own.
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
}

/// The cores of each placement, or why there are none.
///
/// ```
/// use downloader::switch::{Placement, Places};
///
/// let places = Places::here();
/// assert_eq!(places.cores(Placement::Free), Ok([None, None]));
/// if let Ok([first, second]) = places.cores(Placement::OneCore) {
///     assert_eq!(first, second);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    one: Result<usize, String>,
    two: Result<usize, String>,
    /// Whether two threads of one process can be bound to these two cores.
    threads_apart: Result<(), String>,
}

impl Places {
    /// Finds those of this machine: tries to bind a thread, and reads back whether it is bound.
    #[must_use]
    pub fn here() -> Self {
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
        Self { one, two, threads_apart }
    }

    /// Makes up cores for a test.
    #[cfg(test)]
    pub(crate) const fn of(one: Result<usize, String>, two: Result<usize, String>) -> Self {
        Self { one, two, threads_apart: Ok(()) }
    }

    /// Tells why two threads of one process can't be bound to a core each, if they can't.
    #[doc(hidden)]
    pub fn threads_apart(&self) -> Result<(), String> {
        self.threads_apart.clone()
    }

    /// Returns the core of each end as [`cores`](Self::cores) does, if these can hold the ends so.
    pub(crate) fn cores_of(
        &self,
        who: Who,
        placement: Placement,
    ) -> Result<[Option<usize>; 2], String> {
        if (who, placement) == (Who::Threads, Placement::TwoCores) {
            self.threads_apart()?;
        }
        self.cores(placement)
    }

    /// Returns the core of each end, `None` if it isn't bound.
    ///
    /// # Errors
    /// The reason in words why the placement can't be had here.
    pub fn cores(&self, placement: Placement) -> Result<[Option<usize>; 2], String> {
        Ok(match placement {
            Placement::OneCore => [Some(self.one.clone()?); 2],
            Placement::TwoCores => [Some(self.one.clone()?), Some(self.two.clone()?)],
            Placement::Free => [None; 2],
        })
    }
}

/// Returns another core, if possible none that shares its hardware with this one (SMT); only Linux
/// tells which do.
fn another_core(usable: &[usize], one: usize) -> Option<usize> {
    let halves = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    let halves = numbers(&fs::read_to_string(halves).unwrap_or_default());
    let others = || usable.iter().copied().filter(|core| *core != one);
    others().find(|core| !halves.contains(core)).or_else(|| others().next())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// No machine has so many.
    const NO_CORE: usize = 1 << 20;

    #[test]
    fn a_placement_that_cannot_be_had_says_why() {
        let places = Places::of(Ok(3), Err("there is only one core here".into()));
        assert_eq!(places.cores(Placement::OneCore).unwrap(), [Some(3), Some(3)]);
        assert_eq!(places.cores(Placement::Free).unwrap(), [None, None]);
        let reason = places.cores(Placement::TwoCores).unwrap_err();
        assert_eq!(reason, "there is only one core here");
        let refused = text!("the system refuses to bind a thread to core {}", NO_CORE);
        assert_eq!(can_bind(NO_CORE, &[0]), Err(refused));
    }

    #[test]
    fn only_threads_need_to_be_bound_apart() {
        let reason = "this system binds all threads of a process together";
        let places = Places { threads_apart: Err(reason.into()), ..Places::of(Ok(3), Ok(4)) };
        let cores = |who, placement| places.cores_of(who, placement);
        assert_eq!(cores(Who::Threads, Placement::TwoCores), Err(reason.into()));
        assert_eq!(cores(Who::Processes, Placement::TwoCores), Ok([Some(3), Some(4)]));
        assert_eq!(cores(Who::Threads, Placement::OneCore), Ok([Some(3), Some(3)]));
    }

    #[test]
    fn to_look_leaves_the_process_as_it_is() {
        let before = cores::usable().unwrap();
        let _ = Places::here();
        assert_eq!(cores::usable().unwrap(), before);
    }

    #[test]
    fn the_other_core_is_not_the_same_one_seen_twice() {
        assert_eq!(numbers("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(numbers(""), [0; 0]);
        assert_eq!(another_core(&[0], 0), None);
        assert!(another_core(&[0, 1, 2, 3], 0).is_some_and(|core| core != 0));
    }
}
