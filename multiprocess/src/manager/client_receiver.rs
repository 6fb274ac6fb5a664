//! The receiving half of a client.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::process::ends::{AsEnd, OwnedEnd};
use crate::process::frame::{self, Error, LIMIT};
use crate::process::{handover, wait};
use crate::sys::socket::Socket;

/// Size in bytes beyond which a buffer that grew for one large message is freed.
const KEPT: usize = 1 << 20;

/// The receiving half of a [`Client`](crate::manager::Client), made by
/// [`Client::split`](crate::manager::Client::split). Python: a `Connection` of which one thread
/// only receives.
pub struct ClientReceiver<T> {
    pub(crate) socket: Arc<Socket>,
    /// True once a message came that could not be read to its end.
    closed: bool,
    /// Buffer of a message, reused for the next.
    body: Vec<u8>,
    message: PhantomData<fn() -> T>,
}

impl<T> ClientReceiver<T> {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, closed: false, body: Vec::new(), message: PhantomData }
    }

    /// Receives the next message, as [`Client::recv`](crate::manager::Client::recv). Python:
    /// `Connection.recv`.
    ///
    /// # Errors
    /// Those of [`Client::recv`](crate::manager::Client::recv).
    pub fn recv(&mut self) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        let mut body = std::mem::take(&mut self.body);
        let received = self
            .read(LIMIT, &mut body)
            .and_then(|ends| handover::supply(ends, || frame::decode(&body)));
        body.truncate(KEPT);
        body.shrink_to(KEPT);
        self.body = body;
        received
    }

    /// Returns true once there is something to receive, as
    /// [`Client::poll`](crate::manager::Client::poll). Python: `Connection.poll`.
    ///
    /// # Errors
    /// Those of [`Client::poll`](crate::manager::Client::poll).
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        Ok(!wait(&[self.socket.as_end()], timeout)?.is_empty())
    }

    /// Receives the next message as bytes, as
    /// [`Client::recv_bytes`](crate::manager::Client::recv_bytes). Python: `Connection.recv_bytes`.
    ///
    /// # Errors
    /// Those of [`Client::recv_bytes`](crate::manager::Client::recv_bytes).
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        let limit = max.into().map_or(LIMIT, |max| LIMIT.min(max as u64));
        let mut bytes = Vec::new();
        self.read(limit, &mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, limit: u64, body: &mut Vec<u8>) -> Result<Vec<OwnedEnd>, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let received = self.socket.receive(limit, body);
        if matches!(received, Err(Error::TooLong { .. } | Error::Io(_))) {
            // The beginning of the next message is unknown. The end of the connection gives the
            // sender an error, instead of a connection that stays full for ever.
            self.close();
        }
        received
    }

    /// Ends the connection.
    fn close(&mut self) {
        self.closed = true;
        self.socket.hang_up();
        // If no descriptor is to be had, this half keeps the old one until it is dropped.
        if let Ok(ended) = Socket::ended() {
            self.socket = Arc::new(ended);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

impl<T> fmt::Debug for ClientReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientReceiver<{}>", type_name::<T>())
    }
}
