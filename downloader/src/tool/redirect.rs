//! Where a redirect leads, and what goes there with it.

use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use super::message::{Message, message};

/// The set of bytes that are encoded besides those that are not ASCII: none.
const NON_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// Returns the host of a URL, with its port if that isn't the usual one.
pub(super) fn host(url: &Url) -> &str {
    url.authority().rsplit('@').next().unwrap_or_default()
}

/// Returns where a redirect leads: nowhere else than to http and https, and never from https to
/// http. Other letters than ASCII are taken as the bytes they are, in any encoding. A name and a
/// password stay with their server, also when it changes to https.
pub(super) fn next_hop(from: &Url, to: Option<&[u8]>) -> Result<Url, Message> {
    let to = to
        .filter(|to| !to.trim_ascii().is_empty())
        .ok_or_else(|| message!("redirected to nowhere"))?;
    let to = percent_encode(to, NON_ASCII).to_string();
    let mut next = from
        .join(&to)
        .map_err(|error| message!("redirected to \"{}\": {}", hide_password(&to), error))?;
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
        ("https", "http") => Err(message!("redirected from https to {}", shown)),
        _ => Err(message!("redirected to {}: only http and https", shown)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, to: &str) -> Result<String, String> {
        let next = next_hop(&Url::parse(from).unwrap(), Some(to.as_bytes()));
        next.map(String::from).map_err(|message| message.english)
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
}
