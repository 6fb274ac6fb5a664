//! The page of the ring: what the stage is at, as HTML.

use std::fmt::Write;

use crate::queue::call::{INLINE, SLOTS, Word};
use crate::queue::html::{Button, log, paragraphs};
use crate::queue::play::RingPlay;
use crate::queue::ring::{Owner, Phase};
use crate::queue::stage::{Act, Event, SEATS, Stage};
use crate::queue::text::{self, say};
use crate::queue::tour::TOURS;

/// Returns a part of the page.
pub(crate) fn part(play: &RingPlay, part: &str) -> String {
    match part {
        "tours" => tours(play),
        "stage" => stage(play),
        "news" => news(play),
        "controls" => controls(play),
        "log" => log(play.language, &sentences(play, 0)),
        _ => String::new(),
    }
}

fn button(verb: &str, seat: Option<usize>, label: String, works: bool) -> Button<'_> {
    Button { stage: "ring", act: (verb, seat), label, works, is_on: None }
}

fn tours(play: &RingPlay) -> String {
    let language = play.language;
    let title = say!(language, "Guided tours:", "导览：");
    let buttons = TOURS.iter().enumerate().map(|(number, tour)| {
        let is_on = Some(play.place.is_some_and(|place| place.tour == number));
        let label = tour.name[language as usize].into();
        Button { is_on, ..button("tour", Some(number), label, true) }.html()
    });
    format!("<span>{title}</span>{}", buttons.collect::<String>())
}

/// Returns the sentences on the events from this number on.
fn sentences(play: &RingPlay, from: usize) -> Vec<String> {
    let events = play.stage.events[from.min(play.stage.events.len())..].iter();
    events.flat_map(|event| text::event(play.language, event)).collect()
}

/// Returns what the last act did; on a tour, after the sentence of its stop.
fn news(play: &RingPlay) -> String {
    let language = play.language;
    let happened = paragraphs(&sentences(play, play.told));
    let Some(place) = play.place else {
        return if play.stage.events.is_empty() {
            say!(
                language,
                "<p>Nothing has happened yet. Let producer A claim a slot, or take a tour.</p>",
                "<p>还什么都没有发生。让生产者 A 占用一个槽位吧，也可以先看导览。</p>"
            )
        } else {
            happened
        };
    };
    let tour = &TOURS[place.tour];
    let sentence = tour.stops[place.stop].sentence[language as usize];
    let (stop, stops) = (place.stop + 1, tour.stops.len());
    let what = say!(language, "What the code did", "代码做了什么");
    format!(
        "<p class=\"stop\"><b>{stop} / {stops}</b> {sentence}</p>\
         <div class=\"did\"><span>{what}</span>{happened}</div>"
    )
}

fn controls(play: &RingPlay) -> String {
    let language = play.language;
    let Some(place) = play.place else {
        let can_undo = play.stage.can_undo();
        let by_operation = Button {
            is_on: Some(play.stage.by_operation),
            ..button(
                "operations",
                None,
                say!(language, "one atomic operation at a time", "一次一个原子操作"),
                true,
            )
        };
        let undo = button("undo", None, say!(language, "undo", "撤销"), can_undo);
        let anew = button("anew", None, say!(language, "start over", "重新开始"), can_undo);
        return [by_operation, undo, anew].iter().map(Button::html).collect();
    };
    let is_last = place.stop + 1 == TOURS[place.tour].stops.len();
    let back = button("back", None, say!(language, "back", "上一步"), place.stop > 0);
    let forward = button("forward", None, say!(language, "next", "下一步"), !is_last);
    let leave = say!(language, "continue on your own", "从这里自己操作");
    let leave = button("leave", None, leave, true);
    [back, forward, leave].iter().map(Button::html).collect()
}

fn stage(play: &RingPlay) -> String {
    let language = play.language;
    let seats = |seats: std::ops::Range<usize>| -> String {
        seats.map(|number| seat(play, number)).collect()
    };
    let (producers, consumers) =
        (say!(language, "Producers", "生产者"), say!(language, "Consumers", "消费者"));
    let ring = say!(language, "The ring, in shared memory", "环形缓冲区，在共享内存里");
    let slots: String = (0..SLOTS).map(|number| slot(play, number)).collect();
    format!(
        "<section class=\"seats\" aria-label=\"{producers}\">{}</section>\
         <section class=\"ring\" aria-label=\"{ring}\"><h2>{ring}</h2>\
         <ol start=\"0\">{slots}</ol></section>\
         <section class=\"seats\" aria-label=\"{consumers}\">{}</section>",
        seats(0..SEATS / 2),
        seats(SEATS / 2..SEATS),
    )
}

/// Returns the seat in which the participant of this number is or was: its colour.
fn seat_of(stage: &Stage, owner: Owner) -> Option<(usize, bool)> {
    let seat = stage.seats.iter().position(|seat| seat.number == owner);
    seat.map(|seat| (seat, stage.seats[seat].is_alive))
}

/// Returns true if the last act changed the slot.
fn has_changed(play: &RingPlay, slot: usize) -> bool {
    let events = play.stage.events[play.told.min(play.stage.events.len())..].iter();
    let operations = events.flat_map(|event| match event {
        Event::Stepped { operations, .. } => &operations[..],
        _ => &[],
    });
    operations.filter(|(_, done)| done.changes()).any(|(word, _)| match *word {
        Word::State(changed) | Word::Length(changed) => changed == slot,
        Word::Payload { slot: changed, .. } | Word::Window { slot: changed, .. } => changed == slot,
        Word::Head | Word::Tail | Word::Number(_) => false,
    })
}

fn slot(play: &RingPlay, number: usize) -> String {
    let (language, stage) = (play.language, &play.stage);
    let state = stage.memory.state(number);
    let lap = state.lap;
    let mut classes = format!("slot {:?}", state.phase).to_lowercase();
    let mut owner = String::new();
    if !matches!(state.phase, Phase::Empty | Phase::Full) {
        let name = text::name(state.owner);
        // An owner without a seat is dead.
        let (seat, is_alive) = seat_of(stage, state.owner).unwrap_or((SEATS, false));
        let _ = write!(classes, " of-{seat}");
        if !is_alive {
            classes.push_str(" dead");
            owner = say!(language, "{name} is dead", "{name} 已死");
            owner = format!("<span class=\"owner\">{owner}</span>");
        }
    }
    if has_changed(play, number) {
        classes.push_str(" changed");
    }
    let mut hints = String::new();
    for (name, word) in [("head", Word::Head), ("tail", Word::Tail)] {
        let (lap, place) = stage.memory.hint(word);
        if place == number {
            let lap = say!(language, "lap {lap}", "第 {lap} 圈");
            let _ = write!(hints, "<span class=\"{name}\"><b>{name}</b> {lap}</span>");
        }
    }
    let returns = state.returns;
    let returns = if returns == 0 {
        String::new()
    } else {
        let text = say!(language, "returns: {returns}", "退回次数：{returns}");
        format!("<span class=\"returns\">{text}</span>")
    };
    let (title, lap) = (
        say!(language, "slot {number}", "槽位 {number}"),
        say!(language, "lap {lap}", "第 {lap} 圈"),
    );
    let (phase, meaning) = (text::phase(state), text::meaning(language, state.phase));
    format!(
        "<li class=\"{classes}\"><div class=\"hints\">{hints}</div><div class=\"card\">\
         <div class=\"place\"><span>{title}</span> <span>{lap}</span></div>\
         <code class=\"phase\">{phase}</code> <span class=\"meaning\">{meaning}</span>\
         {owner}{}{returns}</div></li>",
        contents(play, number),
    )
}

/// Returns the words of a slot as cells, and those of its window if there is anything in it.
fn contents(play: &RingPlay, number: usize) -> String {
    let language = play.language;
    let (payload, window) = play.stage.memory.contents(number);
    let cells = |words: &[u64]| -> String {
        let last = words.len() - 1;
        let words = words.iter().enumerate();
        words
            .map(|(at, word)| {
                format!("<code>{}</code>", text::content(language, *word, at == last))
            })
            .collect()
    };
    let length = match payload[0] {
        0 => "·".to_owned(),
        bytes => format!("{bytes} B"),
    };
    let (words, beside) =
        (say!(language, "length and words", "长度和字"), say!(language, "window", "窗口"));
    // The length that a large message has in the slot says where it lies.
    let is_inline = payload[0] <= 8 * INLINE as u64;
    let old = if is_inline { "" } else { " unused" };
    let mut html = format!(
        "<div class=\"words\" role=\"group\" aria-label=\"{words}\"><code>{length}</code>\
         <span class=\"payload{old}\">{}</span></div>",
        cells(&payload[1..]),
    );
    if window.iter().any(|word| *word != 0) {
        let _ = write!(html, "<div class=\"window\"><span>{beside}</span>{}</div>", cells(&window));
    }
    html
}

/// Returns the card of the participant in a seat.
fn seat(play: &RingPlay, number: usize) -> String {
    let (language, stage) = (play.language, &play.stage);
    let seat = &stage.seats[number];
    let name = text::name(seat.number);
    let is_producer = Stage::is_producer(number);
    let title = if is_producer {
        say!(language, "Producer <b>{name}</b>", "生产者 <b>{name}</b>")
    } else {
        say!(language, "Consumer <b>{name}</b>", "消费者 <b>{name}</b>")
    };
    let main = if seat.is_alive {
        next(play, Act::Next(number), "next", number)
    } else if is_producer {
        button(
            "start",
            Some(number),
            say!(language, "start a new producer", "启动新的生产者"),
            true,
        )
    } else {
        button(
            "start",
            Some(number),
            say!(language, "start a new consumer", "启动新的消费者"),
            true,
        )
    };
    let repair = next(play, Act::Repair(number), "repair", number);
    let kill = say!(language, "kill here", "在此杀死");
    let kill = button("kill", Some(number), kill, stage.can(Act::Kill(number)));
    let mut buttons = main.html() + &repair.html() + &kill.html();
    if is_producer {
        let large = say!(language, "large items", "大数据");
        let large = button("large", Some(number), large, stage.can(Act::Large(number)));
        buttons += &Button { is_on: Some(seat.is_large), ..large }.html();
    }
    let dead = if seat.is_alive { "" } else { " dead" };
    format!(
        "<article class=\"seat of-{number}{dead}\" aria-labelledby=\"ring-name-{number}\">\
         <h2 id=\"ring-name-{number}\">{title}</h2>{}\
         <div class=\"buttons\">{buttons}</div></article>",
        paragraphs(&about(play, number)),
    )
}

/// Returns the button by which a participant goes on: its label names the step that comes next.
fn next<'a>(play: &RingPlay, act: Act, verb: &'a str, seat: usize) -> Button<'a> {
    let language = play.language;
    let works = play.stage.can(act);
    let upcoming = if works { play.stage.upcoming(act) } else { None };
    let label = match upcoming {
        Some((word, operation)) => {
            let step = text::button(language, operation.step);
            let detail = text::operation(language, word, &operation);
            if play.stage.by_operation { format!("{step} <small>{detail}</small>") } else { step }
        }
        None if verb == "repair" => say!(language, "repair", "修复"),
        None => say!(language, "busy repairing", "正在修复"),
    };
    button(verb, Some(seat), label, works)
}

/// Returns what there is to say of a participant.
fn about(play: &RingPlay, number: usize) -> Vec<String> {
    let (language, stage) = (play.language, &play.stage);
    let seat = &stage.seats[number];
    let own = seat.number;
    let is_its = |other: &Owner| *other != own && stage.memory.holder(*other) == own;
    let mut about = vec![if seat.is_alive {
        say!(language, "alive, holds number {own}", "活着，锁着编号 {own}")
    } else {
        say!(language, "killed, number {own} is free", "已被杀死，编号 {own} 已释放")
    }];
    if let Some(other) = (1..=stage.highest()).find(is_its) {
        let dead = text::name(other);
        about.push(say!(
            language,
            "holds number {other} too, to repair after {dead}",
            "还锁着编号 {other}，正在替 {dead} 修复"
        ));
    }
    if !seat.got.is_empty() {
        let got: Vec<_> = seat.got.iter().map(|got| text::message(language, got)).collect();
        let (commas, pauses) = (got.join(", "), got.join("、"));
        about.push(if seat.is_alive {
            say!(language, "got: {commas}", "取到了：{pauses}")
        } else {
            say!(language, "lost with it: {commas}", "随它丢失：{pauses}")
        });
    }
    about
}
