//! The sending half of a client.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use crate::process::ends::{AsEnd, BorrowedEnd};
use crate::process::frame::{self, Error};
use crate::process::handover;
use crate::sys::socket::Socket;

/// Size in bytes beyond which a buffer that grew for one large message is freed.
const KEPT: usize = 1 << 20;

/// The sending half of a [`Client`](crate::manager::Client), made by
/// [`Client::split`](crate::manager::Client::split). Python: a `Connection` of which one thread
/// only sends.
pub struct ClientSender<T> {
    socket: Arc<Socket>,
    /// True once the system has failed inside a message.
    closed: bool,
    /// Buffer of a message, reused for the next.
    body: Vec<u8>,
    message: PhantomData<fn(&T)>,
}

impl<T> ClientSender<T> {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, closed: false, body: Vec::new(), message: PhantomData }
    }

    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Sends one message, as [`Client::send`](crate::manager::Client::send). Python:
    /// `Connection.send`.
    ///
    /// # Errors
    /// Those of [`Client::send`](crate::manager::Client::send).
    pub fn send(&mut self, message: &T) -> Result<(), Error>
    where
        T: Serialize,
    {
        let mut body = std::mem::take(&mut self.body);
        let (encoded, ends) = handover::collect(|| frame::encode_body(message, &mut body));
        let ends: Vec<BorrowedEnd<'_>> = ends.iter().map(AsEnd::as_end).collect();
        let sent = encoded.and_then(|()| self.write(&body, &ends));
        body.clear();
        body.shrink_to(KEPT);
        self.body = body;
        sent
    }

    /// Sends these bytes as one message, as
    /// [`Client::send_bytes`](crate::manager::Client::send_bytes). Python: `Connection.send_bytes`.
    ///
    /// # Errors
    /// Those of [`Client::send_bytes`](crate::manager::Client::send_bytes).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write(bytes, &[])
    }

    fn write(&mut self, body: &[u8], ends: &[BorrowedEnd<'_>]) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let sent = self.socket.send(body, ends);
        if matches!(sent, Err(Error::Io(_))) {
            // Part of a message may be under way: the next message would be taken for its rest.
            self.close();
        }
        sent
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.socket.hang_up();
        // If no descriptor is to be had, this half keeps the old one until it is dropped.
        if let Ok(ended) = Socket::ended() {
            self.socket = Arc::new(ended);
        }
    }
}

impl<T> fmt::Debug for ClientSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientSender<{}>", type_name::<T>())
    }
}
