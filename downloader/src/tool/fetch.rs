//! One attempt to fetch an address into an unfinished file, or the rest of one.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use md5::{Digest, Md5};
use tempfile::NamedTempFile;
use ureq::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Error, Timeout};
use url::Url;

use super::content::{self, HEAD};
use super::folder::Folder;
use super::outcome::{Failed, Kind};
use super::retry;

/// How long to wait for what, and how much to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection, the look-up of the host's name and TLS included.
    pub(super) connect: Duration,
    /// For the head of an answer.
    pub(super) first_byte: Duration,
    /// For the next bytes of a body.
    pub(super) stall: Duration,
    /// For all of an attempt, redirects included.
    pub(super) total: Duration,
    /// The longest pause that a server may ask for.
    pub(super) pause: Duration,
    pub(super) redirects: u32,
    /// The longest file, in bytes.
    pub(super) bytes: u64,
}

/// Fetches; all threads share one.
pub(super) struct Fetcher {
    agent: Agent,
    patience: Patience,
    folder: Arc<Folder>,
    /// Whether only images that can be checked are wanted.
    checked: bool,
    /// Set when all is to stop.
    stopped: Arc<AtomicBool>,
    /// How many bytes have come, for the progress.
    received: Arc<AtomicU64>,
}

/// What has come of an address so far.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) attempts: u32,
    /// Of the last answer.
    pub(super) http_status: Option<u16>,
    /// The length of what has come, also if it is thrown away.
    pub(super) bytes: u64,
    /// What has come, if the rest of it can be asked for.
    part: Option<Part>,
}

/// What has come of a file so far.
struct Part {
    file: NamedTempFile,
    length: u64,
    md5: Md5,
    /// How it begins.
    head: Vec<u8>,
    /// What a server needs to know whether the rest of it is still the rest of the same.
    validator: Option<String>,
}

/// A whole file that has no name yet.
pub(super) struct Downloaded {
    pub(super) file: NamedTempFile,
    pub(super) md5: String,
    pub(super) extension: &'static str,
}

/// Why an attempt failed, and whether another may do better.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failed: Failed,
    pub(super) may_pass: bool,
    /// The server has asked for a pause.
    pub(super) pause: Option<Duration>,
}

impl Trouble {
    fn lasting(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { failed: Failed::new(kind, message), may_pass: false, pause: None }
    }

    fn passing(kind: Kind, message: impl std::fmt::Display) -> Self {
        Self { may_pass: true, ..Self::lasting(kind, message) }
    }

    /// Nothing can be written: no address would do better.
    pub(super) fn disk(error: &std::io::Error) -> Self {
        Self::lasting(Kind::Disk, error)
    }
}

impl Fetcher {
    pub(super) fn new(
        connections: usize,
        patience: Patience,
        folder: Arc<Folder>,
        checked: bool,
        (stopped, received): (Arc<AtomicBool>, Arc<AtomicU64>),
    ) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("downloader/", env!("CARGO_PKG_VERSION")))
            .accept("image/*")
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_send_request(Some(patience.first_byte))
            .timeout_recv_response(Some(patience.first_byte))
            .timeout_per_read(Some(patience.stall))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .build()
            .into();
        Self { agent, patience, folder, checked, stopped, received }
    }

    /// Tries once, and notes what has come of it.
    pub(super) fn attempt(&self, url: &Url, tried: &mut Tried) -> Result<Downloaded, Trouble> {
        let deadline = Instant::now() + self.patience.total;
        let before = tried.part.take();
        tried.attempts += 1;
        tried.bytes = 0;
        let mut answer = self.ask(url, before.as_ref(), deadline, &mut tried.http_status)?;
        let mut now = match (answer.status().as_u16(), before) {
            (200, _) => Part {
                file: self.folder.new_file().map_err(|error| Trouble::disk(&error))?,
                length: 0,
                md5: Md5::new(),
                head: Vec::new(),
                validator: validator(answer.headers()),
            },
            (206, Some(before)) => {
                let begins = content_range(answer.headers()).map(|range| range.0);
                if begins != Some(Some(before.length)) {
                    let message = "the server sent another part than it was asked for";
                    return Err(Trouble::passing(Kind::Protocol, message));
                }
                before
            }
            (416, Some(before)) => {
                // All of it had come, or the file is another one by now: then from the beginning.
                if content_range(answer.headers()).and_then(|range| range.1) == Some(before.length)
                {
                    tried.bytes = before.length;
                    return self.finish(before);
                }
                let message = "the server no longer has the part it was asked for";
                return Err(Trouble::passing(Kind::HttpStatus, message));
            }
            (code, _) => return Err(self.refused(code, &mut answer)),
        };
        let announced = answer.body().content_length();
        if announced.is_some_and(|rest| now.length.saturating_add(rest) > self.patience.bytes) {
            return Err(self.too_large());
        }
        let came = self.receive(&mut answer, &mut now, announced);
        tried.bytes = now.length;
        match came {
            // The client takes a connection that breaks for the end.
            Ok(()) if announced.is_none() && !ends_where_it_should(&now.file)? => {
                let message = "the connection ended before the image did";
                Err(Trouble::passing(Kind::ShortBody, message))
            }
            Ok(()) => self.finish(now),
            Err(trouble) => {
                // Without a validator the rest might be the rest of something else.
                let is_resumable = trouble.may_pass && now.length > 0 && now.validator.is_some();
                tried.part = Some(now).filter(|_| is_resumable);
                Err(trouble)
            }
        }
    }

    /// Asks, and follows redirects.
    fn ask(
        &self,
        url: &Url,
        part: Option<&Part>,
        deadline: Instant,
        status: &mut Option<u16>,
    ) -> Result<Response<Body>, Trouble> {
        let mut url = url.clone();
        for _ in 0..=self.patience.redirects {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut request = self.agent.get(url.as_str());
            if let Some((part, validator)) = part.and_then(|p| Some((p, p.validator.as_ref()?))) {
                request = request
                    .header("Range", format!("bytes={}-", part.length))
                    .header("If-Range", validator);
            }
            let asked = request.config().timeout_global(Some(left)).build().call();
            let answer = asked.map_err(|error| trouble(error, Kind::FirstByteTimeout))?;
            *status = Some(answer.status().as_u16());
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            url = next_hop(&url, to).map_err(|why| Trouble::lasting(Kind::Redirect, why))?;
        }
        let message = format!("redirected more than {} times", self.patience.redirects);
        Err(Trouble::lasting(Kind::Redirect, message))
    }

    /// Appends the body to the file.
    fn receive(
        &self,
        answer: &mut Response<Body>,
        part: &mut Part,
        announced: Option<u64>,
    ) -> Result<(), Trouble> {
        let begin = part.length;
        let mut body = answer.body_mut().as_reader();
        let mut buffer = [0; 32 << 10];
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Trouble::lasting(Kind::Interrupted, "stopped while it came"));
            }
            let length = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) => return Err(trouble(Error::from(error), Kind::StallTimeout)),
            };
            if part.length + length as u64 > self.patience.bytes {
                return Err(self.too_large());
            }
            let bytes = &buffer[..length];
            part.file.write_all(bytes).map_err(|error| Trouble::disk(&error))?;
            part.md5.update(bytes);
            part.length += length as u64;
            self.received.fetch_add(length as u64, Ordering::Relaxed);
            if part.head.len() < HEAD {
                part.head.extend(bytes.iter().take(HEAD - part.head.len()));
                if part.head.len() == HEAD {
                    self.extension(&part.head)?;
                }
            }
        }
        let came = part.length - begin;
        match announced {
            Some(announced) if came != announced => {
                Err(Trouble::passing(Kind::ShortBody, format!("{came} bytes came of {announced}")))
            }
            _ => Ok(()),
        }
    }

    /// All bytes are there: what are they?
    fn finish(&self, part: Part) -> Result<Downloaded, Trouble> {
        let extension = self.extension(&part.head)?;
        part.file.as_file().sync_data().map_err(|error| Trouble::disk(&error))?;
        let md5 = downloader::hex(&part.md5.finalize());
        Ok(Downloaded { file: part.file, md5, extension })
    }

    fn extension(&self, head: &[u8]) -> Result<&'static str, Trouble> {
        content::extension(head, self.checked).map_err(|failed| Trouble {
            failed,
            may_pass: false,
            pause: None,
        })
    }

    fn too_large(&self) -> Trouble {
        let message = format!("more than {} bytes", self.patience.bytes);
        Trouble::lasting(Kind::TooLarge, message)
    }

    /// The answer is an error.
    fn refused(&self, code: u16, answer: &mut Response<Body>) -> Trouble {
        let reason = answer.status().canonical_reason().unwrap_or("a status without a name");
        let message = format!("the server says {code} {reason}");
        let pause = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|header| retry::retry_after(header.to_str().ok()?, SystemTime::now()));
        if answer.body().content_length().is_some_and(|length| length <= 16 << 10) {
            // Read to its end, the connection can be used again.
            let _ = answer.body_mut().read_to_vec();
        }
        if let Some(pause) = pause.filter(|pause| *pause > self.patience.pause) {
            let message = format!("{message}, and wants a pause of {} s", pause.as_secs());
            return Trouble::lasting(Kind::HttpStatus, message);
        }
        let may_pass = retry::may_pass(code);
        let pause = pause.filter(|_| may_pass);
        Trouble { failed: Failed::new(Kind::HttpStatus, message), may_pass, pause }
    }
}

/// Whether an image has its end, as far as it shows.
fn ends_where_it_should(file: &NamedTempFile) -> Result<bool, Trouble> {
    let file = std::fs::read(file.path()).map_err(|error| Trouble::disk(&error))?;
    Ok(downloader::has_end(&file))
}

/// Where a redirect leads: nowhere else than to http and https, and never from https to http.
fn next_hop(from: &Url, to: Option<&str>) -> Result<Url, String> {
    let to = to.ok_or("redirected to nowhere")?;
    let next = from.join(to).map_err(|error| format!("redirected to \"{to}\": {error}"))?;
    match (from.scheme(), next.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(next),
        ("https", "http") => Err(format!("redirected from https to {next}")),
        _ => Err(format!("redirected to {next}: only http and https")),
    }
}

/// Of `bytes 5-9/10` the first and the last number; either may be missing.
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (part, all) = range.split_once('/')?;
    let first = part.split_once('-').and_then(|(first, _)| first.trim().parse().ok());
    Some((first, all.trim().parse().ok()))
}

/// The entity tag, if it is a strong one, or the date of the last change.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = text(ETAG).filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(LAST_MODIFIED)).map(str::to_owned)
}

/// What an error of the HTTP client means; `slow` is what a read that takes too long is called there.
fn trouble(error: Error, slow: Kind) -> Trouble {
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
        Error::ConnectionFailed => Trouble::passing(Kind::Connection, error),
        error => Trouble::passing(Kind::Protocol, error),
    }
}

/// The standard library has no kind for what `getaddrinfo` says.
fn is_name_error(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, to: &str) -> Result<String, String> {
        next_hop(&Url::parse(from).unwrap(), Some(to)).map(String::from)
    }

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() {
        assert_eq!(hop("http://a/b/c?d", "e").unwrap(), "http://a/b/e");
        assert_eq!(hop("http://a/b/c", "../e?f").unwrap(), "http://a/e?f");
        assert_eq!(hop("http://a/b/c", "//e/f").unwrap(), "http://e/f");
        assert_eq!(hop("http://a/", "https://a/").unwrap(), "https://a/");
    }

    #[test]
    fn a_redirect_never_leads_from_https_to_http_or_out_of_the_web() {
        for to in ["http://a/", "file:///etc/passwd", "ftp://a/", "data:,x", "http://"] {
            assert!(hop("https://a/b", to).is_err(), "{to}");
        }
        assert!(hop("http://a/b", "file:///etc/passwd").is_err());
        assert!(next_hop(&Url::parse("http://a/").unwrap(), None).is_err());
    }

    #[test]
    fn a_content_range_is_read_in_all_its_forms() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(read("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(read("bytes */10"), Some((None, Some(10))));
        for other in ["5-9/10", "bytes 5-9", "bytes", ""] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_strong_tag_or_a_date_lets_one_go_on() {
        let validator = |name, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            super::validator(&headers)
        };
        assert_eq!(validator(ETAG, "\"x\""), Some("\"x\"".to_owned()));
        assert_eq!(validator(ETAG, "W/\"x\""), None);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(validator(LAST_MODIFIED, date), Some(date.to_owned()));
    }
}
