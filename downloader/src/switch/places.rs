//! Where the two ends run, and whether that can be had on this machine.

use std::{fs, io, thread};

use common::cores;
use serde::Serialize;

/// Where the two ends run.
///
/// ```
/// use downloader::switch::Placement;
///
/// assert_ne!(Placement::OneCore, Placement::TwoCores);
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
    /// All three.
    ///
    /// ```
    /// use downloader::switch::Placement;
    ///
    /// assert_eq!(Placement::ALL.len(), 3);
    /// ```
    pub const ALL: [Self; 3] = [Self::OneCore, Self::TwoCores, Self::Free];

    /// What the tables call it: a few English words.
    ///
    /// ```
    /// use downloader::switch::Placement;
    ///
    /// assert_eq!(Placement::OneCore.name(), "both on one core");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneCore => "both on one core",
            Self::TwoCores => "one core each",
            Self::Free => "not pinned",
        }
    }
}

/// The cores of each placement, or why there are none.
///
/// ```
/// use downloader::switch::Places;
///
/// assert_eq!(Places::here(), Places::here());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    one: Result<usize, String>,
    two: Result<usize, String>,
}

impl Places {
    /// Those of this machine: tries to bind a thread, and reads back whether it is bound.
    ///
    /// ```
    /// let places = downloader::switch::Places::here();
    /// println!("{places:?}");
    /// ```
    #[must_use]
    pub fn here() -> Self {
        let usable = cores::usable().unwrap_or_default();
        let one = usable.first().copied().ok_or_else(|| "the cores are not known".to_owned());
        let one = one.and_then(can_bind);
        let another = one.as_ref().ok().and_then(|one| another_core(&usable, *one));
        let two = match (&one, another) {
            (Err(reason), _) => Err(reason.clone()),
            (Ok(_), None) => Err("there is only one core here".to_owned()),
            (Ok(_), Some(core)) => can_bind(core),
        };
        Self { one, two }
    }

    /// Made up.
    #[cfg(test)]
    pub(crate) const fn of(one: Result<usize, String>, two: Result<usize, String>) -> Self {
        Self { one, two }
    }

    /// The core of each end, `None` if it isn't bound.
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
    ///
    /// # Errors
    /// Why it can't be had here, in words.
    pub fn cores(&self, placement: Placement) -> Result<[Option<usize>; 2], String> {
        Ok(match placement {
            Placement::OneCore => [Some(self.one.clone()?); 2],
            Placement::TwoCores => [Some(self.one.clone()?), Some(self.two.clone()?)],
            Placement::Free => [None; 2],
        })
    }
}

/// A core that is no second half of this one, if there is one.
fn another_core(usable: &[usize], one: usize) -> Option<usize> {
    let halves = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    let halves = numbers(&fs::read_to_string(halves).unwrap_or_default());
    let others = || usable.iter().copied().filter(|core| *core != one);
    others().find(|core| !halves.contains(core)).or_else(|| others().next())
}

/// `0-1,4` are 0, 1 and 4.
fn numbers(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

fn can_bind(core: usize) -> Result<usize, String> {
    let bind = move || {
        cores::bind_to(&[core])?;
        cores::usable()
    };
    let failed = |error: io::Error| format!("binding to core {core} was refused: {error}");
    let bound = thread::spawn(bind).join().map_err(|_| "a thread panicked")?.map_err(failed)?;
    if bound != [core] {
        return Err(format!("bound to core {core}, a thread may still run on {bound:?}"));
    }
    Ok(core)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_that_cannot_be_had_says_why() {
        let places = Places::of(Ok(3), Err("there is only one core here".into()));
        assert_eq!(places.cores(Placement::OneCore).unwrap(), [Some(3), Some(3)]);
        assert_eq!(places.cores(Placement::Free).unwrap(), [None, None]);
        let reason = places.cores(Placement::TwoCores).unwrap_err();
        assert_eq!(reason, "there is only one core here");
        let refused = can_bind(rustix::thread::CpuSet::MAX_CPU).unwrap_err();
        assert!(refused.contains("was refused"), "{refused}");
    }

    #[test]
    fn the_other_core_is_not_the_same_one_seen_twice() {
        assert_eq!(numbers("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(numbers(""), [0; 0]);
        assert_eq!(another_core(&[0], 0), None);
        assert!(another_core(&[0, 1, 2, 3], 0).is_some_and(|core| core != 0));
    }
}
