//! An image downloader on threads and on processes.
