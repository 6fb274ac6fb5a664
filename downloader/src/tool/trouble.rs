//! What goes wrong in an attempt, and whether it may pass.

use std::time::Duration;

use ureq::{Error, Timeout};

use super::outcome::{Failed, Kind};
use super::retry;

/// Why an attempt failed, and whether another may do better.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failed: Failed,
    pub(super) may_pass: bool,
    /// The server has asked for a pause.
    pub(super) pause: Option<Duration>,
}

impl Trouble {
    pub(super) fn lasting(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { failed: Failed::new(kind, message), may_pass: false, pause: None }
    }

    pub(super) fn passing(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { may_pass: true, ..Self::lasting(kind, message) }
    }

    /// Nothing can be written: no address would do better.
    pub(super) fn disk(error: &std::io::Error) -> Self {
        Self::lasting(Kind::Disk, error)
    }
}

/// What an error of the HTTP client means; `slow` is what a read that takes too long is called
/// there.
pub(super) fn trouble(error: Error, slow: Kind) -> Trouble {
    match error {
        Error::Timeout(which) => match which {
            Timeout::Resolve | Timeout::Connect => {
                Trouble::passing(Kind::ConnectTimeout, "no connection in time")
            }
            Timeout::Global | Timeout::PerCall => {
                Trouble::passing(Kind::TotalTimeout, "not all of it came in time")
            }
            _ if slow == Kind::FirstByteTimeout => Trouble::passing(slow, "no answer in time"),
            _ => Trouble::passing(slow, "the answer stopped"),
        },
        Error::HostNotFound => Trouble::passing(Kind::HostNotFound, "no such host"),
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
            Trouble::lasting(Kind::Tls, error)
        }
        Error::Io(error) => match error.kind() {
            std::io::ErrorKind::UnexpectedEof if slow == Kind::FirstByteTimeout => {
                Trouble::passing(Kind::Connection, "the connection ended without an answer")
            }
            std::io::ErrorKind::UnexpectedEof => {
                Trouble::passing(Kind::ShortBody, "the connection ended too early")
            }
            std::io::ErrorKind::InvalidData if error.get_ref().is_some() => {
                Trouble::lasting(Kind::Tls, error)
            }
            _ if is_name_error(&error) => Trouble::passing(Kind::HostNotFound, error),
            _ => Trouble::passing(Kind::Connection, error),
        },
        Error::Http(_) | Error::BadUri(_) | Error::LargeResponseHeader(..) => {
            Trouble::lasting(Kind::Protocol, error)
        }
        Error::ConnectProxyFailed(why) => {
            // It ends with the status code of the proxy's answer, if there was one.
            let code = why.rsplit('/').next().and_then(|code| code.parse().ok());
            let may_pass = code.is_none_or(retry::may_pass);
            let failed = Failed::new(Kind::Connection, format!("no connection: {why}"));
            Trouble { failed, may_pass, pause: None }
        }
        Error::ConnectionFailed => Trouble::passing(Kind::Connection, error),
        error => Trouble::passing(Kind::Protocol, error),
    }
}

/// The standard library has no kind for what `getaddrinfo` says: a message of its own on Linux and
/// macOS, and on Windows WSAHOST_NOT_FOUND to WSANO_DATA.
fn is_name_error(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
        || matches!(error.raw_os_error(), Some(11_001..=11_004))
}
