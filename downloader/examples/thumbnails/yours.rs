//! Exercise: a downloader that has few pictures in memory, however long the list is. Write
//! `download`, here.
//!
//! The lesson runs each stage over the whole list: all pictures are in memory at once. Here the
//! three stages, which are in `main.rs`, shall run at the same time: `fetch` on several threads,
//! `shrink` on processes, and `store` here. No more than eight pictures may be under way: begun,
//! but neither stored nor failed. Print `stored 3` or `failed 3: why` for each; one picture is
//! missing, and one crashes the process that shrinks it, but all others are stored.
//!
//! 练习：不论列表多长，内存里都只有几张图片的下载器。要写的是下面的 `download`。
//!
//! 课程里，每个阶段都先处理完整个列表：全部图片同时在内存里。这里的三个阶段已在 `main.rs` 中写好，
//! 请让它们同时运行：`fetch` 用几个线程，`shrink` 用进程，`store` 就在这里。正在处理的图片，即已经
//! 开始、但既没有保存也没有失败的，不能超过八张。每张图片都要输出 `stored 3` 或 `failed 3: why`；缺
//! 一张图片，还有一张会让缩小它的进程崩溃，其余的都要保存下来。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p downloader --example thumbnails -- FOLDER
//! # See whether it is done. 检查是否完成：
//! cargo build -p downloader --examples &&
//!     cargo test -p downloader --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p downloader --example thumbnails -- --solution FOLDER
//! ```

use std::path::Path;

use multiprocess::Failure;

use crate::{fetch, shrink, store};

/// Fetches, shrinks and stores these pictures, no more than eight of them being under way.
pub(crate) fn download(urls: Vec<String>, folder: &Path) -> Result<(), Failure> {
    // Yours to write, in place of these two lines.
    let _ = (urls, folder, fetch, shrink, store);
    Err(Failure::new("not written yet"))
}
