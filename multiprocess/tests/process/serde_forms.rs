//! Values of every form that serde knows: each comes back as it was, or is an error.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::num::Wrapping;
use std::time::{Duration, SystemTime};

use multiprocess::process::frame::{self, Error};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

fn bytes_of<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    frame::encode_body(value, &mut body).map(|()| body)
}

/// The value after its way through bytes.
fn sent<T: Serialize, R: DeserializeOwned>(value: &T) -> Result<R, Error> {
    frame::decode(&bytes_of(value)?)
}

#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    assert_eq!(sent::<T, T>(&value).unwrap(), value);
}

#[test]
fn numbers_texts_and_options_come_back_exactly() {
    comes_back((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    comes_back((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    comes_back((0_i8, 127_i64, 128_u8, -1_i32, 1_u128, 127_u8));
    comes_back((f32::MIN_POSITIVE, f64::INFINITY, -0.0_f64, 0.1_f32));
    assert!(sent::<_, f64>(&f64::NAN).unwrap().is_nan());
    comes_back(('水', "水池".to_owned(), String::new(), (), true, false));
    comes_back([None, Some(None), Some(Some(None)), Some(Some(Some(())))]);
    comes_back(vec![(); 3]);
    comes_back((Duration::MAX, SystemTime::UNIX_EPOCH, "::1".parse::<IpAddr>().unwrap()));
}

#[test]
fn sequences_of_numbers_come_back_and_are_as_long_as_in_memory() {
    comes_back(vec![0_u8, 127, 128, 255]);
    comes_back(vec![1_i64, -1, i64::MIN]);
    comes_back([1.5_f32; 20]);
    comes_back([7_u8; 3]);
    comes_back(vec!['a', '水']);
    comes_back(vec![Vec::<u8>::new(), vec![1, 2], vec![200; 10]]);
    comes_back(vec![Some(1_u8), None, Some(200)]);
    comes_back(Vec::<u64>::new());
    let (bytes, floats) = (vec![1_u8; 1000], vec![1.0_f64; 1000]);
    assert!(bytes_of(&bytes).unwrap().len() < 1010);
    assert!(bytes_of(&floats).unwrap().len() < 8010);
    assert_eq!(sent::<_, Vec<u16>>(&bytes).unwrap(), vec![1_u16; 1000], "as in JSON");
}

/// A sequence whose elements turn out to be of several types.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mixed {
    Number(u32),
    Less(i64),
    Text(String),
    Many(Vec<Mixed>),
    Named(BTreeMap<String, Mixed>),
}

#[test]
fn a_sequence_that_begins_with_numbers_may_go_on_with_anything() {
    use Mixed::{Less, Many, Number, Text};
    comes_back(vec![Number(1000), Number(2), Less(-3), Number(4), Text("five".to_owned())]);
    comes_back(vec![Number(1), Many(vec![Number(2), Less(-2)]), Number(3)]);
    comes_back(vec![Less(-1), Less(-2), Text(String::new()), Number(7)]);
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Step {
    Begin,
    #[serde(skip)]
    Internal,
    #[serde(alias = "labour", alias = "toil")]
    Work,
    #[serde(skip_deserializing)]
    OneWay,
    #[serde(rename = "fin")]
    End,
}

#[test]
fn a_variant_is_itself_whichever_others_are_skipped() {
    for step in [Step::Begin, Step::Work, Step::End] {
        comes_back(step);
        comes_back((Some(step), vec![step; 2]));
    }
    let refused = bytes_of(&Step::Internal).unwrap_err();
    assert!(matches!(&refused, Error::Encode { reason, .. } if reason.contains("Internal")));
    let refused = sent::<_, Step>(&Step::OneWay).unwrap_err().to_string();
    assert!(refused.contains("unknown variant `OneWay`"), "{refused}");
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u8>,
    level: u8,
    #[serde(skip)]
    seen: bool,
    #[serde(skip_serializing)]
    draft: String,
    #[serde(skip_deserializing)]
    count: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    marks: Vec<u8>,
    last: u8,
}

#[test]
fn a_skipped_field_shifts_no_other() {
    let note = Note { level: 1, last: 9, ..Note::default() };
    assert_eq!(sent::<_, (Note, Vec<u8>)>(&(&note, vec![5, 0])).unwrap(), (note, vec![5, 0]));
    let full = Note {
        page: Some(3),
        level: 1,
        seen: true,
        draft: "draft".to_owned(),
        count: 4,
        marks: vec![1],
        last: 9,
    };
    let kept = Note { page: Some(3), level: 1, marks: vec![1], last: 9, ..Note::default() };
    assert_eq!(sent::<_, Note>(&full).unwrap(), kept);
}

/// Bytes that are read in a way of their own: turned round.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reversed(#[serde(deserialize_with = "reversed")] Vec<u8>);

fn reversed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct InReverse;

    impl<'de> Visitor<'de> for InReverse {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Vec<u8>, A::Error> {
            let mut read = VecDeque::new();
            while let Some(byte) = bytes.next_element()? {
                read.push_front(byte);
            }
            Ok(read.into())
        }
    }

    deserializer.deserialize_seq(InReverse)
}

#[test]
fn bytes_come_back_in_every_collection_and_through_every_visitor() {
    let bytes: Vec<u8> = (0..=255).collect();
    comes_back((bytes.clone(), Some(vec![bytes.clone(), vec![]])));
    comes_back((bytes.clone().into_boxed_slice(), VecDeque::from(bytes.clone())));
    comes_back(bytes.iter().copied().map(Wrapping).collect::<Vec<_>>());
    assert_eq!(sent::<_, Vec<u64>>(&bytes).unwrap(), (0..=255).collect::<Vec<_>>());
    assert_eq!(sent::<_, Vec<u8>>(&vec![7_u64, 255]).unwrap(), [7, 255]);
    assert_eq!(sent::<_, Reversed>(&Reversed(vec![1, 2, 3])).unwrap().0, [3, 2, 1]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Strict {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    marks: Vec<u8>,
    level: u8,
}

#[test]
fn a_skipped_field_without_a_default_is_an_error_that_names_it() {
    comes_back(Strict { marks: vec![1], level: 2 });
    let refused = sent::<_, Strict>(&Strict { marks: vec![], level: 2 }).unwrap_err().to_string();
    assert!(refused.contains("missing field `marks`"), "{refused}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Newtype(BTreeMap<String, u64>),
    Struct { number: i16, inner: Option<Box<External>> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(Box<Internal>),
    Tuple(u8, String),
    Struct { number: f64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(Adjacent),
    Tuple(u8, Vec<External>, ()),
    Struct { number: u64, text: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    adjacent: Adjacent,
    #[serde(flatten)]
    rest: HashMap<String, Mixed>,
}

#[test]
fn tagged_untagged_and_flattened_values_come_back() {
    let structure = || External::Struct { number: 1 << 40, text: "text".to_owned() };
    let all = [
        External::Unit,
        External::Newtype(Adjacent::Unit),
        External::Newtype(Adjacent::Tuple(200, "two".to_owned())),
        External::Newtype(Adjacent::Struct { number: 0.5 }),
        External::Newtype(Adjacent::Newtype(Box::new(Internal::Unit))),
        External::Newtype(Adjacent::Newtype(Box::new(Internal::Newtype(
            [("a".to_owned(), 1), ("b".to_owned(), u64::MAX)].into(),
        )))),
        External::Newtype(Adjacent::Newtype(Box::new(Internal::Struct {
            number: -5,
            inner: Some(Box::new(structure())),
        }))),
        External::Tuple(1, vec![External::Unit, structure()], ()),
        structure(),
    ];
    comes_back(all);
    comes_back(Flat {
        id: 1000,
        adjacent: Adjacent::Tuple(1, "one".to_owned()),
        rest: [("more".to_owned(), Mixed::Many(vec![Mixed::Number(1)]))].into(),
    });
    comes_back((Ok::<_, String>(3_u8), Err::<u8, _>("no".to_owned()), ..=5_u8).0);
}

/// Fields that are read twice: serde keeps them aside until it knows whose they are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    done: Result<(), u8>,
    unit: Adjacent,
    large: u64,
    small: i64,
    options: Option<Option<Vec<u8>>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Keeps {
    #[serde(flatten)]
    kept: Kept,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum KeepsOrNot {
    Number(u8),
    Keeps(Keeps),
}

#[test]
fn what_serde_keeps_aside_comes_back_as_well() {
    for done in [Ok(()), Err(200)] {
        for large in [0, 95, 96, 1000, u64::MAX] {
            let (unit, small) = (Adjacent::Unit, i64::MIN);
            let options = Some(Some(vec![1, 2]));
            let kept = Kept { done, unit, large, small, options };
            comes_back(KeepsOrNot::Keeps(Keeps { kept }));
        }
    }
    comes_back(KeepsOrNot::Number(3));
}

#[test]
fn json_values_go_through_and_keys_are_of_any_type() {
    let json = serde_json::json!({"a": [1, -2, 0.5, null, true, {"b": "c"}], "d": {}});
    comes_back(json);
    comes_back(HashMap::from([((1_u8, -1_i8), "a".to_owned()), ((2, -2), String::new())]));
    comes_back(BTreeMap::from([(Some(Step::Work), 1)].map(|(step, n)| (format!("{step:?}"), n))));
}

/// A type whose `Serialize` refuses.
struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("the key is not for others"))
    }
}

#[test]
fn the_reason_of_a_refusal_is_kept() {
    let refused = bytes_of(&vec![Some(Refusing)]).unwrap_err().to_string();
    assert!(refused.ends_with("the key is not for others"), "{refused}");
    let refused = frame::decode::<std::num::NonZeroU8>(&[0]).unwrap_err().to_string();
    assert!(refused.contains("expected a nonzero u8"), "{refused}");
}

#[derive(Serialize, Deserialize)]
enum List {
    End,
    Next(Box<List>),
}

fn list(length: u32) -> List {
    (0..length).fold(List::End, |list, _| List::Next(Box::new(list)))
}

/// Takes a list apart without recursion.
fn length_of(mut list: List) -> u32 {
    let mut length = 0;
    while let List::Next(next) = list {
        (list, length) = (*next, length + 1);
    }
    length
}

/// Each way to hold the next level.
#[derive(Serialize, Deserialize)]
enum Chain {
    End,
    Newtype(Box<Chain>),
    Tuple(u8, Box<Chain>),
    Struct { next: Box<Chain> },
    Many(Vec<Chain>),
    Maybe(Option<Box<Chain>>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Aside {
    Chain(Chain),
}

#[test]
fn what_may_be_sent_is_not_too_deep_to_be_received() {
    let longer: [fn(Box<Chain>) -> Chain; 5] = [
        Chain::Newtype,
        |next| Chain::Tuple(1, next),
        |next| Chain::Struct { next },
        |next| Chain::Many(vec![*next]),
        |next| Chain::Maybe(Some(next)),
    ];
    for longer in longer {
        let sent_at = |length: u32| {
            let chain = (0..length).fold(Chain::End, |chain, _| longer(Box::new(chain)));
            let Ok(bytes) = bytes_of(&chain) else { return false };
            assert!(frame::decode::<Chain>(&bytes).is_ok(), "{length}");
            assert!(frame::decode::<Aside>(&bytes).is_ok(), "{length}, kept aside");
            true
        };
        let deepest = (1..400).take_while(|length| sent_at(*length)).count();
        assert!((100..300).contains(&deepest), "{deepest}");
    }
}

#[test]
fn what_is_nested_too_deep_is_an_error_in_both_directions() {
    let refused = frame::decode::<u64>(&vec![0x73; 1 << 20]).unwrap_err().to_string();
    assert!(refused.contains("ends too early"), "options without end: {refused}");
    assert_eq!(length_of(sent(&list(250)).unwrap()), 250);
    let deep = list(200_000);
    let refused = bytes_of(&deep).unwrap_err().to_string();
    length_of(deep);
    assert!(refused.contains("nested more than 256 levels deep"), "{refused}");

    // Made by hand, for nothing that is sent is so deep: each variant holds the next one.
    let level = bytes_of(&list(1)).unwrap();
    let level = &level[..level.len() - bytes_of(&List::End).unwrap().len()];
    let mut bytes = level.repeat(200_000);
    bytes.extend(bytes_of(&List::End).unwrap());
    let refused = frame::decode::<List>(&bytes).err().unwrap().to_string();
    assert!(refused.contains("nested more than 256 levels deep"), "{refused}");
    let refused = frame::decode::<serde_json::Value>(&bytes).unwrap_err().to_string();
    assert!(refused.contains("nested more than 256 levels deep"), "{refused}");
}

fn any_mixed() -> impl Strategy<Value = Mixed> {
    let leaf = prop_oneof![
        any::<u32>().prop_map(Mixed::Number),
        (i64::MIN..0).prop_map(Mixed::Less),
        any::<String>().prop_map(Mixed::Text),
    ];
    leaf.prop_recursive(4, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Mixed::Many),
            btree_map(any::<String>(), inner, 0..4).prop_map(Mixed::Named),
        ]
    })
}

proptest! {
    #[test]
    fn any_mixture_comes_back(mixed in any_mixed()) {
        prop_assert_eq!(sent::<_, Mixed>(&mixed).unwrap(), mixed);
    }

    /// Bytes cut off or changed are an error or another value, never a panic.
    #[test]
    fn damaged_bytes_are_no_panic(mixed in any_mixed(), place: usize, byte: u8, cut: bool) {
        let mut bytes = bytes_of(&mixed).unwrap();
        let place = place % bytes.len();
        if cut {
            bytes.truncate(place);
            prop_assert!(frame::decode::<Mixed>(&bytes).is_err());
        } else {
            bytes[place] = byte;
            let _ = frame::decode::<Mixed>(&bytes);
            let _ = frame::decode::<External>(&bytes);
            let _ = frame::decode::<Vec<(Option<u8>, String)>>(&bytes);
        }
    }
}
