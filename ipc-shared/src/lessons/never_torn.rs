//! Process after process is killed in the middle of writing 200 numbers: a `Value` never shows half
//! of that; an `Array` does, and tells of each death.
//!
//! ```python
//! def write(a):
//!     with a.get_lock():
//!         for i in range(200): a[i] = 1
//! a = Array("i", 200)
//! p = Process(target=write, args=(a,)); p.start()
//! p.kill()                          # in the middle of the loop
//! print(a[:])                       # in Python this waits for ever; what lies there is torn
//! ```

use common::pretend::{hold_children, wait_while_held};
use common::{check, say};
use multiprocess::shared::{Array, Value};
use multiprocess::{Failure, Process, tasks};

const KILLS: u32 = 100;
const FEWER: u32 = 10;
const NUMBERS: usize = 200;

tasks![write_value, write_array];

pub(crate) fn main() -> Result<(), Failure> {
    let value = Value::new([0; NUMBERS])?;
    say!("kills {} processes while each writes {} numbers into a Value", KILLS, NUMBERS);
    let mut whole = 0;
    for _ in 0..KILLS {
        kill_in_the_middle(Process::new(write_value, value.clone()))?;
        whole += u32::from(value.get() == [0; NUMBERS]);
    }
    check!(whole == KILLS, "each time all of them were as before");

    let array = Array::new(NUMBERS)?;
    say!("kills {} processes while each writes {} numbers into an Array", FEWER, NUMBERS);
    let (mut told, mut torn) = (0, 0);
    for _ in 0..FEWER {
        kill_in_the_middle(Process::new(write_array, array.clone()))?;
        if let Err(mut error) = array.lock(0) {
            told += 1;
            let numbers = error.get_mut();
            torn += u32::from(numbers.contains(&0) && numbers.contains(&1));
            numbers.fill(0);
            drop(error.recover());
        }
    }
    check!(torn == FEWER, "each time some were old and some new");
    check!(told == FEWER, "each time the next process was told, and could mend them");
    Ok(())
}

/// Has a process begin to write, and kills it before it is done.
fn kill_in_the_middle(mut writer: Process) -> Result<(), Failure> {
    let held = hold_children()?;
    writer.start()?;
    held.wait_for(1)?;
    writer.kill()?;
    Ok(writer.join()?)
}

/// Runs in a child.
fn write_value(value: Value<[u64; NUMBERS]>) {
    value.update(|numbers| write(numbers));
}

/// Runs in a child.
fn write_array(array: Array<u64>) -> Result<(), Failure> {
    write(&mut array.lock(0)?);
    Ok(())
}

/// Writes 1 into each; in the middle it waits to be killed.
fn write(numbers: &mut [u64]) {
    numbers[..NUMBERS / 2].fill(1);
    wait_while_held();
    numbers[NUMBERS / 2..].fill(1);
}
