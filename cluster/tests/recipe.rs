//! The program for several machines in docs/porting.md, which is the example `sum_of_squares`.

use std::fs;

use cluster::local::test_server;
use testing::{Deadline, Running, example, output};

multiprocess::test_entry!();

#[test]
fn the_recipe_is_the_example() {
    let porting = fs::read_to_string("../docs/porting.md").unwrap();
    let example = fs::read_to_string("examples/sum_of_squares.rs").unwrap();
    let program = example.split_once("\n\n").unwrap().1;
    assert!(porting.contains(program), "docs/porting.md has another program");
}

#[test]
fn the_recipe_computes_with_a_worker_started_by_the_same_program() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let (program, address) = (example("sum_of_squares"), server.address());
    let arguments = ["cluster-worker", &address, "--processes", "2", "--name", "machine-a"];
    let worker = Running::start(&program, &arguments);
    let run = output(program.to_str().unwrap(), &[&address]);
    drop(worker);
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    assert_eq!(String::from_utf8_lossy(&run.stdout), "14\n");
}
