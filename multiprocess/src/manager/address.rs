//! Addresses of listeners: plain data, which programs may print, store and send.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest address in bytes: what fits into a path on macOS, behind the folder.
const LONGEST: usize = 32;

/// An address of a [`Listener`](crate::manager::Listener): a name of at most 32 letters, digits,
/// `-`, `_` and `.`, which means something only to processes of the same user on the same machine.
/// Python: the `address` of a `Listener`, without its family.
///
/// It is plain data: it can be printed and parsed again, lie in a file, or travel to another
/// process in any message. A listener makes a fresh one, or programs agree on a name:
///
/// ```
/// use multiprocess::manager::Address;
///
/// let address: Address = "clerk".parse()?;
/// assert_eq!(address.to_string(), "clerk");
/// let refused = "a/b".parse::<Address>().unwrap_err();
/// assert!(refused.to_string().starts_with("\"a/b\" is no address"));
/// # Ok::<(), multiprocess::manager::AddressError>(())
/// ```
///
/// No file stands behind it on Linux and on Windows. On macOS it is a folder in the user's
/// temporary folder, which goes with the listener, or with the next listener if that was killed.
/// On Linux, processes in different network namespaces (containers, mostly) have addresses of their
/// own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

impl Address {
    /// Makes an address that no other process has.
    pub(crate) fn fresh() -> io::Result<Self> {
        let mut random = [0; LONGEST / 2];
        getrandom::fill(&mut random)?;
        Ok(Self(random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        // A path would take a name of dots for a folder above.
        let is_name = text.bytes().all(is_fit) && text.bytes().any(|byte| byte != b'.');
        if is_name && text.len() <= LONGEST { Ok(Self(text)) } else { Err(AddressError { text }) }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`Address`]. Python: `ValueError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address: it has 1 to {LONGEST} letters, digits, -, _ and dots, not dots only"
)]
pub struct AddressError {
    text: String,
}

#[cfg(test)]
mod tests {
    use crate::process::frame;

    use super::*;

    #[test]
    fn an_address_comes_back_from_its_text_and_from_its_bytes() {
        let mut body = Vec::new();
        for address in [Address::fresh().unwrap(), "a-B_3.c".parse().unwrap()] {
            assert_eq!(address.to_string().parse(), Ok(address.clone()));
            frame::encode_body(&address, &mut body).unwrap();
            assert_eq!(frame::decode::<Address>(&body).unwrap(), address);
        }
        assert_ne!(Address::fresh().unwrap(), Address::fresh().unwrap());
    }

    /// LISTEN-08
    #[test]
    fn what_could_be_a_path_or_is_too_long_is_no_address_wherever_it_comes_from() {
        let (longest, too_long) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert!(longest.parse::<Address>().is_ok());
        for text in ["", ".", "..", "a/b", "a\\b", "a\0", "a b", "ä", &too_long] {
            assert_eq!(text.parse::<Address>(), Err(AddressError { text: text.into() }));
            let mut body = Vec::new();
            frame::encode_body(text, &mut body).unwrap();
            let refused = frame::decode::<Address>(&body).unwrap_err().to_string();
            assert!(refused.contains("is no address"), "{refused}");
        }
    }
}
