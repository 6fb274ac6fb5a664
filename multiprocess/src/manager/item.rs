//! Items of the ready-made states: the server keeps their bytes, and doesn't know their types.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::CallError;
use crate::process::frame;

/// The bytes of a value. Values are the same if their bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Item(Box<[u8]>);

impl Item {
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, CallError> {
        let mut bytes = Vec::new();
        let encoded = frame::encode_body(value, &mut bytes);
        encoded.map_err(|error| CallError::ArgumentsNotSent(error.to_string()))?;
        Ok(Self(bytes.into()))
    }

    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        frame::decode(&self.0).map_err(|error| CallError::AnswerNotReceived(error.to_string()))
    }
}

/// Returns the values of these items.
pub(crate) fn values<T: DeserializeOwned>(items: &[Item]) -> Result<Vec<T>, CallError> {
    items.iter().map(Item::value).collect()
}

/// Returns the value of this item, if there is one.
pub(crate) fn value<T: DeserializeOwned>(item: Option<Item>) -> Result<Option<T>, CallError> {
    item.as_ref().map(Item::value).transpose()
}
