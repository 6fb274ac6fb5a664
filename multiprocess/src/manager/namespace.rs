//! A namespace in a manager.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::item::{Item, value};
use crate::manager::map::Items;
use crate::manager::{CallError, Proxy};

/// Named values of any types that processes share, in a manager's server. Python:
/// `Manager().Namespace()`.
///
/// ```
/// use multiprocess::manager::Manager;
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let manager = Manager::new()?;
/// let settings = manager.namespace()?;
/// settings.set("limit", &10_u32)?;
/// settings.set("title", "shop")?;
/// assert_eq!(settings.get::<u32>("limit")?, Some(10));
/// // A value of another type is an error of the call.
/// assert!(settings.get::<u32>("title").is_err());
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Namespace(Proxy<Items>);

impl Namespace {
    pub(crate) fn of(proxy: Proxy<Items>) -> Self {
        Self(proxy)
    }

    /// Sets a value. Python: `n.name = value`.
    ///
    /// # Errors
    /// [`CallError`], as all methods.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), CallError> {
        self.0.call(Items::insert, (Item::of(name)?, Item::of(value)?)).map(drop)
    }

    /// Returns a copy of a value. Python: `n.name`.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::AnswerNotReceived`] if it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CallError> {
        value(self.0.call(Items::get, Item::of(name)?)?)
    }

    /// Removes a value; returns true if there was one. Python: `del n.name`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn remove(&self, name: &str) -> Result<bool, CallError> {
        Ok(self.0.call(Items::remove, Item::of(name)?)?.is_some())
    }

    /// Returns the names of all values, in order. Python: `dir(n)`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn names(&self) -> Result<Vec<String>, CallError> {
        let all = self.0.call(Items::all, ())?;
        let mut names: Vec<String> =
            all.iter().map(|(name, _)| name.value()).collect::<Result<_, _>>()?;
        names.sort_unstable();
        Ok(names)
    }
}
