//! A barrier whose memory is damaged while it is used.

use std::time::Duration;

use testing::{Deadline, Random};

use super::*;

#[test]
fn damaged_words_end_no_call_in_a_panic_or_never() {
    let _deadline = Deadline::seconds(120);
    let members = Members::create(TABLE_WORDS).unwrap();
    let spin = Spin::default();
    let mut random = Random(7);
    for _ in 0..20_000 {
        // All but the first are empty.
        let seats = 1 + random.below(2) as usize;
        let table = Table { members: &members, seats, spin: &spin };
        let word = match random.below(4) {
            0 => random.next(),
            1 => random.next() & !0xf,
            2 => u64::MAX << random.below(64),
            _ => random.below(1 << 20),
        };
        table.word().store(word, Ordering::Relaxed);
        let mut acted = 0;
        let mut action = || acted += 1;
        let deadline = Some(Instant::now() + Duration::from_micros(random.below(20)));
        let passed = table.pass(deadline, (random.below(2) == 0).then_some(&mut action));
        assert!(passed.is_err() || seats == 1, "{word:x}");
        assert!(format!("{table:?}").len() > 5);
        table.waiting();
        assert_eq!(table.reset().is_ok(), seats == 1);
        if seats == 1 {
            assert_eq!(table.pass(None, None), Ok(Passed { is_leader: true }), "it is whole again");
        }
        table.break_by(Cause::Aborted);
    }
}
