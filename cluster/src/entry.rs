//! The first function of a program that can be a worker.
