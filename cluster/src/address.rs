//! Addresses of servers, and what may be said to which.
