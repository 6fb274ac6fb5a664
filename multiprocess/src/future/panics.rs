//! Panics in tasks: each becomes its task's error, and the worker goes on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::future::TaskError;

thread_local! {
    /// True while this thread runs a task.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// Message and location of the last panic in a task.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Runs code that includes users' code; a panic ends there.
///
/// # Errors
/// The panic's message.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = text_of(&*payload).to_owned();
        // Dropping a panic's payload may panic, and dropping that panic's payload, too.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        std::mem::forget(dropped);
        text
    })
}

/// Runs a part of a task; a panic becomes the task's error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, TaskError> {
    IN_TASK.set(true);
    let done = caught(work);
    IN_TASK.set(false);
    done.map_err(|mut message| {
        // The task may have caught that panic, and raised another by `resume_unwind`.
        if let Some((text, location)) = PANIC.take()
            && text == message
        {
            message.push_str(&location);
        }
        TaskError::Panicked { message }
    })
}

/// Returns the message in the payload that [`catch_unwind`] returns.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> &str {
    (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}

/// Stops printing panics in tasks in this process: they are the tasks' errors, and go to the owner.
pub(crate) fn keep_panics_of_tasks() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_TASK.get() {
            return print(panic);
        }
        let text = text_of(panic.payload()).to_owned();
        let location =
            panic.location().map(|location| format!(" ({location})")).unwrap_or_default();
        PANIC.set(Some((text, location)));
    }));
}
