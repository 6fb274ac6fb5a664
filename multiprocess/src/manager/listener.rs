//! Listeners: where clients arrive.

use std::io;
use std::time::Duration;

use crate::manager::{Address, Client};
use crate::sys::socket::Door;

/// A place at an [`Address`] where other programs of the same user connect: each of them by
/// [`Client::connect`], and [`accept`](Self::accept) returns the other end. Python:
/// `multiprocessing.connection.Listener`.
///
/// ```
/// use multiprocess::manager::{Address, Client, Listener};
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![ask];
///
/// fn ask(address: Address) -> Result<(), Failure> {
///     let mut clerk = Client::<u32, String>::connect(&address)?;
///     clerk.send(&1729)?;
///     assert_eq!(clerk.recv()?, "1729 is 7 * 13 * 19");
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let listener = Listener::new()?;
/// let mut process = Process::new(ask, listener.address().clone());
/// process.start()?;
/// let mut client = listener.accept::<String, u32>()?;
/// let number = client.recv()?;
/// client.send(&format!("{number} is 7 * 13 * 19"))?;
/// process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
///
/// **Who may connect.** Processes of the same user, and no others: the kernel tells, so there is
/// no key to keep, and nothing is exchanged before the first message. (Python's two sides prove to
/// each other that they know a key, and a client that says nothing keeps all others waiting.)
/// Programs of one user trust each other here as they do everywhere: each could as well stop the
/// other in a debugger. What they send is checked all the same: a message of any bytes whatsoever
/// is a value of the expected type or an error.
///
/// **What is left.** Nothing: when the listener is dropped, or its process ends in any way, clients
/// that it has not accepted find the end of file, and its address is free.
#[derive(Debug)]
pub struct Listener {
    address: Address,
    door: Door,
}

impl Listener {
    /// Begins to listen at a fresh address, which no other listener has. Python: `Listener()`.
    ///
    /// # Errors
    /// When the system refuses, for example at the limit of open files.
    pub fn new() -> io::Result<Self> {
        Self::at(&Address::fresh()?)
    }

    /// Begins to listen at this address, on which programs have agreed. Python:
    /// `Listener(address)`.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if there is a listener at the address, whichever
    /// process it is in; else as [`new`](Self::new).
    pub fn at(address: &Address) -> io::Result<Self> {
        Ok(Self { door: Door::open(address.as_str())?, address: address.clone() })
    }

    /// Returns the address, for [`Client::connect`]. Python: `Listener.address`.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for a client, and returns the end that is connected with it. Several threads may
    /// wait: each client goes to one of them. Python: `Listener.accept`.
    ///
    /// A client that has sent something and gone is still returned: what it has sent can be
    /// received, then comes the end of file. One that has gone without a word is passed over.
    ///
    /// # Errors
    /// When the system refuses, for example at the limit of open files: the client still waits
    /// then, and `accept` may be called again.
    pub fn accept<S, R>(&self) -> io::Result<Client<S, R>> {
        loop {
            if let Some(socket) = self.door.accept(None)? {
                return Ok(socket.into());
            }
        }
    }

    /// Waits for a client as [`accept`](Self::accept), at most for the timeout, then `None`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_timeout<S, R>(&self, timeout: Duration) -> io::Result<Option<Client<S, R>>> {
        Ok(self.door.accept(Some(timeout))?.map(Client::from))
    }
}
