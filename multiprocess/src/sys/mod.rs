//! What differs from system to system: the only `unsafe` of the library, and its only `cfg` on
//! systems.

pub(crate) mod copy;
pub(crate) mod counted;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod processor;
pub(crate) mod shared;
pub(crate) mod socket;
