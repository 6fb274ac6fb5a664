//! A cable that can be cut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A way to a server that can be cut, as if a machine's cable was pulled: connections stay open,
/// and nothing comes through, until it is mended. Made for lessons and tests.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
///
/// use cluster::local::Cable;
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let cable = Cable::to(server.local_addr()?.port())?;
/// let mut client = TcpStream::connect(("127.0.0.1", cable.port()))?;
/// let (mut connection, _) = server.accept()?;
/// cable.cut();
/// client.write_all(b"x")?;
/// cable.mend();
/// connection.read_exact(&mut [0])?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Cable {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_cut: bool,
    /// The cable is dropped: all connections end.
    is_gone: bool,
    streams: Vec<TcpStream>,
}

impl Cable {
    /// Lays a cable from a free port to this port, both on 127.0.0.1.
    ///
    /// # Errors
    /// The system's.
    pub fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let cable = Self { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&cable.state);
        spawn("cable", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.lock().is_gone {
                    break;
                }
                // A server that isn't there closes the connection.
                let _ = state.join(stream, port);
            }
        })?;
        Ok(cable)
    }

    /// Returns the port of the near end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the cable: what is sent from now on waits in it.
    pub fn cut(&self) {
        self.state.lock().is_cut = true;
    }

    /// Mends the cable: all that waited goes on its way.
    pub fn mend(&self) {
        self.state.lock().is_cut = false;
        self.state.changed.notify_all();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let mut inner = self.state.lock();
        inner.is_gone = true;
        for stream in inner.streams.drain(..) {
            // It fails for those that are closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(inner);
        self.state.changed.notify_all();
        // The listener's thread sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries what comes from either end to the other one.
    fn join(self: &Arc<Self>, near: TcpStream, port: u16) -> io::Result<()> {
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        for (from, to) in [(&near, &far), (&far, &near)] {
            from.set_nodelay(true)?;
            let (from, to, state) = (from.try_clone()?, to.try_clone()?, Arc::clone(self));
            self.lock().streams.push(from.try_clone()?);
            spawn("cable", move || {
                // One end is gone, and so is the other one.
                let _ = state.carry(&from, &to);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            })?;
        }
        Ok(())
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut bytes = [0; 1 << 14];
        loop {
            let length = from.read(&mut bytes)?;
            let inner = self.lock();
            let is_waiting = |inner: &mut Inner| inner.is_cut && !inner.is_gone;
            let inner = self.changed.wait_while(inner, is_waiting);
            drop(inner.unwrap_or_else(PoisonError::into_inner));
            if length == 0 {
                return Ok(());
            }
            to.write_all(&bytes[..length])?;
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}
