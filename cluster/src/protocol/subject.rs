//! The subjects of messages, and the names in them.

/// Longest name of a client, of a worker or of a cluster.
const MAX_NAME: usize = 128;

/// A cluster of one build: the tasks of its clients are for its workers alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Identity of the executable.
    pub(crate) build: String,
}

impl Place {
    /// Returns the name of the stream that keeps the tasks. The build's length is always the same,
    /// so no two places share a name.
    pub(crate) fn stream(&self) -> String {
        format!("T_{}_{}", self.cluster, self.build)
    }

    /// Returns the subject of a client's tasks; `*` for those of all clients.
    pub(crate) fn tasks(&self, client: &str) -> String {
        format!("t.{}.{}.{client}", self.cluster, self.build)
    }

    /// Returns the subject of news about workers, of all builds.
    pub(crate) fn news(&self) -> String {
        format!("hello.{}", self.cluster)
    }
}

/// Returns the subject of questions to a client.
pub(crate) fn may(client: &str) -> String {
    format!("may.{client}")
}

/// Returns the subject of questions for large arguments.
pub(crate) fn part(client: &str) -> String {
    format!("part.{client}")
}

/// Returns the subject of outcomes.
pub(crate) fn done(client: &str) -> String {
    format!("done.{client}")
}

/// Returns the subject on which a client hears itself.
pub(crate) fn echo(client: &str) -> String {
    format!("echo.{client}")
}

/// Makes a client's name, which ends in 128 random bits: its subjects can't be guessed.
///
/// # Errors
/// The system's, if it has no random numbers.
pub(crate) fn client_name(cluster: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{cluster}-{}-{:032x}", std::process::id(), u128::from_le_bytes(random)))
}

/// Returns true for a text that can be one token of a subject, and be shown on a screen.
pub(crate) fn is_token(text: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits)
}
