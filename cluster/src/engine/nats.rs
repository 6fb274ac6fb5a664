//! NATS with JetStream.
