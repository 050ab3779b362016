//! Transports of your own.
//!
//! - `packets.rs` has one that carries file descriptors. It implements `IUnixTransport`, and `Descriptor` works
//!   over it as over any other.
//! - `child.rs` has a plain stream of bytes: the pipes of a child process. Any type that is `AsyncRead` and
//!   `AsyncWrite` is a transport.
//!
//! ```text
//! cargo run --example custom_transport
//! ```

mod child;
// macOS has no such sockets.
#[cfg(not(target_vendor = "apple"))]
mod packets;

use std::env;
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    // This program is its own child.
    if env::args().nth(1).as_deref() == Some("child") {
        return child::serve().await;
    }
    let both = async {
        #[cfg(not(target_vendor = "apple"))]
        packets::demonstrate().await?;
        child::demonstrate().await
    };
    timeout(Duration::from_secs(60), both).await?
}
