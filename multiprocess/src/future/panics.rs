//! Panics in tasks: each is its task's error, and its worker goes on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::future::TaskError;

thread_local! {
    /// Whether this thread runs a task.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic in a task was, and what it said.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Does what users' code is part of; a panic ends it and nothing else. Returns what the panic said.
///
/// # Errors
/// If it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = text_of(&*payload).to_owned();
        // What a panic carries may panic when it is dropped, and so may what that one carries.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        std::mem::forget(dropped);
        text
    })
}

/// Does something of a task; a panic becomes its error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, TaskError> {
    IN_TASK.set(true);
    let done = caught(work);
    IN_TASK.set(false);
    done.map_err(|mut message| {
        // The task may have caught that panic, and gone on with another by `resume_unwind`.
        if let Some((text, place)) = PANIC.take()
            && text == message
        {
            message.push_str(&place);
        }
        TaskError::Panicked { message }
    })
}

/// What a panic said, by what [`catch_unwind`] gives.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> &str {
    (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}

/// From now on a panic in a task is not printed here: it is the task's error, and goes to its
/// owner.
pub(crate) fn keep_panics_of_tasks() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_TASK.get() {
            return print(panic);
        }
        let text = text_of(panic.payload()).to_owned();
        let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
        PANIC.set(Some((text, place)));
    }));
}
