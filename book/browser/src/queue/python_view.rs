//! The page of the model of Python's queue, as HTML, with its sentences in both languages.
use crate::language::Language;
use crate::queue::html::{Button, log, paragraphs};
use crate::queue::play::PythonPlay;
use crate::queue::python::{Act, At, Event, Lock, Model, PIPE, Piece, Process, SEATS};
use crate::queue::text::{name, say};

/// Returns a part of the page.
pub(crate) fn part(play: &PythonPlay, part: &str) -> String {
    match part {
        "stage" => stage(play),
        "news" => news(play),
        "controls" => controls(play),
        "log" => {
            let events = play.model.events.iter();
            let sentences: Vec<_> = events.flat_map(|it| sentences(play.language, it)).collect();
            log(play.language, &sentences)
        }
        _ => String::new(),
    }
}

fn news(play: &PythonPlay) -> String {
    match play.model.events.last() {
        Some(event) => paragraphs(&sentences(play.language, event)),
        None => say!(
            play.language,
            "<p>Let producer A put an item, and consumer C get it; then kill one that has a \
             lock.</p>",
            "<p>让生产者 A 放入一条数据，消费者 C 取走它；然后杀死一个拿着锁的进程。</p>"
        ),
    }
}

fn button(verb: &str, seat: Option<usize>, label: String, works: bool) -> Button<'_> {
    Button { stage: "python", act: (verb, seat), label, works, is_on: None }
}

fn controls(play: &PythonPlay) -> String {
    let can = play.model.can_undo();
    let undo = button("undo", None, say!(play.language, "undo", "撤销"), can);
    let anew = button("anew", None, say!(play.language, "start over", "重新开始"), can);
    undo.html() + &anew.html()
}

fn stage(play: &PythonPlay) -> String {
    let (language, model) = (play.language, &play.model);
    let seats = |seats: std::ops::Range<usize>| -> String {
        seats.map(|number| seat(play, number)).collect()
    };
    let (producers, consumers) = (
        say!(language, "Producers of Python's queue", "Python 队列的生产者"),
        say!(language, "Consumers of Python's queue", "Python 队列的消费者"),
    );
    let pipe = say!(language, "The pipe, and the lock of each end", "管道，以及两端各自的锁");
    let cells: String = (0..PIPE)
        .map(|at| match model.pipe.get(at) {
            Some(piece) => {
                format!("<li class=\"of-{}\">{}</li>", piece.from, item(language, piece))
            }
            None => format!("<li class=\"empty\">{}</li>", say!(language, "empty", "空")),
        })
        .collect();
    format!(
        "<section class=\"seats\" aria-label=\"{producers}\">{}</section>\
         <section class=\"pipe\" aria-label=\"{pipe}\"><h2>{pipe}</h2>\
         <div>{}<ol>{cells}</ol>{}</div></section>\
         <section class=\"seats\" aria-label=\"{consumers}\">{}</section>",
        seats(0..SEATS / 2),
        lock(language, model, Lock::Write),
        lock(language, model, Lock::Read),
        seats(SEATS / 2..SEATS),
    )
}

fn lock(language: Language, model: &Model, lock: Lock) -> String {
    let (class, holder) = match model.holders[lock as usize] {
        None => ("free".to_owned(), say!(language, "free", "空闲")),
        Some(number) => {
            let holder = name(number);
            if model.is_lost(lock) {
                (
                    "lost".to_owned(),
                    say!(
                        language,
                        "held by {holder}, which is dead: lost for ever",
                        "在已死的 {holder} 手里：永远丢失"
                    ),
                )
            } else {
                let seat = model.processes.iter().position(|it| it.number == number);
                let seat = seat.unwrap_or(SEATS);
                (format!("held of-{seat}"), say!(language, "held by {holder}", "在 {holder} 手里"))
            }
        }
    };
    format!("<div class=\"lock {class}\"><code>{}</code> <span>{holder}</span></div>", title(lock))
}

/// Returns the name that a lock has in Python's source.
fn title(lock: Lock) -> &'static str {
    match lock {
        Lock::Write => "_wlock",
        Lock::Read => "_rlock",
    }
}

fn seat(play: &PythonPlay, number: usize) -> String {
    let (language, model) = (play.language, &play.model);
    let process = &model.processes[number];
    let name = name(process.number);
    let is_producer = Model::is_producer(number);
    let title = if is_producer {
        say!(language, "Producer <b>{name}</b>", "生产者 <b>{name}</b>")
    } else {
        say!(language, "Consumer <b>{name}</b>", "消费者 <b>{name}</b>")
    };
    let main = if process.is_alive {
        button("next", Some(number), step(language, process, is_producer), true)
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
    let kill = say!(language, "kill here", "在此杀死");
    let kill = button("kill", Some(number), kill, model.can(Act::Kill(number)));
    let dead = if process.is_alive { "" } else { " dead" };
    format!(
        "<article class=\"seat of-{number}{dead}\" aria-labelledby=\"python-name-{number}\">\
         <h2 id=\"python-name-{number}\">{title}</h2>{}<div class=\"buttons\">{}{}</div></article>",
        paragraphs(&about(language, model, number)),
        main.html(),
        kill.html(),
    )
}

/// Returns the label of the button by which a process goes on.
fn step(language: Language, process: &Process, is_producer: bool) -> String {
    match process.at {
        At::Rest if is_producer => say!(language, "put", "put"),
        At::Rest => say!(language, "acquire _rlock", "获取 _rlock"),
        At::Buffered => say!(language, "feeder: acquire _wlock", "feeder：获取 _wlock"),
        At::Sending(0) => say!(language, "feeder: send", "feeder：发送"),
        At::Sending(1) => say!(language, "feeder: send the rest", "feeder：发送其余部分"),
        At::Sending(_) => say!(language, "feeder: release _wlock", "feeder：释放 _wlock"),
        At::Receiving(0) => say!(language, "receive", "接收"),
        At::Receiving(1) => say!(language, "receive the rest", "接收其余部分"),
        At::Receiving(_) => say!(language, "release _rlock", "释放 _rlock"),
    }
}

fn about(language: Language, model: &Model, number: usize) -> Vec<String> {
    let process = &model.processes[number];
    let mut about = Vec::new();
    about.push(if process.is_alive {
        let needs = match process.at {
            At::Rest if !Model::is_producer(number) => Some(Lock::Read),
            At::Buffered => Some(Lock::Write),
            _ => None,
        };
        match needs.filter(|lock| model.is_lost(*lock)) {
            Some(lock) => {
                let lock = title(lock);
                say!(
                    language,
                    "waits for <code>{lock}</code> for ever",
                    "永远等着 <code>{lock}</code>"
                )
            }
            None if matches!(process.at, At::Receiving(0 | 1)) && model.pipe.is_empty() => {
                say!(language, "waits at the empty pipe", "在空管道上等待")
            }
            None if matches!(process.at, At::Sending(0 | 1)) && model.pipe.len() == PIPE => {
                say!(language, "waits at the full pipe", "在满管道上等待")
            }
            None => say!(language, "alive", "活着"),
        }
    } else {
        say!(language, "killed", "已被杀死")
    });
    if process.at == At::Buffered && process.is_alive {
        let kept = food(language, number, process.brought);
        about.push(say!(language, "<code>_buffer</code>: {kept}", "<code>_buffer</code>：{kept}"));
    }
    if !process.got.is_empty() {
        let got = process.got.iter().map(|got| food(language, got.from, got.item));
        let got: Vec<_> = got.collect();
        let (commas, pauses) = (got.join(", "), got.join("、"));
        about.push(say!(language, "got: {commas}", "取到了：{pauses}"));
    }
    about
}

fn food(language: Language, seat: usize, item: u64) -> String {
    if seat == 0 {
        say!(language, "cola {item}", "可乐 {item}")
    } else {
        say!(language, "cake {item}", "蛋糕 {item}")
    }
}

fn item(language: Language, piece: &Piece) -> String {
    let food = food(language, piece.from, piece.item);
    format!("{food} <small>{}/2</small>", 1 + u8::from(piece.is_second))
}

/// Returns the sentences that tell an event.
fn sentences(language: Language, event: &Event) -> Vec<String> {
    match *event {
        Event::Killed { who, holding, is_unsent, sent_half } => {
            killed(language, who, holding, is_unsent, sent_half)
        }
        _ => vec![sentence(language, event)],
    }
}

fn sentence(language: Language, event: &Event) -> String {
    match *event {
        Event::Put { who, item } => {
            let (who, item) = (name(who), food(language, item.from, item.item));
            say!(
                language,
                "{who} puts {item} into its own _buffer, and put returns. The feeder thread has \
                 yet to send it.",
                "{who} 把{item}放进自己的 _buffer，put 就返回了。\
                 后台线程（feeder）还要把它发送出去。"
            )
        }
        Event::Acquired { who, lock } => {
            let (who, lock) = (name(who), title(lock));
            say!(language, "{who} has acquired {lock}.", "{who} 拿到了 {lock}。")
        }
        Event::WaitsForLock { who, lock, holder, is_dead } => {
            let (who, lock, holder) = (name(who), title(lock), name(holder));
            if is_dead {
                say!(
                    language,
                    "{who} can't have {lock}, ever: {holder} died with it, and the lock doesn't \
                     know who has it.",
                    "{who} 永远等不到 {lock}：{holder} 带着它死了，而锁并不知道自己在谁手里。"
                )
            } else {
                say!(
                    language,
                    "{who} waits for {lock}, which {holder} has.",
                    "{who} 等待 {lock}，它在 {holder} 手里。"
                )
            }
        }
        Event::Sent { who, piece: Piece { is_second: false, .. } } => {
            let who = name(who);
            say!(
                language,
                "{who} sends the first piece of the message into the pipe.",
                "{who} 把消息的第一段发送到管道里。"
            )
        }
        Event::Sent { who, .. } => {
            let who = name(who);
            say!(
                language,
                "{who} sends the rest of the message. It still has _wlock.",
                "{who} 发送消息的其余部分。_wlock 还在它手里。"
            )
        }
        Event::WaitsForRoom { who } => {
            let who = name(who);
            say!(
                language,
                "The pipe is full: {who} waits, and keeps _wlock meanwhile.",
                "管道满了：{who} 等待着，同时一直拿着 _wlock。"
            )
        }
        Event::WaitsForPiece { who, has_half: false } => {
            let who = name(who);
            say!(
                language,
                "The pipe is empty: {who} waits, and keeps _rlock meanwhile.",
                "管道空了：{who} 等待着，同时一直拿着 _rlock。"
            )
        }
        Event::WaitsForPiece { who, has_half: true } => {
            let who = name(who);
            say!(
                language,
                "{who} has half a message, and waits for the rest with _rlock in its hands.",
                "{who} 只收到半条消息，拿着 _rlock 等待其余部分。"
            )
        }
        Event::Received { who, piece: Piece { is_second: false, .. } } => {
            let who = name(who);
            say!(
                language,
                "{who} receives the first piece of the message.",
                "{who} 收到消息的第一段。"
            )
        }
        Event::Received { who, .. } => {
            let who = name(who);
            say!(
                language,
                "{who} receives the rest of the message. It still has _rlock.",
                "{who} 收到消息的其余部分。_rlock 还在它手里。"
            )
        }
        Event::Released { who, lock } => {
            let (who, lock) = (name(who), title(lock));
            say!(language, "{who} releases {lock}.", "{who} 释放 {lock}。")
        }
        Event::Started { who } => {
            let who = name(who);
            say!(
                language,
                "A new process, {who}, gets the same pipe and the same locks, in the state in \
                 which they are.",
                "新进程 {who} 得到同一个管道、同样的锁，它们是什么状态就还是什么状态。"
            )
        }
        Event::Killed { .. } => String::new(),
    }
}

fn killed(
    language: Language,
    who: u16,
    holding: Option<Lock>,
    is_unsent: bool,
    sent_half: bool,
) -> Vec<String> {
    let who = name(who);
    let mut told = vec![say!(language, "{who} is killed.", "{who} 被杀死。")];
    if let Some(lock) = holding {
        let lock = title(lock);
        told.push(say!(
            language,
            "{lock} stays taken: it is a semaphore at 0, and no process is left to raise it. All \
             that need it wait for ever.",
            "{lock} 一直被占着：它是值为 0 的信号量，再也没有进程把它加回来。\
             需要它的进程永远等下去。"
        ));
    } else {
        told.push(say!(language, "It had no lock.", "它手里没有锁。"));
    }
    if is_unsent {
        told.push(say!(
            language,
            "The item that it had put is lost: put had returned, but nothing was sent.",
            "它放入的数据丢失了：put 已经返回，数据却还没有发送。"
        ));
    }
    if sent_half {
        told.push(say!(
            language,
            "Half a message lies in the pipe: whoever receives it will wait for the rest.",
            "管道里留下半条消息：谁收到它，谁就会一直等其余部分。"
        ));
    }
    told
}
