//! The client's tasks: which have begun, and where. A state machine without a lock and without I/O.
