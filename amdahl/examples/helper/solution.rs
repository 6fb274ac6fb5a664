//! The solution of the exercise in `yours.rs`.

use amdahl::Task;
use multiprocess::Failure;

use crate::makespan;

pub(crate) fn best_help(tasks: &[Task]) -> Result<Option<(String, f64)>, Failure> {
    let mut shortest = makespan(tasks.to_vec())?;
    let mut best = None;
    for (place, task) in tasks.iter().enumerate() {
        let mut helped = tasks.to_vec();
        helped[place].duration /= 2.0;
        let makespan = makespan(helped)?;
        if makespan < shortest {
            shortest = makespan;
            best = Some((task.name.clone(), makespan));
        }
    }
    Ok(best)
}
