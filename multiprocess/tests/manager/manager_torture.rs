//! Kill torture: clients, the server and the server's owner are killed and stopped at random
//! instants. Each call is done or not, never half; what a killed client waited for stays for the
//! others; and no client hangs when the server or its owner has gone.
//!
//! ```text
//!   driver ── owner ── server: the state, which writes down what is done ──┐
//!     │                  ▲                                                 ├──▶ driver compares
//!     └──── clients ── calls, and before and after each a word of its own ─┘
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test manager-torture -- --ignored`, so long
//! for each test. `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::manager::{CallError, Manager, Proxy};
use multiprocess::queue::Words;
use multiprocess::{Exit, Process, exposed, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, Report, ends_well, reports};

multiprocess::test_entry!();
tasks![own, add_and_put, take];

/// Number of clients that add and put; as many take.
const EACH: usize = 3;

/// Words: whether the clients shall end, what was wrong first, and the numbers of items that were
/// put and taken, as the server knows.
const END: usize = 0;
const WRONG: usize = 1;
const PUT: usize = 2;
const TAKEN: usize = 3;
/// Words of each client: calls that it has begun, that the server has done, and that were answered.
const FIRST: usize = 8;
const CALLED: usize = 0;
const DONE: usize = 1;
const ANSWERED: usize = 2;

const WRONGS: [&str; 4] = [
    "nothing",
    "the halves of the state differ",
    "a call failed for another reason than the server's end",
    "a wait without a limit returned nothing",
];

/// Each torture takes the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

/// What really happened; only loads and stores.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Truth(Words);

impl Truth {
    fn new() -> Self {
        Self(Words::new(FIRST + 2 * EACH * 4).unwrap())
    }

    fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::SeqCst)
    }

    fn set(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::SeqCst);
    }

    fn add(&self, index: usize) {
        self.set(index, self.get(index) + 1);
    }

    fn of(client: usize, what: usize) -> usize {
        FIRST + 4 * client + what
    }

    /// Returns the sum of a word of these clients.
    fn sum(&self, clients: impl Iterator<Item = usize>, what: usize) -> u64 {
        clients.map(|client| self.get(Self::of(client, what))).sum()
    }
}

/// The state: two halves that are the same between calls, and items.
struct Account {
    truth: Truth,
    halves: (u64, u64),
    items: VecDeque<u64>,
}

exposed![Account::new, Account::add, Account::put, Account::take, Account::halves, Account::items];

impl Account {
    fn new(truth: Truth) -> Self {
        Self { truth, halves: (0, 0), items: VecDeque::new() }
    }

    fn add(&mut self, (client, spins): (usize, u64)) {
        if self.halves.0 != self.halves.1 {
            self.truth.set(WRONG, 1);
        }
        self.halves.0 += 1;
        (0..spins).for_each(|_| spin_loop());
        self.halves.1 += 1;
        self.truth.add(Truth::of(client, DONE));
    }

    fn put(&mut self, client: usize) {
        self.items.push_back(self.truth.get(PUT));
        self.truth.add(PUT);
        self.add((client, 0));
    }

    fn take(&mut self, client: usize) -> Option<u64> {
        let item = self.items.pop_front()?;
        self.truth.add(TAKEN);
        self.add((client, 0));
        Some(item)
    }

    fn halves(&self, (): ()) -> (u64, u64) {
        self.halves
    }

    fn items(&self, (): ()) -> usize {
        self.items.len()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    account: Proxy<Account>,
    truth: Truth,
    client: usize,
    seed: u64,
}

impl Work {
    /// Makes a call; returns how the client is to end if the server has ended. If the answer is
    /// false, nothing was done: as if the function had not been called.
    fn call(&self, call: impl FnOnce() -> Result<bool, CallError>) -> Result<bool, Exit> {
        let word = |what| Truth::of(self.client, what);
        let before = self.truth.get(word(CALLED));
        self.truth.set(word(CALLED), before + 1);
        match call() {
            Ok(true) => {
                self.truth.add(word(ANSWERED));
                Ok(true)
            }
            Ok(false) => {
                self.truth.set(word(CALLED), before);
                Ok(false)
            }
            Err(CallError::Ended { .. }) => Err(Exit::SUCCESS),
            Err(error) => {
                self.truth.set(WRONG, 2);
                panic!("{error}");
            }
        }
    }
}

/// Runs in a child, until it is killed, or the server has gone, or it shall end.
fn add_and_put(work: Work) -> Exit {
    let mut random = Random(work.seed | 1);
    while work.truth.get(END) == 0 {
        let (account, client) = (&work.account, work.client);
        let done = match random.below(3) {
            0 => work.call(|| account.call(Account::put, client).map(|()| true)),
            1 => work
                .call(|| account.call(Account::add, (client, random.below(3000))).map(|()| true)),
            _ => work.call(|| account.call(Account::add, (client, 0)).map(|()| true)),
        };
        if let Err(exit) = done {
            return exit;
        }
        if random.below(8) == 0 {
            (0..random.below(3000)).for_each(|_| spin_loop());
        }
    }
    Exit::SUCCESS
}

/// Runs in a child, as long.
fn take(work: Work) -> Exit {
    let mut random = Random(work.seed | 1);
    while work.truth.get(END) == 0 {
        let timeout = match random.below(3) {
            0 => None,
            1 => Some(Duration::from_micros(random.below(5000))),
            _ => Some(Duration::ZERO),
        };
        let wait = || work.account.wait(Account::take, work.client, timeout);
        match work.call(|| wait().map(|item| item.is_some())) {
            Ok(has_taken) => {
                if !has_taken && timeout.is_none() {
                    work.truth.set(WRONG, 3);
                }
            }
            Err(exit) => return exit,
        }
    }
    Exit::SUCCESS
}

/// Runs in a child: owns the manager until the driver tells it to end.
fn own((truth, report): (Truth, Report)) {
    multiprocess::end_with_parent().unwrap();
    let manager = Manager::start(Account::new, truth.clone()).unwrap();
    report.say((manager.pid(), manager.proxy()));
    while truth.get(END) < 2 {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Which process's death ends the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    None,
    Server,
    Owner,
}

#[derive(Debug, Default)]
struct Counts {
    rounds: u64,
    calls: u64,
    taken: u64,
    kills: u64,
    stops: u64,
    /// Done, but their clients never knew.
    unanswered: u64,
    /// The longest time from the server's or owner's death until all clients had ended.
    longest_end: Duration,
}

/// A round: a server from its start to its end, with its clients.
struct Round<'a> {
    truth: Truth,
    owner: Process,
    server: Other,
    account: Proxy<Account>,
    clients: Vec<Process>,
    kills: Vec<u64>,
    random: &'a mut Random,
    counts: &'a mut Counts,
}

/// Whatever happens, no process stays.
impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.server.kill();
        for process in self.clients.iter().chain([&self.owner]) {
            let _ = process.kill();
            let _ = process.join();
        }
    }
}

fn start_client(account: &Proxy<Account>, truth: &Truth, client: usize, seed: u64) -> Process {
    let work = Work { account: account.clone(), truth: truth.clone(), client, seed };
    let process =
        if client < EACH { Process::new(add_and_put, work) } else { Process::new(take, work) };
    let mut process = process.daemonic(true);
    process.start().unwrap();
    process
}

impl<'a> Round<'a> {
    fn start(random: &'a mut Random, counts: &'a mut Counts) -> Self {
        let truth = Truth::new();
        let (mut reports, report) = reports();
        let owner = testing::start(own, (truth.clone(), report));
        let (pid, account): (Option<u32>, Proxy<Account>) = reports.next();
        let server = Other::of(pid.unwrap()).unwrap();
        let clients = (0..2 * EACH)
            .map(|client| start_client(&account, &truth, client, random.next()))
            .collect();
        let kills = vec![0; 2 * EACH];
        Self { truth, owner, server, account, clients, kills, random, counts }
    }

    fn a_moment(&mut self, micros: u64) {
        thread::sleep(Duration::from_micros(self.random.below(micros)));
    }

    fn one_step(&mut self) {
        self.a_moment(3000);
        let client = self.random.below(2 * EACH as u64) as usize;
        let other = Other::of(self.clients[client].pid().unwrap()).unwrap();
        match self.random.below(8) {
            // The server, or a client, is stopped for a moment.
            0 => {
                assert!(self.server.stop());
                self.a_moment(4000);
                assert!(self.server.go_on());
                self.counts.stops += 1;
            }
            1 | 2 => {
                assert!(other.stop());
                self.a_moment(4000);
                self.counts.stops += 1;
                if self.random.below(2) == 0 {
                    assert!(other.go_on());
                } else {
                    self.replace(client);
                }
            }
            _ => self.replace(client),
        }
        if self.random.below(4) == 0 {
            self.expect_progress();
        }
    }

    fn replace(&mut self, client: usize) {
        assert_eq!(self.clients[client].exitcode(), None, "it ended by itself");
        testing::kill_child(&self.clients[client]);
        self.kills[client] += 1;
        self.counts.kills += 1;
        let seed = self.random.next();
        self.clients[client] = start_client(&self.account, &self.truth, client, seed);
    }

    /// Waits until another call of a client that adds is answered.
    fn expect_progress(&self) {
        let answered = || self.truth.sum(0..EACH, ANSWERED);
        let (before, begun) = (answered(), Instant::now());
        while answered() == before {
            assert!(begun.elapsed() < LONG, "no call is answered");
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn end(mut self, last: Last) {
        let begun = Instant::now();
        match last {
            Last::None => {
                self.truth.set(END, 1);
                self.clients[..EACH].iter().for_each(ends_well);
                // Those that wait without a limit.
                for _ in 0..EACH {
                    self.account.call(Account::put, 0).unwrap();
                }
                self.clients.iter().for_each(ends_well);
                // Calls of killed clients may still be under way; this one comes after them, if
                // the server has received them.
                let begun = Instant::now();
                loop {
                    let halves = self.account.call(Account::halves, ()).unwrap();
                    let left = self.account.call(Account::items, ()).unwrap() as u64;
                    let truth = &self.truth;
                    if halves.0 == truth.sum(0..2 * EACH, DONE)
                        && left == truth.get(PUT) - truth.get(TAKEN)
                    {
                        break;
                    }
                    assert!(begun.elapsed() < LONG, "{halves:?} {left}");
                }
            }
            Last::Server => {
                if self.random.below(3) == 0 {
                    assert!(self.server.stop());
                    self.a_moment(2000);
                }
                assert!(self.server.kill());
                self.clients.iter().for_each(ends_well);
                self.counts.longest_end = self.counts.longest_end.max(begun.elapsed());
            }
            Last::Owner => {
                let owner = Other::of(self.owner.pid().unwrap()).unwrap();
                if self.random.below(3) == 0 {
                    assert!(owner.stop());
                    self.expect_progress();
                }
                assert!(owner.kill());
                self.clients.iter().for_each(ends_well);
                self.counts.longest_end = self.counts.longest_end.max(begun.elapsed());
            }
        }
        self.truth.set(END, 2);
        self.owner.join().unwrap();
        assert!(self.server.ends_within(LONG), "the server outlives its owner");
        assert!(matches!(self.account.call(Account::halves, ()), Err(CallError::Ended { .. })));
        self.compare(last);
    }

    fn compare(&mut self, last: Last) {
        assert_eq!(WRONGS[self.truth.get(WRONG) as usize], WRONGS[0]);
        let in_flight = u64::from(last != Last::None);
        for (client, kills) in self.kills.iter().enumerate() {
            let [called, mut done, answered] =
                [CALLED, DONE, ANSWERED].map(|what| self.truth.get(Truth::of(client, what)));
            if client == 0 && last == Last::None {
                // Put by the driver.
                done -= EACH as u64;
            }
            let most = kills + in_flight;
            assert!(
                answered <= done && done <= called && done - answered <= most,
                "client {client}: {called} called, {done} done, {answered} answered, {kills} kills"
            );
            self.counts.calls += called;
            self.counts.unanswered += done - answered;
        }
        let takers = EACH..2 * EACH;
        let (taken, done) = (self.truth.get(TAKEN), self.truth.sum(takers, DONE));
        // Between two words of the truth the server may have been killed.
        assert!(taken == done || last != Last::None && taken == done + 1, "{taken} {done}");
        self.counts.taken += taken;
        self.counts.rounds += 1;
    }
}

fn torture(lasts: &[Last], time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _deadline = Deadline::seconds(180 + time.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let (mut random, mut counts) = (Random(seed | 1), Counts::default());
    let begun = Instant::now();
    let of_a_round = (time / 3).min(Duration::from_secs(2));
    let mut round = 0;
    while begun.elapsed() < time {
        let last = lasts[round % lasts.len()];
        let (mut this, begun) = (Round::start(&mut random, &mut counts), Instant::now());
        this.expect_progress();
        // Where the server or its owner is to be killed, that is what the round is about.
        let of_this = if last == Last::None { of_a_round } else { of_a_round / 8 };
        while begun.elapsed() < of_this {
            this.one_step();
        }
        this.end(last);
        round += 1;
    }
    println!("{counts:?}");
}

macro_rules! torture {
    ($($short:ident, $long:ident: $lasts:expr;)+) => { $(
        #[test]
        fn $short() {
            torture(&$lasts, Duration::from_millis(800));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            let seconds = std::env::var("TORTURE_SECONDS");
            let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
            torture(&$lasts, Duration::from_secs(seconds));
        }
    )+ };
}

torture! {
    clients_are_killed_and_stopped, long_clients_are_killed_and_stopped: [Last::None];
    the_server_is_killed, long_the_server_is_killed: [Last::Server];
    the_owner_is_killed, long_the_owner_is_killed: [Last::Owner];
}
