//! What is put first comes out first, also when more is put in between.
//!
//! ```python
//! q = Queue()
//! q.put(1); q.put(2); q.put(3)
//! print(q.get(), q.get(), q.get())
//! q.put(4); q.put(5)
//! print(q.get())
//! ```

use common::{check, say};
use multiprocess::{Failure, Queue};

pub(crate) fn main() -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    say!("puts 1, 2 and 3 into a queue");
    queue.put(1)?;
    queue.put(2)?;
    queue.put(3)?;
    check!([queue.get()?, queue.get()?, queue.get()?] == [1, 2, 3], "it gets 1, 2, 3");
    say!("puts 4 and 5");
    queue.put(4)?;
    queue.put(5)?;
    check!(queue.get()? == 4, "it gets 4");
    check!(queue.qsize() == 1, "one item is left");
    Ok(())
}
