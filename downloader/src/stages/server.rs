//! The image server that the downloader is tried on: a process of its own, so that its work isn't
//! counted with the downloader's.
//!
//! ```text
//!   parent ──start──▶ server: draws its images
//!          ◀─address─         listens on 127.0.0.1, on a free port
//!                             accept ─▶ a thread for each connection:
//!                                       request, latency, answer, request …
//!          ──ends───▶         ends
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use multiprocess::{Failure, Process, Sender, one_way, tasks};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::Picture;

tasks![serve];

/// The longest head of a request that is read, in bytes.
const HEAD: u64 = 16 << 10;

/// The images of a server, and how slow it is.
///
/// ```
/// use std::time::Duration;
///
/// use downloader::Images;
///
/// let slow = Images {
///     latency: (Duration::from_millis(20), Duration::from_millis(80)),
///     ..Images::default()
/// };
/// assert_eq!((slow.count, slow.width, slow.height), (200, 320, 240));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Images {
    /// The number of images: `/0.png`, `/1.jpg`, `/2.png` and so on.
    pub count: usize,
    /// The width of each in pixels.
    pub width: u32,
    /// The height of each in pixels.
    pub height: u32,
    /// The shortest and the longest time that an answer takes, besides the work. Each image has a
    /// latency of its own between them.
    pub latency: (Duration, Duration),
    /// The seed of images and latencies: the same number makes the same ones.
    pub seed: u64,
}

impl Default for Images {
    /// Makes 200 images of 320 × 240 pixels, without latency.
    fn default() -> Self {
        let latency = (Duration::ZERO, Duration::ZERO);
        Self { count: 200, width: 320, height: 240, latency, seed: 1 }
    }
}

impl Images {
    /// Returns the path of an image on the server: PNGs and JPEGs in turn, `/0.png`, `/1.jpg`.
    #[must_use]
    pub fn path(index: usize) -> String {
        let extension = if index.is_multiple_of(2) { "png" } else { "jpg" };
        format!("/{index}.{extension}")
    }

    /// Draws an image as a file, with the time that the server waits before it sends it.
    fn draw(&self, index: usize) -> Result<(Vec<u8>, Duration), image::ImageError> {
        let mut random = SmallRng::seed_from_u64(self.seed.wrapping_add((index as u64) << 32));
        let latency = random.random_range(self.latency.0..=self.latency.1);
        // Ramps with a little noise: neither as small as a plain area nor as large as noise alone.
        let steps: [u32; 6] = std::array::from_fn(|_| random.random_range(1..5));
        let start: [u32; 3] = std::array::from_fn(|_| random.random_range(0..256));
        let mut pixels = Vec::with_capacity(3 * (self.width * self.height) as usize);
        for y in 0..self.height {
            for x in 0..self.width {
                let noise = random.random_range(0..4_u32);
                pixels.extend((0..3).map(|channel| {
                    let ramp = x * steps[channel] + y * steps[channel + 3];
                    ((start[channel] + ramp / 4 + noise) % 256) as u8
                }));
            }
        }
        let extension = if index.is_multiple_of(2) { "png" } else { "jpg" };
        let (width, height) = (self.width, self.height);
        let extension = extension.to_owned();
        let picture = Picture { width, height, channels: 3, extension, pixels };
        Ok((picture.encode()?, latency))
    }
}

/// A running image server.
///
/// The server is a daemonic process: it ends when this is dropped, and when its parent ends,
/// however that happens.
///
/// ```
/// use std::time::Duration;
///
/// use downloader::{ImageServer, Images, Limits, Picture};
///
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let images = Images { count: 2, width: 8, height: 6, ..Images::default() };
/// let server = ImageServer::start(images)?;
/// let address = server.address();
/// let urls: Vec<String> = server.urls().collect();
/// assert_eq!(urls[1], format!("http://{address}/1.jpg"));
/// let at_most = Some(Duration::from_secs(30));
/// let request = ureq::get(&urls[1]).config().timeout_global(at_most).build();
/// let file = request.call()?.body_mut().read_to_vec()?;
/// let picture = Picture::decode(&file, Limits::default())?;
/// assert_eq!((picture.width, picture.height), (8, 6));
/// drop(server);
/// assert!(std::net::TcpStream::connect(address).is_err(), "it has ended");
/// #         Ok(())
/// #     })
/// # }
/// ```
#[derive(Debug)]
pub struct ImageServer {
    process: Process,
    address: SocketAddr,
    count: usize,
}

impl ImageServer {
    /// Starts a server with these images, which answers when this returns.
    ///
    /// # Errors
    /// A [`Failure`] if the process can't be started, or ends before it can answer; it says why on
    /// standard error.
    pub fn start(images: Images) -> Result<Self, Failure> {
        let (mut receiver, sender) = one_way()?;
        let mut process =
            Process::new(serve, (images, sender)).named("image server").daemonic(true);
        process.start()?;
        let address =
            receiver.recv().map_err(|_| Failure::new("the image server could not start"))?;
        Ok(Self { process, address, count: images.count })
    }

    /// Returns the address where the server listens, always on 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URLs of all its images, in their order.
    pub fn urls(&self) -> impl Iterator<Item = String> + use<> {
        let address = self.address;
        (0..self.count).map(move |index| format!("http://{address}{}", Images::path(index)))
    }
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.join();
    }
}

/// Runs in the child, and never returns: the server is daemonic.
fn serve((images, mut parent): (Images, Sender<SocketAddr>)) -> Result<(), Failure> {
    let drawn: Result<Vec<_>, _> = (0..images.count).map(|index| images.draw(index)).collect();
    let drawn = Arc::new(drawn?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    parent.send(&listener.local_addr()?)?;
    loop {
        // A client's mistake, or a lack of descriptors, must not end the server.
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let drawn = Arc::clone(&drawn);
        let _ = thread::Builder::new().spawn(move || answer_all(&client, &drawn));
    }
}

/// Answers a connection's requests until the client ends it, or says something that isn't HTTP.
fn answer_all(client: &TcpStream, images: &[(Vec<u8>, Duration)]) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client);
    while let Some(path) = request(&mut requests)? {
        let image = path
            .trim_start_matches('/')
            .split('.')
            .next()
            .and_then(|index| images.get(index.parse::<usize>().ok()?));
        let mut answer = Vec::new();
        match image {
            Some((file, latency)) => {
                thread::sleep(*latency);
                write!(answer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len())?;
                answer.extend_from_slice(file);
            }
            None => write!(answer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        (&mut &*client).write_all(&answer)?;
    }
    Ok(())
}

/// Reads the path of the next request; `None` at the end.
fn request(client: &mut BufReader<&TcpStream>) -> io::Result<Option<String>> {
    let mut head = client.take(HEAD);
    let mut first = String::new();
    head.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() {
            return Ok(first.split(' ').nth(1).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_differ_from_each_other_and_not_from_run_to_run() {
        let images = Images { width: 16, height: 16, ..Images::default() };
        let drawn: Vec<_> = (0..20).map(|index| images.draw(index).unwrap()).collect();
        for (index, image) in drawn.iter().enumerate() {
            assert_eq!(*image, images.draw(index).unwrap());
            assert!(drawn[..index].iter().all(|other| other.0 != image.0));
        }
    }

    #[test]
    fn each_image_has_its_latency() {
        let ms = Duration::from_millis;
        let images = Images { width: 1, height: 1, latency: (ms(20), ms(80)), ..Images::default() };
        let latencies: Vec<_> = (0..100).map(|index| images.draw(index).unwrap().1).collect();
        assert!(latencies.iter().all(|latency| (ms(20)..=ms(80)).contains(latency)));
        assert!(latencies.iter().any(|latency| *latency < ms(40)));
        assert!(latencies.iter().any(|latency| *latency > ms(60)));
    }
}
