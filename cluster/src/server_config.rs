//! Configuration of a server for a cluster.
