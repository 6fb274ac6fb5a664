//! The keeper: starts an agent, and tells everybody when it has died.
