//! The outcome of an address: stored, or why not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reason why an address failed. In a report these are the values of `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The line is no address.
    BadLine,
    /// The host's name is not known.
    HostNotFound,
    /// No connection, or it broke.
    Connection,
    /// No secure connection: a bad certificate, for example.
    Tls,
    /// No connection in time.
    ConnectTimeout,
    /// No answer in time.
    FirstByteTimeout,
    /// The answer stopped for too long.
    StallTimeout,
    /// The whole took too long.
    TotalTimeout,
    /// The server's answer is an error.
    HttpStatus,
    /// Redirected too often, to nowhere, or from https to http.
    Redirect,
    /// What came isn't HTTP, or contradicts itself.
    Protocol,
    /// Fewer bytes came than were announced.
    ShortBody,
    /// More bytes than allowed.
    TooLarge,
    /// No bytes at all.
    Empty,
    /// A web page.
    Html,
    /// Something else that is no image.
    NoImage,
    /// An image of a kind that can't be checked.
    Unsupported,
    /// More pixels than allowed.
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

impl Kind {
    /// Returns its name in a report.
    pub(super) fn name(self) -> String {
        serde_json::to_string(&self).unwrap_or_default().trim_matches('"').to_owned()
    }
}

/// The reason why an address failed, in one word and in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Failed {
    pub(super) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

/// The status of an address at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// A new file.
    Stored,
    /// The file was there already, with the same bytes.
    Duplicate,
    Failed,
}

/// A line of a report. What isn't known is `null`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// The URL as it was asked for.
    pub(super) url: String,
    /// The line in the list, from 1.
    pub(super) line: u64,
    pub(super) status: Status,
    /// The status code of the last answer.
    pub(super) http_status: Option<u16>,
    /// The number of attempts.
    pub(super) attempts: u32,
    /// The length of the file, or of what came of it at the last attempt.
    pub(super) bytes: u64,
    /// The seconds from the beginning of the first attempt to the end, waits between attempts
    /// included.
    pub(super) seconds: f64,
    /// The MD5 of the file.
    pub(super) md5: Option<String>,
    /// The MD5 of the pixels after the tutorial's convolution.
    pub(super) convolved_md5: Option<String>,
    /// The path of the file.
    pub(super) path: Option<String>,
    pub(super) error: Option<Kind>,
    /// The error in a sentence.
    pub(super) message: Option<String>,
}

impl Outcome {
    /// Makes the outcome of an address of which nothing else is known.
    pub(super) fn new(url: impl Into<String>, line: u64, status: Status) -> Self {
        Self {
            url: url.into(),
            line,
            status,
            http_status: None,
            attempts: 0,
            bytes: 0,
            seconds: 0.0,
            md5: None,
            convolved_md5: None,
            path: None,
            error: None,
            message: None,
        }
    }
}
