//! A map in a manager.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exposed;
use crate::manager::item::{Item, value};
use crate::manager::{CallError, Proxy};

/// A map that processes share, in a manager's server. Python: `Manager().dict()`.
///
/// This is a handle: plain data, which can go anywhere. The server keeps bytes: keys are the same
/// if their serialised forms are. Each method is one call, which no other call interrupts. So is
/// each step of [`update`](Self::update), which Python's `d[key] += 1` isn't: that is a call that
/// gets and one that sets.
///
/// ```
/// use multiprocess::manager::{Manager, Map};
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![count];
///
/// fn count(words: Map<String, u32>) -> Result<(), Failure> {
///     for word in ["to", "be", "or", "not", "to", "be"] {
///         words.update(&word.to_owned(), |seen| seen.unwrap_or(0) + 1)?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Failure> {
/// let manager = Manager::new()?;
/// let words = manager.map()?;
/// let mut process = Process::new(count, words.clone());
/// process.start()?;
/// process.join()?;
/// assert_eq!(words.get(&"be".to_owned())?, Some(2));
/// # Ok(()) }) }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Map<K, V> {
    proxy: Proxy<Items>,
    types: PhantomData<fn() -> (K, V)>,
}

/// The state, in the server.
#[derive(Default)]
pub(crate) struct Items(HashMap<Item, Item>);

exposed![
    Items::new,
    Items::insert,
    Items::get,
    Items::wait,
    Items::remove,
    Items::replace,
    Items::all,
    Items::count,
    Items::clear
];

impl Items {
    pub(crate) fn new((): ()) -> Self {
        Self::default()
    }

    pub(super) fn insert(&mut self, (key, value): (Item, Item)) -> Option<Item> {
        self.0.insert(key, value)
    }

    pub(super) fn get(&self, key: Item) -> Option<Item> {
        self.0.get(&key).cloned()
    }

    fn wait(&self, key: Item) -> Option<Item> {
        self.get(key)
    }

    pub(super) fn remove(&mut self, key: Item) -> Option<Item> {
        self.0.remove(&key)
    }

    /// Replaces the old item by the new one; returns the present item if it is another one.
    fn replace(&mut self, (key, old, new): (Item, Option<Item>, Item)) -> Result<(), Option<Item>> {
        let present = self.0.get(&key);
        if present != old.as_ref() {
            return Err(present.cloned());
        }
        self.0.insert(key, new);
        Ok(())
    }

    pub(super) fn all(&self, (): ()) -> Vec<(Item, Item)> {
        self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn count(&self, (): ()) -> usize {
        self.0.len()
    }

    fn clear(&mut self, (): ()) {
        self.0.clear();
    }
}

impl<K, V> Map<K, V> {
    pub(crate) fn of(proxy: Proxy<Items>) -> Self {
        Self { proxy, types: PhantomData }
    }

    /// Returns the number of entries. Python: `len(d)`.
    ///
    /// # Errors
    /// [`CallError`], as all methods.
    pub fn len(&self) -> Result<usize, CallError> {
        self.proxy.call(Items::count, ())
    }

    /// Returns true if there is no entry. Python: `not d`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn is_empty(&self) -> Result<bool, CallError> {
        Ok(self.len()? == 0)
    }

    /// Removes all entries. Python: `d.clear()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn clear(&self) -> Result<(), CallError> {
        self.proxy.call(Items::clear, ())
    }
}

impl<K, V> Map<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Sets the value of a key; returns the one before. Python: `d[key] = value`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn insert(&self, key: &K, new: &V) -> Result<Option<V>, CallError> {
        value(self.proxy.call(Items::insert, (Item::of(key)?, Item::of(new)?))?)
    }

    /// Returns a copy of the value of a key. Python: `d.get(key)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn get(&self, key: &K) -> Result<Option<V>, CallError> {
        value(self.proxy.call(Items::get, Item::of(key)?)?)
    }

    /// Waits until there is a value of this key, and returns a copy; `None` when the time is over.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn wait_for(
        &self,
        key: &K,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<V>, CallError> {
        value(self.proxy.wait(Items::wait, Item::of(key)?, timeout)?)
    }

    /// Removes a key; returns its value. Python: `d.pop(key, None)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn remove(&self, key: &K) -> Result<Option<V>, CallError> {
        value(self.proxy.call(Items::remove, Item::of(key)?)?)
    }

    /// Returns true if there is a value of this key. Python: `key in d`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn contains_key(&self, key: &K) -> Result<bool, CallError> {
        Ok(self.proxy.call(Items::get, Item::of(key)?)?.is_some())
    }

    /// Returns copies of all entries, in no order. Python: `d.items()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn items(&self) -> Result<Vec<(K, V)>, CallError> {
        let all = self.proxy.call(Items::all, ())?;
        all.iter().map(|(key, value)| Ok((key.value()?, value.value()?))).collect()
    }

    /// Changes the value of a key to what the function makes of the present one, and returns it.
    /// The function runs here, once more if another process has changed the value meanwhile: no
    /// change is lost.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn update(&self, key: &K, mut change: impl FnMut(Option<V>) -> V) -> Result<V, CallError> {
        let key = Item::of(key)?;
        let mut old = self.proxy.call(Items::get, key.clone())?;
        loop {
            let new = change(value(old.clone())?);
            match self.proxy.call(Items::replace, (key.clone(), old, Item::of(&new)?))? {
                Ok(()) => return Ok(new),
                Err(present) => old = present,
            }
        }
    }
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.proxy.clone())
    }
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({:?})", self.proxy)
    }
}
