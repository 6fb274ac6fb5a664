//! What follows from what the network brings: outcomes, news, silence.

use multiprocess::futures::TaskError;
use multiprocess::output::complain;

use super::shared::{Completion, End, Life, Results, Shared};
use crate::presence::Heard;
use crate::protocol::{Hello, News, Outcome, WorkerId};
use crate::tasks::Ended;

impl Shared {
    /// Ends all futures, because there is no server.
    pub(super) fn give_up(&self, results: &Results) {
        let after = self.limits.give_up_after.unwrap_or_default();
        self.break_off(format!("no server at {} for {after:?}", self.servers), results);
    }

    /// Ends all futures for this reason.
    pub(super) fn break_off(&self, reason: String, results: &Results) {
        let mut state = self.state();
        let error = TaskError::Broken(reason.clone());
        state.life = Life::Broken(reason);
        let ended = state.tasks.give_up();
        self.notify_ended(&state);
        drop(state);
        self.look.notify_one();
        send(results, ended.into_iter().map(|it| (it, Err(error.clone()))).collect());
    }

    /// Ends or repeats what had begun at a worker that is gone.
    fn lost(&self, worker: &WorkerId, error: &TaskError, results: &Results) {
        let mut state = self.state();
        let lost = state.tasks.lost(worker);
        self.notify_ended(&state);
        drop(state);
        lost.again.into_iter().for_each(|id| self.offer(id));
        send(results, lost.ended.into_iter().map(|it| (it, Err(error.clone()))).collect());
    }

    /// Ends the calls with these outcomes.
    pub(super) fn done(
        &self,
        worker: &WorkerId,
        outcomes: Vec<(u64, u32, Outcome)>,
        results: &Results,
    ) {
        let mut state = self.state();
        state.presence.note_sign_of_life(worker);
        let done = |(call, attempt, outcome)| state.tasks.done(worker, call, attempt, outcome);
        let ended = outcomes.into_iter().filter_map(done).collect();
        drop(state);
        send(results, ended);
    }

    pub(super) fn heard(&self, news: News, results: &Results) {
        let mut state = self.state();
        let Heard { ended, left, other_build, has_changed } = state.presence.hear(news);
        if has_changed {
            self.notify(&state);
        }
        drop(state);
        if let Some(Hello { worker, build, .. }) = other_build {
            let ours = &self.place.build;
            tell(&format!("{worker} has another build, {build}, and gets no tasks of {ours}"));
        }
        if let Some(ended) = ended {
            let end = format!("{}'s agent {}", ended.worker.name, ended.end);
            let error = TaskError::WorkerDied { end, exitcode: ended.exitcode };
            self.lost(&ended.worker, &error, results);
        }
        if let Some(worker) = left {
            let end = format!("{worker} has left without a result");
            self.lost(&worker, &TaskError::WorkerDied { end, exitcode: None }, results);
        }
    }

    pub(super) fn echoed(&self, results: &Results) {
        let mut state = self.state();
        let lost = state.presence.echo();
        if !lost.is_empty() {
            self.notify(&state);
        }
        drop(state);
        for worker in lost {
            let silence = self.limits.lost_after;
            let end = format!(
                "no sign of life of {worker} for {silence:?}; it may still be running there"
            );
            self.lost(&worker, &TaskError::WorkerDied { end, exitcode: None }, results);
        }
    }
}

fn send(results: &Results, ended: Vec<Ended<Completion>>) {
    if !ended.is_empty() {
        let ended = ended.into_iter().map(|(it, outcome)| (it, End::Outcome(outcome)));
        // The other end is there until this one is gone.
        let _ = results.send(ended.collect());
    }
}

pub(super) fn tell(line: &str) {
    complain(format_args!("cluster: {line}"));
}
