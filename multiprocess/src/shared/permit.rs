//! [`Permit`]: one of a semaphore's permits, acquired.

use crate::shared::permits::Permits;

/// A permit of a [`Semaphore`](crate::shared::Semaphore): dropped, it is given back. Python:
/// `release()`.
///
/// It belongs to the process, not to the thread that acquired it, so another thread may drop it. It
/// also comes back when the process ends, however that ends; a permit that is forgotten
/// ([`std::mem::forget`]) not before that.
///
/// It can't be given back twice:
///
/// ```compile_fail,E0382
/// # // SEM-B02
/// let semaphore = multiprocess::shared::Semaphore::new(1)?;
/// let permit = semaphore.acquire()?;
/// drop(permit);
/// drop(permit);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that isn't held is given back at once"]
pub struct Permit<'a> {
    permits: &'a Permits,
    slot: usize,
}

impl<'a> Permit<'a> {
    pub(crate) fn new(permits: &'a Permits, slot: usize) -> Self {
        Self { permits, slot }
    }

    /// Returns which of the semaphore's permits it is: a number from 0 that no other permit has
    /// which is held at the same time, in any process. For example, the number of the seat at a
    /// table.
    #[must_use]
    pub fn number(&self) -> usize {
        self.slot
    }

    /// Uses the permit up, instead of giving it back: the semaphore has one less, and room for
    /// another one to be [added](crate::shared::Semaphore::add). Python: `acquire()` without a
    /// `release()`.
    ///
    /// A process that is killed before this has not consumed the permit: it comes back, and
    /// another process acquires it. So what a permit stands for is done at least once: it may be
    /// done twice.
    ///
    /// ```
    /// use multiprocess::shared::Semaphore;
    ///
    /// // How many letters lie in the box, of which there is room for 8.
    /// let letters = Semaphore::with_room(0, 8)?;
    /// letters.add(2)?;
    /// let letter = letters.acquire()?;
    /// // It is read here.
    /// letter.consume();
    /// assert_eq!(letters.available(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn consume(self) {
        self.permits.consume(self.slot);
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.permits.give_back(self.slot);
    }
}
