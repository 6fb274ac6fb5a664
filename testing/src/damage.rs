//! A queue whose memory is damaged while it is used. The test of hostile input drives this, and so
//! does the fuzz target `ring`.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

use multiprocess::Queue;
use multiprocess::queue::GetError;

use crate::{Random, text};

/// A source of decisions.
pub trait Decisions {
    /// Decides for one of so many.
    fn below(&mut self, limit: u64) -> u64;

    /// Decides for any number.
    fn number(&mut self) -> u64;
}

impl Decisions for Random {
    fn below(&mut self, limit: u64) -> u64 {
        Self::below(self, limit)
    }

    fn number(&mut self) -> u64 {
        self.next()
    }
}

/// Decisions that are written down. At the end of the script all are 0.
#[derive(Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl Decisions for Script<'_> {
    fn below(&mut self, limit: u64) -> u64 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u64::from(*byte) % limit
    }

    fn number(&mut self) -> u64 {
        let (bytes, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The memory of the only queue of this process, to be damaged.
#[derive(Debug)]
pub struct Memory {
    /// The shared memory.
    pub file: File,
    /// The number of mapped words.
    words: u64,
    /// The index of the first word of the first slot, and how many words the slots have.
    slots: (u64, u64),
}

/// The index of a queue's first own word: those before it say which processes take part.
pub const FIRST_WORD: u64 = 72 + 8 * 4096;

/// The number of words in a slot.
const STRIDE: u64 = 32;

/// The index of the first word of the first slot: the same in all queues.
static FIRST_SLOT: OnceLock<u64> = OnceLock::new();

/// Finds where the first item of a new queue comes to lie. Before it are the slot's state and two
/// lengths.
fn find_first_slot(queue: &Queue<String>, file: &File) -> u64 {
    let mark = "0 the first item lies in the first slot";
    queue.try_put(String::from(mark)).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let read = file.read_at(&mut bytes, 0).unwrap();
    assert_eq!(queue.try_get().unwrap(), mark);
    let found = bytes[..read].windows(mark.len()).position(|part| part == mark.as_bytes());
    found.unwrap() as u64 / 8 - 2
}

impl Memory {
    /// Opens the memory of this queue, which is new and the only one of this process.
    pub fn of(queue: &Queue<String>, places: u64) -> io::Result<Self> {
        let mut descriptors = fs::read_dir("/proc/self/fd")?;
        let path = descriptors.find_map(|entry| {
            let path = entry.ok()?.path();
            let target = fs::read_link(&path).unwrap_or_default();
            target.to_str()?.starts_with("/memfd:queue").then_some(path)
        });
        let path = path.ok_or(io::ErrorKind::NotFound)?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let words = queue_mappings().first().map_or(0, |bytes| bytes / 8);
        let first_slot = *FIRST_SLOT.get_or_init(|| find_first_slot(queue, &file));
        Ok(Self { file, words, slots: (first_slot, places * STRIDE) })
    }

    /// Writes a word.
    pub fn set(&self, index: u64, value: u64) {
        // Beyond the end of the file it would be an error, which is no damage.
        let _ = self.file.write_all_at(&value.to_le_bytes(), 8 * index);
    }

    /// Writes something into a word of the mapped part: anywhere, or where more depends on it.
    pub fn damage(&self, decisions: &mut impl Decisions) {
        let index = match decisions.below(6) {
            0 => decisions.number() % self.words,
            // What the queue is, hints, event counts, tenants of areas.
            1 | 2 => FIRST_WORD + decisions.below(96),
            // Numbers that were given, and the accounts of the first participants.
            3 => [0, 72][decisions.below(2) as usize] + decisions.below(64),
            // The first words of a slot.
            4 => {
                self.slots.0 + decisions.below(self.slots.1 / STRIDE) * STRIDE + decisions.below(3)
            }
            _ => self.slots.0 + decisions.number() % self.slots.1,
        };
        let value = match decisions.below(6) {
            0 => u64::MAX,
            1 => decisions.below(10),
            2 => 1 << decisions.below(64),
            // What could be the first word of a slot: lap, phase, owner.
            3 => decisions.below(4) << 32 | decisions.below(16) << 16 | decisions.below(5),
            4 => decisions.number() << 32 | decisions.below(8) << 16 | decisions.below(200),
            _ => decisions.number(),
        };
        self.set(index, value);
    }
}

/// Lists the sizes of the queues' memories that are mapped here, in bytes.
fn queue_mappings() -> Vec<u64> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let queues = maps.lines().filter(|line| line.contains("memfd:queue"));
    let size = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    queues.map(|line| size(line).unwrap()).collect()
}

/// Uses the queue in one way or another. What comes of it doesn't matter, but that it ends does: a
/// test has a [`Deadline`](crate::Deadline) for that, and the fuzzer its `-timeout`.
pub fn use_queue(queue: &Queue<String>, decisions: &mut impl Decisions) {
    let length = [0, 10, 239, 300, 5000, 100_000][decisions.below(6) as usize];
    match decisions.below(8) {
        0 | 1 => drop(queue.try_put(text(length, length))),
        2 | 3 => drop(queue.try_get()),
        4 => drop(black_box(queue.qsize())),
        5 => drop(black_box((queue.is_full(), queue.is_empty()))),
        6 => drop(queue.task_done()),
        _ => {
            let got: Result<String, GetError> = queue.get_timeout(Duration::from_micros(100));
            drop(got);
        }
    }
}

/// Makes a queue, damages its memory, opens it once more, and goes on using and damaging it, all as
/// the script says.
pub fn play(script: &[u8]) -> io::Result<()> {
    let mut script = Script(script);
    let places = 1 + script.below(4);
    let maker = Queue::bounded(places as usize).map_err(io::Error::other)?;
    let memory = Memory::of(&maker, places)?;
    for _ in 0..script.below(8) {
        use_queue(&maker, &mut script);
    }
    for _ in 0..script.below(8) {
        memory.damage(&mut script);
    }
    // Its number may be anybody's; nobody has locked it.
    let number = [1, 2, 3, 0, 4095, 4096, u16::MAX][script.below(7) as usize];
    let opened = Queue::open(memory.file.try_clone()?.into(), number);
    while !script.0.is_empty() {
        match (script.below(3), &opened) {
            (0, _) => memory.damage(&mut script),
            (1, Ok(opened)) => use_queue(opened, &mut script),
            _ => use_queue(&maker, &mut script),
        }
    }
    // In this order: the other one may have become unbounded, and wait until its items are got.
    drop(maker);
    Ok(())
}
