//! A sum of squares, computed by the machines of a cluster.

use std::process::ExitCode;
use std::time::Duration;

use cluster::ClusterExecutor;
use multiprocess::futures::{Executor, as_completed};
use multiprocess::{Failure, tasks};

tasks![square];

fn square(number: u64) -> u64 {
    number * number
}

fn sum_of_squares(executor: &impl Executor) -> Result<u64, Failure> {
    let futures: Result<Vec<_>, _> = (0..4).map(|number| executor.submit(square, number)).collect();
    let mut sum = 0;
    for future in as_completed(&futures?, Duration::from_secs(60)) {
        sum += future?.result()?;
    }
    Ok(sum)
}

fn main() -> ExitCode {
    cluster::main(|| -> Result<(), Failure> {
        let server = std::env::args().nth(1).ok_or_else(|| Failure::new("name a server"))?;
        let executor = ClusterExecutor::connect(&server)?;
        executor.wait_for_processes(2, Duration::from_secs(60))?;
        println!("{}", sum_of_squares(&executor)?);
        Ok(())
    })
}
