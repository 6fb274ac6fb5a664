//! One attempt to fetch an address into an unfinished file, or the rest of one.

use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use md5::{Digest, Md5};
use tempfile::NamedTempFile;
use ureq::http::Response;
use ureq::http::header::{LOCATION, RETRY_AFTER};
use ureq::{Agent, Body, Error};
use url::Url;

use super::content::{self, HEAD};
use super::folder::Folder;
use super::headers::{content_range, next_hop, validator};
use super::outcome::{Failed, Kind};
use super::retry;
use super::trouble::{Trouble, trouble};

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
        let shared = self.folder.share(&part.file);
        shared.map_err(|error| Trouble::passing(Kind::Disk, error))?;
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
    // By the handle that holds its lock: on Windows another can't read it yet.
    let mut file = file.as_file();
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(|error| Trouble::disk(&error))?;
    Ok(downloader::has_end(&bytes))
}
