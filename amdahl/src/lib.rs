//! Plans and the laws of speedup.
