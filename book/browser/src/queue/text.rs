//! The sentences of the page, each in both languages.

use crate::language::Language;
use crate::queue::call::{Call, INLINE, Returned, Word, place, step};
use crate::queue::ring::{Blocked, Owner, Phase, State};
use crate::queue::stage::Event;
use crate::shared::atomic::{Kind, Operation};

/// Writes a text in a language: first the English form, then the Chinese.
macro_rules! say {
    ($language:expr, $english:literal, $chinese:literal) => {
        match $language {
            $crate::language::Language::English => format!($english),
            $crate::language::Language::Chinese => format!($chinese),
        }
    };
}
pub(crate) use say;

/// Returns a participant's name: a letter as long as there are any.
pub(crate) fn name(number: Owner) -> String {
    match u8::try_from(number) {
        Ok(number @ 1..=26) => char::from(b'A' + number - 1).to_string(),
        _ => format!("{number}"),
    }
}

/// Writes a slot's phase as the chapter does: `Writing(A)`.
pub(crate) fn phase(state: State) -> String {
    match state.phase {
        Phase::Empty | Phase::Full => format!("{:?}", state.phase),
        phase => format!("{phase:?}({})", name(state.owner)),
    }
}

/// Returns what a phase means.
pub(crate) fn meaning(language: Language, phase: Phase) -> String {
    match phase {
        Phase::Empty => say!(language, "free", "空闲"),
        Phase::Writing => say!(language, "being written", "正在写入"),
        Phase::Full => say!(language, "an item waits", "有一条数据"),
        Phase::Reading => say!(language, "being read", "正在读取"),
        Phase::Clearing => say!(language, "read; being cleared", "已读完，正在清理"),
    }
}

/// Returns what a word of a message says: a kind of food, or a number at the end.
pub(crate) fn content(language: Language, word: u64, is_last: bool) -> String {
    match word {
        0 => "·".into(),
        1 if !is_last => say!(language, "cola", "可乐"),
        2 if !is_last => say!(language, "cake", "蛋糕"),
        _ => word.to_string(),
    }
}

/// Returns what a message says.
pub(crate) fn message(language: Language, message: &[u64]) -> String {
    let words = message.iter().enumerate();
    let words = words.map(|(at, word)| content(language, *word, at + 1 == message.len()));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the label of a step's button.
pub(crate) fn button(language: Language, step: &str) -> String {
    match step {
        step::CLAIM => say!(language, "claim", "占用"),
        step::WRITE => say!(language, "write", "写入"),
        step::PUBLISH => say!(language, "publish", "发布"),
        step::READ => say!(language, "read", "读取"),
        step::MARK => say!(language, "mark as read", "标记为已读"),
        step::CLEAR => say!(language, "free the window", "释放窗口"),
        step::RELEASE => say!(language, "release", "释放槽位"),
        step::LOCK => say!(language, "repair", "修复"),
        _ => say!(language, "go on repairing", "继续修复"),
    }
}

/// Returns what an atomic operation is, before it is done: for its button.
pub(crate) fn operation(language: Language, word: Word, operation: &Operation) -> String {
    let what = match word {
        Word::Head => say!(language, "the head hint", "head 提示"),
        Word::Tail => say!(language, "the tail hint", "tail 提示"),
        Word::State(slot) => say!(language, "slot {slot}", "槽位 {slot}"),
        Word::Length(slot) => say!(language, "the length in slot {slot}", "槽位 {slot} 的长度"),
        Word::Payload { slot, index } => {
            let index = index + 1;
            say!(language, "word {index} of slot {slot}", "槽位 {slot} 的第 {index} 个字")
        }
        Word::Window { slot, index } => {
            let index = index + 1;
            say!(language, "word {index} of window {slot}", "窗口 {slot} 的第 {index} 个字")
        }
        Word::Number(number) => say!(language, "number {number}", "编号 {number}"),
    };
    // Chinese has a space only beside Latin letters.
    let space = if what.starts_with(|first: char| first.is_ascii()) { " " } else { "" };
    match operation.kind {
        Kind::Load => say!(language, "load {what}", "读取{space}{what}"),
        Kind::Store(_) => say!(language, "store {what}", "写入{space}{what}"),
        Kind::Exchange { .. } => {
            say!(language, "compare-exchange {what}", "比较并交换{space}{what}")
        }
    }
}

/// Returns the sentences that tell an event; with every load if the step was one operation.
pub(crate) fn event(language: Language, event: &Event) -> Vec<String> {
    match event {
        Event::Stepped { who, call, operations, returned, is_single } => {
            let mut told = step(language, &name(*who), operations, *is_single);
            told.extend(returned.as_ref().map(|returned| {
                let is_put = matches!(call, Call::Put(_));
                end(language, &name(*who), returned, is_put)
            }));
            told.retain(|sentence| !sentence.is_empty());
            told
        }
        Event::Killed { who, slots, repairing, had_got } => {
            killed(language, *who, slots, *repairing, *had_got)
        }
        Event::Started { who, is_producer: true } => {
            let new = name(*who);
            vec![say!(
                language,
                "A new producer, {new}, takes part; its number is {who}.",
                "新的生产者 {new} 加入，编号是 {who}。"
            )]
        }
        Event::Started { who, is_producer: false } => {
            let new = name(*who);
            vec![say!(
                language,
                "A new consumer, {new}, takes part; its number is {who}.",
                "新的消费者 {new} 加入，编号是 {who}。"
            )]
        }
    }
}

fn killed(
    language: Language,
    who: Owner,
    slots: &[usize],
    repairing: Option<Owner>,
    had_got: bool,
) -> Vec<String> {
    let dead = name(who);
    let mut told = vec![say!(
        language,
        "{dead} is killed; the kernel frees number {who}.",
        "{dead} 被杀死；内核释放编号 {who}。"
    )];
    if let Some(number) = repairing {
        told.push(say!(
            language,
            "It frees number {number}, too: the repair can be taken up by another participant.",
            "编号 {number} 也一并释放：别的参与者可以接手修复。"
        ));
    }
    for slot in slots {
        told.push(say!(
            language,
            "Slot {slot} still names {dead} as its owner. No lock is lost: it can be repaired.",
            "槽位 {slot} 的占用者仍然写着 {dead}。没有锁丢失，可以修复。"
        ));
    }
    if slots.is_empty() {
        told.push(say!(
            language,
            "No slot names {dead}: there is nothing to repair after it.",
            "没有哪个槽位写着 {dead}：不需要修复。"
        ));
    }
    if had_got {
        told.push(say!(
            language,
            "What it had got is lost with it.",
            "它已经取到的数据随它一起丢失。"
        ));
    }
    told
}

/// Returns the sentence on the end of a call.
fn end(language: Language, who: &str, returned: &Returned, is_put: bool) -> String {
    match returned {
        Returned::Put => say!(language, "The put of {who} returns.", "{who} 的 put 返回。"),
        Returned::Got(words) => {
            let got = message(language, words);
            say!(language, "{who} has got “{got}”.", "{who} 取到了“{got}”。")
        }
        Returned::Blocked(Blocked::FullOrEmpty) if is_put => {
            say!(language, "The queue is full: {who} has to wait.", "队列已满：{who} 只能等待。")
        }
        Returned::Blocked(Blocked::FullOrEmpty) => {
            say!(language, "The queue is empty: {who} has to wait.", "队列是空的：{who} 只能等待。")
        }
        Returned::Blocked(Blocked::ByClaim) => say!(
            language,
            "A claimed slot is in the way of {who}: if its owner is dead, a repair unblocks it.",
            "有一个被占用的槽位挡住了 {who}：如果占用者已死，修复之后就能继续。"
        ),
        Returned::Repaired(true) => String::new(),
        Returned::Repaired(false) => {
            say!(language, "{who} finds nothing to repair.", "{who} 没有发现需要修复的地方。")
        }
    }
}

/// Returns the sentences on the operations of a step.
fn step(
    language: Language,
    who: &str,
    operations: &[(Word, Operation)],
    is_single: bool,
) -> Vec<String> {
    if is_single {
        return operations.iter().map(|(word, done)| one(language, who, *word, done)).collect();
    }
    let mut told = Vec::new();
    let mut words = operations.iter().peekable();
    while let Some((word, done)) = words.next() {
        let Some(slot) = slot_of_message(*word) else {
            let is_try = matches!(done.kind, Kind::Exchange { .. });
            if is_try || done.changes() {
                told.push(one(language, who, *word, done));
            }
            continue;
        };
        // The words of a message are one thing for whoever writes or reads it.
        let mut last = (*word, *done);
        let mut content = vec![last];
        while let Some(next) = words.next_if(|(word, _)| slot_of_message(*word) == Some(slot)) {
            last = *next;
            content.push(last);
        }
        told.push(whole(language, who, slot, &content));
    }
    told
}

/// Returns the slot in which, or for which, the word of a message lies.
fn slot_of_message(word: Word) -> Option<usize> {
    match word {
        Word::Length(slot) | Word::Payload { slot, .. } | Word::Window { slot, .. } => Some(slot),
        _ => None,
    }
}

/// Returns the sentence on words of a message that were read or written in one step.
fn whole(language: Language, who: &str, slot: usize, words: &[(Word, Operation)]) -> String {
    let is_content = |(word, _): &&(Word, Operation)| !matches!(word, Word::Length(_));
    let content: Vec<u64> = words.iter().filter(is_content).map(|(_, done)| done.after()).collect();
    let text = message(language, &content);
    let is_large = words.iter().any(|(word, _)| matches!(word, Word::Window { .. }));
    match (words[0].1.step, is_large) {
        (step::WRITE, false) => say!(
            language,
            "{who} writes “{text}” into slot {slot}.",
            "{who} 把“{text}”写进槽位 {slot}。"
        ),
        (step::WRITE, true) => say!(
            language,
            "{who} writes the length into slot {slot} and “{text}” into its window.",
            "{who} 把长度写进槽位 {slot}，把“{text}”写进它的窗口。"
        ),
        (step::READ, false) => say!(
            language,
            "{who} reads “{text}” from slot {slot}.",
            "{who} 从槽位 {slot} 读出“{text}”。"
        ),
        (step::READ, true) => say!(
            language,
            "{who} reads “{text}” from the window of slot {slot}.",
            "{who} 从槽位 {slot} 的窗口读出“{text}”。"
        ),
        _ => say!(
            language,
            "{who} frees the window of slot {slot}.",
            "{who} 释放槽位 {slot} 的窗口。"
        ),
    }
}

/// Returns the sentence on one operation.
fn one(language: Language, who: &str, word: Word, done: &Operation) -> String {
    match word {
        Word::Head | Word::Tail => hint(language, who, word, done),
        Word::State(slot) => state(language, who, slot, done),
        Word::Number(number) => number_lock(language, who, number, done),
        Word::Length(slot) => {
            let bytes = done.after();
            match done.kind {
                Kind::Load => say!(
                    language,
                    "{who} reads the length in slot {slot}: {bytes} bytes.",
                    "{who} 读出槽位 {slot} 里的长度：{bytes} 字节。"
                ),
                _ => say!(
                    language,
                    "{who} writes the length into slot {slot}: {bytes} bytes.",
                    "{who} 把长度写进槽位 {slot}：{bytes} 字节。"
                ),
            }
        }
        Word::Payload { slot, index } => {
            let text = content(language, done.after(), index + 1 == INLINE);
            let index = index + 1;
            match done.kind {
                Kind::Load => say!(
                    language,
                    "{who} reads word {index} of slot {slot}: “{text}”.",
                    "{who} 读出槽位 {slot} 的第 {index} 个字：“{text}”。"
                ),
                _ => say!(
                    language,
                    "{who} writes word {index} of slot {slot}: “{text}”.",
                    "{who} 写槽位 {slot} 的第 {index} 个字：“{text}”。"
                ),
            }
        }
        Word::Window { slot, index } => {
            let text = content(language, done.after(), index + 1 == crate::queue::call::WINDOW);
            let index = index + 1;
            match (done.kind, done.step) {
                (Kind::Load, _) => say!(
                    language,
                    "{who} reads word {index} of window {slot}: “{text}”.",
                    "{who} 读出窗口 {slot} 的第 {index} 个字：“{text}”。"
                ),
                (_, step::WRITE) => say!(
                    language,
                    "{who} writes word {index} of window {slot}: “{text}”.",
                    "{who} 写窗口 {slot} 的第 {index} 个字：“{text}”。"
                ),
                _ => say!(
                    language,
                    "{who} frees word {index} of window {slot}.",
                    "{who} 释放窗口 {slot} 的第 {index} 个字。"
                ),
            }
        }
    }
}

fn hint(language: Language, who: &str, word: Word, done: &Operation) -> String {
    let which = if word == Word::Head { "head" } else { "tail" };
    let (lap, slot) = place(done.after());
    match done.kind {
        Kind::Exchange { .. } if done.changes() => say!(
            language,
            "{who} moves the {which} hint on to slot {slot}, lap {lap}.",
            "{who} 把 {which} 提示移到槽位 {slot}（第 {lap} 圈）。"
        ),
        Kind::Exchange { .. } => say!(
            language,
            "The {which} hint has been moved already, to slot {slot}, lap {lap}: {who} leaves it.",
            "{which} 提示已经移到了槽位 {slot}（第 {lap} 圈），{who} 不再动它。"
        ),
        _ => say!(
            language,
            "{who} looks at the {which} hint: slot {slot}, lap {lap}.",
            "{who} 看 {which} 提示：槽位 {slot}，第 {lap} 圈。"
        ),
    }
}

fn state(language: Language, who: &str, slot: usize, done: &Operation) -> String {
    let (before, after) = (State::of(done.before), State::of(done.after()));
    let (from, to) = (phase(before), phase(after));
    let lap = after.lap;
    if let Kind::Exchange { from: expected, .. } = done.kind {
        let expected = phase(State::of(expected));
        return if done.changes() {
            say!(
                language,
                "{who} claims slot {slot}, with one compare-exchange: {from} → {to}.",
                "{who} 用一次比较并交换占用槽位 {slot}：{from} → {to}。"
            )
        } else {
            say!(
                language,
                "{who} comes too late: slot {slot} was {expected} and is {from} now. \
                 It claims nothing, and looks again.",
                "{who} 晚了一步：槽位 {slot} 刚才是 {expected}，现在是 {from}。它没有占到，\
                 重新查看。"
            )
        };
    }
    if done.kind == Kind::Load {
        return say!(
            language,
            "{who} looks at slot {slot}: {to}, lap {lap}.",
            "{who} 看槽位 {slot}：{to}，第 {lap} 圈。"
        );
    }
    let returns = after.returns;
    match (before.phase, after.phase, done.step) {
        (Phase::Writing, Phase::Full, _) => say!(
            language,
            "{who} publishes slot {slot}: {from} → {to}. From here on a consumer can get it.",
            "{who} 发布槽位 {slot}：{from} → {to}。从现在起，消费者可以取它。"
        ),
        (Phase::Reading, Phase::Full, _) => say!(
            language,
            "{who} repairs slot {slot}: {from} → {to}. That get never happened: \
             the item is delivered again (returns: {returns}).",
            "{who} 修复槽位 {slot}：{from} → {to}。那次 get 等于没有发生：\
             这条数据重新投递（退回次数：{returns}）。"
        ),
        (_, Phase::Clearing, step::MARK) => say!(
            language,
            "{who} marks slot {slot} as read: {from} → {to}. From here on there is no redelivery.",
            "{who} 把槽位 {slot} 标记为已读：{from} → {to}。从现在起不再重新投递。"
        ),
        (_, Phase::Clearing, _) => say!(
            language,
            "{who} takes over slot {slot}: {from} → {to}, to free its window.",
            "{who} 接手槽位 {slot}：{from} → {to}，接着释放它的窗口。"
        ),
        (Phase::Writing, _, step::REPAIR) => say!(
            language,
            "{who} repairs slot {slot}: {from} → {to}, lap {lap}. That put never happened.",
            "{who} 修复槽位 {slot}：{from} → {to}，进入第 {lap} 圈。那次 put 等于没有发生。"
        ),
        (_, _, step::REPAIR) => say!(
            language,
            "{who} repairs slot {slot}: {from} → {to}, lap {lap}.",
            "{who} 修复槽位 {slot}：{from} → {to}，进入第 {lap} 圈。"
        ),
        _ => say!(
            language,
            "{who} releases slot {slot}: {from} → {to}, for lap {lap}.",
            "{who} 释放槽位 {slot}：{from} → {to}，留给第 {lap} 圈。"
        ),
    }
}

fn number_lock(language: Language, who: &str, number: Owner, done: &Operation) -> String {
    let dead = name(number);
    let holder = done.before as Owner;
    let by = name(holder);
    match done.kind {
        Kind::Exchange { .. } if done.changes() => say!(
            language,
            "{who} takes number {number}. It was free: {dead} is dead.",
            "{who} 锁住编号 {number}。它没有被锁住：{dead} 已死。"
        ),
        Kind::Exchange { .. } if holder == number => say!(
            language,
            "{who} can't take number {number}: {dead} has it, so {dead} is alive.",
            "{who} 锁不住编号 {number}：{dead} 锁着它，说明 {dead} 还活着。"
        ),
        Kind::Exchange { .. } => say!(
            language,
            "{who} can't take number {number}: {by} has it, and is repairing after {dead}.",
            "{who} 锁不住编号 {number}：{by} 锁着它，正在替 {dead} 修复。"
        ),
        _ => say!(language, "{who} lets number {number} go.", "{who} 放开编号 {number}。"),
    }
}
