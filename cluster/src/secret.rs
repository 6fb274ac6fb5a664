//! Passwords, which come from files or from the environment.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::ConnectError;

/// A password or a token. It comes from a file or from the environment, never from the command
/// line, which every program on the machine can read; no `Debug` shows it.
///
/// ```
/// use cluster::Secret;
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("secret");
/// std::fs::write(&file, "correct horse\n")?;
/// assert_eq!(format!("{:?}", Secret::file(&file)?), "Secret(…)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads the secret from the file's only line.
    ///
    /// The rights on the file are not checked: give it to its user alone (`chmod 600`).
    ///
    /// # Errors
    /// [`ConnectError::Secret`], if the file can't be read, is empty, or has more than one line.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::checked(text, place),
            Err(error) => Err(ConnectError::Secret { place, reason: error.to_string() }),
        }
    }

    /// Reads the secret from a variable of the environment.
    ///
    /// # Errors
    /// [`ConnectError::Secret`], if there is no such variable, or it is empty.
    pub fn env(name: &str) -> Result<Self, ConnectError> {
        let place = format!("the variable {name} of the environment");
        match env::var(name) {
            Ok(text) => Self::checked(text, place),
            Err(error) => Err(ConnectError::Secret { place, reason: error.to_string() }),
        }
    }

    /// Takes a secret that the program has from elsewhere.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret itself, for the engine.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    fn checked(text: String, place: String) -> Result<Self, ConnectError> {
        let line = text.trim_end_matches(['\r', '\n']);
        let reason = match line {
            "" => "it is empty",
            line if line.contains('\n') => "it has more than one line",
            line => return Ok(Self(line.to_owned())),
        };
        Err(ConnectError::Secret { place, reason: reason.to_owned() })
    }
}

/// Serialisation of a secret for a child process, whose arguments no other process can read. Not
/// for everybody: `Secret` itself can't be among the arguments of a task.
pub(crate) mod revealed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Secret;

    pub(crate) fn serialize<S: Serializer>(it: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        it.reveal().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(it: D) -> Result<Secret, D::Error> {
        String::deserialize(it).map(Secret::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_only_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            Secret::file(&file)
        };
        for text in ["a b", "a b\n", "a b\r\n"] {
            assert_eq!(read(text).unwrap().reveal(), "a b");
        }
        for (text, why) in [("", "empty"), ("\n", "empty"), ("a\nb\n", "more than one line")] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(why) && said.contains(&*file.to_string_lossy()), "{said}");
        }
        let said = Secret::file(folder.path().join("none")).unwrap_err().to_string();
        assert!(said.contains("none"), "{said}");
    }

    #[test]
    fn a_variable_that_is_not_there_is_named() {
        let said = Secret::env("CLUSTER_NO_SUCH_VARIABLE").unwrap_err().to_string();
        assert!(said.contains("CLUSTER_NO_SUCH_VARIABLE"), "{said}");
    }

    #[test]
    fn no_output_shows_a_secret() {
        let secret = Secret::new("correct horse".to_owned());
        assert!(!format!("{secret:?} {:#?}", [&secret]).contains("correct"));
    }
}
