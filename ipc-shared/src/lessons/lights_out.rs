//! Four children read in bed until the lights go out; one of them is killed meanwhile.
//!
//! ```python
//! def read_in_bed(lights_out, asleep):
//!     lights_out.wait()
//!     with asleep: asleep.value += 1
//! lights_out, asleep = Event(), Value("i", 0)
//! for child in children: child.start()
//! children[3].kill()
//! lights_out.set()                  # in Python this waits for ever
//! while asleep.value < 3: time.sleep(0.1)
//! ```

use std::time::Duration;

use common::{check, say};
use multiprocess::shared::{Event, Value};
use multiprocess::{Failure, Process, tasks};

const LIMIT: Duration = Duration::from_secs(60);

tasks![read_in_bed];

pub(crate) fn main() -> Result<(), Failure> {
    let lights_out = Event::new()?;
    let [in_bed, asleep] = [Value::new(0)?, Value::new(0)?];
    let mut children = ["Ann", "Ben", "Cleo", "Dora"].map(|name| {
        let shared = (lights_out.clone(), in_bed.clone(), asleep.clone());
        Process::new(read_in_bed, shared).named(name).daemonic(true)
    });
    say!("starts four children, and waits until they are in bed");
    children.iter_mut().try_for_each(Process::start)?;
    check!(in_bed.wait_until(|count| *count == 4, LIMIT) == Some(4), "all {} are in bed", 4);
    check!(asleep.get() == 0 && !lights_out.is_set(), "the lights are on, and none of them sleeps");

    say!("kills {}", "Dora");
    children[3].kill()?;
    children[3].join()?;
    say!("turns the lights out");
    lights_out.set();
    check!(asleep.wait_until(|count| *count == 3, LIMIT) == Some(3), "the other {} are asleep", 3);
    children.iter().try_for_each(Process::join)?;
    Ok(())
}

/// Runs in each of the four.
fn read_in_bed((lights_out, in_bed, asleep): (Event, Value<u32>, Value<u32>)) {
    say!("reads");
    in_bed.update(|count| *count += 1);
    lights_out.wait();
    say!("sleeps");
    asleep.update(|count| *count += 1);
}
