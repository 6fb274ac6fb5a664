//! You'll see ten tasks on three workers: never more than three at once, and at the end two
//! workers without work.
//!
//! ```python
//! taps = Pool(3)
//! for basin in "ABCDEFGHIJ":
//!     taps.apply_async(fill, (basin,))
//! taps.close(); taps.join()
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Pace, clock, show};
use multiprocess::{Pool, tasks};

use super::who_did_what::{Done, by_worker, done, most_at_once};

const TAPS: usize = 3;
const BASINS: &str = "ABCDEFGHIJ";

pub(crate) const LESSON: Lesson = Lesson {
    name: "ten-basins-three-taps",
    section: "2.3",
    question: (
        "十个水池、三个水龙头：同时能放满几个？",
        "Ten basins, three taps: how many are filled at a time?",
    ),
    remember: (
        "进程池里有几个进程，同时就最多做几个任务；其余的排队。",
        "A pool does as many tasks at once as it has workers; the others wait.",
    ),
    tell,
};

tasks![fill];

fn tell(story: &Story) -> Told {
    let taps = Pool::new(TAPS)?;
    story.event("parent", "gives basins A to J to a pool of three taps");
    let mut basins = Vec::new();
    for basin in BASINS.chars() {
        basins.push(taps.apply_async(fill, (basin, story.pace()))?);
    }
    taps.close();
    taps.join()?;
    let filled = basins.iter().map(|basin| basin.get()).collect::<Result<Vec<Done>, _>>()?;

    let timeline = by_worker(&filled);
    story.varying_figure(&timeline);
    let names: String = filled.iter().map(|basin| basin.task).collect();
    story.ok("each basin was filled", names == BASINS)?;
    story.ok("never more than three at the same time", most_at_once(&filled) <= TAPS)?;
    let (begin, end) = timeline.whole();
    let turns = story.pace().real(4.0);
    story.ok(
        "it took four turns or more: in three turns only nine are filled",
        end - begin >= turns,
    )?;
    let mut ends: Vec<_> = filled.iter().map(|basin| basin.time.1).collect();
    ends.sort_unstable();
    story.varies(format!(
        "{} in all; for the last {} only one tap was at work",
        show(end - begin),
        show(end - ends[ends.len() - 2]),
    ));
    Ok(())
}

/// Runs in the worker.
fn fill((basin, pace): (char, Pace)) -> Done {
    let begin = clock();
    pace.work(1.0);
    done(basin, begin)
}
