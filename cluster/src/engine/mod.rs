//! What a cluster needs of a message queue, and the one that it uses.
