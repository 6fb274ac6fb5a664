//! The lessons, in the tutorial's order.

use std::path::PathBuf;

use clap::{Arg, ArgAction, value_parser};
use common::arguments::{number, option};
use common::lessons::Lesson;
use common::text;

mod figures;
mod image_downloader;
mod switch_cost;

pub(crate) const ALL: &[Lesson] = common::lessons![image_downloader, switch_cost];

/// Returns the options that only lessons of this crate have.
pub(crate) fn options() -> [Arg; 5] {
    let count = |name, help| option(name, "N", help).value_parser(number(1..=10_000_u32));
    let file = |name, help| option(name, "FILE", help).value_parser(value_parser!(PathBuf));
    let full = text!("switch-cost: pass the tutorial's million tokens, and take longer samples");
    [
        count("workers", text!("image-downloader: how many threads or processes [default: 10]")),
        count("images", text!("image-downloader: how many images [default: 24]")),
        Arg::new("full").long("full").action(ArgAction::SetTrue).help(full),
        file("json", text!("switch-cost: write all figures to this file")),
        file("svg", text!("switch-cost: draw its figures into this file")),
    ]
}
