//! A listener whose connections a test makes.

use amp_core::{Connection, Listener};
use std::io;
use std::sync::{Arc, Mutex};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Accepts what is sent to it, and notes when it did.
pub(crate) struct Scripted {
    streams: mpsc::UnboundedReceiver<io::Result<DuplexStream>>,
    pub(crate) accepted: Arc<Mutex<Vec<Instant>>>,
    /// Before which connection it panics once, counted from 1.
    pub(crate) panics_at: Option<usize>,
}

pub(crate) fn scripted() -> (mpsc::UnboundedSender<io::Result<DuplexStream>>, Scripted) {
    let (sender, streams) = mpsc::unbounded_channel();
    (sender, Scripted { streams, accepted: Arc::default(), panics_at: None })
}

impl Listener for Scripted {
    async fn accept(&mut self) -> io::Result<Connection> {
        if self.panics_at == Some(self.accepted.lock().unwrap().len() + 1) {
            self.panics_at = None;
            panic!("the listener");
        }
        let Some(accepted) = self.streams.recv().await else {
            return std::future::pending().await;
        };
        self.accepted.lock().unwrap().push(Instant::now());
        accepted.map(Connection::new)
    }
}
