//! Which workers are there, and which are gone.
