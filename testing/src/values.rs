//! Values that fail on their way between processes.

use std::thread::panicking;

use multiprocess::tasks;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::end_by_signal;

tasks![take, give];

/// A value that fails somewhere on its way: the number says where.
#[derive(Clone, Debug)]
pub struct Trap(pub u8);

/// Nowhere.
pub const FINE: u8 = 0;
/// Where it is serialised: an error.
pub const NOT_SENT: u8 = 1;
/// Where it is serialised: a panic.
pub const PANICS_WHEN_SENT: u8 = 2;
/// Where it is serialised: a crash.
pub const CRASHES_WHEN_SENT: u8 = 3;
/// Where it is deserialised: an error.
pub const NOT_RECEIVED: u8 = 4;
/// Where it is deserialised: a panic.
pub const PANICS_WHEN_RECEIVED: u8 = 5;
/// Where it is deserialised: the process exits.
pub const EXITS_WHEN_RECEIVED: u8 = 6;
/// Where it is dropped: a panic.
pub const PANICS_WHEN_DROPPED: u8 = 7;

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            NOT_SENT => Err(S::Error::custom("no")),
            PANICS_WHEN_SENT => panic!("sent with a panic"),
            CRASHES_WHEN_SENT => end_by_signal(11),
            way => serializer.serialize_u8(way),
        }
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u8::deserialize(input)? {
            NOT_RECEIVED => Err(D::Error::custom("no")),
            PANICS_WHEN_RECEIVED => panic!("received with a panic"),
            EXITS_WHEN_RECEIVED => std::process::exit(1),
            way => Ok(Self(way)),
        }
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        assert!(self.0 != PANICS_WHEN_DROPPED || panicking(), "dropped with a panic");
    }
}

/// Takes a value; a task.
pub fn take(_: Trap) {}

/// Returns a value; a task.
pub fn give(way: u8) -> Trap {
    Trap(way)
}
