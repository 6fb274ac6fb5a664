//! Requests: one host after another is asked for an address, as redirects lead on.

use std::cell::Cell;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cookie_store::CookieStore;
use percent_encoding::percent_decode_str;
use ureq::http::header::{
    AUTHORIZATION, COOKIE, DATE, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION,
    RETRY_AFTER, SET_COOKIE,
};
use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, RustlsConnector, SocksConnector,
    TcpConnector, Transport,
};
use ureq::{Agent, Body, Error, Proxy};
use url::Url;

use super::headers::{keep_credentials, next_hop};
use super::names::Names;
use super::outcome::Kind;
use super::patience::Patience;
use super::proxy::{Proxies, ToProxy, copy, takes_requests};
use super::retry;
use super::trouble::{Trouble, trouble};
use super::trust;

/// The value of `Accept`: what can be checked, and what is taken without a check.
const CHECKED: &str = "image/png,image/jpeg";
const ANY: &str = "image/*";

thread_local! {
    /// True if the thread has made a connection since this was last set to false.
    static HAS_CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// The HTTP client, shared by all threads.
pub(super) struct Asker {
    agent: Agent,
    proxies: Proxies,
    redirects: u32,
}

/// An attempt's way through redirects.
pub(super) struct Route {
    /// The address that is asked for first: its name and its password are for its origin.
    first: Url,
    /// The address that is asked for next.
    url: Url,
    /// The host that is asked next.
    host: String,
    redirects: u32,
    /// The cookies that redirects have set.
    cookies: CookieStore,
    /// The rest of the attempt's time.
    pub(super) left: Duration,
}

/// The outcome of a request.
pub(super) enum Asked {
    Answer(Response<Body>),
    /// A redirect leads to another host, which must not be asked before it has a free slot.
    Moved,
}

impl Route {
    pub(super) fn new(url: &Url, left: Duration) -> Self {
        let cookies = CookieStore::default();
        let (first, host) = (url.clone(), host(url));
        Self { url: url.clone(), first, host, redirects: 0, cookies, left }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// Returns the host of an address, with its port if that isn't the usual one.
pub(super) fn host(url: &Url) -> String {
    url.authority().rsplit('@').next().unwrap_or_default().to_owned()
}

impl Asker {
    /// Makes the client. An error names the variable of the environment that can't be used.
    pub(super) fn new(
        connections: usize,
        patience: &Patience,
        is_checked: bool,
    ) -> Result<Self, String> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(trust::root_certs()?).build())
            .user_agent(concat!("downloader/", env!("CARGO_PKG_VERSION")))
            .accept(if is_checked { CHECKED } else { ANY })
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_send_request(Some(patience.first_byte))
            .timeout_recv_response(Some(patience.first_byte))
            .timeout_per_read(Some(patience.stall))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .build();
        let connector = ToProxy { config: config.clone() }
            .chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Secure(RustlsConnector::default()));
        let agent = Agent::with_parts(config, connector, Names::default());
        Ok(Self { agent, proxies: Proxies::from_env()?, redirects: patience.redirects })
    }

    /// Asks, and follows redirects as long as they stay at the host. The status of the last answer
    /// is noted.
    pub(super) fn ask(
        &self,
        route: &mut Route,
        headers: &[(HeaderName, HeaderValue)],
        status: &mut Option<u16>,
    ) -> Result<Asked, Trouble> {
        let deadline = Instant::now() + route.left;
        loop {
            route.left = deadline.saturating_duration_since(Instant::now());
            let answer = self.call(route, headers);
            let mut answer = answer
                .map_err(|error| self.name_proxy(route, trouble(error, Kind::FirstByteTimeout)))?;
            *status = Some(answer.status().as_u16());
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Asked::Answer(answer));
            }
            drain(&mut answer);
            for cookie in answer.headers().get_all(SET_COOKIE) {
                // One that isn't understood isn't kept.
                let cookie = std::str::from_utf8(cookie.as_bytes());
                let _ = cookie.map(|cookie| route.cookies.parse(cookie, &route.url));
            }
            let to = answer.headers().get(LOCATION).map(HeaderValue::as_bytes);
            let to = next_hop(&route.url, to);
            route.url = to.map_err(|why| Trouble::lasting(Kind::Redirect, why))?;
            if route.url.origin() == route.first.origin() {
                // Also if it is reached again by way of another server.
                keep_credentials(&mut route.url, &route.first);
            }
            if route.redirects == self.redirects {
                let message = format!("redirected more than {} times", self.redirects);
                return Err(Trouble::lasting(Kind::Redirect, message));
            }
            route.redirects += 1;
            let next = host(&route.url);
            if next != route.host {
                route.host = next;
                route.left = deadline.saturating_duration_since(Instant::now());
                return Ok(Asked::Moved);
            }
        }
    }

    /// Names the proxy in a failure that may be its own: no answer, or a status of an answer that
    /// it can give itself.
    pub(super) fn name_proxy(&self, route: &Route, mut trouble: Trouble) -> Trouble {
        let is_status = trouble.failed.kind == Kind::HttpStatus;
        let proxy = self.proxies.of(&route.url);
        let may_be = |proxy: &&Proxy| !is_status || takes_requests(proxy, Some(route.url.scheme()));
        if let Some(proxy) = proxy.filter(may_be) {
            let place = format!("{}:{}", proxy.host(), proxy.port());
            trouble.failed.message += &format!(" (through the proxy {place})");
        }
        trouble
    }

    /// Asks once. A server may close a connection that it has kept just when it is used again, or
    /// send what doesn't belong there: then the request goes out again on a new one (RFC 9112
    /// §9.3.1).
    fn call(
        &self,
        route: &Route,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Response<Body>, Error> {
        let begin = Instant::now();
        let call = |idle: Option<Duration>| {
            let mut url = route.url.clone();
            // Name and password are sent decoded, in a header.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            let mut request = self.agent.get(url.as_str());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if let Some(authorization) = credentials(&route.url) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let cookies: Vec<String> = route
                .cookies
                .get_request_values(&route.url)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            if !cookies.is_empty() {
                request = request.header(COOKIE, cookies.join("; ").as_bytes());
            }
            let proxy = self.proxies.of(&route.url);
            if let Some(proxy) = proxy.filter(|proxy| takes_requests(proxy, Some(url.scheme())))
                && let Some(name) = proxy.username()
            {
                let value = basic(name.as_bytes(), proxy.password().unwrap_or_default().as_bytes());
                request = request.header(PROXY_AUTHORIZATION, value);
            }
            let left = route.left.saturating_sub(begin.elapsed());
            let config = request.config().proxy(proxy.cloned()).timeout_global(Some(left));
            let config = match idle {
                Some(idle) => config.max_idle_age(idle),
                None => config,
            };
            config.build().call()
        };
        HAS_CONNECTED.set(false);
        match call(None) {
            Err(error) if !HAS_CONNECTED.get() && is_of_connection(&error) => {
                call(Some(Duration::ZERO))
            }
            // It has waited for a request for too long (RFC 9110, 15.5.9).
            Ok(answer) if !HAS_CONNECTED.get() && answer.status() == 408 => {
                call(Some(Duration::ZERO))
            }
            answer => answer,
        }
    }
}

/// Reads a short answer that isn't wanted to its end: then its connection can be used again.
pub(super) fn drain(answer: &mut Response<Body>) {
    if answer.body().content_length().is_some_and(|length| length <= 16 << 10) {
        let _ = answer.body_mut().read_to_vec();
    }
}

/// Returns true if the reason for an error may be the connection alone, which has been used before.
fn is_of_connection(error: &Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let broken = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    match error {
        Error::Io(error) => broken.contains(&error.kind()),
        // The rest of an answer before, for example.
        Error::Protocol(_) | Error::LargeResponseHeader(..) => true,
        _ => false,
    }
}

/// Returns the pause that an answer asks for. A date counts from the server's own.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    retry::retry_after(text(RETRY_AFTER)?, now.unwrap_or_else(SystemTime::now))
}

/// Returns the header for the name and the password in an address, if there are any.
fn credentials(url: &Url) -> Option<String> {
    let password = url.password();
    if url.username().is_empty() && password.is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    Some(basic(&decoded(url.username()), &decoded(password.unwrap_or_default())))
}

/// Returns the header of basic authentication (RFC 7617).
fn basic(name: &[u8], password: &[u8]) -> String {
    format!("Basic {}", BASE64_STANDARD.encode([name, b":", password].concat()))
}

/// TLS. The settings are the same for all requests: so they, the certificates among them, are read
/// once. Notes that a connection has been made.
#[derive(Debug)]
struct Secure(RustlsConnector);

impl<In: Transport> Connector<In> for Secure {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        HAS_CONNECTED.set(true);
        let details = ConnectionDetails { request_level: false, ..copy(details) };
        self.0.connect(&details, chained)
    }
}
