//! The three steps: [`Downloader`] (network), [`Hasher`] (CPU), [`Storager`] (disk).

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::time::Stopwatch;
use multiprocess::{Failure, tasks};
use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::stage::Stage;
use crate::{Limits, Picture, md5_hex};

tasks![Downloader::process, Hasher::process, Storager::process];

/// The longest time that a server of the lesson may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most connections that stay open for the next request.
const IDLE: usize = 64;

/// The number of times that a picture is convolved, as a load: 200 in a release build, 1 in a debug
/// build. Scipy takes 50 (`ndimage.convolve`) to 600 (`signal.convolve`) times as long as one
/// convolution here in a release build: done once, the stage would show nothing but the MD5.
pub const CONVOLUTIONS: usize = if cfg!(debug_assertions) { 1 } else { 200 };

/// Network: fetches an image, and decodes it to pixels.
pub(crate) struct Downloader;

/// A picture that has come.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fetched {
    pub(crate) picture: Arc<Picture>,
    /// The duration of the decoding, which is no waiting.
    pub(crate) decoding: Duration,
}

impl Stage for Downloader {
    type Item = String;
    type Output = Fetched;

    fn process(url: String) -> Result<Fetched, Failure> {
        let file = Self::agent().get(&url).call()?.body_mut().read_to_vec()?;
        let watch = Stopwatch::start();
        let picture = Arc::new(Picture::decode(&file, Limits::default())?);
        Ok(Fetched { picture, decoding: watch.elapsed() })
    }
}

/// The HTTP client of this process, which keeps its connections.
static AGENT: Mutex<Option<Agent>> = Mutex::new(None);

impl Downloader {
    fn agent() -> Agent {
        let mut agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .max_idle_connections(IDLE)
                .max_idle_connections_per_host(IDLE)
                .build()
                .into()
        };
        agent.get_or_insert_with(make).clone()
    }

    /// Closes this process's connections. They would otherwise stay open, also after the end of the
    /// server.
    pub(crate) fn hang_up() {
        AGENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// CPU: a convolution over all pixels, then the MD5 of what comes out.
pub(crate) struct Hasher;

impl Stage for Hasher {
    type Item = Arc<Picture>;
    type Output = String;

    fn process(picture: Arc<Picture>) -> Result<String, Failure> {
        let mut convolved = Vec::new();
        for _ in 0..CONVOLUTIONS {
            // The compiler mustn't see that it is the same each time.
            convolved = black_box(&*picture).convolved();
        }
        Ok(md5_hex(&convolved))
    }
}

/// Disk: encodes the picture, and saves it under its hash's name.
pub(crate) struct Storager;

/// A picture to save, and where.
#[derive(Serialize, Deserialize)]
pub(crate) struct ToStore {
    pub(crate) picture: Arc<Picture>,
    pub(crate) md5: String,
    pub(crate) folder: PathBuf,
}

impl Stage for Storager {
    type Item = ToStore;
    /// The duration of the encoding, which is no writing.
    type Output = Duration;

    fn process(ToStore { picture, md5, folder }: ToStore) -> Result<Duration, Failure> {
        let watch = Stopwatch::start();
        let file = picture.encode()?;
        let encoding = watch.elapsed();
        fs::write(folder.join(format!("{md5}.{}", picture.extension)), file)?;
        Ok(encoding)
    }
}
