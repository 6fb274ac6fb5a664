//! A queue of capacity 3 refuses a fourth item, and an empty one has none to give.
//!
//! ```python
//! q = Queue(3)
//! q.put(1); q.put(2); q.put(3)
//! print(q.full())
//! q.put_nowait(4)                   # queue.Full
//! q.put(4, timeout=0.02)            # queue.Full, 20 ms later
//! print(q.get(), q.get(), q.get())
//! print(q.empty())
//! q.get_nowait()                    # queue.Empty
//! q.get(timeout=0.02)               # queue.Empty, 20 ms later
//! ```

use std::time::Duration;

use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::queue::{GetError, PutError};
use multiprocess::{Failure, Queue};

pub(crate) fn main() -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let limit = Duration::from_millis(20);
    let queue = Queue::bounded(3)?;
    say!("puts 1, 2 and 3 into a queue of capacity 3");
    queue.put(1)?;
    queue.put(2)?;
    queue.put(3)?;
    check!(queue.is_full(), "is_full says yes");
    say!("tries to put 4");
    let full = queue.try_put(4);
    check!(matches!(full, Err(PutError::Full(4))), "refused at once: full; the 4 comes back");
    let full = queue.put_timeout(4, limit);
    check!(matches!(full, Err(PutError::Full(4))), "refused after 20 ms: still full");

    say!("gets all three");
    check!([queue.get()?, queue.get()?, queue.get()?] == [1, 2, 3], "they are 1, 2, 3");
    check!(queue.is_empty(), "is_empty says yes");
    say!("tries to get one more");
    check!(matches!(queue.try_get(), Err(GetError::Empty)), "refused at once: empty");
    let empty = queue.get_timeout(limit);
    check!(matches!(empty, Err(GetError::Empty)), "refused after 20 ms: still empty");
    note!("all of it took {}", show(watch.elapsed()));
    Ok(())
}
