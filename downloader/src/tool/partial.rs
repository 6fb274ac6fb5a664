//! [`Partial`]: a file, or the beginning of one, as it comes from a server.

use std::io::{self, Read, Seek, Write};

use md5::{Digest, Md5};
use tempfile::NamedTempFile;
use ureq::http::header::{CONTENT_ENCODING, IF_RANGE, RANGE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::content::HEAD;
use super::error::{AttemptError, ErrorKind, Result};
use super::message::message;
use super::response::{ContentRange, validator};

/// The bytes of a file that have come so far.
pub(super) struct Partial {
    pub(super) file: NamedTempFile,
    pub(super) length: u64,
    /// The length of the whole file, if a server has said it.
    pub(super) total: Option<u64>,
    /// The end in the file of the body that is coming, if the server has said it.
    pub(super) end: Option<u64>,
    pub(super) md5: Md5,
    /// The first bytes, up to [`HEAD`].
    pub(super) head: Vec<u8>,
    /// The strong validator of the first response: with another one, the rest is another file's.
    pub(super) validator: Option<HeaderValue>,
    /// True if its bytes have come with several responses.
    pub(super) is_joined: bool,
    /// The `Content-Encoding` of the first response.
    pub(super) encoding: Option<HeaderValue>,
}

impl Partial {
    /// Makes an empty one for the body of a response with these headers.
    pub(super) fn new(file: NamedTempFile, headers: &HeaderMap) -> Self {
        Self {
            file,
            length: 0,
            total: None,
            end: None,
            md5: Md5::new(),
            head: Vec::new(),
            validator: validator(headers).cloned(),
            is_joined: false,
            encoding: headers.get(CONTENT_ENCODING).cloned(),
        }
    }

    /// Returns the headers of a request for the rest of the same file.
    pub(super) fn range_headers(&self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let begin = HeaderValue::try_from(format!("bytes={}-", self.length)).ok()?;
        Some(vec![(RANGE, begin), (IF_RANGE, self.validator.clone()?)])
    }

    /// Returns true if a 206 with a body of this length continues what has come: with the same
    /// strong validator and total (RFC 9110, 15.3.7.3), from the next byte on. Notes where the body
    /// ends.
    pub(super) fn is_continued_by(&mut self, headers: &HeaderMap, body: Option<u64>) -> bool {
        let Some(ContentRange { part: Some(part), total }) = ContentRange::of(headers) else {
            return false;
        };
        let known = self.total.or(total);
        self.end = Some(part.end);
        self.total = known;
        known.is_some_and(|known| part.end <= known)
            && total.is_none_or(|total| Some(total) == known)
            && part.start == self.length
            && body.is_none_or(|body| body == part.end - part.start)
            && validator(headers) == self.validator.as_ref()
    }

    /// Returns true if this many more bytes are enough to ask on without counting a failure: a
    /// hundredth of the file, so that a server which gives byte after byte has an end.
    pub(super) fn is_progress(&self, bytes: u64) -> bool {
        self.total.is_some_and(|total| bytes > 0 && bytes >= total / 100)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.length += bytes.len() as u64;
        self.head.extend(bytes.iter().take(HEAD - self.head.len()));
        Ok(())
    }

    /// Returns true if the rest can be asked for, and be known as the rest.
    pub(super) fn can_go_on(&self) -> bool {
        self.length > 0 && self.validator.is_some()
    }

    /// Returns true if all has come, as the headers of a 416 say: for a file whose length wasn't
    /// known.
    pub(super) fn is_all(&self, headers: &HeaderMap) -> bool {
        let total = ContentRange::of(headers).and_then(|range| range.total);
        total == Some(self.length) && self.is_whole().is_ok_and(|is| is)
    }

    /// Checks that the body that has ended was as long as its response said.
    pub(super) fn check_end(&mut self) -> Result<()> {
        match self.end {
            Some(end) if self.length > end => {
                // Nothing that such a server says of the file can be relied on.
                self.validator = None;
                let message = message!("more bytes came than announced");
                Err(AttemptError::temporary(ErrorKind::Protocol, message))
            }
            Some(end) if self.length < end => Err(self.short_of(Some(end))),
            _ => Ok(()),
        }
    }

    /// Makes the error of a body that ends before this length, or before the image does.
    pub(super) fn short_of(&self, length: Option<u64>) -> AttemptError {
        let message = match length {
            Some(length) => message!("{} bytes came of {}", self.length, length),
            // The client takes a connection that breaks for the end.
            None => message!("the connection ended before the image did"),
        };
        AttemptError::temporary(ErrorKind::ShortBody, message)
    }

    /// Returns true if all has come: by the length or, if no server has said it, as the image
    /// shows.
    pub(super) fn is_whole(&self) -> io::Result<bool> {
        if let Some(total) = self.total {
            return Ok(self.length == total);
        }
        // By the handle that holds its lock: on Windows another can't read it yet.
        let mut file = self.file.as_file();
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(downloader::has_end(&bytes))
    }
}
