//! What an answer's headers say: where a redirect leads, which part came, how to ask for the rest.

use ureq::http::HeaderMap;
use ureq::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED};
use url::Url;

/// Where a redirect leads: nowhere else than to http and https, and never from https to http.
pub(super) fn next_hop(from: &Url, to: Option<&str>) -> Result<Url, String> {
    let to = to.ok_or("redirected to nowhere")?;
    let next = from.join(to).map_err(|error| format!("redirected to \"{to}\": {error}"))?;
    match (from.scheme(), next.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(next),
        ("https", "http") => Err(format!("redirected from https to {next}")),
        _ => Err(format!("redirected to {next}: only http and https")),
    }
}

/// Of `bytes 5-9/10` the first and the last number; either may be missing.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (part, all) = range.split_once('/')?;
    let first = part.split_once('-').and_then(|(first, _)| first.trim().parse().ok());
    Some((first, all.trim().parse().ok()))
}

/// The entity tag, if it is a strong one, or the date of the last change.
pub(super) fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = text(ETAG).filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(LAST_MODIFIED)).map(str::to_owned)
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
