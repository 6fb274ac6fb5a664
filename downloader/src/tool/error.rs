//! Why a URL fails, and whether another attempt may do better.

use std::fmt;
use std::io::{self, ErrorKind as IoKind};
use std::time::Duration;

use common::files::reason;
use common::text;
use serde::{Deserialize, Serialize};
use ureq::{Error, Timeout};

use super::message::{Message, message};
use super::resolver::LookupFailure;
use super::retry;

/// The kind of a failure. In a report these are the values of `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ErrorKind {
    BadLine,
    HostNotFound,
    /// No connection, or it broke.
    Connection,
    /// No secure connection: a bad certificate, for example.
    Tls,
    ConnectTimeout,
    FirstByteTimeout,
    /// The response stopped for too long.
    StallTimeout,
    /// The whole took too long.
    TotalTimeout,
    /// The server's response is an error.
    HttpStatus,
    /// Redirected too often, to nowhere, or from https to http.
    Redirect,
    /// What came isn't HTTP, or contradicts itself.
    Protocol,
    /// Fewer bytes came than were announced.
    ShortBody,
    TooLarge,
    Empty,
    Html,
    /// Something else that is no image.
    NoImage,
    /// An image of a kind that can't be checked.
    Unsupported,
    TooManyPixels,
    /// An image that can't be decoded.
    Damaged,
    /// The process that checked it died, twice.
    WorkerDied,
    /// The disk is full, or the folder can't be written.
    Disk,
    /// The download was under way, or waited, when all was stopped.
    Interrupted,
}

impl fmt::Display for ErrorKind {
    /// Writes its name in a report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The reason why an attempt failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AttemptError {
    pub(super) kind: ErrorKind,
    pub(super) message: Message,
    /// True if another attempt may do better.
    pub(super) is_temporary: bool,
    /// The pause that the server has asked for.
    pub(super) pause: Option<Duration>,
}

/// The result of a step of an attempt.
pub(super) type Result<T, E = AttemptError> = std::result::Result<T, E>;

impl AttemptError {
    pub(super) fn permanent(kind: ErrorKind, message: Message) -> Self {
        Self { kind, message, is_temporary: false, pause: None }
    }

    pub(super) fn temporary(kind: ErrorKind, message: Message) -> Self {
        Self { is_temporary: true, ..Self::permanent(kind, message) }
    }

    /// Makes the error that a library explains, in English only.
    pub(super) fn of_library(kind: ErrorKind, error: impl fmt::Display) -> Self {
        let shown = match kind {
            ErrorKind::HostNotFound => text!("the name can't be looked up: {}", error),
            ErrorKind::Tls => text!("no secure connection: {}", error),
            ErrorKind::Protocol => text!("the answer isn't sound: {}", error),
            ErrorKind::Damaged => text!("the image can't be decoded: {}", error),
            ErrorKind::WorkerDied => text!("the process that checked it died: {}", error),
            _ => text!("no connection: {}", error),
        };
        Self::permanent(kind, Message { english: error.to_string(), shown })
    }

    /// Classifies an error of the HTTP client before the body of a response.
    pub(super) fn before_body(error: Error) -> Self {
        use Timeout::{Connect, Global, PerCall, Resolve};
        match error {
            Error::Timeout(which) if !matches!(which, Resolve | Connect | Global | PerCall) => {
                Self::temporary(ErrorKind::FirstByteTimeout, message!("no answer in time"))
            }
            Error::Io(error) if error.kind() == IoKind::UnexpectedEof => {
                let message = message!("the connection ended without an answer");
                Self::temporary(ErrorKind::Connection, message)
            }
            Error::Protocol(_) | Error::LargeResponseHeader(..) => {
                Self::permanent(ErrorKind::Protocol, unreadable(&error))
            }
            error => Self::from(error),
        }
    }
}

/// Makes the error of a disk that can't be written: no URL would do better.
impl From<io::Error> for AttemptError {
    fn from(error: io::Error) -> Self {
        let message = Message { english: error.to_string(), shown: reason(&error) };
        Self::permanent(ErrorKind::Disk, message)
    }
}

/// Classifies an error of the HTTP client in the body of a response, or in all of an attempt.
impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        use ErrorKind::{
            ConnectTimeout, Connection, HostNotFound, Protocol, StallTimeout, Tls, TotalTimeout,
        };
        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::temporary(ConnectTimeout, message!("no connection in time"))
            }
            Error::Timeout(Timeout::Global | Timeout::PerCall) => {
                Self::temporary(TotalTimeout, message!("not all of it came in time"))
            }
            Error::Timeout(_) => Self::temporary(StallTimeout, message!("the answer stopped")),
            Error::HostNotFound => Self::permanent(HostNotFound, message!("no such host")),
            Error::Other(error) if error.is::<LookupFailure>() => {
                let failure = error.downcast_ref::<LookupFailure>();
                let is_temporary = failure.is_some_and(|failure| failure.is_temporary);
                let mut error = Self { is_temporary, ..Self::of_library(HostNotFound, error) };
                if !is_temporary {
                    error.message.shown = text!("no such host");
                }
                error
            }
            Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
                Self::of_library(Tls, error)
            }
            Error::Io(error) => of_connection(&error),
            Error::Http(_) | Error::BadUri(_) => Self::of_library(Protocol, error),
            Error::ConnectProxyFailed(why) => {
                // It ends with the status code of the proxy's response, if there was one.
                let code = why.rsplit('/').next().and_then(|code| code.parse().ok());
                let is_temporary = code.is_none_or(retry::is_temporary);
                let message = message!("no connection: {}", why);
                Self { is_temporary, ..Self::permanent(Connection, message) }
            }
            Error::ConnectionFailed => {
                Self { is_temporary: true, ..Self::of_library(Connection, error) }
            }
            // In a body; that may be a matter of this one connection.
            error => Self { is_temporary: true, ..Self::of_library(Protocol, error) },
        }
    }
}

fn of_connection(error: &io::Error) -> AttemptError {
    let (kind, is_temporary) = match error.kind() {
        IoKind::UnexpectedEof => {
            let message = message!("the connection ended too early");
            return AttemptError::temporary(ErrorKind::ShortBody, message);
        }
        _ if error.get_ref().is_some_and(|error| error.is::<rustls::Error>()) => {
            (ErrorKind::Tls, false)
        }
        // A SOCKS proxy wants another password, or is none, or the system forbids it.
        IoKind::InvalidData | IoKind::InvalidInput | IoKind::PermissionDenied => {
            (ErrorKind::Connection, false)
        }
        _ => (ErrorKind::Connection, true),
    };
    let mut failed = AttemptError { is_temporary, ..AttemptError::of_library(kind, error) };
    match error.kind() {
        IoKind::ConnectionRefused => failed.message.shown = text!("the connection was refused"),
        IoKind::ConnectionReset => failed.message.shown = text!("the connection was reset"),
        _ => {}
    }
    failed
}

/// Says that the head of a response can't be read, and which rule it breaks if that is known.
fn unreadable(error: &Error) -> Message {
    let why = error.to_string();
    let why = why.trim_start_matches("protocol: ").trim_start_matches("http parse fail: ");
    let mut message = message!("the header of the server's answer can't be read: {}", why);
    message += match why {
        "invalid header name" => message!(
            "; a header must not go on in a line that begins with a blank, or have a blank before \
             its colon (RFC 9112, 5)"
        ),
        "invalid header value" => {
            message!("; a header must not have control characters (RFC 9110, 5.5)")
        }
        "invalid HTTP version" => message!("; an answer begins with its version (RFC 9112, 4)"),
        _ => Message::default(),
    };
    message
}
