//! The worker's side: a keeper, its agent, and the agent's pool of processes.
//!
//! ```text
//!                 signals                the machine "host-3"
//!                    │
//!   clients ◀─ ended ┴ keeper ── starts, drains ──▶ agent ── starts ──▶ processes of the pool
//!      ▲               (its own connection)           │  ▲                  call a function
//!      │                                              │  └──── outcomes ────────┘
//!      │   hello, every 0.5 s ◀───────────────────────┤
//!      │   may I begin? ◀─────────────────────────────┤
//!      │   outcomes, until answered ◀─────────────────┘
//!      └── tasks ──▶ engine ── fetch: as many as processes are free ──▶ agent
//! ```
//!
//! The keeper runs no code of a task and keeps nothing but its connection, so that it outlives the
//! agent and can tell how that ended: clients need not wait for its silence. The agent ends with
//! the keeper, and the processes with the agent, whatever ends those.
//!
//! To read in this order: the settings (`builder.rs`, `command.rs`), the keeper (`keeper.rs`), the
//! agent's process (`agent_process.rs`) and main loop (`agent.rs`), its signs of life
//! (`greeting.rs`), its questions to a client (`questions.rs`) and what it remembers of clients
//! (`clients.rs`), a task that has begun (`begun.rs`), what a process does with it (`call.rs`), the
//! outcomes' way to the clients (`outbox.rs`), and how either insists on an answer (`insist.rs`).

mod agent;
mod agent_process;
mod begun;
mod builder;
mod call;
mod clients;
pub(crate) mod command;
mod context;
mod greeting;
mod insist;
mod keeper;
mod outbox;
mod questions;

pub(crate) use builder::Settings;
pub use builder::{Worker, WorkerBuilder};
#[cfg(any(test, fuzzing))]
pub(crate) use greeting::OtherBuilds;
pub(crate) use keeper::keep;
