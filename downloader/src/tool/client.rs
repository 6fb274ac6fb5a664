//! The HTTP client: one request after another, as redirects lead on.

use std::io::ErrorKind as IoKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cookie_store::CookieStore;
use percent_encoding::percent_decode_str;
use ureq::http::header::{
    AUTHORIZATION, COOKIE, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE,
};
use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Error, Proxy};
use url::Url;

use super::connect::{HAS_CONNECTED, connector};
use super::error::{AttemptError, ErrorKind, Result};
use super::message::message;
use super::options::Options;
use super::proxy::{Proxies, takes_requests};
use super::redirect::{host, keep_credentials, next_hop};
use super::resolver::CachingResolver;
use super::response::pause;
use super::{retry, trust};

/// The value of `Accept`: what can be checked, and what is taken without a check.
const CHECKED: &str = "image/png,image/jpeg";
const ANY: &str = "image/*";

/// The HTTP client, shared by all threads.
pub(super) struct Client {
    agent: Agent,
    proxies: Proxies,
    options: Arc<Options>,
}

/// The way of an attempt along redirects.
pub(super) struct Route {
    /// The URL that is asked for first: its name and its password are for its origin.
    first: Url,
    /// The URL that is asked for next.
    url: Url,
    redirects: u32,
    /// The cookies that redirects have set.
    cookies: CookieStore,
    /// The rest of the attempt's time, when it begins or goes on.
    pub(super) time_left: Duration,
}

impl Route {
    pub(super) fn new(url: &Url, time_left: Duration) -> Self {
        let cookies = CookieStore::default();
        Self { first: url.clone(), url: url.clone(), redirects: 0, cookies, time_left }
    }

    /// Returns the host that is asked next.
    pub(super) fn host(&self) -> &str {
        host(&self.url)
    }

    /// Follows the redirect of a response with these headers.
    fn follow(&mut self, headers: &HeaderMap, most: u32) -> Result<()> {
        for cookie in headers.get_all(SET_COOKIE) {
            // One that isn't understood isn't kept.
            let cookie = std::str::from_utf8(cookie.as_bytes());
            let _ = cookie.map(|cookie| self.cookies.parse(cookie, &self.url));
        }
        let failed = |message| AttemptError::permanent(ErrorKind::Redirect, message);
        let to = headers.get(LOCATION).map(HeaderValue::as_bytes);
        self.url = next_hop(&self.url, to).map_err(failed)?;
        if self.url.origin() == self.first.origin() {
            // Also if it is reached again by way of another server.
            keep_credentials(&mut self.url, &self.first);
        }
        self.redirects += 1;
        if self.redirects > most {
            return Err(failed(message!("redirected more than {} times", most)));
        }
        Ok(())
    }
}

impl Client {
    /// Makes the client. An error names the variable of the environment that can't be used.
    pub(super) fn new(options: &Arc<Options>) -> Result<Self, String> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(trust::root_certs()?).build())
            .user_agent(concat!("downloader/", env!("CARGO_PKG_VERSION")))
            .accept(if options.is_checked() { CHECKED } else { ANY })
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_send_request(Some(options.first_byte_timeout))
            .timeout_recv_response(Some(options.first_byte_timeout))
            .timeout_per_read(Some(options.stall_timeout))
            .max_idle_connections(options.connections)
            .max_idle_connections_per_host(options.connections)
            .build();
        let connector = connector(config.clone());
        let agent = Agent::with_parts(config, connector, CachingResolver::default());
        Ok(Self { agent, proxies: Proxies::from_env()?, options: Arc::clone(options) })
    }

    /// Makes a request, and follows redirects as long as they stay at the host; `None` if one leads
    /// to another host, which must not be asked before it has a free slot. Notes the status of the
    /// last response.
    pub(super) fn request(
        &self,
        route: &mut Route,
        headers: &[(HeaderName, HeaderValue)],
        deadline: Instant,
        status: &mut Option<u16>,
    ) -> Result<Option<Response<Body>>> {
        loop {
            let response = self.send(route, headers, deadline);
            let mut response = response
                .map_err(|error| self.name_proxy(route, AttemptError::before_body(error)))?;
            *status = Some(response.status().as_u16());
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Some(response));
            }
            drain(&mut response);
            let host = route.host().to_owned();
            route.follow(response.headers(), self.options.max_redirects)?;
            if route.host() != host {
                return Ok(None);
            }
        }
    }

    /// Makes the error of a response that is one.
    pub(super) fn refused(&self, route: &Route, response: &mut Response<Body>) -> AttemptError {
        let status = response.status().as_u16();
        let mut message = match response.status().canonical_reason() {
            // It is never the server's (RFC 9110, 15.5.8).
            Some(reason) if status == 407 => message!("the proxy says {} {}", status, reason),
            Some(reason) => message!("the server says {} {}", status, reason),
            None => message!("the server says {} a status without a name", status),
        };
        let mut is_temporary = retry::is_temporary(status);
        let pause = pause(response.headers()).filter(|_| is_temporary);
        drain(response);
        if let Some(long) = pause.filter(|pause| *pause > self.options.max_wait) {
            message += message!(", and wants a pause of {} s", long.as_secs());
            is_temporary = false;
        }
        let error = AttemptError { kind: ErrorKind::HttpStatus, message, is_temporary, pause };
        self.name_proxy(route, error)
    }

    /// Names the proxy in a failure that may be its own: no response, or a status of a response
    /// that it can give itself.
    fn name_proxy(&self, route: &Route, mut error: AttemptError) -> AttemptError {
        let is_status = error.kind == ErrorKind::HttpStatus;
        let may_be = |proxy: &&Proxy| !is_status || takes_requests(proxy, Some(route.url.scheme()));
        if let Some(proxy) = self.proxies.of(&route.url).filter(may_be) {
            let place = format!("{}:{}", proxy.host(), proxy.port());
            error.message += message!(" (through the proxy {})", place);
        }
        error
    }

    /// Sends a request. A server may close a connection that it has kept just when it is used
    /// again, or send what doesn't belong there: then the request goes out again on a new one
    /// (RFC 9112 §9.3.1).
    fn send(
        &self,
        route: &Route,
        headers: &[(HeaderName, HeaderValue)],
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        HAS_CONNECTED.set(false);
        let response = self.send_once(route, headers, deadline, None);
        let is_outdated = !HAS_CONNECTED.get()
            && match &response {
                Err(error) => is_of_connection(error),
                // It has waited for a request for too long (RFC 9110, 15.5.9).
                Ok(response) => response.status() == 408,
            };
        match is_outdated {
            true => self.send_once(route, headers, deadline, Some(Duration::ZERO)),
            false => response,
        }
    }

    /// Sends a request over a connection that has been idle no longer than this, or a new one.
    fn send_once(
        &self,
        route: &Route,
        headers: &[(HeaderName, HeaderValue)],
        deadline: Instant,
        idle: Option<Duration>,
    ) -> Result<Response<Body>, Error> {
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
        let cookies = route.cookies.get_request_values(&route.url);
        let cookies: Vec<_> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
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
        let left = deadline.saturating_duration_since(Instant::now());
        let mut config = request.config().proxy(proxy.cloned()).timeout_global(Some(left));
        if let Some(idle) = idle {
            config = config.max_idle_age(idle);
        }
        config.build().call()
    }
}

/// Reads a short body that isn't wanted to its end: then its connection can be used again.
pub(super) fn drain(response: &mut Response<Body>) {
    if response.body().content_length().is_some_and(|length| length <= 16 << 10) {
        let _ = response.body_mut().read_to_vec();
    }
}

/// Returns true if the reason for an error may be the connection alone, which has been used before.
fn is_of_connection(error: &Error) -> bool {
    use IoKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let broken = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    match error {
        Error::Io(error) => broken.contains(&error.kind()),
        // The rest of a response before, for example.
        Error::Protocol(_) | Error::LargeResponseHeader(..) => true,
        _ => false,
    }
}

/// Returns the header for the name and the password in a URL, if there are any.
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
