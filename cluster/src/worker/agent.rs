//! The agent: takes tasks, asks whether they may begin, reports what came of them.
