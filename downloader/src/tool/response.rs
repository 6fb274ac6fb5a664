//! What the headers of a response say: which part came, how to ask for the rest, when to ask again.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue};

/// A `Content-Range`: `bytes 5-9/10`, or `bytes */10` of a range that can't be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The range from the first byte to behind the last.
    pub(super) part: Option<Range<u64>>,
    /// The length of the whole file, if the server knows it.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// Reads the header; `None` if there is none, one without sense, or several. A body of several
    /// parts has none (RFC 9110, 15.3.7.2).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        let is_multipart =
            kind.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"));
        let mut ranges = headers.get_all(CONTENT_RANGE).iter();
        let (Some(range), None, false) = (ranges.next(), ranges.next(), is_multipart) else {
            return None;
        };
        let text = range.to_str().ok()?.trim();
        let (unit, range) = text.split_once([' ', '\t'])?;
        let (part, total) = range.split_once('/')?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let total = if total.trim() == "*" { None } else { Some(number(total)?) };
        let part = match part.trim() {
            "*" => None,
            part => {
                let (first, last) = part.split_once('-')?;
                Some(number(first)?..number(last)?.checked_add(1)?)
            }
        };
        let is_sound = part
            .as_ref()
            .is_none_or(|part| !part.is_empty() && total.is_none_or(|total| part.end <= total));
        (is_sound && unit.eq_ignore_ascii_case("bytes")).then_some(Self { part, total })
    }
}

/// Returns the strong validator of a response: the entity tag, or the date of the last change if
/// the response is at least a second younger (RFC 9110, 8.8.2.2). Beside a tag, also a weak one,
/// the date doesn't count (13.1.5).
pub(super) fn validator(headers: &HeaderMap) -> Option<&HeaderValue> {
    if let Some(tag) = headers.get(ETAG) {
        return Some(tag).filter(|tag| tag.as_bytes().starts_with(b"\""));
    }
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    let is_strong = date(DATE)? >= date(LAST_MODIFIED)? + Duration::from_secs(1);
    headers.get(LAST_MODIFIED).filter(|_| is_strong)
}

/// Returns the pause that a response asks for. A date counts from the server's own.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    retry_after(text(RETRY_AFTER)?, now.unwrap_or_else(SystemTime::now))
}

/// Returns the wait that a `Retry-After` asks for, in seconds or until a date; `None` if it is
/// neither.
fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderName;

    use super::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_content_range_is_read_in_all_its_forms() {
        let read = |text: &str| ContentRange::of(&headers(&[(CONTENT_RANGE, text)]));
        let range = |part, total| Some(ContentRange { part, total });
        assert_eq!(read("bytes 5-9/10"), range(Some(5..10), Some(10)));
        assert_eq!(read("Bytes  5 - 9 / 10 "), range(Some(5..10), Some(10)));
        assert_eq!(read("bytes 5-5/*"), range(Some(5..6), None));
        assert_eq!(read("BYTES */10"), range(None, Some(10)));
        let beyond = format!("bytes 5-{}/*", u64::MAX);
        for other in [
            "5-9/10",
            "bytes 5-9",
            "bytes",
            "",
            "lines 5-9/10",
            "bytes 5-/10",
            "bytes -9/10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes 5-9/x",
            &beyond,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_strong_tag_or_an_old_date_is_a_validator() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        let is = |fields: &[(HeaderName, &str)]| {
            validator(&headers(fields)).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(is(&[(ETAG, "\"x\"")]).unwrap(), "\"x\"");
        assert_eq!(is(&[(ETAG, "W/\"x\"")]), None);
        assert_eq!(is(&[(LAST_MODIFIED, date), (DATE, later)]).unwrap(), date);
        assert_eq!(is(&[(LAST_MODIFIED, date), (DATE, date)]), None);
        assert_eq!(is(&[(LAST_MODIFIED, date)]), None);
        assert_eq!(is(&[(LAST_MODIFIED, "yesterday"), (DATE, later)]), None);
        assert_eq!(is(&[(ETAG, "W/\"x\""), (LAST_MODIFIED, date), (DATE, later)]), None);
        let accent = HeaderValue::from_bytes(b"\"caf\xe9\"").unwrap();
        assert_eq!(validator(&HeaderMap::from_iter([(ETAG, accent.clone())])), Some(&accent));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let then = httpdate::parse_http_date(date).unwrap();
        let before = then - Duration::from_secs(90);
        assert_eq!(retry_after("120", before), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", before), Some(Duration::ZERO));
        assert_eq!(retry_after(date, before), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Sunday, 06-Nov-94 08:49:37 GMT", then), Some(Duration::ZERO));
        assert_eq!(retry_after(date, then + Duration::from_secs(9)), Some(Duration::ZERO));
        for other in ["", "soon", "-1", "1.5", "12 s"] {
            assert_eq!(retry_after(other, before), None, "{other}");
        }
        let forever = "9".repeat(40);
        assert_eq!(retry_after(&forever, before), Some(Duration::from_secs(u64::MAX)));
    }
}
