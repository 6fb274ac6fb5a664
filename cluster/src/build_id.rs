//! Identity of the running executable.
