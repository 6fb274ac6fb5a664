//! Running a plan: its tasks on an executor, each as soon as it may begin.

use std::sync::mpsc::channel;

use multiprocess::futures::{Executor, Future, FutureError, SubmitError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plan::{Dispatcher, Plan, Start};

/// The reason why a plan wasn't done to its end.
///
/// ```
/// # use amdahl::{Plan, Task};
/// # let tasks = vec![
/// #     Task::new("boil", 3.0, &[]), Task::new("wash", 1.0, &[]),
/// #     Task::new("brew", 1.0, &["boil", "wash"])
/// # ];
/// # let plan = Plan::new(tasks, Default::default())?;
/// # use amdahl::RunError;
/// # use multiprocess::futures::ThreadPoolExecutor;
/// // To boil takes 3, to wash 1; to brew, after both, 1.
/// let spill = |task: u32| assert_ne!(task, 1, "spilt");
/// let error = plan.run(None, &ThreadPoolExecutor::new(2), spill, |task| task).unwrap_err();
/// assert!(matches!(&error, RunError::Task(name, _) if name == "wash"));
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The executor didn't take a task.
    #[error("task \"{0}\" could not be given to the executor: {1}")]
    Submit(String, SubmitError),
    /// A task has no result. Those that had begun are done, the others never begin.
    #[error("task \"{0}\" was not done: {1}")]
    Task(String, FutureError),
}

impl Plan {
    /// Calls `function(argument(task))` on the executor for each task, as soon as all that it waits
    /// for have ended, and a worker and the resources that it needs are free. Returns the results
    /// in the tasks' order.
    ///
    /// The executor should have as many workers as there may be tasks at work, or the plan waits
    /// for it. The plan's durations only say what is most urgent: how long a task takes is up to
    /// the function.
    ///
    /// ```
    /// use amdahl::{Plan, Task};
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let shop = Task::new("shop", 3.0, &[]);
    /// let cook = Task::new("cook", 2.0, &["shop"]);
    /// let plan = Plan::new(vec![shop, cook], Default::default())?;
    /// let executor = ThreadPoolExecutor::new(2);
    /// let done = plan.run(Some(2), &executor, |name| format!("{name}: done"), |task| {
    ///     plan.names()[task as usize].clone()
    /// })?;
    /// assert_eq!(done, ["shop: done", "cook: done"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As soon as one task has no result: [`RunError::Submit`] if the executor didn't take it, else
    /// [`RunError::Task`].
    ///
    /// # Panics
    /// If there are 0 workers and something to do.
    pub fn run<E, A, R, F>(
        &self,
        workers: Option<usize>,
        executor: &E,
        function: F,
        argument: impl Fn(u32) -> A,
    ) -> Result<Vec<R>, RunError>
    where
        E: Executor,
        A: Serialize + Send + 'static,
        R: Clone + DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        let name = |task: u32| self.names()[task as usize].clone();
        let mut dispatcher = Dispatcher::new(self, workers);
        let mut futures: Vec<Option<Future<R>>> = self.names().iter().map(|_| None).collect();
        let (teller, ended) = channel();
        for _ in self.names() {
            while let Some(Start { task, .. }) = dispatcher.start() {
                let future = executor.submit(function, argument(task));
                let future = future.map_err(|error| RunError::Submit(name(task), error))?;
                let teller = teller.clone();
                future.add_done_callback(move |_| {
                    // The receiver is gone if another task has failed.
                    let _ = teller.send(task);
                });
                futures[task as usize] = Some(future);
            }
            let task = ended.recv().expect("a task is running, and a sender is held here");
            if let Some(future) = &futures[task as usize] {
                future.result().map_err(|error| RunError::Task(name(task), error))?;
            }
            dispatcher.end(task);
        }
        let results = futures.iter().flatten().zip(0..);
        let result = |(future, task): (&Future<R>, u32)| {
            future.result().cloned().map_err(|error| RunError::Task(name(task), error))
        };
        results.map(result).collect()
    }
}
