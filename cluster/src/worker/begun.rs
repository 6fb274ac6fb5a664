//! A task that has begun: its arguments, its calls, its outcomes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{StreamExt, iter};
use multiprocess::futures::{Executor, Future, FutureError, TaskError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::buffers;
use crate::engine::{Engine, Error};
use crate::pause::Pauses;
use crate::protocol::{Part, Plain, Question, Task, part, part_size, split};
use crate::worker::call::{Call, Packed, call, too_long};
use crate::worker::context::Context;
use crate::worker::insist::unless_left;
use crate::worker::outbox::{Report, UNDER_WAY};
use crate::worker::questions;

/// A task that has begun.
pub(crate) struct Begun<E, X> {
    pub(crate) context: Arc<Context<E, X>>,
    pub(crate) client: Arc<str>,
    pub(crate) task: Task,
    /// Number of the task's arrival.
    pub(crate) nonce: u64,
    /// Number of the attempt, from 0.
    pub(crate) attempt: u32,
    /// Numbers of the calls that begin.
    pub(crate) calls: Vec<u32>,
}

impl<E: Engine, X: Executor + Send + Sync + 'static> Begun<E, X> {
    /// Runs the task.
    pub(crate) fn start(mut self, permit: Option<OwnedSemaphorePermit>) {
        let Task { name, function, .. } = &self.task;
        if !function.name().is_ok_and(|listed| listed == name) {
            let reason = self.context.located(format_args!("{name} is not {function:?}"));
            return self.fail(permit, TaskError::ArgumentsNotReceived(reason));
        }
        let (whole, most) = (self.task.whole(), self.context.setup.most_bytes);
        if whole > most {
            let reason = self.context.located(too_long(whole, most));
            return self.fail(permit, TaskError::ArgumentsNotSent(reason));
        }
        match (self.task.arguments.take(), permit) {
            (Some(arguments), Some(permit)) => self.run(arguments, permit),
            (arguments, permit) => {
                let context = Arc::clone(&self.context);
                context.spawn(self.start_late(arguments, permit));
            }
        }
    }

    /// Runs the task when its arguments and a process are there: the arguments may be large, and
    /// the process of a late yes is with others. Gives it up if the agent leaves meanwhile, or the
    /// client is away for too long.
    async fn start_late(self, arguments: Option<Bytes>, permit: Option<OwnedSemaphorePermit>) {
        let permit = match permit {
            Some(permit) => permit,
            None => tokio::select! {
                biased;
                () = self.context.has_left() => return self.give_up().await,
                permit = self.context.one_process() => permit,
            },
        };
        let arguments = match arguments {
            Some(arguments) => arguments,
            None => {
                let fetched = arguments_of(&self.context, &self.task);
                match unless_left(self.context.leaves(), fetched).await {
                    Some(Ok(arguments)) => arguments,
                    // The client doesn't want the task any more.
                    Some(Err(Missing::Over)) => return,
                    Some(Err(Missing::Away)) | None => {
                        drop(permit);
                        return self.give_up().await;
                    }
                }
            }
        };
        self.run(arguments, permit);
    }

    /// Tells the client that the task won't begin here after all.
    async fn give_up(self) {
        let question = Question { task: self.task.id, nonce: self.nonce };
        questions::give_up(&self.context, &self.client, vec![question]).await;
    }

    /// Gives the task to the pool.
    fn run(self, arguments: Bytes, permit: OwnedSemaphorePermit) {
        let Some(pieces) = split(arguments, &self.task.lengths) else {
            let reason = "they don't have the length that was told".to_owned();
            return self.fail(Some(permit), TaskError::ArgumentsNotReceived(reason));
        };
        let call_of = |number: &u32| Call {
            function: self.task.function,
            attempt: self.attempt.saturating_add(1),
            most_bytes: self.task.most_bytes.min(self.context.setup.most_bytes),
            arguments: Packed(pieces[*number as usize].clone()),
        };
        let calls = self.calls.iter().map(call_of).collect();
        match self.context.pool.submit_chunk(call, calls) {
            Ok(futures) => {
                let permit = Arc::new(permit);
                for (number, future) in self.calls.iter().zip(futures) {
                    self.report_when_done(*number, &future, Arc::clone(&permit));
                }
            }
            Err(error) => {
                let error = self.context.broken(error);
                self.fail(Some(permit), error);
            }
        }
    }

    /// Reports the outcome of a call as soon as it is there.
    fn report_when_done(
        &self,
        number: u32,
        future: &Future<Result<Packed, TaskError>>,
        permit: Arc<OwnedSemaphorePermit>,
    ) {
        let (context, client) = (Arc::clone(&self.context), Arc::clone(&self.client));
        let (call, attempt) = (self.task.id + u64::from(number), self.attempt);
        future.add_done_callback(move |future| {
            let outcome = match future.result() {
                Ok(Ok(Packed(result))) => Ok(result.clone()),
                Ok(Err(error)) => Err(error.clone()),
                Err(FutureError::Task(TaskError::WorkerDied { end, exitcode })) => {
                    Err(TaskError::WorkerDied { end: context.located(end), exitcode })
                }
                Err(FutureError::Task(TaskError::Broken(reason))) => Err(context.broken(reason)),
                Err(FutureError::Task(error)) => Err(error),
                Err(error) => Err(context.broken(error)),
            };
            context.report(Report { client, call, attempt, outcome, permit: Some(permit) });
        });
    }

    /// Reports the same error for all calls of the task.
    fn fail(self, permit: Option<OwnedSemaphorePermit>, error: TaskError) {
        let permit = permit.map(Arc::new);
        for number in &self.calls {
            let (client, permit) = (Arc::clone(&self.client), permit.clone());
            let (call, attempt) = (self.task.id + u64::from(*number), self.attempt);
            let outcome = Err(error.clone());
            self.context.report(Report { client, call, attempt, outcome, permit });
        }
    }
}

/// Reason why arguments are missing.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// The client doesn't have them any more.
    Over,
    /// For very long, nobody has heard of the client.
    Away,
}

/// Fetches large arguments from the client, in parts, a few of which are under way at once.
async fn arguments_of<E: Engine, X>(
    context: &Context<E, X>,
    task: &Task,
) -> Result<Bytes, Missing> {
    let engine = &context.engine;
    let (whole, size) = (task.whole(), part_size(engine.max_payload()) as u64);
    let questions = (0..whole.div_ceil(size)).map(|index| {
        let from = index * size;
        let question = Part { task: task.id, from, most: size.min(whole - from) };
        part_of(context, &task.client, question)
    });
    let mut parts = iter(questions).buffered(UNDER_WAY);
    // Nothing is allocated but for what has really come.
    let mut arguments = Vec::new();
    while let Some(part) = parts.next().await {
        arguments.push(part?);
    }
    Ok(buffers::joined(&arguments))
}

async fn part_of<E: Engine, X>(
    context: &Context<E, X>,
    client: &str,
    question: Part,
) -> Result<Bytes, Missing> {
    let mut pauses = Pauses::default();
    let mut away = None;
    loop {
        match context.engine.ask(part(client), question.encode()).await {
            Ok(bytes) if bytes.len() as u64 == question.most => return Ok(bytes),
            Ok(_) => return Err(Missing::Over),
            Err(Error::NobodyThere) => {
                if away.get_or_insert_with(Instant::now).elapsed() >= context.setup.away {
                    return Err(Missing::Away);
                }
            }
            Err(Error::Failed(_)) => away = None,
        }
        pauses.pause().await;
    }
}
