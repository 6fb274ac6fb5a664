//! Passwords, which come from files or from the environment.
