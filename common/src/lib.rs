//! What every lesson needs and none is about: timing ([`time`]), [pretended work](pretend), the
//! [`narrator`] that puts a lesson on the screen, the [texts](mod@text) in the reader's language,
//! the [`output`] they go to, the command line of the [lessons](mod@lessons) and its
//! [`arguments`], the [`timeline`] of which worker did what when, the [`table`] that fits the
//! screen, the machine's [`cores`], a process's [`stock`], the [`files`] that a tool writes, a
//! [`group`] of processes, the [`interrupt`] that asks a program to end, the course's table of
//! [`contents`]; behind the feature `drawing`, what its pictures have in common; and behind
//! `measure` the one way in which all measure, `common::measure`.

pub mod arguments;
pub mod contents;
pub mod cores;
#[cfg(feature = "drawing")]
pub mod drawing;
pub mod files;
pub mod group;
#[cfg(feature = "interrupt")]
pub mod interrupt;
pub mod lessons;
#[cfg(feature = "measure")]
pub mod measure;
pub mod narrator;
pub mod output;
pub mod pretend;
mod settings;
mod spread;
pub mod stock;
mod sys;
pub mod table;
pub mod text;
pub mod time;
pub mod timeline;
