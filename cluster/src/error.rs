//! Errors of a connection to a cluster.

use std::io;

/// Reason why there is no connection to a cluster's server. Python: `OSError` of
/// `distributed.Client`, which has one for all of this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server answers.
    #[error(
        "no server answers at {server} ({reason}): start one there with nats-server -js, which \
         apt install nats-server brings"
    )]
    Unreachable {
        /// Addresses that were tried.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The server has no JetStream, which keeps the tasks that wait.
    #[error(
        "the server at {server} runs without JetStream, which keeps the tasks that wait: start it \
         as nats-server -js, or write jetstream {{}} into its configuration"
    )]
    NoJetStream {
        /// Address of the server.
        server: String,
    },
    /// The server refuses the user, the secret or the certificate.
    #[error(
        "the server at {server} refuses {user}: give the user and the secret that its \
         configuration has"
    )]
    Refused {
        /// Address of the server.
        server: String,
        /// Description of the client: `the user "client"`, `a connection without a user`.
        user: String,
    },
    /// The server lets the user in, but refuses something that a cluster needs.
    #[error(
        "the server refuses {operation} {subject:?} to this user: give it that right; \
         cluster server-config prints a configuration with all rights"
    )]
    Right {
        /// What isn't allowed: `publish to`, `subscription to`.
        operation: String,
        /// Subject of the messages.
        subject: String,
    },
    /// A text that is no address of a server.
    #[error(
        "{text:?} is no address of a server: {reason}; write nats://127.0.0.1:4222 or \
         tls://host:4222"
    )]
    Url {
        /// The text, without a password.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that is no name of a cluster or of a machine.
    #[error("{text:?} is no name: write 1 to 32 letters (A-Z, a-z), digits, - and _")]
    Name {
        /// The text.
        text: String,
    },
    /// An address without encryption that leaves this machine.
    #[error(
        "{server} would carry secrets, arguments and results in the clear to another machine: \
         write tls:// in place of nats://, or allow it with insecure(true) (--insecure)"
    )]
    Insecure {
        /// The address.
        server: String,
    },
    /// No encrypted connection comes about: a certificate is wrong, or the server has none.
    #[error(
        "no encrypted connection to {server}: {reason}; check ca_file, the client's certificate \
         and the name of the host in the server's certificate"
    )]
    Tls {
        /// Address of the server.
        server: String,
        /// What the library of encryption says.
        reason: String,
    },
    /// A server that can't serve a cluster: too old, or its limits are too small.
    #[error("the server at {server} doesn't fit: {reason}")]
    Server {
        /// Address of the server.
        server: String,
        /// What is wrong, what would be right.
        reason: String,
    },
    /// A secret, a certificate or a key that can't be read.
    #[error("can't read {place}: {reason}")]
    Secret {
        /// The file or the variable of the environment.
        place: String,
        /// What is wrong with it, what to do.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{setting} doesn't fit: {reason}")]
    Setting {
        /// Name of the setting: `lost_after`.
        setting: &'static str,
        /// What would be right.
        reason: String,
    },
    /// The system refuses a thread or a process.
    #[error("the system refuses what a connection needs: {0}")]
    System(String),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}
