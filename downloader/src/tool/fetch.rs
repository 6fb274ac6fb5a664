//! An attempt to fetch an address into an unfinished file, or the rest of one.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use md5::Digest;
use tempfile::NamedTempFile;
use ureq::http::Response;
use ureq::http::header::{HeaderValue, IF_RANGE, RANGE};
use ureq::{Body, Error};
use url::Url;

use super::ask::{Asked, Asker, Route, drain, pause};
use super::content::{self, HEAD};
use super::folder::Folder;
use super::outcome::{Failed, Kind};
use super::part::Part;
use super::patience::Patience;
use super::retry;
use super::trouble::{Trouble, trouble};

/// The fetcher, which all threads share.
pub(super) struct Fetcher {
    asker: Asker,
    patience: Patience,
    folder: Arc<Folder>,
    /// True if only images that can be checked are wanted.
    checked: bool,
    /// True when all is to stop.
    stopped: Arc<AtomicBool>,
    /// The number of bytes that have come, for the progress.
    received: Arc<AtomicU64>,
}

/// The state of an address between attempts.
#[derive(Default)]
pub(super) struct Tried {
    /// The number of requests, redirects not counted.
    pub(super) attempts: u32,
    /// The number of attempts that have failed and brought nothing.
    pub(super) failures: u32,
    /// The status code of the last answer.
    pub(super) http_status: Option<u16>,
    /// The number of bytes that have come, also if they are thrown away.
    pub(super) bytes: u64,
    /// The part that has come, if the rest of it can be asked for.
    part: Option<Part>,
    /// The length of the longest part so far.
    longest: u64,
    /// The number of times in a row that the rest was asked for in vain.
    refusals: u32,
    /// The way of an attempt that waits for its turn at the host that is asked next.
    pub(super) route: Option<Route>,
}

/// The number of refusals after which only the whole file is asked for.
const REFUSALS: u32 = 2;

impl Tried {
    /// Notes that the rest was asked for in vain, perhaps because the server can't serve ranges.
    fn doubt_ranges(&mut self) {
        self.refusals += 1;
        self.part.take_if(|_| self.refusals >= REFUSALS);
    }

    /// Has the next attempt fetch the whole file, and never again a part of it.
    pub(super) fn begin_anew(&mut self) {
        self.part = None;
        self.refusals = REFUSALS;
    }
}

/// The result of a request.
enum Step {
    Whole(Box<Part>),
    /// The next request, for the rest or for all, need not wait.
    Again,
    /// A redirect leads to another host.
    Moved,
}

/// A whole file that has no name yet.
pub(super) struct Downloaded {
    pub(super) file: NamedTempFile,
    pub(super) md5: String,
    pub(super) extension: &'static str,
    /// True if its bytes have come with several answers.
    pub(super) is_joined: bool,
}

impl Fetcher {
    pub(super) fn new(
        asker: Asker,
        patience: Patience,
        folder: Arc<Folder>,
        checked: bool,
        (stopped, received): (Arc<AtomicBool>, Arc<AtomicU64>),
    ) -> Self {
        Self { asker, patience, folder, checked, stopped, received }
    }

    /// Asks until the file is whole or something fails, and notes what has come. An attempt that
    /// has to ask another host now has a route afterwards, and goes on when it is called again.
    pub(super) fn attempt(&self, url: &Url, tried: &mut Tried) -> Result<Downloaded, Trouble> {
        let mut route = tried.route.take().unwrap_or_else(|| {
            tried.attempts += 1;
            Route::new(url, self.patience.total)
        });
        let deadline = Instant::now() + route.left;
        let result = loop {
            match self.ask_for_rest(&mut route, tried) {
                Ok(Step::Whole(whole)) => break self.finish(*whole),
                Ok(Step::Moved) => {}
                Ok(Step::Again) => {
                    tried.attempts += 1;
                    let left = deadline.saturating_duration_since(Instant::now());
                    let next = Route::new(url, left);
                    let is_same_host = next.host() == route.host();
                    route = next;
                    if is_same_host {
                        continue;
                    }
                }
                Err(trouble) => break Err(trouble),
            }
            tried.route = Some(route);
            return Err(Trouble::passing(Kind::Redirect, "there is no place at the next host"));
        };
        match &tried.part {
            Some(part) if part.is_progress(part.length.saturating_sub(tried.longest)) => {
                tried.longest = part.length;
            }
            _ => tried.failures += u32::from(result.is_err()),
        }
        result
    }

    /// Asks once for what is missing.
    fn ask_for_rest(&self, route: &mut Route, tried: &mut Tried) -> Result<Step, Trouble> {
        tried.bytes = tried.part.as_ref().map_or(0, |part| part.length);
        let asked = self.ask(route, tried.part.as_ref(), &mut tried.http_status);
        let asked = asked.inspect_err(|trouble| {
            if matches!(trouble.failed.kind, Kind::Connection | Kind::FirstByteTimeout) {
                tried.doubt_ranges();
            }
        })?;
        let Asked::Answer(mut answer) = asked else { return Ok(Step::Moved) };
        let part = self.part_for(&mut answer, tried);
        let part = part.map_err(|trouble| match trouble.failed.kind {
            Kind::HttpStatus => self.asker.name_proxy(route, trouble),
            _ => trouble,
        })?;
        let Some(mut part) = part else { return Ok(Step::Again) };
        if part.total == Some(part.length) {
            return Ok(Step::Whole(Box::new(part)));
        }
        if part.total.is_some_and(|total| total > self.patience.bytes) {
            return Err(self.too_large());
        }
        let begin = part.length;
        let ended = self.receive(&mut answer, &mut part);
        tried.bytes = part.length;
        let need_not_wait = ended.is_ok() && part.is_progress(part.length - begin);
        let trouble = match ended {
            Ok(()) if part.is_whole().map_err(|error| Trouble::disk(&error))? => {
                return Ok(Step::Whole(Box::new(part)));
            }
            Ok(()) => part.short_of(part.total),
            Err(trouble) => trouble,
        };
        if trouble.may_pass && part.can_go_on() && tried.refusals < REFUSALS {
            tried.part = Some(part);
            if need_not_wait {
                return Ok(Step::Again);
            }
        }
        Err(trouble)
    }

    /// Returns the part that the body of an answer belongs to; `None` if all is to be asked for.
    fn part_for(
        &self,
        answer: &mut Response<Body>,
        tried: &mut Tried,
    ) -> Result<Option<Part>, Trouble> {
        let (code, length) = (answer.status().as_u16(), answer.body().content_length());
        let before = tried.part.take();
        let is_rest = before.is_some();
        match (code, before) {
            (206, before) => {
                let mut part = before.map_or_else(|| self.new_part(answer), Ok)?;
                if part.is_continued_by(answer.headers(), length) {
                    if is_rest {
                        tried.refusals = 0;
                        part.is_joined = true;
                    }
                    return Ok(Some(part));
                }
            }
            (200..=203 | 207..=299, _) => {
                let part = self.new_part(answer)?;
                return Ok(Some(Part { total: length, end: length, ..part }));
            }
            // All of it had come, but the connection broke before the server could say so.
            (416, Some(part)) if part.is_all(answer.headers()) => {
                return Ok(Some(Part { total: Some(part.length), ..part }));
            }
            (_, Some(part)) if retry::may_pass(code) => {
                tried.part = Some(part);
                if code >= 500 {
                    tried.doubt_ranges();
                }
                return Err(self.refused(code, answer));
            }
            _ => {}
        }
        if is_rest {
            tried.refusals = REFUSALS;
            drain(answer);
            return Ok(None);
        }
        Err(self.refused(code, answer))
    }

    /// Asks for all of it, or for the rest.
    fn ask(
        &self,
        route: &mut Route,
        part: Option<&Part>,
        status: &mut Option<u16>,
    ) -> Result<Asked, Trouble> {
        let range = part.and_then(|part| {
            let begin = HeaderValue::try_from(format!("bytes={}-", part.length)).ok()?;
            Some(vec![(RANGE, begin), (IF_RANGE, part.validator.clone()?)])
        });
        self.asker.ask(route, &range.unwrap_or_default(), status)
    }

    fn new_part(&self, answer: &Response<Body>) -> Result<Part, Trouble> {
        let file = self.folder.new_file().map_err(|error| Trouble::disk(&error))?;
        Ok(Part::new(file, answer.headers()))
    }

    /// Appends the body to the file.
    fn receive(&self, answer: &mut Response<Body>, part: &mut Part) -> Result<(), Trouble> {
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
            let was_known = part.head.len() == HEAD;
            part.append(&buffer[..length]).map_err(|error| Trouble::disk(&error))?;
            self.received.fetch_add(length as u64, Ordering::Relaxed);
            if !was_known && part.head.len() == HEAD {
                self.extension(part)?;
            }
        }
        match part.end {
            Some(end) if part.length > end => {
                // Nothing that such a server says of the part can be relied on.
                part.validator = None;
                Err(Trouble::passing(Kind::Protocol, "more bytes came than announced"))
            }
            Some(end) if part.length < end => Err(part.short_of(Some(end))),
            _ => Ok(()),
        }
    }

    /// Finishes a file whose bytes are all there: finds out its extension and its MD5.
    fn finish(&self, part: Part) -> Result<Downloaded, Trouble> {
        let extension = self.extension(&part)?;
        let shared = self.folder.share(&part.file);
        shared.map_err(|error| Trouble::passing(Kind::Disk, error))?;
        let md5 = downloader::hex(&part.md5.finalize());
        Ok(Downloaded { file: part.file, md5, extension, is_joined: part.is_joined })
    }

    fn extension(&self, part: &Part) -> Result<&'static str, Trouble> {
        content::extension(&part.head, self.checked).map_err(|mut failed| {
            if let Some(encoding) = part.encoding.as_ref().filter(|_| failed.kind == Kind::NoImage)
            {
                let encoding = String::from_utf8_lossy(encoding.as_bytes());
                failed.message += &format!("; it came with Content-Encoding: {encoding}");
            }
            // A server under load may send an empty answer.
            Trouble { may_pass: failed.kind == Kind::Empty, failed, pause: None }
        })
    }

    fn too_large(&self) -> Trouble {
        let message = format!("more than {} bytes", self.patience.bytes);
        Trouble::lasting(Kind::TooLarge, message)
    }

    /// Makes the error of an answer that is one.
    fn refused(&self, code: u16, answer: &mut Response<Body>) -> Trouble {
        let reason = answer.status().canonical_reason().unwrap_or("a status without a name");
        // 407 is never the server's (RFC 9110, 15.5.8).
        let who = if code == 407 { "proxy" } else { "server" };
        let message = format!("the {who} says {code} {reason}");
        let may_pass = retry::may_pass(code);
        let pause = pause(answer.headers()).filter(|_| may_pass);
        drain(answer);
        if let Some(long) = pause.filter(|pause| *pause > self.patience.pause) {
            let message = format!("{message}, and wants a pause of {} s", long.as_secs());
            return Trouble { pause, ..Trouble::lasting(Kind::HttpStatus, message) };
        }
        Trouble { failed: Failed::new(Kind::HttpStatus, message), may_pass, pause }
    }
}
