//! The rows of `conformance-sharing.md` about managers, under their ids; where proxies may go, and
//! what may go through calls; and how deaths look.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::manager::{CallError, Counter, List, Manager, Map, Namespace, Proxy};
use multiprocess::queue::Words;
use multiprocess::shared::{Lock, Value};
use multiprocess::{
    Failure, Pool, Process, Queue, Receiver, Sender, active_children, exposed, one_way, tasks,
};
use serde::{Deserialize, Serialize};
use testing::{
    Deadline, LONG, Other, Report, SHORT, alone, children, ends_well, kill, kill_child,
    own_program, reports, start, until,
};

multiprocess::test_entry!();
tasks![
    append_there,
    fill,
    use_all,
    add_each,
    count_worker,
    count_here,
    use_the_queue,
    own_and_wait,
    take_for_ever,
    call_in_a_loop,
    have_a_manager_in_a_daemon,
    only_the_server,
    many_clients,
    wait_once,
    leave_nothing,
    call_at_the_end_of_a_thread,
    ship
];

// -------------------------------------------------------------------------------------- a state

/// A store that counts what is in it.
#[derive(Default)]
struct Store {
    stock: BTreeMap<String, u32>,
    /// True while a call is under way.
    busy: AtomicBool,
    others: Vec<Proxy<Store>>,
}

exposed![
    Store::new,
    Store::add,
    Store::take,
    Store::count,
    Store::fail,
    Store::panic,
    Store::pid,
    Store::slowly,
    Store::keep,
    Store::around,
    Store::echo,
    Store::total_of,
    Store::for_ever,
    Store::hold
];

impl Store {
    fn new((): ()) -> Self {
        Self::default()
    }

    fn add(&mut self, (what, count): (String, u32)) -> u32 {
        let stock = self.stock.entry(what).or_default();
        *stock += count;
        *stock
    }

    /// Takes a piece, if there is any.
    fn take(&mut self, what: String) -> Option<u32> {
        let stock = self.stock.get_mut(&what).filter(|stock| **stock > 0)?;
        *stock -= 1;
        Some(*stock)
    }

    fn count(&self, what: String) -> u32 {
        self.stock.get(&what).copied().unwrap_or_default()
    }

    fn fail(&mut self, (): ()) -> Result<u32, String> {
        Err("there is none".to_owned())
    }

    fn panic(&mut self, (): ()) {
        self.stock.insert("before the panic".to_owned(), 1);
        panic!("this panic is wanted");
    }

    fn pid(&self, (): ()) -> u32 {
        std::process::id()
    }

    /// Returns true if no other call runs at the same time.
    fn slowly(&self, (): ()) -> bool {
        let was_busy = self.busy.swap(true, Ordering::SeqCst);
        thread::yield_now();
        self.busy.store(false, Ordering::SeqCst);
        !was_busy
    }

    fn keep(&mut self, other: Proxy<Store>) {
        self.others.push(other);
    }

    /// Adds one here, and by the same function in the others.
    fn around(&mut self, what: String) -> Result<u32, CallError> {
        let mut all = self.add((what.clone(), 1));
        for other in &self.others {
            all += other.call(Self::around, what.clone())??;
        }
        Ok(all)
    }

    fn echo(&self, value: Everything) -> Everything {
        value
    }

    fn total_of(&self, numbers: Vec<u64>) -> u64 {
        numbers.iter().sum()
    }

    fn for_ever(&mut self, begun: Words) {
        begun[0].store(1, Ordering::SeqCst);
        loop {
            thread::park();
        }
    }

    /// Keeps the state busy until the second word is set.
    fn hold(&mut self, gate: Words) {
        gate[0].store(1, Ordering::SeqCst);
        while gate[1].load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    }

    /// Not listed.
    fn unlisted(&self, (): ()) -> u32 {
        1
    }

    /// Not listed.
    #[expect(clippy::needless_pass_by_value, reason = "calls own their arguments")]
    fn generic<T: ToString>(&self, value: T) -> String {
        value.to_string()
    }
}

/// A value of each kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    text: String,
    none: Option<u8>,
    flag: bool,
    number: f64,
    bytes: Vec<u8>,
    nested: BTreeMap<String, Vec<(i64, Option<char>)>>,
}

fn everything() -> Everything {
    Everything {
        text: "中文 and a\0b".to_owned(),
        none: None,
        flag: true,
        number: -0.5,
        bytes: (0..=255).collect(),
        nested: BTreeMap::from([("a".to_owned(), vec![(i64::MIN, Some('ü')), (0, None)])]),
    }
}

fn milk() -> String {
    "milk".to_owned()
}

fn store() -> (Manager<Store>, Proxy<Store>) {
    let manager = Manager::start(Store::new, ()).unwrap();
    let proxy = manager.proxy();
    (manager, proxy)
}

fn is_ended<T>(called: &Result<T, CallError>) -> bool {
    matches!(called, Err(CallError::Ended { .. }))
}

// ------------------------------------------------------------------------------- ready-made ones

/// Runs in the child.
fn append_there((list, what): (List<u32>, Vec<u32>)) -> Result<(), Failure> {
    Ok(list.extend(&what)?)
}

/// MGR-01
#[test]
fn a_list_of_lists_shows_what_another_process_changes_in_these() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let numbers = manager.list().unwrap();
    numbers.extend(&[0, 1, 2]).unwrap();
    let squares = manager.list().unwrap();
    let both = manager.list::<List<u32>>().unwrap();
    both.extend([&numbers, &squares]).unwrap();
    numbers.push(&3).unwrap();
    ends_well(&start(append_there, (squares.clone(), vec![0, 1, 4])));
    assert_eq!(both.get(0).unwrap().unwrap().items().unwrap(), [0, 1, 2, 3]);
    assert_eq!(both.get(1).unwrap().unwrap().items().unwrap(), [0, 1, 4]);
    assert_eq!(numbers.items().unwrap()[1..3], [1, 2], "a slice is one of a copy");
    assert_eq!(both.len().unwrap(), 2);
    assert_eq!(squares.update(2, |number| number * 2).unwrap(), Some(8));
    assert_eq!(squares.set(0, &7).unwrap(), Some(0));
    assert_eq!((squares.set(3, &7).unwrap(), squares.get(3).unwrap()), (None, None));
    assert_eq!(squares.update(3, |number| number).unwrap(), None);
    assert_eq!(squares.remove(1).unwrap(), Some(1));
    assert_eq!(squares.pop().unwrap(), Some(8));
    assert_eq!(squares.pop_first(None).unwrap(), Some(7));
    assert_eq!(squares.pop_first(SHORT).unwrap(), None);
    assert!(squares.is_empty().unwrap());
    numbers.clear().unwrap();
    assert_eq!((numbers.pop().unwrap(), numbers.remove(0).unwrap()), (None, None));
}

/// MGR-03
#[test]
fn what_is_dropped_outside_lives_on_inside_of_another_state() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let outer = manager.list::<List<i32>>().unwrap();
    for _ in 0..2 {
        let inner = manager.list().unwrap();
        inner.extend(&[1, 2]).unwrap();
        outer.push(&inner).unwrap();
    }
    let first = outer.get(0).unwrap().unwrap();
    first.update(1, |_| 55).unwrap();
    assert_eq!(outer.get(0).unwrap().unwrap().items().unwrap(), [1, 55]);
    assert_eq!(outer.get(1).unwrap().unwrap().pop().unwrap(), Some(2));
    outer.clear().unwrap();
    drop(outer);
    assert_eq!(first.items().unwrap(), [1, 55]);
}

/// Runs in the child.
fn fill(map: Map<u32, String>) -> Result<(), Failure> {
    for key in 65..70 {
        map.insert(&key, &char::from_u32(key).unwrap().to_string())?;
    }
    Ok(())
}

/// MGR-04, MGR-05
#[test]
fn entries_that_one_process_sets_are_in_the_copies_of_another_also_once_they_are_cleared() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let map = manager.map().unwrap();
    ends_well(&start(fill, map.clone()));
    let mut items = map.items().unwrap();
    items.sort();
    let expected = (65..70).map(|key| (key, char::from_u32(key).unwrap().to_string()));
    assert!(items.iter().cloned().eq(expected));
    let mut seen = 0;
    for (key, value) in map.items().unwrap() {
        map.clear().unwrap();
        assert_eq!(value.chars().next().map(u32::from), Some(key));
        seen += 1;
    }
    assert_eq!((seen, map.len().unwrap(), map.is_empty().unwrap()), (5, 0, true));
    assert_eq!(map.insert(&1, &milk()).unwrap(), None);
    assert_eq!(map.insert(&1, &"tea".to_owned()).unwrap(), Some(milk()));
    assert!(map.contains_key(&1).unwrap() && !map.contains_key(&2).unwrap());
    assert_eq!(map.wait_for(&1, None).unwrap(), Some("tea".to_owned()));
    assert_eq!(map.wait_for(&2, SHORT).unwrap(), None);
    assert_eq!(map.remove(&1).unwrap(), Some("tea".to_owned()));
    assert_eq!(map.remove(&1).unwrap(), None);
}

/// MGR-06
#[test]
fn a_map_in_a_map_changes_by_any_path_and_a_plain_list_in_it_is_a_copy() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let pets = manager.map::<String, Map<String, Vec<u32>>>().unwrap();
    let (ferrets, word) = (manager.map().unwrap(), |word: &str| word.to_owned());
    ferrets.insert(&word("ages"), &vec![1]).unwrap();
    pets.insert(&word("ferrets"), &ferrets).unwrap();
    pets.get(&word("ferrets")).unwrap().unwrap().update(&word("ages"), |_| vec![2]).unwrap();
    assert_eq!(ferrets.get(&word("ages")).unwrap(), Some(vec![2]));
    ferrets.get(&word("ages")).unwrap().unwrap().push(3);
    assert_eq!(ferrets.get(&word("ages")).unwrap(), Some(vec![2]), "a copy was changed");
    pets.clear().unwrap();
    assert_eq!(ferrets.len().unwrap(), 1);
}

/// MGR-08
#[test]
fn names_are_set_and_removed_and_a_value_of_another_type_is_an_error() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let names = manager.namespace().unwrap();
    names.set("name", "Bob").unwrap();
    names.set("job", &["builder", "painter"]).unwrap();
    names.set("_hidden", &1_u8).unwrap();
    assert_eq!(names.names().unwrap(), ["_hidden", "job", "name"]);
    assert!(names.remove("job").unwrap() && !names.remove("job").unwrap());
    assert_eq!(names.get::<String>("job").unwrap(), None);
    assert_eq!(names.get::<String>("name").unwrap(), Some("Bob".to_owned()));
    let refused = names.get::<u32>("name").unwrap_err();
    assert!(matches!(refused, CallError::AnswerNotReceived(_)), "{refused}");
}

// ------------------------------------------------------------------------- functions and states

/// MGR-09
#[test]
fn only_listed_functions_are_there_and_their_errors_and_panics_arrive() {
    let _deadline = Deadline::seconds(60);
    let (_manager, store) = store();
    assert_eq!(store.call(Store::fail, ()).unwrap(), Err("there is none".to_owned()));
    let panicked = store.call(Store::panic, ()).unwrap_err().to_string();
    assert!(panicked.starts_with("the call panicked: this panic is wanted ("), "{panicked}");
    assert!(panicked.contains("manager.rs:"), "{panicked}");
    assert_eq!(store.call(Store::count, "before the panic".to_owned()).unwrap(), 1);
    let refused = store.call(Store::unlisted, ()).unwrap_err().to_string();
    assert!(
        refused.ends_with(
            "Store::unlisted is not listed: write exposed![Store::unlisted]; next to its definition"
        ),
        "{refused}"
    );
    let refused = store.call(Store::generic::<u8>, 5).unwrap_err().to_string();
    assert!(refused.contains("write exposed![Store::generic::<…>];"), "{refused}");
    let refused = store.call(|_: &Store, (): ()| 1, ()).unwrap_err();
    assert!(matches!(refused, CallError::NotAFunctionItem { .. }), "{refused}");
    let pointer: fn(&Store, ()) -> u32 = Store::pid;
    let refused = store.call(pointer, ()).unwrap_err();
    assert!(matches!(refused, CallError::NotAFunctionItem { .. }), "{refused}");
}

/// MGR-11
#[test]
fn values_of_each_kind_pass_and_another_program_that_has_the_proxy_as_text_calls_too() {
    let _deadline = Deadline::seconds(120);
    let (_manager, store) = store();
    assert_eq!(store.call(Store::echo, everything()).unwrap(), everything());
    let text = serde_json::to_string(&store).unwrap();
    let output = own_program::command("stranger").env("STORE", text).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(store.call(Store::count, milk()).unwrap(), 7);
}

#[test]
fn program_of_its_own() {
    if own_program::name().as_deref() == Some("stranger") {
        let store: Proxy<Store> = serde_json::from_str(&std::env::var("STORE").unwrap()).unwrap();
        assert_eq!(store.call(Store::add, (milk(), 7)).unwrap(), 7);
        assert_eq!(store.call(Store::echo, everything()).unwrap(), everything());
    }
}

/// MGR-13
#[test]
fn a_state_is_built_in_the_server() {
    let _deadline = Deadline::seconds(60);
    let (manager, store) = store();
    let pid = store.call(Store::pid, ()).unwrap();
    assert_ne!(pid, std::process::id());
    assert_eq!(Some(pid), manager.pid());
    assert_eq!(manager.build(Store::new, ()).unwrap().call(Store::pid, ()).unwrap(), pid);
}

/// Runs in the child.
fn use_all(
    (map, list, counter, names): (Map<String, u32>, List<u32>, Counter, Namespace),
) -> Result<(), Failure> {
    map.update(&milk(), |seen| seen.unwrap_or(0) + 1)?;
    list.push(&1)?;
    counter.add(1)?;
    names.set("child", &true)?;
    Ok(())
}

/// MGR-14
#[test]
fn a_child_uses_all_ready_made_states() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let all = (
        manager.map().unwrap(),
        manager.list().unwrap(),
        manager.counter().unwrap(),
        manager.namespace().unwrap(),
    );
    ends_well(&start(use_all, all.clone()));
    assert_eq!(all.0.items().unwrap(), [(milk(), 1)]);
    assert_eq!(all.1.items().unwrap(), [1]);
    assert_eq!((all.2.get().unwrap(), all.2.set(5).unwrap(), all.2.get().unwrap()), (1, 1, 5));
    assert_eq!(all.3.get("child").unwrap(), Some(true));
}

/// Runs in a process of its own.
fn only_the_server((): ()) {
    let manager = Manager::new().unwrap();
    let list = manager.list().unwrap();
    ends_well(&start(append_there, (list, vec![1])));
    let pids: Vec<_> = active_children().iter().map(Process::pid).collect();
    assert_eq!(pids, [manager.pid()]);
    manager.shutdown();
    assert!(active_children().is_empty());
}

/// MGR-15
#[test]
fn after_the_children_only_the_server_is_left_and_after_its_manager_nothing() {
    alone(only_the_server);
}

mod methods_of_a_type_of_another_crate {
    use super::*;

    exposed![sorted, Vec::<u32>::with_capacity, Vec::<u32>::reserve];

    fn sorted(numbers: &mut Vec<u32>, more: Vec<u32>) -> Vec<u32> {
        numbers.extend(more);
        numbers.sort_unstable();
        numbers.clone()
    }

    /// MGR-17
    #[test]
    fn whatever_is_listed_can_be_called() {
        let _deadline = Deadline::seconds(60);
        let manager = Manager::start(Vec::<u32>::with_capacity, 10).unwrap();
        assert_eq!(manager.proxy().call(sorted, vec![3, 1, 2]).unwrap(), [1, 2, 3]);
        manager.proxy().call(Vec::<u32>::reserve, 5).unwrap();
    }
}

/// Runs in each worker.
fn count_worker(counter: Counter) -> Result<(), Failure> {
    counter.add(1000)?;
    Ok(())
}

/// Runs in a worker. Its result is a proxy.
fn count_here((counter, number): (Counter, i64)) -> Result<Counter, Failure> {
    counter.add(number)?;
    Ok(counter)
}

/// MGR-18
#[test]
fn the_initializers_and_tasks_of_a_pool_count_by_a_proxy_and_return_it() {
    let _deadline = Deadline::seconds(60);
    let manager = Manager::new().unwrap();
    let counter = manager.counter().unwrap();
    let pool = Pool::builder().processes(2).initializer(count_worker, counter.clone());
    let pool = pool.build().unwrap();
    let items = (1..=10).map(|number| (counter.clone(), number));
    let back = pool.map(count_here, items).unwrap();
    assert_eq!(back.into_iter().next().unwrap().unwrap().get().unwrap() % 1000, 55);
    pool.close();
    pool.join().unwrap();
    assert_eq!(counter.get().unwrap(), 2055);
}

/// Runs in the child.
fn use_the_queue(queue: Queue<Proxy<Store>>) -> Result<(), Failure> {
    let store = queue.get()?;
    store.call(Store::add, (milk(), 1))?;
    queue.put(store)?;
    Ok(())
}

#[test]
fn a_proxy_goes_through_queues() {
    let _deadline = Deadline::seconds(60);
    let (_manager, store) = store();
    let queue = Queue::bounded(2).unwrap();
    queue.put(store).unwrap();
    ends_well(&start(use_the_queue, queue.clone()));
    assert_eq!(queue.get().unwrap().call(Store::count, milk()).unwrap(), 1);
}

// ------------------------------------------------- what shares memory or descriptors, in calls

/// A state that hands out what it was given.
struct Locker {
    lock: Lock,
    value: Value<u64>,
    queue: Queue<u32>,
    sender: Sender<String>,
}

exposed![Locker::new, Locker::all, Locker::say, Locker::is_locked];

impl Locker {
    fn new((lock, value, queue, sender): (Lock, Value<u64>, Queue<u32>, Sender<String>)) -> Self {
        Self { lock, value, queue, sender }
    }

    fn all(&self, (): ()) -> (Lock, Value<u64>, Queue<u32>) {
        (self.lock.clone(), self.value.clone(), self.queue.clone())
    }

    fn say(&mut self, to: Sender<String>) -> bool {
        let old = std::mem::replace(&mut self.sender, to);
        drop(old);
        self.sender.send(&"hello".to_owned()).is_ok()
    }

    fn is_locked(&self, (): ()) -> bool {
        self.lock.is_locked()
    }
}

/// Runs in the child, which has nothing but the proxy.
fn ship(locker: Proxy<Locker>) -> Result<(), Failure> {
    let (lock, value, queue) = locker.call(Locker::all, ())?;
    let _guard = lock.lock().unwrap();
    assert!(locker.call(Locker::is_locked, ())?);
    value.update(|value| *value += 1);
    queue.put(5)?;
    let (mut receiver, sender): (Receiver<String>, _) = one_way()?;
    assert!(locker.call(Locker::say, sender)?);
    assert_eq!(receiver.recv()?, "hello");
    Ok(())
}

#[test]
fn locks_values_queues_and_pipes_are_arguments_and_answers_of_calls() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way::<String>().unwrap();
    let (lock, value) = (Lock::new().unwrap(), Value::new(1_u64).unwrap());
    let queue = Queue::bounded(3).unwrap();
    let all = (lock.clone(), value.clone(), queue.clone(), sender);
    let manager = Manager::start(Locker::new, all).unwrap();
    ends_well(&start(ship, manager.proxy()));
    assert_eq!((value.get(), queue.get().unwrap()), (2, 5));
    assert!(receiver.recv().is_err(), "the sender that the state dropped is closed");
    assert!(!lock.is_locked());
}

// ------------------------------------------------------------------------------- calls are whole

/// Runs in the child.
fn add_each((map, counter): (Map<String, u32>, Counter)) -> Result<(), Failure> {
    for _ in 0..500 {
        map.update(&milk(), |seen| seen.unwrap_or(0) + 1)?;
        counter.add(1)?;
    }
    Ok(())
}

/// MGR-B03
#[test]
fn no_addition_of_two_processes_is_lost() {
    let _deadline = Deadline::seconds(120);
    let manager = Manager::new().unwrap();
    let (map, counter) = (manager.map().unwrap(), manager.counter().unwrap());
    let both = [(); 2].map(|()| start(add_each, (map.clone(), counter.clone())));
    both.iter().for_each(ends_well);
    assert_eq!((map.get(&milk()).unwrap(), counter.get().unwrap()), (Some(1000), 1000));
}

/// MGR-B12
#[test]
fn calls_of_one_state_come_one_after_another_and_those_of_two_states_do_not_wait() {
    let _deadline = Deadline::seconds(60);
    let (manager, store) = store();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(store.call(Store::slowly, ()).unwrap());
                }
            });
        }
    });
    let begun = Words::new(1).unwrap();
    let argument = begun.clone();
    let stuck = thread::spawn(move || store.call(Store::for_ever, argument));
    until("the call has begun", || begun[0].load(Ordering::SeqCst) == 1);
    let other = manager.build(Store::new, ()).unwrap();
    assert_eq!(other.call(Store::add, (milk(), 2)).unwrap(), 2);
    manager.shutdown();
    assert!(is_ended(&stuck.join().unwrap()), "a call that never returns keeps no server");
}

#[test]
fn a_state_calls_others_but_not_itself_by_any_way_round() {
    let _deadline = Deadline::seconds(60);
    let (manager, first) = store();
    let (_other_manager, third) = store();
    let second = manager.build(Store::new, ()).unwrap();
    first.call(Store::keep, second.clone()).unwrap();
    second.call(Store::keep, third.clone()).unwrap();
    for count in [3, 6] {
        assert_eq!(first.call(Store::around, milk()).unwrap(), Ok(count));
    }
    third.call(Store::keep, first.clone()).unwrap();
    for outer in [&first, &second, &third] {
        let refused = outer.call(Store::around, milk()).unwrap().unwrap_err();
        assert!(matches!(refused, CallError::Nested { .. }), "{refused}");
    }
    let own = manager.build(Store::new, ()).unwrap();
    own.call(Store::keep, own.clone()).unwrap();
    let refused = own.call(Store::around, milk()).unwrap().unwrap_err().to_string();
    assert!(refused.contains("Store::around is made inside a call on the same state"), "{refused}");
    // The states serve on.
    for state in [&first, &second, &third] {
        assert_eq!(state.call(Store::count, milk()).unwrap(), 5);
    }
}

// --------------------------------------------------------------------------------------- deaths

/// Runs in the child, until it is killed: what it takes never comes.
fn take_for_ever((store, report): (Proxy<Store>, Report)) {
    report.say(());
    let taken = store.wait(Store::take, milk(), None);
    panic!("it returned {taken:?}");
}

/// MGR-B06
#[test]
fn what_a_killed_client_waited_for_stays_for_the_others() {
    let _deadline = Deadline::seconds(120);
    let (_manager, store) = store();
    for round in 0..3 {
        let (mut reports, report) = reports();
        let child = start(take_for_ever, (store.clone(), report));
        reports.next::<()>();
        if round > 0 {
            // It waits, most likely.
            thread::sleep(SHORT);
        }
        kill_child(&child);
        assert_eq!(store.call(Store::add, (milk(), 1)).unwrap(), 1);
        assert_eq!(store.wait(Store::take, milk(), LONG).unwrap(), Some(0));
    }
    assert_eq!(store.wait(Store::take, milk(), SHORT).unwrap(), None);
    assert_eq!(store.wait(Store::take, milk(), Duration::ZERO).unwrap(), None);
}

/// MGR-B06
#[test]
fn a_client_that_dies_while_the_state_is_busy_takes_nothing_of_it() {
    let _deadline = Deadline::seconds(60);
    let (_manager, store) = store();
    store.call(Store::add, (milk(), 1)).unwrap();
    let gate = Words::new(2).unwrap();
    let (holder, argument) = (store.clone(), gate.clone());
    let holds = thread::spawn(move || holder.call(Store::hold, argument));
    until("the state is busy", || gate[0].load(Ordering::SeqCst) == 1);
    let (mut reports, report) = reports();
    let child = start(take_for_ever, (store.clone(), report));
    reports.next::<()>();
    thread::sleep(SHORT);
    kill_child(&child);
    gate[1].store(1, Ordering::SeqCst);
    holds.join().unwrap().unwrap();
    assert_eq!(store.wait(Store::take, milk(), LONG).unwrap(), Some(0));
}

/// Runs in the child.
fn wait_once(store: Proxy<Store>) -> Result<(), Failure> {
    store.wait(Store::take, milk(), Duration::MAX)?;
    Ok(())
}

#[test]
fn a_call_that_waits_goes_on_after_anothers_call() {
    let _deadline = Deadline::seconds(60);
    let (_manager, store) = store();
    let children = [(); 3].map(|()| start(wait_once, store.clone()));
    assert_eq!(store.call(Store::add, (milk(), 3)).unwrap() % 4, 3);
    children.iter().for_each(ends_well);
    assert_eq!(store.call(Store::count, milk()).unwrap(), 0);
}

/// Runs in the child, until it is killed.
fn call_in_a_loop((store, report): (Proxy<Store>, Report)) {
    report.say(());
    while store.call(Store::add, ("tea".to_owned(), 1)).is_ok() {}
    unreachable!("it is killed before");
}

/// MGR-B02, MGR-B11
#[test]
fn a_client_killed_among_its_calls_keeps_nothing_from_the_others() {
    let _deadline = Deadline::seconds(120);
    let (_manager, store) = store();
    for _ in 0..5 {
        let (mut reports, report) = reports();
        let child = start(call_in_a_loop, (store.clone(), report));
        reports.next::<()>();
        let before = store.call(Store::count, "tea".to_owned()).unwrap();
        until("it calls", || store.call(Store::count, "tea".to_owned()).unwrap() > before);
        kill_child(&child);
        assert!(store.call(Store::add, (milk(), 1)).is_ok());
    }
}

#[test]
fn a_killed_server_ends_all_calls_at_once_and_all_proxies() {
    let _deadline = Deadline::seconds(60);
    let (manager, store) = store();
    let begun = Words::new(1).unwrap();
    let (waiting, running) = (manager.build(Store::new, ()).unwrap(), store.clone());
    let waits = thread::spawn(move || waiting.wait(Store::take, milk(), None));
    let argument = begun.clone();
    let runs = thread::spawn(move || running.call(Store::for_ever, argument));
    until("the call has begun", || begun[0].load(Ordering::SeqCst) == 1);
    let queues = store.clone();
    let queues = thread::spawn(move || queues.call(Store::count, milk()));
    thread::sleep(SHORT);
    kill(manager.pid().unwrap());
    assert!(is_ended(&runs.join().unwrap()));
    assert!(is_ended(&queues.join().unwrap()));
    assert!(is_ended(&waits.join().unwrap()));
    // From a thread that was connected, and from one that wasn't.
    for _ in 0..2 {
        assert!(is_ended(&store.call(Store::count, milk())));
        assert!(is_ended(&store.wait(Store::take, milk(), None)));
        assert!(is_ended(&manager.build(Store::new, ())));
        assert!(is_ended(&thread::scope(|s| {
            s.spawn(|| store.call(Store::count, milk())).join().unwrap()
        })));
    }
    let refused = store.call(Store::count, milk()).unwrap_err().to_string();
    assert!(refused.starts_with("the manager's server has ended: no listener"), "{refused}");
}

#[test]
fn shutting_down_ends_calls_that_wait() {
    let _deadline = Deadline::seconds(60);
    let (manager, store) = store();
    let waits = thread::spawn(move || store.wait(Store::take, milk(), None));
    thread::sleep(SHORT);
    manager.shutdown();
    assert!(is_ended(&waits.join().unwrap()));
}

/// A state that tells when it is dropped.
struct Told(Report);

exposed![Told::new, Told::nothing];

impl Told {
    fn new(report: Report) -> Self {
        Self(report)
    }

    fn nothing(&self, (): ()) {}
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.say("dropped");
    }
}

#[test]
fn the_states_are_dropped_with_their_manager() {
    let _deadline = Deadline::seconds(60);
    let (mut reports, report) = reports();
    let manager = Manager::start(Told::new, report.another()).unwrap();
    manager.build(Told::new, report).unwrap();
    manager.proxy().call(Told::nothing, ()).unwrap();
    drop(manager);
    assert_eq!([reports.next::<String>(), reports.next()], ["dropped", "dropped"]);
    reports.end();
}

/// Runs in the owner: tells its server's process, and waits to be killed.
fn own_and_wait((report, begun): (Report, Option<Words>)) {
    let (manager, store) = store();
    let stuck = begun.map(|begun| {
        let (store, argument) = (store.clone(), begun.clone());
        let stuck = thread::spawn(move || store.call(Store::for_ever, argument));
        until("the call has begun", || begun[0].load(Ordering::SeqCst) == 1);
        stuck
    });
    // Not the store that may be busy for ever.
    report.say((manager.pid(), manager.build(Store::new, ()).unwrap()));
    drop(store);
    let _ = stuck.map(thread::JoinHandle::join);
    loop {
        thread::park();
    }
}

/// MGR-B05
#[test]
fn a_killed_owner_takes_its_server_along_even_if_a_call_never_returns() {
    let _deadline = Deadline::seconds(60);
    for begun in [None, Some(Words::new(1).unwrap())] {
        let (mut reports, report) = reports();
        let owner = start(own_and_wait, (report, begun));
        let (pid, store): (Option<u32>, Proxy<Store>) = reports.next();
        let server = Other::of(pid.unwrap()).unwrap();
        assert_eq!(store.call(Store::add, (milk(), 1)).unwrap(), 1);
        assert_eq!(is_there(&store), cfg!(target_os = "linux"));
        kill_child(&owner);
        assert!(server.ends_within(LONG));
        // The owner's end was held by the server, too.
        reports.end();
        assert!(is_ended(&store.call(Store::add, (milk(), 1))));
        assert!(!is_there(&store));
    }
}

/// Returns true if Linux knows the address of the proxy's server.
fn is_there(store: &Proxy<Store>) -> bool {
    let form = serde_json::to_value(store).unwrap();
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    sockets.contains(form["address"].as_str().unwrap())
}

#[test]
fn clients_go_on_while_the_owner_is_stopped() {
    let _deadline = Deadline::seconds(60);
    let (mut reports, report) = reports();
    let owner = start(own_and_wait, (report, None));
    let (pid, store): (Option<u32>, Proxy<Store>) = reports.next();
    let stopped = Other::of(owner.pid().unwrap()).unwrap();
    assert!(stopped.stop());
    for count in 1..=100 {
        assert_eq!(store.call(Store::add, (milk(), 1)).unwrap(), count);
    }
    let server = Other::of(pid.unwrap()).unwrap();
    assert!(stopped.kill());
    owner.join().unwrap();
    assert!(server.ends_within(LONG));
}

#[test]
fn calls_wait_while_the_server_is_stopped() {
    let _deadline = Deadline::seconds(60);
    let (manager, store) = store();
    let server = Other::of(manager.pid().unwrap()).unwrap();
    assert!(server.stop());
    let called = thread::spawn(move || store.call(Store::add, (milk(), 1)));
    thread::sleep(SHORT);
    assert!(!called.is_finished());
    assert!(server.go_on());
    assert_eq!(called.join().unwrap().unwrap(), 1);
}

/// Runs in a process of its own.
fn leave_nothing((): ()) {
    let round = |_| {
        let (manager, store) = store();
        store.call(Store::add, (milk(), 1)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| store.call(Store::add, (milk(), 1)).unwrap());
        });
        let panicked = Manager::start(panics, ());
        assert!(matches!(panicked, Err(CallError::Panicked { .. })));
        assert_eq!(children().len(), 1);
        drop(manager);
        assert_eq!(children().len(), 0);
        assert!(is_ended(&store.call(Store::add, (milk(), 1))));
    };
    testing::leaves_nothing(20, round);
}

exposed![panics];

/// Runs in a process of its own.
#[cfg(target_os = "linux")]
fn call_often((): ()) {
    let (_manager, store) = store();
    let mut before = None;
    for _ in 0..100 {
        store.call(Store::add, (milk(), 1)).unwrap();
        // A new connection would be a socket of another number.
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
        let links = links.map(|link| link.to_string_lossy().into_owned());
        let mut sockets: Vec<_> = links.filter(|link| link.starts_with("socket:")).collect();
        sockets.sort();
        assert!(!sockets.is_empty());
        assert_eq!(*before.get_or_insert(sockets.clone()), sockets);
    }
}

#[cfg(target_os = "linux")]
tasks![call_often];

/// MGR-B08: what a call costs is its two messages
#[cfg(target_os = "linux")]
#[test]
fn a_thread_calls_again_and_again_by_one_connection() {
    alone(call_often);
}

/// Builds nothing.
fn panics((): ()) -> Store {
    panic!("this panic is wanted");
}

#[test]
fn a_manager_leaves_no_process_and_no_descriptor_also_if_its_state_cannot_be_built() {
    alone(leave_nothing);
}

/// Runs in a daemon.
fn have_a_manager_in_a_daemon((): ()) {
    let refused = Manager::start(Store::new, ()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the manager can't be started: daemonic processes are not allowed to have children"
    );
}

#[test]
fn a_daemon_has_no_manager_and_is_told_why() {
    let _deadline = Deadline::seconds(60);
    let mut daemon = Process::new(have_a_manager_in_a_daemon, ()).daemonic(true);
    daemon.start().unwrap();
    ends_well(&daemon);
}

// -------------------------------------------------------------------------------------- threads

/// Calls when it is dropped.
struct CallsLate(Proxy<Store>);

impl Drop for CallsLate {
    fn drop(&mut self) {
        assert!(self.0.call(Store::add, (milk(), 1)).is_ok());
    }
}

thread_local! {
    static FIRST: std::cell::RefCell<Option<CallsLate>> = const { std::cell::RefCell::new(None) };
    static LAST: std::cell::RefCell<Option<CallsLate>> = const { std::cell::RefCell::new(None) };
}

/// Runs in a process of its own, which a panic in a destructor would abort.
fn call_at_the_end_of_a_thread(store: Proxy<Store>) {
    thread::spawn(move || {
        // One is made before this thread's connections, and one after.
        FIRST.set(Some(CallsLate(store.clone())));
        store.call(Store::count, milk()).unwrap();
        LAST.set(Some(CallsLate(store)));
    })
    .join()
    .unwrap();
}

#[test]
fn a_destructor_of_a_thread_local_value_calls_too() {
    let _deadline = Deadline::seconds(60);
    let (_manager, store) = store();
    ends_well(&start(call_at_the_end_of_a_thread, store.clone()));
    until("both have called", || store.call(Store::count, milk()).unwrap() == 2);
}

/// Number of threads of each process.
const THREADS: u64 = 100;

/// Runs in the child: all threads have a connection, and a call that waits, at once.
fn many_clients((counter, list, gate): (Counter, List<u32>, Map<u32, u32>)) -> Result<(), Failure> {
    thread::scope(|scope| {
        let calls = || -> Result<(), CallError> {
            counter.add(1)?;
            assert_eq!(gate.wait_for(&0, None)?, Some(7));
            list.push(&1)
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(calls)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })?;
    Ok(())
}

#[test]
fn a_thousand_clients_are_connected_and_wait_at_once() {
    let _deadline = Deadline::seconds(300);
    // The server inherits the limit.
    let most = testing::room_for_descriptors().min(1050) as u64 - 50;
    let processes = (most / THREADS).clamp(1, 10);
    let manager = Manager::new().unwrap();
    let (counter, list) = (manager.counter().unwrap(), manager.list().unwrap());
    let gate = manager.map().unwrap();
    let arguments = (counter.clone(), list.clone(), gate.clone());
    let children: Vec<_> = (0..processes).map(|_| start(many_clients, arguments.clone())).collect();
    let all = processes * THREADS;
    let begun = Instant::now();
    while counter.get().unwrap() < all as i64 {
        assert!(begun.elapsed() < 4 * LONG, "{counter:?}");
        thread::sleep(Duration::from_millis(1));
    }
    gate.insert(&0, &7).unwrap();
    children.iter().for_each(ends_well);
    assert_eq!(list.len().unwrap() as u64, all);
}
