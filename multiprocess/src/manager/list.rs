//! A list in a manager.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exposed;
use crate::manager::item::{Item, value, values};
use crate::manager::{CallError, Proxy};

/// A list that processes share, in a manager's server. Python: `Manager().list()`.
///
/// This is a handle: plain data, which can go anywhere. Each method is one call, which no other
/// call interrupts. A copy of an element is no part of the list: to change one, use
/// [`update`](Self::update). (Python's `l[0].append(1)` changes a copy, and nothing else.)
///
/// ```
/// use multiprocess::manager::Manager;
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let manager = Manager::new()?;
/// let list = manager.list::<String>()?;
/// list.push(&"milk".to_owned())?;
/// list.update(0, |what| what + " and honey")?;
/// assert_eq!(list.items()?, ["milk and honey"]);
/// # Ok(()) }) }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct List<T> {
    proxy: Proxy<Elements>,
    element: PhantomData<fn(T) -> T>,
}

/// The state, in the server.
#[derive(Default)]
pub(crate) struct Elements(VecDeque<Item>);

exposed![
    Elements::new,
    Elements::extend,
    Elements::get,
    Elements::set,
    Elements::replace,
    Elements::pop,
    Elements::pop_first,
    Elements::remove,
    Elements::all,
    Elements::count,
    Elements::clear
];

impl Elements {
    pub(crate) fn new((): ()) -> Self {
        Self::default()
    }

    fn extend(&mut self, items: Vec<Item>) {
        self.0.extend(items);
    }

    fn get(&self, index: usize) -> Option<Item> {
        self.0.get(index).cloned()
    }

    fn set(&mut self, (index, new): (usize, Item)) -> Option<Item> {
        self.0.get_mut(index).map(|item| std::mem::replace(item, new))
    }

    /// Replaces the old item by the new one; returns the present item if it is another one.
    fn replace(&mut self, (index, old, new): (usize, Item, Item)) -> Result<(), Option<Item>> {
        match self.0.get_mut(index) {
            Some(item) if *item == old => {
                *item = new;
                Ok(())
            }
            present => Err(present.cloned()),
        }
    }

    fn pop(&mut self, (): ()) -> Option<Item> {
        self.0.pop_back()
    }

    fn pop_first(&mut self, (): ()) -> Option<Item> {
        self.0.pop_front()
    }

    fn remove(&mut self, index: usize) -> Option<Item> {
        self.0.remove(index)
    }

    fn all(&self, (): ()) -> Vec<Item> {
        self.0.iter().cloned().collect()
    }

    fn count(&self, (): ()) -> usize {
        self.0.len()
    }

    fn clear(&mut self, (): ()) {
        self.0.clear();
    }
}

impl<T> List<T> {
    pub(crate) fn of(proxy: Proxy<Elements>) -> Self {
        Self { proxy, element: PhantomData }
    }

    /// Returns the number of elements. Python: `len(l)`.
    ///
    /// # Errors
    /// [`CallError`], as all methods.
    pub fn len(&self) -> Result<usize, CallError> {
        self.proxy.call(Elements::count, ())
    }

    /// Returns true if there is no element. Python: `not l`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn is_empty(&self) -> Result<bool, CallError> {
        Ok(self.len()? == 0)
    }

    /// Removes all elements. Python: `l.clear()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn clear(&self) -> Result<(), CallError> {
        self.proxy.call(Elements::clear, ())
    }
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Appends an element. Python: `l.append(element)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn push(&self, element: &T) -> Result<(), CallError> {
        self.extend([element])
    }

    /// Appends elements, with no other process's between them. Python: `l.extend(elements)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn extend<'a>(&self, elements: impl IntoIterator<Item = &'a T>) -> Result<(), CallError>
    where
        T: 'a,
    {
        let items: Result<Vec<Item>, _> = elements.into_iter().map(Item::of).collect();
        self.proxy.call(Elements::extend, items?)
    }

    /// Returns a copy of the element at this index. Python: `l[index]`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn get(&self, index: usize) -> Result<Option<T>, CallError> {
        value(self.proxy.call(Elements::get, index)?)
    }

    /// Replaces the element at this index, and returns the old one; `None`, and nothing is done, if
    /// there is none. Python: `l[index] = element`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn set(&self, index: usize, element: &T) -> Result<Option<T>, CallError> {
        value(self.proxy.call(Elements::set, (index, Item::of(element)?))?)
    }

    /// Changes the element at this index to what the function makes of it, and returns it; `None`
    /// if there is none. The function runs here, once more if another process has changed the
    /// element meanwhile: no change is lost.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn update(
        &self,
        index: usize,
        mut change: impl FnMut(T) -> T,
    ) -> Result<Option<T>, CallError> {
        let mut present = self.proxy.call(Elements::get, index)?;
        while let Some(old) = present {
            let new = change(old.value()?);
            match self.proxy.call(Elements::replace, (index, old, Item::of(&new)?))? {
                Ok(()) => return Ok(Some(new)),
                Err(other) => present = other,
            }
        }
        Ok(None)
    }

    /// Removes and returns the last element. Python: `l.pop()`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn pop(&self) -> Result<Option<T>, CallError> {
        value(self.proxy.call(Elements::pop, ())?)
    }

    /// Waits until there is an element, and removes and returns the first; `None` when the time is
    /// over. Python: `Manager().Queue().get(timeout=…)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn pop_first(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<T>, CallError> {
        value(self.proxy.wait(Elements::pop_first, (), timeout)?)
    }

    /// Removes and returns the element at this index. Python: `l.pop(index)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn remove(&self, index: usize) -> Result<Option<T>, CallError> {
        value(self.proxy.call(Elements::remove, index)?)
    }

    /// Returns copies of all elements. Python: `l[:]`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn items(&self) -> Result<Vec<T>, CallError> {
        values(&self.proxy.call(Elements::all, ())?)
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self::of(self.proxy.clone())
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({:?})", self.proxy)
    }
}
