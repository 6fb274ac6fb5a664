//! What is refused, and how.
//!
//! No test here starts a process. While one is being started, it holds copies of all descriptors
//! for a moment, and an end of another thread's pipe would close a moment later than its drop.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::fs::{self, OpenOptions};
#[cfg(target_os = "linux")]
use std::io::{PipeReader, PipeWriter, Read};
use std::io::{Write, pipe as raw_pipe};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use multiprocess::pipe::{Error, LIMIT};
use multiprocess::process::ends::OwnedEnd;
use multiprocess::process::frame;
use multiprocess::{Connection, Gate, Receiver, Sender, one_way, pipe};
use serde::de::DeserializeOwned;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use testing::{Deadline, Random};

/// A receiver into whose pipe these bytes were written, and no more will be.
fn receiver_of<T>(bytes: &[u8]) -> Receiver<T> {
    let (reader, mut writer) = raw_pipe().unwrap();
    writer.write_all(bytes).unwrap();
    Receiver::from(reader)
}

/// The first bytes of a frame whose body is so long, or said to be.
fn frame(length: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = [&length.to_le_bytes()[..], body].concat();
    frame.resize(frame.len().max(64), 0);
    frame
}

/// The largest size this process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let number = line.and_then(|line| line.split_whitespace().next()).unwrap();
    number.parse::<u64>().unwrap() << 10
}

#[test]
fn a_frame_cut_anywhere_is_truncated_and_then_the_end_of_file() {
    let _deadline = Deadline::seconds(60);
    let whole = frame(100, &[7; 100]);
    for cut in 1..whole.len() {
        let mut receiver = receiver_of::<()>(&whole[..cut]);
        assert!(receiver.poll(None).unwrap());
        let received = receiver.recv_bytes(None);
        assert!(matches!(received, Err(Error::Truncated { missing: 1.. })), "{cut}: {received:?}");
        assert!(matches!(receiver.recv_bytes(None), Err(Error::EndOfFile)));
    }
}

#[test]
fn a_length_that_is_a_lie_is_an_error_and_takes_no_memory() {
    let _deadline = Deadline::seconds(60);
    let all_that_is_allowed = receiver_of::<String>(&frame(LIMIT, &[7; 1000])).recv();
    assert!(matches!(all_that_is_allowed, Err(Error::Truncated { missing: 1.. })));
    for length in [LIMIT + 1, u64::from(u32::MAX) << 8, u64::MAX] {
        let received = receiver_of::<String>(&frame(length, b"")).recv();
        assert!(matches!(received, Err(Error::TooLong { length: l, limit: LIMIT }) if l == length));
    }
    #[cfg(target_os = "linux")]
    assert!(peak() < LIMIT, "{} bytes", peak());
}

#[test]
fn after_a_refused_length_both_ends_are_told() {
    let _deadline = Deadline::seconds(60);
    let (reader, mut writer) = raw_pipe().unwrap();
    let mut receiver = Receiver::<String>::from(reader);
    writer.write_all(&frame(u64::MAX, b"")).unwrap();
    assert!(matches!(receiver.recv(), Err(Error::TooLong { .. })));
    for _ in 0..3 {
        assert!(receiver.poll(Duration::ZERO).unwrap(), "there is an error to receive");
        assert!(matches!(receiver.recv(), Err(Error::Closed)));
    }
    let mut sender = Sender::<String>::from(writer);
    assert!(matches!(sender.send(&"more".into()), Err(Error::BrokenPipe)));
    assert!(matches!(sender.send_bytes(b"more"), Err(Error::BrokenPipe)));
}

#[test]
fn a_sender_blocked_inside_a_refused_message_is_told() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, mut sender) = one_way::<()>().unwrap();
    let sending = thread::spawn(move || sender.send_bytes(&vec![7; 8 << 20]));
    let refused = receiver.recv_bytes(1 << 20);
    assert!(matches!(refused, Err(Error::TooLong { length: 0x80_0000, limit: 0x10_0000 })));
    assert!(matches!(sending.join().unwrap(), Err(Error::BrokenPipe)));
}

fn bytes_of(random: &mut Random, most: u64) -> Vec<u8> {
    (0..random.below(most + 1)).map(|_| random.below(256) as u8).collect()
}

/// Receives until it can't go on; a message that is no `T` is stepped over.
fn receive_all<T: DeserializeOwned>(bytes: &[u8]) -> Error {
    let mut receiver = receiver_of::<T>(bytes);
    // Every frame takes 64 bytes at least, so this is the most that there can be.
    for _ in 0..=bytes.len() / 64 {
        match receiver.recv() {
            Ok(_) | Err(Error::Decode { .. }) => {}
            Err(error) => return error,
        }
    }
    panic!("more messages than bytes: {bytes:?}");
}

#[test]
fn random_bytes_are_errors_and_always_come_to_an_end() {
    let _deadline = Deadline::seconds(60);
    type Nested = Vec<Option<(String, Vec<u32>, Result<char, f32>)>>;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut ended, mut truncated, mut too_long) = (0, 0, 0);
    for round in 0..10_000 {
        let bytes = match round % 3 {
            0 => bytes_of(&mut random, 300),
            // Whole frames with random bodies, and then perhaps some more.
            _ => {
                let mut bytes = Vec::new();
                for _ in 0..random.below(4) {
                    let body = bytes_of(&mut random, 150);
                    bytes.extend(frame(body.len() as u64, &body));
                }
                if round % 3 == 2 {
                    bytes.extend(bytes_of(&mut random, 20));
                }
                bytes
            }
        };
        for error in [receive_all::<Nested>(&bytes), receive_all::<String>(&bytes)] {
            match error {
                Error::EndOfFile => ended += 1,
                Error::Truncated { .. } => truncated += 1,
                Error::TooLong { .. } => too_long += 1,
                other => panic!("{other:?} after {bytes:?}"),
            }
        }
    }
    assert!(ended > 1000 && truncated > 1000 && too_long > 1000);
}

#[test]
fn a_message_of_another_type_is_used_up_and_the_next_is_received_well() {
    let _deadline = Deadline::seconds(60);
    let (reader, writer) = raw_pipe().unwrap();
    let mut sender = Sender::<String>::from(writer);
    let mut receiver = Receiver::<(u8, bool)>::from(reader);
    let mut pair = Vec::new();
    frame::encode_body(&(5, true), &mut pair).unwrap();
    for text in ["no pair", &"long".repeat(1000)] {
        sender.send(&text.to_owned()).unwrap();
        let received = receiver.recv();
        assert!(matches!(received, Err(Error::Decode { length, .. }) if length > text.len()));
        sender.send_bytes(&pair).unwrap();
        assert_eq!(receiver.recv().unwrap(), (5, true));
    }
    // Some more bytes than a value takes are no value either, and no bytes are none.
    for wrong in [[&pair[..], &[0]].concat(), vec![]] {
        sender.send_bytes(&wrong).unwrap();
        assert!(matches!(receiver.recv(), Err(Error::Decode { .. })));
    }
    drop(sender);
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
}

#[test]
fn an_end_sent_over_a_connection_is_refused_and_nothing_is_sent() {
    let _deadline = Deadline::seconds(60);
    let (mut end, mut other) = pipe::<Option<Connection<u8, u8>>, ()>().unwrap();
    let (traveller, mut left_behind) = pipe().unwrap();
    let error = end.send(&Some(traveller)).unwrap_err();
    assert!(matches!(error, Error::Encode { .. }));
    assert!(error.to_string().contains("arguments of a new process"), "{error}");
    assert!(!other.poll(Duration::ZERO).unwrap());
    assert!(matches!(left_behind.recv(), Err(Error::EndOfFile)), "no copy was left open");
    end.send(&None).unwrap();
    assert!(other.recv().unwrap().is_none(), "the connection can still be used");
    // What looks like an end when it arrives is none either.
    let looks_like_an_end = serde_json::json!({"pipe": 0, "closed": false});
    let (sender, receiver) = (&looks_like_an_end, &looks_like_an_end);
    let mut forged = Vec::new();
    let connection = Some(serde_json::json!({"sender": sender, "receiver": receiver}));
    frame::encode_body(&connection, &mut forged).unwrap();
    end.send_bytes(&forged).unwrap();
    let error = other.recv().unwrap_err();
    assert!(error.to_string().contains("arguments of a new process"), "{error}");
}

/// An end of each kind that the crates have so far, and one of nothing but a descriptor.
#[test]
fn any_end_in_a_message_is_an_error_that_says_where_it_goes_instead() {
    #[derive(Serialize)]
    struct Bare(#[serde(with = "multiprocess::process::handover")] OwnedEnd);

    fn refused<T: Serialize>(end: T) -> String {
        let (mut receiver, mut sender) = one_way().unwrap();
        let error = sender.send(&end).unwrap_err();
        assert!(matches!(error, Error::Encode { .. }));
        sender.send_bytes(b"the next").unwrap();
        assert_eq!(receiver.recv_bytes(None).unwrap(), b"the next");
        error.to_string()
    }
    let (connection, _other) = pipe::<u8, u8>().unwrap();
    let (receiver, sender) = one_way::<u8>().unwrap();
    let (_gate, waiting) = Gate::new().unwrap();
    let bare = Bare(raw_pipe().unwrap().0.into());
    for text in [
        refused(connection),
        refused(receiver),
        refused(vec![(7, Some(sender))]),
        refused(waiting),
        refused(bare),
    ] {
        for part in ["can't be sent in a message", "Process::new(function", "initializer"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.to_lowercase().contains("postcard"), "{text}");
    }
}

#[test]
fn no_serde_format_can_carry_an_end_by_itself() {
    let (receiver, sender) = one_way::<u8>().unwrap();
    assert!(serde_json::to_vec(&sender).is_err());
    assert!(serde_json::to_vec(&receiver).is_err());
    assert!(serde_json::from_str::<Sender<u8>>("[0, 0]").is_err());
    assert!(serde_json::from_str::<Receiver<u8>>("[0, 0]").is_err());
}

#[test]
fn a_refused_end_has_nothing_to_do_with_a_later_error() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, mut sender) = one_way::<String>().unwrap();
    assert!(serde_json::to_vec(&sender).is_err());
    sender.send_bytes(&[200]).unwrap();
    let error = receiver.recv().unwrap_err().to_string();
    assert!(!error.contains("descriptor"), "{error}");
}

#[test]
fn sending_to_a_closed_receiver_is_an_error_every_time() {
    let (receiver, mut sender) = one_way::<String>().unwrap();
    sender.send(&"nobody will read this".into()).unwrap();
    drop(receiver);
    for _ in 0..3 {
        assert!(matches!(sender.send(&"hello?".into()), Err(Error::BrokenPipe)));
        assert!(matches!(sender.send_bytes(&vec![7; 1 << 20]), Err(Error::BrokenPipe)));
    }
}

#[test]
fn a_receiver_closed_in_the_middle_of_a_large_message_is_an_error_for_the_sender() {
    let _deadline = Deadline::seconds(60);
    let (receiver, mut bytes_sender) = one_way::<String>().unwrap();
    let sending = thread::spawn(move || bytes_sender.send_bytes(&vec![7; 8 << 20]));
    assert!(receiver.poll(None).unwrap(), "it has begun");
    drop(receiver);
    assert!(matches!(sending.join().unwrap(), Err(Error::BrokenPipe)));

    let (receiver, mut value_sender) = one_way::<String>().unwrap();
    let sending = thread::spawn(move || value_sender.send(&"x".repeat(8 << 20)));
    assert!(receiver.poll(None).unwrap(), "it has begun");
    drop(receiver);
    assert!(matches!(sending.join().unwrap(), Err(Error::BrokenPipe)));
}

#[test]
fn the_messages_of_a_closed_sender_can_still_be_received() {
    let _deadline = Deadline::seconds(60);
    let (mut receiver, mut sender) = one_way().unwrap();
    sender.send(&1).unwrap();
    sender.send(&2).unwrap();
    drop(sender);
    assert_eq!([receiver.recv().unwrap(), receiver.recv().unwrap()], [1, 2]);
    assert!(receiver.poll(Duration::ZERO).unwrap());
    assert!(matches!(receiver.recv(), Err(Error::EndOfFile)));
}

#[test]
fn an_error_while_serialising_sends_nothing() {
    let _deadline = Deadline::seconds(60);
    /// Serialises its first half and then fails.
    struct Half;
    impl serde::Serialize for Half {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut pair = serde::Serializer::serialize_tuple(to, 2)?;
            serde::ser::SerializeTuple::serialize_element(&mut pair, &"x".repeat(1000))?;
            Err(serde::ser::Error::custom("no second half"))
        }
    }
    let (reader, writer) = raw_pipe().unwrap();
    let (receiver, mut sender) = (Receiver::<u8>::from(reader), Sender::<Half>::from(writer));
    assert!(matches!(sender.send(&Half), Err(Error::Encode { .. })));
    assert!(!receiver.poll(Duration::ZERO).unwrap());
}

/// What a message does on its way there, in its middle, and on its way back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Fails,
    Panics,
}

/// A message that is so many bytes long, twice.
#[derive(Debug, PartialEq)]
struct Moody {
    there: Mood,
    back: Mood,
    length: usize,
}

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element(&"x".repeat(self.length))?;
        match self.there {
            Mood::Well => parts.serialize_element(&(self.back as u8))?,
            Mood::Fails => return Err(ser::Error::custom("not in the mood to go")),
            Mood::Panics => panic!("not in the mood to go"),
        }
        parts.serialize_element(&"y".repeat(self.length))?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let (half, mood, _) = <(String, u8, String)>::deserialize(input)?;
        match mood {
            0 => Ok(Self { there: Mood::Well, back: Mood::Well, length: half.len() }),
            1 => Err(de::Error::custom("not in the mood to come")),
            _ => panic!("not in the mood to come"),
        }
    }
}

#[test]
fn a_message_whose_serialize_or_deserialize_fails_or_panics_costs_itself_and_nothing_else() {
    let _deadline = Deadline::seconds(60);
    fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(work)).ok()
    }
    let (mut here, mut there) = pipe::<Moody, Moody>().unwrap();
    let (mut receiver, mut sender) = one_way::<Moody>().unwrap();
    // In one frame of the shortest length, in more, in all that a pipe holds.
    for length in [3, 300, 15_000] {
        let moody = |there, back| Moody { there, back, length };
        let well = moody(Mood::Well, Mood::Well);
        for message in [moody(Mood::Fails, Mood::Well), moody(Mood::Panics, Mood::Well)] {
            let fails = message.there == Mood::Fails;
            let sent = [caught(|| here.send(&message)), caught(|| sender.send(&message))];
            for sent in sent {
                match sent {
                    Some(refused) => assert!(fails && matches!(refused, Err(Error::Encode { .. }))),
                    None => assert!(!fails),
                }
            }
            assert!(
                !there.poll(Duration::ZERO).unwrap() && !receiver.poll(Duration::ZERO).unwrap()
            );
        }
        here.send(&moody(Mood::Well, Mood::Fails)).unwrap();
        sender.send(&moody(Mood::Well, Mood::Panics)).unwrap();
        here.send(&well).unwrap();
        sender.send(&well).unwrap();
        assert!(matches!(there.recv(), Err(Error::Decode { .. })));
        assert!(caught(|| receiver.recv()).is_none());
        assert!(there.poll(None).unwrap() && receiver.poll(None).unwrap());
        assert_eq!(
            (there.recv().unwrap(), receiver.recv().unwrap()),
            (well, moody(Mood::Well, Mood::Well))
        );
        assert!(!there.poll(Duration::ZERO).unwrap() && !receiver.poll(Duration::ZERO).unwrap());
    }
}

/// Opens an end of a pipe once more, with an error where it would have to wait. With it a test can
/// have the system refuse something in the middle of a message.
#[cfg(target_os = "linux")]
fn impatient(end: &impl AsRawFd, writes: bool) -> OwnedFd {
    const O_NONBLOCK: i32 = 0o4000;
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    let mut options = OpenOptions::new();
    options.read(!writes).write(writes).custom_flags(O_NONBLOCK);
    options.open(path).unwrap().into()
}

#[test]
#[cfg(target_os = "linux")]
fn a_receiver_never_goes_on_in_the_middle_of_a_message() {
    let _deadline = Deadline::seconds(60);
    let (reader, mut writer) = raw_pipe().unwrap();
    let mut receiver = Receiver::<()>::from(PipeReader::from(impatient(&reader, false)));
    let message = frame(200, &[0; 200]);
    writer.write_all(&message[..64]).unwrap();
    assert!(matches!(receiver.recv_bytes(None), Err(Error::Io(_))));
    writer.write_all(&message[64..]).unwrap();
    // What is left of the message looks like empty messages. Nobody sent these.
    let next = receiver.recv_bytes(None);
    assert!(next.is_err(), "{next:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_sender_never_goes_on_in_the_middle_of_a_message() {
    let _deadline = Deadline::seconds(60);
    let (mut reader, writer) = raw_pipe().unwrap();
    let mut sender = Sender::<()>::from(PipeWriter::from(impatient(&writer, true)));
    drop(writer);
    let cut = sender.send_bytes(&vec![0; 2 << 20]);
    assert!(matches!(cut, Err(Error::Io(_))));
    // There is room again, but what comes next would be taken for the rest of that message.
    reader.read_exact(&mut [0; 1 << 15]).unwrap();
    assert!(sender.send_bytes(b"the next one").is_err());
}
