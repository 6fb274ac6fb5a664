//! The two ends of a pipe in one process: first a pipe of both directions, then a one-way pipe.
//!
//! ```python
//! a, b = Pipe()
//! a.send("hi from a"); print(b.recv())
//! b.send("hi from b"); print(a.recv())
//! receiver, sender = Pipe(duplex=False)
//! sender.send("hi"); print(receiver.recv())
//! receiver.send("hi")               # OSError: connection is read-only
//! ```

use common::{check, say};
use multiprocess::pipe::Error;
use multiprocess::{Failure, one_way, pipe};

pub(crate) fn main() -> Result<(), Failure> {
    let (mut a, mut b) = pipe::<String, String>()?;
    say!("sends \"hi from a\" from end a");
    a.send(&"hi from a".to_owned())?;
    check!(b.recv()? == "hi from a", "end b receives it");
    say!("sends \"hi from b\" from end b");
    b.send(&"hi from b".to_owned())?;
    check!(a.recv()? == "hi from b", "end a receives it");

    let (mut receiver, mut sender) = one_way::<String>()?;
    say!("sends \"hi\" through a one-way pipe");
    sender.send(&"hi".to_owned())?;
    check!(receiver.recv()? == "hi", "the receiver receives it");
    // The next line doesn't compile: a receiver has no `send`.
    // receiver.send(&"hi".to_owned())?;

    say!("closes the receiver");
    drop(receiver);
    let refused = sender.send(&"anybody there?".to_owned());
    check!(matches!(refused, Err(Error::BrokenPipe)), "now sending is refused: broken pipe");
    Ok(())
}
