use multiprocess::exposed;
use multiprocess::manager::*;
use std::time::Instant;
#[derive(Default)]
struct L(u32);
exposed![L::new, L::book];
impl L {
    fn new((): ()) -> Self {
        Self(0)
    }
    fn book(&mut self, (n, _w): (u32, String)) -> u32 {
        self.0 += n;
        self.0
    }
}
fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), multiprocess::Failure> {
        let n: u32 = std::env::args().nth(1).map_or(20000, |n| n.parse().unwrap());
        let m = Manager::start(L::new, ())?;
        let p = m.proxy();
        let c = m.counter()?;
        for _ in 0..5 {
            let t = Instant::now();
            for _ in 0..n {
                p.call(L::book, (1, "milk".to_owned()))?;
            }
            let a = t.elapsed() / n;
            let t = Instant::now();
            for _ in 0..n {
                c.add(1)?;
            }
            println!("{a:?} {:?}", t.elapsed() / n);
        }
        Ok(())
    })
}
