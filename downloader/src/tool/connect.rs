//! Connections: to a proxy that takes requests, and by TLS.
//!
//! ```text
//!   ToProxy ──▶ SOCKS ──▶ CONNECT ──▶ TCP ──▶ Secure
//!      │ the first that can makes the connection   ▲
//!      └──────────── to the proxy itself, by all of them again
//! ```
//!
//! To an HTTP proxy an https URL goes by CONNECT, which the client can; an http URL goes in the
//! request line (absolute form, RFC 9112 §3.2.2), which is written here.

use std::cell::Cell;

use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    SocksConnector, TcpConnector, Transport,
};

use super::proxy::takes_requests;

thread_local! {
    /// True if the thread has made a connection since this was last set to false.
    pub(super) static HAS_CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// Chains the connectors of the client.
pub(super) fn connector(config: Config) -> impl Connector {
    ToProxy { config }
        .chain(SocksConnector::default())
        .chain(ConnectProxyConnector::default())
        .chain(TcpConnector::default())
        .chain(Secure(RustlsConnector::default()))
}

/// Connects to a proxy that takes requests. Other URLs are left to the connectors behind.
#[derive(Debug)]
struct ToProxy {
    /// The settings for a connection to the proxy itself: without a proxy.
    config: Config,
}

impl Connector for ToProxy {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let (proxy, uri) = (details.config.proxy(), details.uri);
        let Some(proxy) = proxy.filter(|proxy| takes_requests(proxy, uri.scheme_str())) else {
            return Ok(None);
        };
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), &self.config, details.timeout)?,
            config: &self.config,
            ..copy(details)
        };
        let connection = (details.run_connector)(&to_proxy)?;
        let origin = format!("http://{}", uri.authority().map_or("", |host| host.as_str()));
        Ok(Some(Box::new(AbsoluteForm { connection, origin })))
    }
}

/// Copies what a connector is told.
fn copy<'a>(details: &ConnectionDetails<'a>) -> ConnectionDetails<'a> {
    ConnectionDetails {
        addrs: details.addrs.clone(),
        current_time: details.current_time.clone(),
        run_connector: details.run_connector.clone(),
        register_shutdown: details.register_shutdown.clone(),
        ..*details
    }
}

/// A connection to a proxy, for one origin: puts it in front of the path in each request line. The
/// client writes the head of a request at once; a body there never is.
#[derive(Debug)]
struct AbsoluteForm {
    connection: Box<dyn Transport>,
    origin: String,
}

impl Transport for AbsoluteForm {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let head = self.buffers().output()[..amount].to_vec();
        let path = head.iter().position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
        let head = [&head[..path], self.origin.as_bytes(), &head[path..]].concat();
        for part in head.chunks(self.buffers().output().len()) {
            self.buffers().output()[..part.len()].copy_from_slice(part);
            self.connection.transmit_output(part.len(), timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connection.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
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
