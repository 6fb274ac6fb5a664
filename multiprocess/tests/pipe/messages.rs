//! What is sent comes out at the other end: whole, in order, one message at a time.

use std::time::{Duration, Instant};

use multiprocess::pipe::Error;
use multiprocess::{Connection, Failure, Sender, one_way, pipe, tasks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![
    echo_bytes,
    echo_values::<Mixed>,
    echo_values::<String>,
    say_eight,
    say_eight_when_asked,
    say_three,
    say_much,
];

/// A value of several types: Python's `[1, 2.25, None]`.
type Mixed = (i32, f64, Option<String>);

const EIGHT: [&str; 8] = ["hello", "", "a", "b", "", "bye", "", "lop"];

/// Lengths around the shortest frame, a page and what a pipe holds.
const LENGTHS: [usize; 13] =
    [0, 1, 55, 56, 57, 64, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20];

/// Runs in the child. Sends everything back, unseen, until there is nothing more.
fn echo_bytes(mut end: Connection<(), ()>) -> Result<(), Failure> {
    loop {
        match end.recv_bytes(None) {
            Err(Error::EndOfFile) => return Ok(()),
            message => end.send_bytes(&message?)?,
        }
    }
}

/// Runs in the child. The same, but the messages are values here.
fn echo_values<T: Serialize + DeserializeOwned>(mut end: Connection<T, T>) -> Result<(), Failure> {
    loop {
        match end.recv() {
            Err(Error::EndOfFile) => return Ok(()),
            message => end.send(&message?)?,
        }
    }
}

/// Some bytes of which no two neighbours are the same.
fn pattern(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).collect();
    let mut bytes = period.repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}

/// CONN-01
#[test]
fn values_come_back_equal_and_then_the_end_of_file() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe::<Mixed, Mixed>().unwrap();
    let child = start(echo_values::<Mixed>, other);
    let message = (1, 2.25, None);
    end.send(&message).unwrap();
    assert_eq!(end.recv().unwrap(), message);
    let (mut receiver, sender) = end.split();
    drop(sender);
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    assert!(matches!(receiver.recv_bytes(None), Err(Error::EndOfFile)));
    let into = receiver.recv_bytes_into(&mut [0; 8]);
    assert!(matches!(into, Err(Error::EndOfFile)));
    ends_well(&child);
}

/// CONN-01
#[test]
fn bytes_come_back_in_all_forms() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(echo_bytes, other);
    end.send_bytes(b"hello world").unwrap();
    assert_eq!(end.recv_bytes(None).unwrap(), b"hello world");

    let mut buffer = [0; 40];
    end.send_bytes(b"hello world").unwrap();
    assert_eq!(end.recv_bytes_into(&mut buffer).unwrap(), 11);
    assert_eq!(buffer[..11], *b"hello world");
    assert_eq!(buffer[11..], [0; 29], "the rest is untouched");

    let mut buffer = [0; 40];
    end.send_bytes(b"hello world").unwrap();
    assert_eq!(end.recv_bytes_into(&mut buffer[3..]).unwrap(), 11);
    assert_eq!(buffer[..3], [0; 3], "a slice is Python's offset");
    assert_eq!(buffer[3..14], *b"hello world");

    end.send_bytes(&pattern(110)).unwrap();
    let short = end.recv_bytes_into(&mut buffer);
    assert!(matches!(short, Err(Error::BufferTooShort { message }) if message == pattern(110)));
    assert_eq!(buffer[3..14], *b"hello world", "the buffer is untouched");

    end.send_bytes(b"the next one").unwrap();
    assert_eq!(end.recv_bytes(None).unwrap(), b"the next one");
    drop(end);
    ends_well(&child);
}

/// CONN-01
#[test]
fn poll_tells_whether_something_is_there() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(echo_bytes, other);
    assert!(!end.poll(Duration::ZERO).unwrap());
    let start = Instant::now();
    assert!(!end.poll(Duration::from_millis(50)).unwrap());
    assert!(start.elapsed() >= Duration::from_millis(50));
    end.send_bytes(b"").unwrap();
    assert!(end.poll(None).unwrap());
    assert!(end.poll(Duration::ZERO).unwrap(), "nothing was received by it");
    assert_eq!(end.recv_bytes(None).unwrap(), b"");
    assert!(!end.poll(Duration::ZERO).unwrap());
    drop(end);
    ends_well(&child);
}

/// CONN-04
#[test]
fn a_slice_is_an_offset_and_a_size() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(echo_bytes, other);
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    for part in [5..26, 7..15, 26..26, 0..26] {
        end.send_bytes(&letters[part.clone()]).unwrap();
        assert_eq!(end.recv_bytes(None).unwrap(), letters[part]);
    }
    // Python raises ValueError; here such a part does not exist, whoever asks for it.
    assert_eq!(letters.get(27..), None);
    assert_eq!(letters.get(22..27), None);
    drop(end);
    ends_well(&child);
}

/// Runs in the child.
fn say_eight(mut sender: Sender<String>) -> Result<(), Failure> {
    for text in EIGHT {
        sender.send_bytes(text.as_bytes())?;
        sender.send(&text.to_owned())?;
    }
    Ok(())
}

/// Runs in the child. One at a time, so that each message is alone in the pipe.
fn say_eight_when_asked(mut end: Connection<String, ()>) -> Result<(), Failure> {
    for text in EIGHT {
        end.recv()?;
        end.send(&text.to_owned())?;
    }
    Ok(())
}

/// CONN-07
#[test]
fn eight_messages_stay_eight_and_empty_ones_count() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, sender) = one_way().unwrap();
    let child = start(say_eight, sender);
    for text in EIGHT {
        assert_eq!(receiver.recv_bytes(None).unwrap(), text.as_bytes());
        assert_eq!(receiver.recv().unwrap(), text);
    }
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
    ends_well(&child);

    let (mut end, other) = pipe().unwrap();
    let child = start(say_eight_when_asked, other);
    for text in EIGHT {
        assert!(!end.poll(Duration::ZERO).unwrap());
        end.send(&()).unwrap();
        assert_eq!(end.recv().unwrap(), text);
    }
    assert!(matches!(end.recv(), Err(Error::EndOfFile)));
    ends_well(&child);
}

/// Runs in the child, once the parent has looked at the empty pipe.
fn say_three(mut end: Connection<(), ()>) -> Result<(), Failure> {
    end.recv()?;
    for text in ["a", "b", "cd"] {
        end.send_bytes(text.as_bytes())?;
    }
    end.recv()?;
    Ok(())
}

/// CONN-09
#[test]
fn messages_never_merge_and_poll_stays_true_until_each_is_received() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(say_three, other);
    assert!(!end.poll(Duration::ZERO).unwrap());
    assert!(!end.poll(Duration::from_millis(20)).unwrap());
    end.send(&()).unwrap();
    for text in ["a", "b", "cd"] {
        for _ in 0..3 {
            assert!(end.poll(Duration::from_secs(50)).unwrap());
        }
        assert_eq!(end.recv_bytes(None).unwrap(), text.as_bytes());
    }
    assert!(!end.poll(Duration::ZERO).unwrap(), "the child still holds its end");
    end.send(&()).unwrap();
    ends_well(&child);
}

/// Runs in the child. Sends until nobody can receive any more, then receives.
fn say_much(mut end: Connection<(), String>) -> Result<(), Failure> {
    let refused = loop {
        if let Err(error) = end.send_bytes(&[7; 100]) {
            break error;
        }
    };
    assert!(matches!(refused, Error::BrokenPipe), "{refused}");
    assert_eq!(end.recv()?, "you were cut short");
    Ok(())
}

/// CONN-B03
#[test]
fn a_message_above_the_maximum_is_refused_and_the_end_closed_for_receiving() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe::<String, ()>().unwrap();
    let child = start(say_much, other);
    assert_eq!(end.recv_bytes(100).unwrap().len(), 100, "the maximum itself is allowed");
    let refused = end.recv_bytes(10);
    assert!(matches!(refused, Err(Error::TooLong { length: 100, limit: 10 })), "{refused:?}");
    assert!(end.poll(None).unwrap(), "there is an error to receive");
    assert!(matches!(end.recv_bytes(None), Err(Error::Closed)));
    assert!(matches!(end.recv_bytes_into(&mut [0; 200]), Err(Error::Closed)));
    assert!(matches!(end.recv(), Err(Error::Closed)));
    end.send(&"you were cut short".into()).unwrap();
    ends_well(&child);
}

/// CONN-B09
#[test]
fn bytes_of_any_length_come_back_whole() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(echo_bytes, other);
    for length in (0..=130).chain(LENGTHS).chain([16_384, 16_385]) {
        let message = pattern(length);
        end.send_bytes(&message).unwrap();
        assert!(end.recv_bytes(length).unwrap() == message, "{length} bytes");
    }
    drop(end);
    ends_well(&child);
}

/// CONN-B09
#[test]
fn values_of_any_length_come_back_whole() {
    let _deadline = Deadline::seconds(60);
    let (mut end, other) = pipe().unwrap();
    let child = start(echo_values::<String>, other);
    for length in (0..=130).chain(LENGTHS) {
        let message = "pipe ".repeat(length / 5 + 1)[..length].to_owned();
        end.send(&message).unwrap();
        assert!(end.recv().unwrap() == message, "{length} bytes");
    }
    drop(end);
    ends_well(&child);
}
