//! [`Download`]: a URL on its way from the list to the report.

use std::time::{Duration, Instant};

use url::Url;

use super::client::Route;
use super::error::AttemptError;
use super::message::Message;
use super::partial::Partial;
use super::redirect::host;
use super::report::{Outcome, Status};

/// The number of requests for a rest, in vain and in a row, after which only the whole file is
/// asked for.
const RANGE_REFUSALS: u32 = 2;

/// A URL, and what has come of it so far.
pub(super) struct Download {
    pub(super) url: Url,
    /// The line in the list, from 1.
    line: u64,
    /// The time of the first attempt.
    begun: Option<Instant>,
    /// The earliest time of the next attempt.
    pub(super) due: Option<Instant>,
    /// The number of attempts that have failed and brought nothing.
    pub(super) failures: u32,
    /// The reason why the host must not be asked, if the frontier has found one.
    pub(super) refusal: Option<Message>,
    /// The number of requests, redirects not counted.
    attempts: u32,
    /// The status code of the last response.
    pub(super) http_status: Option<u16>,
    /// The number of bytes that have come, also if they are thrown away.
    pub(super) bytes: u64,
    /// The bytes that have come, if the rest of them can be asked for.
    pub(super) partial: Option<Partial>,
    /// The length of the longest part so far.
    longest: u64,
    range_refusals: u32,
    /// The host whose slot is held until the file is checked: if its parts don't belong together,
    /// whatever the server says, all of it is asked for.
    pub(super) held_host: Option<String>,
    /// The route of an attempt that waits for a slot at the host that is asked next.
    pub(super) route: Option<Route>,
}

impl Download {
    pub(super) fn new(line: u64, url: Url) -> Self {
        Self {
            url,
            line,
            begun: None,
            due: None,
            failures: 0,
            refusal: None,
            attempts: 0,
            http_status: None,
            bytes: 0,
            partial: None,
            longest: 0,
            range_refusals: 0,
            held_host: None,
            route: None,
        }
    }

    /// Returns the host that is asked next.
    pub(super) fn host(&self) -> &str {
        self.route.as_ref().map_or_else(|| host(&self.url), Route::host)
    }

    /// Notes that an attempt begins now, or goes on.
    pub(super) fn begin(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
        self.due = None;
    }

    /// Begins the route of a request, and counts the request.
    pub(super) fn start_route(&mut self, time_left: Duration) -> Route {
        self.attempts += 1;
        Route::new(&self.url, time_left)
    }

    /// Notes that the rest was asked for in vain, perhaps because the server can't serve ranges.
    pub(super) fn doubt_ranges(&mut self) {
        self.range_refusals += 1;
        self.partial.take_if(|_| self.range_refusals >= RANGE_REFUSALS);
    }

    /// Notes that the server can serve ranges.
    pub(super) fn trust_ranges(&mut self) {
        self.range_refusals = 0;
    }

    /// Has the next request ask for the whole file, and none after it for a part.
    pub(super) fn start_over(&mut self) {
        self.partial = None;
        self.range_refusals = RANGE_REFUSALS;
    }

    /// Keeps what has come, if the rest can be asked for; returns true if so.
    pub(super) fn keep(&mut self, partial: Partial) -> bool {
        let is_kept = partial.can_go_on() && self.range_refusals < RANGE_REFUSALS;
        self.partial = Some(partial).filter(|_| is_kept);
        is_kept
    }

    /// Counts an attempt that has failed, unless it has brought a good part of the file.
    pub(super) fn count_attempt(&mut self, has_failed: bool) {
        match &self.partial {
            Some(partial) if partial.is_progress(partial.length.saturating_sub(self.longest)) => {
                self.longest = partial.length;
            }
            _ => self.failures += u32::from(has_failed),
        }
    }

    pub(super) fn outcome(&self, status: Status) -> Outcome {
        Outcome {
            url: self.url.to_string(),
            line: self.line,
            status,
            http_status: self.http_status,
            attempts: self.attempts,
            bytes: self.bytes,
            seconds: self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64()),
            ..Outcome::default()
        }
    }

    pub(super) fn failed(&self, error: AttemptError) -> Outcome {
        Outcome {
            error: Some(error.kind),
            message: Some(error.message.english),
            shown: error.message.shown,
            ..self.outcome(Status::Failed)
        }
    }
}
