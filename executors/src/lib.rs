//! Executors and futures: the same code on threads and on processes.
