//! Which workers are there, and which are gone.
//!
//! A worker says hello every half second. Silence isn't measured by the clock: a server that stands
//! still for a while silences all workers, and none of them is dead. It is counted in echoes: the
//! client sends itself one message after the other through the same server, never two at once, and
//! each that comes back says that what the workers had sent before would have come, too.
//!
//! | news | what follows |
//! | --- | --- |
//! | hello, question, outcome | the silence begins anew |
//! | echo | all are silent for one echo longer; one that is silent for too long is lost |
//! | reconnected | the silences begin anew; nobody is lost while the workers reconnect, too |
//! | ended (its keeper says so) | gone for good, with a reason |
//! | bye | gone for good |
//! | hello of another build | told once for each build |

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::protocol::{Ended, Hello, News, WorkerId};

/// Shortest time between two echoes.
pub(crate) const ECHO: Duration = Duration::from_millis(250);

/// Number of echoes after a lost connection in which nobody is lost: 5 s, because workers try to
/// connect every 2 s.
const RECONNECTING: u32 = 20;

/// Number of echoes for which a worker that is gone is remembered: 10 min, after which nothing of
/// it is under way.
const REMEMBERED: u64 = 2400;

/// A machine of a cluster, as it told of itself. Dask: `client.scheduler_info()["workers"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// Name of the machine: `host-3`.
    pub name: String,
    /// Process id of its agent.
    pub pid: u32,
    /// Number of its processes.
    pub processes: usize,
    /// Identity of its executable.
    pub build: String,
    /// True if it has the same executable as this program: only then it gets tasks of this program.
    pub is_ours: bool,
}

/// The workers that a client knows.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Identity of this executable.
    build: String,
    /// Number of echoes after which a silent worker is lost.
    most_silent: u32,
    workers: BTreeMap<WorkerId, Known>,
    /// Workers that won't come back, and the number of echoes when that was said last.
    gone: HashMap<WorkerId, u64>,
    /// Number of echoes so far.
    echoes: u64,
    /// Number of echoes to come in which nobody is lost.
    reconnecting: u32,
    /// Other builds that were told.
    told: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// What it said; `None` if it has only asked so far.
    hello: Option<Hello>,
    /// Number of echoes since it was heard.
    silent: u32,
    /// True if it has been told that its build is another one.
    is_told: bool,
}

/// What follows from news.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The worker that is gone.
    pub(crate) ended: Option<Ended>,
    /// The worker that has left, with all reported.
    pub(crate) left: Option<WorkerId>,
    /// A worker of another build, the first one.
    pub(crate) other_build: Option<Hello>,
    /// True if the machines are others than before.
    pub(crate) has_changed: bool,
}

impl Presence {
    pub(crate) fn new(build: String, lost_after: Duration) -> Self {
        let echoes = lost_after.as_millis().div_ceil(ECHO.as_millis());
        let most_silent = u32::try_from(echoes).unwrap_or(u32::MAX);
        Self {
            build,
            most_silent,
            workers: BTreeMap::new(),
            gone: HashMap::new(),
            echoes: 0,
            reconnecting: 0,
            told: BTreeSet::new(),
        }
    }

    /// Notes a sign of life of a worker, whose silence begins anew. Returns false if it has ended,
    /// and what it says comes too late.
    pub(crate) fn note_sign_of_life(&mut self, worker: &WorkerId) -> bool {
        if self.gone.contains_key(worker) {
            return false;
        }
        match self.workers.get_mut(worker) {
            Some(known) => known.silent = 0,
            None => drop(self.workers.insert(worker.clone(), Known::default())),
        }
        true
    }

    /// Takes news.
    pub(crate) fn hear(&mut self, news: News) -> Heard {
        match news {
            News::Hello(hello) => self.hello(hello),
            News::Ended(ended) => {
                let has_changed = self.remove_for_good(ended.worker.clone());
                Heard { has_changed, ended: Some(ended), ..Heard::default() }
            }
            News::Bye(worker) => {
                let has_changed = self.remove_for_good(worker.clone());
                Heard { has_changed, left: Some(worker), ..Heard::default() }
            }
        }
    }

    /// Takes an echo; returns the workers that were silent for too long.
    pub(crate) fn echo(&mut self) -> Vec<WorkerId> {
        self.echoes += 1;
        if self.echoes.is_multiple_of(REMEMBERED / 10) {
            let forgotten = self.echoes.saturating_sub(REMEMBERED);
            self.gone.retain(|_, said| *said >= forgotten);
        }
        self.workers.values_mut().for_each(|known| known.silent += 1);
        if self.reconnecting > 0 {
            self.reconnecting -= 1;
            return Vec::new();
        }
        let most = self.most_silent;
        let lost = self.workers.iter().filter(|(_, known)| known.silent > most);
        let lost: Vec<WorkerId> = lost.map(|(worker, _)| worker.clone()).collect();
        lost.iter().for_each(|worker| drop(self.workers.remove(worker)));
        lost
    }

    /// Returns true if this worker has another build and is to be told so, once on a connection.
    pub(crate) fn tells_other_build(&mut self, worker: &WorkerId) -> bool {
        let known = self.workers.get_mut(worker);
        let is_other = |it: &Known| it.hello.as_ref().is_some_and(|it| it.build != self.build);
        known.is_some_and(|known| is_other(known) && !std::mem::replace(&mut known.is_told, true))
    }

    /// Begins all silences anew, after a lost connection: the workers have lost theirs, too.
    pub(crate) fn reconnected(&mut self) {
        for known in self.workers.values_mut() {
            (known.silent, known.is_told) = (0, false);
        }
        self.reconnecting = RECONNECTING;
    }

    /// Returns all machines that are there.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let hellos = self.workers.values().filter_map(|known| known.hello.as_ref());
        let machine = |hello: &Hello| Machine {
            name: hello.worker.name.clone(),
            pid: hello.worker.pid,
            processes: hello.processes as usize,
            build: hello.build.clone(),
            is_ours: hello.build == self.build,
        };
        hellos.map(machine).collect()
    }

    /// Returns the number of processes of this build.
    pub(crate) fn processes(&self) -> usize {
        let hellos = self.workers.values().filter_map(|known| known.hello.as_ref());
        hellos.filter(|it| it.build == self.build).map(|it| it.processes as usize).sum()
    }

    /// Returns the number of workers of this build and of others.
    pub(crate) fn count(&self) -> (usize, usize) {
        let is_other =
            |known: &&Known| known.hello.as_ref().is_some_and(|it| it.build != self.build);
        let others = self.workers.values().filter(is_other).count();
        (self.workers.len() - others, others)
    }

    fn hello(&mut self, hello: Hello) -> Heard {
        if !self.note_sign_of_life(&hello.worker) {
            return Heard::default();
        }
        let is_other = hello.build != self.build;
        let other_build =
            (is_other && self.told.insert(hello.build.clone())).then(|| hello.clone());
        let known = self.workers.entry(hello.worker.clone()).or_default();
        let has_changed = known.hello.as_ref() != Some(&hello);
        known.hello = Some(hello);
        Heard { other_build, has_changed, ..Heard::default() }
    }

    fn remove_for_good(&mut self, worker: WorkerId) -> bool {
        let was_there = self.workers.remove(&worker).is_some();
        self.gone.insert(worker, self.echoes);
        was_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(random: u64) -> WorkerId {
        WorkerId { name: String::from("host"), pid: 7, random }
    }

    fn hello(random: u64, build: &str) -> News {
        News::Hello(Hello { worker: worker(random), processes: 2, build: build.to_owned() })
    }

    fn presence() -> Presence {
        Presence::new(String::from("ours"), Duration::from_secs(1))
    }

    #[test]
    fn a_worker_is_lost_after_so_many_echoes_without_a_word() {
        let mut presence = presence();
        assert!(presence.hear(hello(1, "ours")).has_changed);
        assert!(!presence.hear(hello(1, "ours")).has_changed);
        presence.hear(hello(2, "ours"));
        for _ in 0..4 {
            assert_eq!(presence.echo(), []);
        }
        assert!(presence.note_sign_of_life(&worker(2)));
        assert_eq!(presence.echo(), [worker(1)]);
        assert_eq!(presence.processes(), 2);
        // It was cut off, and is back.
        assert!(presence.hear(hello(1, "ours")).has_changed);
        assert_eq!(presence.processes(), 4);
    }

    #[test]
    fn a_worker_that_has_only_asked_is_lost_when_it_is_silent() {
        let mut presence = presence();
        assert!(presence.note_sign_of_life(&worker(1)));
        assert_eq!(presence.machines(), []);
        let lost: Vec<WorkerId> = (0..5).flat_map(|_| presence.echo()).collect();
        assert_eq!(lost, [worker(1)]);
    }

    #[test]
    fn nobody_is_lost_while_all_connect_anew() {
        let mut presence = presence();
        presence.hear(hello(1, "ours"));
        presence.hear(hello(2, "ours"));
        (0..4).for_each(|_| assert_eq!(presence.echo(), []));
        presence.reconnected();
        (0..RECONNECTING).for_each(|_| assert_eq!(presence.echo(), []));
        // One is back in time.
        presence.hear(hello(1, "ours"));
        assert_eq!(presence.echo(), [worker(2)]);
    }

    #[test]
    fn a_worker_that_is_gone_is_remembered_for_a_while_and_not_for_ever() {
        let mut presence = presence();
        presence.hear(News::Bye(worker(1)));
        (0..REMEMBERED).for_each(|_| drop(presence.echo()));
        assert!(!presence.note_sign_of_life(&worker(1)));
        (0..REMEMBERED / 5).for_each(|_| drop(presence.echo()));
        assert!(presence.gone.is_empty());
    }

    #[test]
    fn a_worker_that_has_ended_does_not_come_back() {
        let mut presence = presence();
        presence.hear(hello(1, "ours"));
        presence.hear(hello(2, "ours"));
        let end = String::from("killed by signal 9 (SIGKILL)");
        let ended = Ended { worker: worker(1), end, exitcode: Some(-9) };
        let heard = presence.hear(News::Ended(ended.clone()));
        assert_eq!((heard.ended, heard.has_changed), (Some(ended), true));
        assert_eq!(presence.hear(News::Bye(worker(2))).left, Some(worker(2)));
        // What it said before comes late.
        assert!(!presence.hear(hello(1, "ours")).has_changed);
        assert!(!presence.note_sign_of_life(&worker(1)) && !presence.note_sign_of_life(&worker(2)));
        assert_eq!(presence.machines(), []);
    }

    #[test]
    fn another_build_is_shown_and_told_once() {
        let mut presence = presence();
        assert!(presence.hear(hello(1, "other")).other_build.is_some());
        assert!(presence.hear(hello(2, "other")).other_build.is_none());
        presence.hear(hello(3, "ours"));
        assert_eq!((presence.count(), presence.processes()), ((1, 2), 2));
        let ours: Vec<bool> = presence.machines().iter().map(|it| it.is_ours).collect();
        assert_eq!(ours, [false, false, true]);
        // Each of them hears of it once on a connection.
        let mut told = || [1, 2, 3, 4].map(|random| presence.tells_other_build(&worker(random)));
        assert_eq!(told(), [true, true, false, false]);
        assert_eq!(told(), [false; 4]);
        presence.reconnected();
        assert!(presence.tells_other_build(&worker(1)));
    }
}
