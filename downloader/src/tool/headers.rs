//! What an answer's headers say: where a redirect leads, which part came, how to ask for the rest.

use std::ops::Range;
use std::time::Duration;

use percent_encoding::{AsciiSet, percent_encode};
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, LAST_MODIFIED};
use ureq::http::{HeaderMap, HeaderValue};
use url::Url;

/// Returns where a redirect leads: nowhere else than to http and https, and never from https to
/// http. Other letters than ASCII are taken as the bytes they are, in any encoding. A name and a
/// password stay with their server, also when it changes to https.
pub(super) fn next_hop(from: &Url, to: Option<&[u8]>) -> Result<Url, String> {
    let to = to.filter(|to| !to.trim_ascii().is_empty()).ok_or("redirected to nowhere")?;
    let to = percent_encode(to, NON_ASCII).to_string();
    let mut next = from
        .join(&to)
        .map_err(|error| format!("redirected to \"{}\": {error}", hide_password(&to)))?;
    let is_same_server = next.host() == from.host()
        && match (from.scheme(), next.scheme()) {
            ("http", "https") => from.port().is_none() && next.port().is_none(),
            _ => from.port() == next.port(),
        };
    if is_same_server {
        keep_credentials(&mut next, from);
    }
    let shown = hide_password(next.as_str());
    match (from.scheme(), next.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(next),
        ("https", "http") => Err(format!("redirected from https to {shown}")),
        _ => Err(format!("redirected to {shown}: only http and https")),
    }
}

/// Gives an address the name and the password of another, unless it has some itself.
pub(super) fn keep_credentials(next: &mut Url, from: &Url) {
    if next.username().is_empty() && next.password().is_none() {
        let name = next.set_username(from.username());
        // It has a host, so it can have them.
        let _ = name.and_then(|()| next.set_password(from.password()));
    }
}

/// Returns a text without the password of an address in it, also of one that can't be read.
pub(super) fn hide_password(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#', ' ', '"']).unwrap_or(rest.len());
    let hidden = rest[..end].rsplit_once('@').and_then(|(user, host)| {
        let (name, _) = user.split_once(':')?;
        Some(format!("{before}://{name}:***@{host}{}", hide_password(&rest[end..])))
    });
    hidden.unwrap_or_else(|| format!("{before}://{}", hide_password(rest)))
}

/// The set of bytes that are encoded besides those that are not ASCII: none.
const NON_ASCII: &AsciiSet = &AsciiSet::EMPTY;

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

/// Returns an answer's strong validator: the entity tag, or the date of the last change if the
/// answer is at least a second younger (RFC 9110, 8.8.2.2). Beside a tag, also a weak one, the date
/// doesn't count (13.1.5).
pub(super) fn validator(headers: &HeaderMap) -> Option<&HeaderValue> {
    if let Some(tag) = headers.get(ETAG) {
        return Some(tag).filter(|tag| tag.as_bytes().starts_with(b"\""));
    }
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    let is_strong = date(DATE)? >= date(LAST_MODIFIED)? + Duration::from_secs(1);
    headers.get(LAST_MODIFIED).filter(|_| is_strong)
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderName;

    use super::*;

    fn hop(from: &str, to: &str) -> Result<String, String> {
        next_hop(&Url::parse(from).unwrap(), Some(to.as_bytes())).map(String::from)
    }

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() {
        assert_eq!(hop("http://a/b/c?d", "e").unwrap(), "http://a/b/e");
        assert_eq!(hop("http://a/b/c", "../e?f").unwrap(), "http://a/e?f");
        assert_eq!(hop("http://a/b/c", "//e/f").unwrap(), "http://e/f");
        assert_eq!(hop("http://a/", "https://a/").unwrap(), "https://a/");
    }

    #[test]
    fn a_redirect_is_taken_in_utf_8_and_in_latin_1() {
        assert_eq!(hop("http://a/", "/caf\u{e9}?\u{e9}").unwrap(), "http://a/caf%C3%A9?%C3%A9");
        assert_eq!(hop("http://a/", "http://\u{4f8b}.org/").unwrap(), "http://xn--fsq.org/");
        let latin_1 = next_hop(&Url::parse("http://a/").unwrap(), Some(b"/caf\xe9?\xe9 b"));
        assert_eq!(latin_1.unwrap().as_str(), "http://a/caf%E9?%E9%20b");
    }

    #[test]
    fn a_password_stays_with_its_server() {
        for to in ["c", "/c", "http://a.org/c", "https://a.org/c", "//a.org/c"] {
            assert!(hop("http://x:y@a.org/b", to).unwrap().contains("://x:y@a.org/"), "{to}");
        }
        for to in ["http://b.org/", "https://a.org:81/", "http://a.org:443/", "http://www.a.org/"] {
            assert!(!hop("http://x:y@a.org/b", to).unwrap().contains('@'), "{to}");
        }
        assert_eq!(hop("http://x:y@a.org/", "//z@a.org/").unwrap(), "http://z@a.org/");
        assert!(!hop("https://a/", "http://x:secret@a/").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_redirect_never_leads_from_https_to_http_or_out_of_the_web() {
        for to in ["http://a/", "file:///etc/passwd", "ftp://a/", "data:,x", "http://"] {
            assert!(hop("https://a/b", to).is_err(), "{to}");
        }
        assert!(hop("http://a/b", "file:///etc/passwd").is_err());
        for nowhere in [None, Some(&b""[..]), Some(b" \t")] {
            assert!(next_hop(&Url::parse("http://a/").unwrap(), nowhere).is_err());
        }
    }

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
    fn a_password_is_hidden_also_where_the_address_cannot_be_read() {
        for (text, hidden) in [
            ("http://u:secret@a:99999/b", "http://u:***@a:99999/b"),
            ("http://u:s@e:c@/x", "http://u:***@/x"),
            ("a \"http://u:secret@[::1/x\" b", "a \"http://u:***@[::1/x\" b"),
            ("http://a/u:p@b http://:secret@c", "http://a/u:p@b http://:***@c"),
            ("http://u@a/", "http://u@a/"),
            ("a:b@c", "a:b@c"),
        ] {
            assert_eq!(hide_password(text), hidden);
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
}
