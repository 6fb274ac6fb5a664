//! Settings of a [`ClusterExecutor`](crate::ClusterExecutor).
