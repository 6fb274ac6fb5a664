//! The number of the attempt of the running task.
