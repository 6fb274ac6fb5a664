//! You'll see Hua Luogeng's tea made in three ways by one person with one stove: in 16 minutes, if
//! the water boils while the rest is washed.
//!
//! ```python
//! with ProcessPoolExecutor(2) as who:              # the person, the stove
//!     wash_kettle(); boiling = who.submit(boil)
//!     wash_pot(); wash_cups(); fetch_leaves()
//!     boiling.result(); brew()                     # 16 minutes, not 20
//! ```

use amdahl::{Plan, PlanError, Task};
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::timeline::Timeline;
use multiprocess::futures::ProcessPoolExecutor;

use super::slept;

pub(crate) const LESSON: Lesson = Lesson {
    name: "make-tea",
    section: "5.1",
    question: (
        "一个人、一个炉子，泡一壶茶最快要几分钟？",
        "One person and one stove: how soon is the tea ready?",
    ),
    remember: (
        "先做关键的事，等它的时候做别的：这就是统筹。",
        "Begin with what is critical; do the rest meanwhile: that is planning.",
    ),
    tell,
};

/// A way of making tea.
struct Way {
    name: &'static str,
    /// The tasks that wait without need: (task, what it waits for).
    waits: &'static [(&'static str, &'static str)],
    minutes: f64,
}

const WAYS: [Way; 3] = [
    Way { name: "the kettle first, the rest while it boils", waits: &[], minutes: 16.0 },
    Way {
        name: "all the washing first",
        waits: &[("kettle", "pot"), ("kettle", "cups"), ("kettle", "leaves")],
        minutes: 20.0,
    },
    Way {
        name: "the rest when it has boiled",
        waits: &[("pot", "boil"), ("cups", "boil"), ("leaves", "boil")],
        minutes: 20.0,
    },
];

fn tell(story: &Story) -> Told {
    let hands = ProcessPoolExecutor::new(2)?;
    story.event("person", "has to: Kettle 1, then Boil 15; Pot 1, Cups 2, Leaves 1; then brew");
    for Way { name, waits, minutes } in WAYS {
        let plan = tea(waits, 1)?;
        story.event("person", name);
        let computed = plan.schedule(None).makespan;
        story.ok(format!("computed: {minutes} minutes"), computed == minutes)?;
        let times = slept::really(story, &plan, &hands)?;
        let mut timeline = Timeline::default();
        for (who, tasks) in [("person", &[0, 2, 3, 4][..]), ("stove", &[1])] {
            let mark = |task: &usize| (plan.names()[*task].to_uppercase(), times[*task]);
            let marks = tasks.iter().map(mark);
            let marks = marks.filter_map(|(name, time)| Some((name.chars().next()?, time)));
            timeline.marked_row(who, marks);
        }
        story.varying_figure(timeline);
        slept::check(story, &plan, &times, computed)?;
        story.varies(format!("measured {:.2} minutes", slept::makespan(story, &times)));
    }
    let guests = tea(WAYS[0].waits, 5)?.schedule(None).makespan;
    story.ok("five persons need 16 minutes, too: the water takes its time", guests == 16.0)?;
    Ok(())
}

/// Plans the tea for this many persons, with tasks that wait for others: (task, what it waits for).
fn tea(waits: &[(&str, &str)], persons: u32) -> Result<Plan, PlanError> {
    let mut tasks = [
        Task::new("kettle", 1.0, &[]).needing("person", 1),
        Task::new("boil", 15.0, &["kettle"]).needing("stove", 1),
        Task::new("pot", 1.0, &[]).needing("person", 1),
        Task::new("cups", 2.0, &[]).needing("person", 1),
        Task::new("leaves", 1.0, &[]).needing("person", 1),
        Task::new("tea", 0.0, &["boil", "pot", "cups", "leaves"]),
    ];
    for (name, before) in waits {
        for task in tasks.iter_mut().filter(|task| task.name == *name) {
            task.after.push((*before).to_owned());
        }
    }
    let resources = [("person".to_owned(), persons), ("stove".to_owned(), 1)];
    Plan::new(tasks.into(), resources.into())
}
