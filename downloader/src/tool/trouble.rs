//! The error of an attempt, and whether it may pass.

use std::io::ErrorKind::{InvalidData, InvalidInput, PermissionDenied, UnexpectedEof};
use std::time::Duration;

use ureq::{Error, Timeout};

use super::names::NoAddress;
use super::outcome::{Failed, Kind};
use super::retry;

/// The reason why an attempt failed, and whether another may do better.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failed: Failed,
    pub(super) may_pass: bool,
    /// The pause that the server has asked for.
    pub(super) pause: Option<Duration>,
}

impl Trouble {
    pub(super) fn lasting(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { failed: Failed::new(kind, message), may_pass: false, pause: None }
    }

    pub(super) fn passing(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { may_pass: true, ..Self::lasting(kind, message) }
    }

    /// Makes the error of a disk that can't be written: no address would do better.
    pub(super) fn disk(error: &std::io::Error) -> Self {
        Self::lasting(Kind::Disk, error)
    }
}

/// Classifies an error of the HTTP client; `slow` is the kind of a read that takes too long.
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
        Error::HostNotFound => Trouble::lasting(Kind::HostNotFound, "no such host"),
        Error::Other(error) if error.is::<NoAddress>() => {
            let may_pass = error.downcast_ref().is_some_and(|error: &NoAddress| error.may_pass);
            Trouble { failed: Failed::new(Kind::HostNotFound, error), may_pass, pause: None }
        }
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
            Trouble::lasting(Kind::Tls, error)
        }
        Error::Io(error) => match error.kind() {
            UnexpectedEof if slow == Kind::FirstByteTimeout => {
                Trouble::passing(Kind::Connection, "the connection ended without an answer")
            }
            UnexpectedEof => Trouble::passing(Kind::ShortBody, "the connection ended too early"),
            _ if error.get_ref().is_some_and(|error| error.is::<rustls::Error>()) => {
                Trouble::lasting(Kind::Tls, error)
            }
            // A SOCKS proxy wants another password, or is none, or the system forbids it.
            InvalidData | InvalidInput | PermissionDenied => {
                Trouble::lasting(Kind::Connection, error)
            }
            _ => Trouble::passing(Kind::Connection, error),
        },
        Error::Http(_) | Error::BadUri(_) => Trouble::lasting(Kind::Protocol, error),
        // Of the head; what goes wrong later may be a matter of this one connection.
        Error::Protocol(_) | Error::LargeResponseHeader(..) if slow == Kind::FirstByteTimeout => {
            Trouble::lasting(Kind::Protocol, unreadable(&error))
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

/// Says that the head of an answer can't be read, and which rule it breaks if that is known.
fn unreadable(error: &Error) -> String {
    let why = error.to_string();
    let why = why.trim_start_matches("protocol: ").trim_start_matches("http parse fail: ");
    let rule = match why {
        "invalid header name" => {
            "; a header must not go on in a line that begins with a blank, or have a blank before \
             its colon (RFC 9112, 5)"
        }
        "invalid header value" => "; a header must not have control characters (RFC 9110, 5.5)",
        "invalid HTTP version" => "; an answer begins with its version (RFC 9112, 4)",
        _ => "",
    };
    format!("the header of the server's answer can't be read: {why}{rule}")
}
