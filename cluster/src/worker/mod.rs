//! The worker's side: a keeper, its agent, and the agent's pool of processes.
