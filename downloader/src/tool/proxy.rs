//! Proxies: which one a URL is fetched through, as the environment says it.
//!
//! What curl reads is read: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, also in
//! capital letters.

use std::env;

use common::text;
use hyper_util::client::proxy::matcher::Matcher;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};
use url::Url;

/// The schemes of proxies that can be used.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The proxies of a run.
#[derive(Debug)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// A matcher that intercepts what goes through a proxy.
    no_proxy: Matcher,
}

/// A variable of the environment.
struct Variable {
    name: String,
    value: String,
}

impl Proxies {
    /// Reads the environment. An error names the variable that can't be used.
    pub(super) fn from_env() -> Result<Self, String> {
        let proxy = |name: &str| {
            let found = variable(name)?;
            found.map_or_else(|| variable("all_proxy"), |found| Ok(Some(found)))
        };
        let no_proxy = variable("no_proxy")?.map_or(String::new(), |found| found.value);
        Self::new(proxy("http_proxy")?, proxy("https_proxy")?, &no_proxy)
    }

    fn new(
        http: Option<Variable>,
        https: Option<Variable>,
        no_proxy: &str,
    ) -> Result<Self, String> {
        let read = |variable: Option<Variable>| {
            variable
                .map(|Variable { name, value }| {
                    read(&value).map_err(|why| text!("{}: this proxy can't be used: {}", name, why))
                })
                .transpose()
        };
        let (http, https) = (read(http)?, read(https)?);
        let hosts = no_proxy.split(|letter: char| letter == ',' || letter.is_whitespace());
        let hosts: Vec<&str> = hosts.collect();
        if hosts.contains(&"*") {
            return Ok(Self { http: None, https: None, no_proxy: Matcher::builder().build() });
        }
        let plain = |host: &&str| {
            host.trim_start_matches('*').trim_matches(['[', ']']).trim_end_matches('.').to_owned()
        };
        let hosts = hosts.iter().map(plain).collect::<Vec<_>>().join(",");
        // Which proxy it is doesn't matter here.
        Ok(Self { http, https, no_proxy: Matcher::builder().all("http://a").no(hosts).build() })
    }

    /// Returns the proxy that a URL is fetched through.
    pub(super) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        let proxy = proxy.as_ref()?;
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let uri = format!("{}://{host}/", url.scheme()).parse::<Uri>();
        // Rather through the proxy than past it.
        let is_direct = uri.is_ok_and(|uri| self.no_proxy.intercept(&uri).is_none());
        (!is_direct).then_some(proxy)
    }
}

/// Returns true if a proxy gets the URL itself, in the request line.
pub(super) fn takes_requests(proxy: &Proxy, scheme: Option<&str>) -> bool {
    scheme == Some("http") && matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
}

/// Finds a variable, whose name may be in capital letters. An empty one counts as none.
fn variable(name: &str) -> Result<Option<Variable>, String> {
    for name in [name.to_owned(), name.to_ascii_uppercase()] {
        let Some(value) = env::var_os(&name) else { continue };
        let Ok(value) = value.into_string() else { return Err(text!("{}: not UTF-8", name)) };
        if !value.trim().is_empty() {
            return Ok(Some(Variable { name, value: value.trim().to_owned() }));
        }
    }
    Ok(None)
}

/// Reads the address of a proxy, by curl's rules: without a scheme it is http, `socks` is SOCKS 4,
/// and an http proxy without a port has 1080.
fn read(text: &str) -> Result<Proxy, String> {
    let has_scheme = text.contains("://");
    let text = if has_scheme { text.to_owned() } else { format!("http://{text}") };
    let text =
        text.strip_prefix("socks://").map_or(text.clone(), |rest| format!("socks4://{rest}"));
    let mut url = Url::parse(&text).map_err(|error| error.to_string())?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(text!("{} is none of {}", url.scheme(), SCHEMES.join(", ")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(text!("it has no host"));
    }
    let authority = text.split('/').nth(2).and_then(|place| place.rsplit(['@', ']']).next());
    if url.scheme() == "http" && authority.is_some_and(|place| !place.contains(':')) {
        let _ = url.set_port(Some(1080));
    }
    Proxy::new(url.as_str()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(http: &str, no_proxy: &str) -> Result<Proxies, String> {
        let http = Variable { name: "http_proxy".to_owned(), value: http.to_owned() };
        Proxies::new(Some(http), None, no_proxy)
    }

    #[test]
    fn a_proxy_is_read_as_people_write_it() {
        for (text, protocol, host, port) in [
            ("proxy:3128", ProxyProtocol::Http, "proxy", 3128),
            ("proxy", ProxyProtocol::Http, "proxy", 1080),
            ("http://ann:p@[::1]/", ProxyProtocol::Http, "[::1]", 1080),
            ("socks://proxy:1", ProxyProtocol::Socks4, "proxy", 1),
            ("HTTP://proxy:80/", ProxyProtocol::Http, "proxy", 80),
            ("http://[::1]:3128", ProxyProtocol::Http, "[::1]", 3128),
            ("https://proxy", ProxyProtocol::Https, "proxy", 443),
            ("socks4a://proxy:1", ProxyProtocol::Socks4A, "proxy", 1),
            ("socks5h://proxy", ProxyProtocol::Socks5h, "proxy", 1080),
        ] {
            let proxy = read(text).unwrap();
            assert_eq!((proxy.protocol(), proxy.host(), proxy.port()), (protocol, host, port));
        }
        let proxy = read("ann%40example.org:p%3Aw@proxy:3128").unwrap();
        assert_eq!(proxy.username(), Some("ann@example.org"));
        assert_eq!(proxy.password(), Some("p:w"));
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_the_variable_and_no_password() {
        for text in [
            "ftp://ann:secret@proxy",
            "socks6://ann:secret@proxy",
            "http://ann:secret@",
            "http://",
            "http://ann:secret@proxy:99999",
            "http://ann:secret@proxy:port",
            "http://ann:%ff@proxy",
            "a b",
        ] {
            let error = proxies(text, "").unwrap_err();
            assert!(error.starts_with("http_proxy"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_host_that_no_proxy_names_is_reached_directly() {
        let no_proxy = " example.org,.example.com  10.0.0.0/8,192.168.0.1, [::1] fd00::/8,*.net. ";
        let proxies = proxies("proxy:3128", no_proxy).unwrap();
        let is_direct =
            |host: &str| proxies.of(&Url::parse(&format!("http://{host}/a")).unwrap()).is_none();
        for host in [
            "example.org",
            "EXAMPLE.org.",
            "www.example.org:81",
            "example.com",
            "www.example.com",
            "10.1.2.3",
            "192.168.0.1",
            "[::1]:81",
            "[fd00::2]",
            "www.net",
        ] {
            assert!(is_direct(host), "{host}");
        }
        for host in ["notexample.org", "example.org.uk", "11.0.0.1", "[::2]", "localhost"] {
            assert!(!is_direct(host), "{host}");
        }
        let https = Url::parse("https://notexample.org/").unwrap();
        assert!(proxies.of(&https).is_none());
    }
}
