//! Listeners at paths, which this system has instead of abstract addresses.
//!
//! ```text
//!   <the user's temporary folder>/multiprocess-501/        mode 0700
//!     clerk/                        locked (flock) by the listener as long as it lives
//!       s                           its socket
//! ```
//!
//! The lock goes with the listener's process, the folder doesn't if the process was killed. So
//! whoever gets the lock of a folder may remove it, and each new listener removes all such folders.
