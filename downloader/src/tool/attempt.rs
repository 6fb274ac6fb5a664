//! An attempt: requests for a URL, or for the rest of its file, until the file is whole.
//!
//! ```text
//!   attempt ──▶ request_rest ──┬─▶ Client::request   along redirects that stay at a host
//!      │             again ▲   ├─▶ partial_for       the file that the body belongs to
//!      │                   └───┴─▶ receive           the body into that file
//!      └─▶ finish: extension and MD5
//! ```

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use md5::Digest;
use tempfile::NamedTempFile;
use ureq::http::Response;
use ureq::{Body, Error};

use super::client::{Client, Route, drain};
use super::content::{self, HEAD};
use super::download::Download;
use super::error::{AttemptError, ErrorKind, Result};
use super::message::message;
use super::options::Options;
use super::output_dir::OutputDir;
use super::partial::Partial;
use super::retry;

/// The fetcher, which all threads share.
pub(super) struct Fetcher {
    pub(super) client: Client,
    pub(super) options: Arc<Options>,
    pub(super) output_dir: Arc<OutputDir>,
    /// True when all is to stop.
    pub(super) is_interrupted: Arc<AtomicBool>,
    /// The number of bytes that have come, for the progress.
    pub(super) received: Arc<AtomicU64>,
}

/// A whole file that has no name yet.
pub(super) struct WholeFile {
    pub(super) file: NamedTempFile,
    pub(super) md5: String,
    pub(super) extension: &'static str,
    /// True if its bytes have come with several responses.
    pub(super) is_joined: bool,
    /// The MD5 of its convolved pixels, if it is known.
    pub(super) convolved_md5: Option<String>,
}

impl Fetcher {
    /// Makes requests until the file is whole or something fails, and notes in the download what
    /// has come. `None` if the attempt leads to another host, which may have no free slot: called
    /// again, it goes on there.
    pub(super) fn attempt(&self, download: &mut Download) -> Result<Option<WholeFile>> {
        let kept = download.route.take();
        let mut route = kept.unwrap_or_else(|| download.start_route(self.options.timeout));
        let deadline = Instant::now() + route.time_left;
        let result = loop {
            let host = route.host().to_owned();
            match self.request_rest(download, &mut route, deadline) {
                Ok(Some(partial)) => break self.finish(partial),
                Ok(None) if route.host() == host => {}
                Ok(None) => {
                    route.time_left = deadline.saturating_duration_since(Instant::now());
                    download.route = Some(route);
                    return Ok(None);
                }
                Err(error) => break Err(error),
            }
        };
        download.count_attempt(result.is_err());
        result.map(Some)
    }

    /// Makes one request for what is missing; returns the file if it is whole then. `None` if
    /// another request has to follow at once, which the route leads to.
    fn request_rest(
        &self,
        download: &mut Download,
        route: &mut Route,
        deadline: Instant,
    ) -> Result<Option<Partial>> {
        download.bytes = download.partial.as_ref().map_or(0, |partial| partial.length);
        let range = download.partial.as_ref().and_then(Partial::range_headers).unwrap_or_default();
        let response = self.client.request(route, &range, deadline, &mut download.http_status);
        let response = response.inspect_err(|error| {
            if matches!(error.kind, ErrorKind::Connection | ErrorKind::FirstByteTimeout) {
                download.doubt_ranges();
            }
        })?;
        let Some(mut response) = response else { return Ok(None) };
        let Some(mut partial) = self.partial_for(download, route, &mut response)? else {
            *route = download.start_route(route.time_left);
            return Ok(None);
        };
        if partial.total == Some(partial.length) {
            return Ok(Some(partial));
        }
        if partial.total.is_some_and(|total| total > self.options.max_size) {
            return Err(self.too_large());
        }
        let begin = partial.length;
        let received = self.receive(&mut response, &mut partial);
        download.bytes = partial.length;
        let need_not_wait = received.is_ok() && partial.is_progress(partial.length - begin);
        let error = match received {
            Ok(()) if partial.is_whole()? => return Ok(Some(partial)),
            Ok(()) => partial.short_of(partial.total),
            Err(error) => error,
        };
        if error.is_temporary && download.keep(partial) && need_not_wait {
            *route = download.start_route(route.time_left);
            return Ok(None);
        }
        Err(error)
    }

    /// Returns the file that the body of a response belongs to; `None` if all is to be asked for.
    fn partial_for(
        &self,
        download: &mut Download,
        route: &Route,
        response: &mut Response<Body>,
    ) -> Result<Option<Partial>> {
        let (status, length) = (response.status().as_u16(), response.body().content_length());
        let before = download.partial.take();
        let is_rest = before.is_some();
        match (status, before) {
            (206, before) => {
                let mut partial = before.map_or_else(|| self.new_partial(response), Ok)?;
                if partial.is_continued_by(response.headers(), length) {
                    if is_rest {
                        download.trust_ranges();
                        partial.is_joined = true;
                    }
                    return Ok(Some(partial));
                }
            }
            (200..=203 | 207..=299, _) => {
                let partial = self.new_partial(response)?;
                return Ok(Some(Partial { total: length, end: length, ..partial }));
            }
            // All of it had come, but the connection broke before the server could say so.
            (416, Some(partial)) if partial.is_all(response.headers()) => {
                return Ok(Some(Partial { total: Some(partial.length), ..partial }));
            }
            (_, Some(partial)) if retry::is_temporary(status) => {
                download.partial = Some(partial);
                if status >= 500 {
                    download.doubt_ranges();
                }
                return Err(self.client.refused(route, response));
            }
            _ => {}
        }
        if is_rest {
            download.start_over();
            drain(response);
            return Ok(None);
        }
        Err(self.client.refused(route, response))
    }

    fn new_partial(&self, response: &Response<Body>) -> Result<Partial> {
        Ok(Partial::new(self.output_dir.new_file()?, response.headers()))
    }

    /// Appends the body to the file.
    fn receive(&self, response: &mut Response<Body>, partial: &mut Partial) -> Result<()> {
        let mut body = response.body_mut().as_reader();
        let mut buffer = [0; 32 << 10];
        loop {
            if self.is_interrupted.load(Ordering::Relaxed) {
                let message = message!("stopped while it came");
                return Err(AttemptError::permanent(ErrorKind::Interrupted, message));
            }
            let length = body.read(&mut buffer).map_err(Error::from)?;
            if length == 0 {
                return partial.check_end();
            }
            if partial.length + length as u64 > self.options.max_size {
                return Err(self.too_large());
            }
            let was_known = partial.head.len() == HEAD;
            partial.append(&buffer[..length])?;
            self.received.fetch_add(length as u64, Ordering::Relaxed);
            if !was_known && partial.head.len() == HEAD {
                self.extension(partial)?;
            }
        }
    }

    /// Finishes a file whose bytes are all there: finds out its extension and its MD5.
    fn finish(&self, partial: Partial) -> Result<WholeFile> {
        let extension = self.extension(&partial)?;
        let shared = self.output_dir.share(&partial.file);
        shared.map_err(|error| AttemptError { is_temporary: true, ..error.into() })?;
        Ok(WholeFile {
            md5: downloader::hex(&partial.md5.finalize()),
            extension,
            is_joined: partial.is_joined,
            convolved_md5: None,
            file: partial.file,
        })
    }

    /// Returns the extension for a file that begins like this.
    fn extension(&self, partial: &Partial) -> Result<&'static str> {
        content::extension(&partial.head, self.options.is_checked()).map_err(|mut error| {
            let hides = partial.encoding.as_ref().filter(|_| error.kind == ErrorKind::NoImage);
            if let Some(encoding) = hides {
                let encoding = String::from_utf8_lossy(encoding.as_bytes());
                error.message += message!("; it came with Content-Encoding: {}", encoding);
            }
            error
        })
    }

    fn too_large(&self) -> AttemptError {
        let message = message!("more than {} bytes", self.options.max_size);
        AttemptError::permanent(ErrorKind::TooLarge, message)
    }
}
