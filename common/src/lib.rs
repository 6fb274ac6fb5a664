//! What every lesson needs and none is about: timing ([`time`]), [pretended work](pretend), the
//! [`narrator`] that puts a lesson on the screen, the [texts](mod@text) in the reader's language,
//! the [`output`] they go to, the command line of the [lessons](mod@lessons) and its
//! [`arguments`], a [`number`](mod@number) that people write, the [`timeline`] of which worker did
//! what when, the [`table`] that fits the screen, the machine's [`cores`], a process's [`stock`],
//! the [`files`] that a tool writes, a [`group`] of processes, the [`interrupt`] that asks a
//! program to end, the course's table of [`contents`]; behind the feature `drawing`, what its
//! pictures have in common; and behind `measure` the one way in which all measure,
//! `common::measure`.
//!
//! Without the feature `processes`, which is on by default, there is only what a browser can do,
//! too: texts, tables, drawings.

#[cfg(feature = "processes")]
pub mod arguments;
#[cfg(feature = "processes")]
pub mod contents;
#[cfg(feature = "processes")]
pub mod cores;
#[cfg(feature = "drawing")]
pub mod drawing;
#[cfg(feature = "processes")]
pub mod files;
#[cfg(feature = "processes")]
pub mod group;
#[cfg(feature = "interrupt")]
pub mod interrupt;
#[cfg(feature = "processes")]
pub mod lessons;
#[cfg(feature = "measure")]
pub mod measure;
#[cfg(feature = "processes")]
pub mod narrator;
pub mod number;
pub mod output;
#[cfg(feature = "processes")]
pub mod pretend;
#[cfg(feature = "processes")]
mod settings;
#[cfg(feature = "processes")]
mod spread;
#[cfg(feature = "processes")]
pub mod stock;
#[cfg(feature = "processes")]
mod sys;
pub mod table;
pub mod text;
#[cfg(feature = "processes")]
pub mod time;
#[cfg(feature = "processes")]
pub mod timeline;
