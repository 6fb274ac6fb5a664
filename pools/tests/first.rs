//! First.

use pools::{Error, Pool, TaskError};
use process_basics::tasks;
process_basics::test_entry!();
tasks![square, die, boom];
fn square(x: u64) -> u64 {
    x * x
}
fn die(_: u64) -> u64 {
    std::process::exit(3)
}
fn boom(x: u64) -> u64 {
    assert!(x != 3, "three");
    x
}
#[test]
fn it_works() {
    let _d = common::testing::Deadline::seconds(20);
    let pool = Pool::new(3).unwrap();
    assert_eq!(pool.apply(square, 5).unwrap(), 25);
    assert_eq!(pool.map(square, 0..1000).unwrap(), (0..1000).map(|x| x * x).collect::<Vec<u64>>());
    assert_eq!(pool.map_chunked(square, 0..100_000, 1).unwrap().len(), 100_000);
    let e = pool.apply(die, 1).unwrap_err();
    assert!(matches!(e, Error::Task(TaskError::WorkerDied { exitcode: Some(3), .. })), "{e}");
    let e = pool.map(boom, 0..8).unwrap_err();
    println!("{e}");
    assert_eq!(e.index, Some(3));
    assert_eq!(e.results.iter().filter(|r| r.is_ok()).count(), 7);
    let v: Vec<u64> = pool.imap(square, 0..10).unwrap().map(Result::unwrap).collect();
    assert_eq!(v, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
    let v: Vec<u64> = pool
        .imap_chunked(square, (0..).filter(|x| x % 2 == 0), 3)
        .unwrap()
        .take(4)
        .map(Result::unwrap)
        .collect();
    assert_eq!(v, [0, 4, 16, 36]);
    pool.close();
    pool.join().unwrap();
}
