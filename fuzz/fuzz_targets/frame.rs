//! The frames on a stream: whatever comes, reading ends, and takes no more memory than what has
//! come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiprocess::Failure;
use multiprocess::process::frame;

type Anything = (Option<String>, Vec<(u64, bool)>, Result<char, Box<[f64]>>, Option<Failure>);

fuzz_target!(|bytes: &[u8]| {
    let (mut stream, mut body) = (bytes, Vec::new());
    while frame::read(&mut stream, frame::LIMIT, &mut body).is_ok() {
        assert!(body.len() <= bytes.len());
        let Ok(value) = frame::decode::<Anything>(&body) else { continue };
        // What can be read can be written, and read again. (Not every number is equal to itself.)
        let mut again = Vec::new();
        frame::encode(&value, &mut again).unwrap();
        let value = frame::decode::<Anything>(frame::body(&again)).unwrap();
        let mut twice = Vec::new();
        frame::encode(&value, &mut twice).unwrap();
        assert_eq!(again, twice);
    }
    assert!(body.capacity() <= (1 << 20).max(2 * bytes.len()));
    let _ = frame::decode::<Anything>(bytes);
});
