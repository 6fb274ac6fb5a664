//! What every lesson needs and none is about: [timing](time), the [narrator](narrator) that puts a
//! story on the screen, the [list of lessons](lessons) behind each command line, the
//! [timeline](timeline) that shows who worked when, [cores], and the course's
//! [table of contents](contents).

pub mod contents;
pub mod cores;
pub mod lessons;
pub mod narrator;
pub mod time;
pub mod timeline;

#[doc(hidden)]
pub mod testing;
