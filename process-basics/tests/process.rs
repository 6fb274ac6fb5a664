use std::time::Duration;
use process_basics::*;
process_basics::test_entry!();
tasks![nothing, fails, panics, exits, gated];
fn nothing(_: ()) {}
fn fails(_: ()) -> Result<(), Failure> { Ok(drop("x".parse::<i32>()?)) }
fn panics(_: ()) { panic!("bang") }
fn exits(n: i32) -> Exit { Exit(n) }
fn gated(w: Waiting) { w.wait() }
fn code<A: serde::Serialize+Send+'static,R,F:Fn(A)->R+'static>(f:F,a:A)->Option<i32>{
 let mut p=Process::new(f,a); p.start().unwrap(); p.join().unwrap(); p.exitcode()
}
#[test] fn smoke() {
  assert_eq!(code(nothing,()),Some(0));
  assert_eq!(code(fails,()),Some(1));
  assert_eq!(code(panics,()),Some(1));
  assert_eq!(code(exits,-1),Some(255));
  let (gate, w)=Gate::new().unwrap();
  let mut p=Process::new(gated,w); p.start().unwrap();
  assert!(!p.join_timeout(Duration::from_millis(100)).unwrap());
  gate.open(); p.join().unwrap();
  eprintln!("{p:?}");
}
