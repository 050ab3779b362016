//! To whichever of a host's addresses answers: RFC 8305.

use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};

use crate::report::Report;

/// How long an attempt has before the next address is tried beside it: RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first of the addresses that answers. Each is tried a little after the one before
/// it, or at once when that has failed; the attempts that are left over are dropped.
pub(crate) async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let addresses = lookup_host(address).await?.collect();
    first_of(interleaved(addresses), TcpStream::connect).await
}

async fn first_of<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut addresses = addresses.into_iter();
    let mut attempts = Attempts { running: Vec::new(), failed: Vec::new() };
    loop {
        if let Some(address) = addresses.next() {
            attempts.running.push((address, Box::pin(connect(address))));
        } else if attempts.running.is_empty() {
            return Err(attempts.error());
        }
        // One address wants no timer, which the runtime may not have.
        let connected = if addresses.len() == 0 {
            poll_fn(|cx| attempts.poll(cx)).await
        } else {
            tokio::select! {
                connected = poll_fn(|cx| attempts.poll(cx)) => connected,
                () = tokio::time::sleep(ATTEMPT_DELAY) => None,
            }
        };
        if let Some(connected) = connected {
            return Ok(connected);
        }
    }
}

struct Attempts<F> {
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<T, F: Future<Output = io::Result<T>>> Attempts<F> {
    /// Resolves when one has succeeded, or to `None` when one has failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        for at in 0..self.running.len() {
            let (address, attempt) = &mut self.running[at];
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(connected)) => return Poll::Ready(Some(connected)),
                Poll::Ready(Err(error)) => {
                    self.failed.push((*address, error));
                    self.running.remove(at);
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// Why all of them have failed: of one address, as the system says it.
    fn error(mut self) -> io::Error {
        let Some((_, last)) = self.failed.last() else {
            return io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
        };
        if self.failed.len() == 1 {
            return self.failed.swap_remove(0).1;
        }
        let kind = last.kind();
        let mut text = "no address answers".to_owned();
        for (at, (address, error)) in self.failed.iter().enumerate() {
            let before = if at == 0 { ": " } else { "; " };
            // A String takes whatever is written.
            let _ = write!(text, "{before}{address}: {}", Report(error));
        }
        io::Error::new(kind, text)
    }
}

/// The addresses in their order, but one of each family after the other, so that a network that does
/// not have one of them costs a single delay.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (mut same, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let rest = same.split_off(same.len().min(other.len()));
    let more = other.split_off(same.len());
    let pairs = same.into_iter().zip(other).flat_map(|(a, b)| [a, b]);
    pairs.chain(rest).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::pending;
    use tokio::time::{Instant, sleep};

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 1).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 1).into()
    }

    /// After how many milliseconds an attempt is over, and how.
    type Attempt = (u64, Result<(), io::ErrorKind>);

    /// What becomes of the attempt at each address, `None` where that is nothing; and when each began.
    async fn dial(
        plan: &[(SocketAddr, Option<Attempt>)],
    ) -> (io::Result<SocketAddr>, Vec<(SocketAddr, u128)>) {
        let (start, began) = (Instant::now(), RefCell::new(Vec::new()));
        let addresses = plan.iter().map(|(address, _)| *address).collect();
        let connected = first_of(addresses, |address| {
            began.borrow_mut().push((address, start.elapsed().as_millis()));
            let does = plan.iter().find(|(planned, _)| *planned == address).unwrap().1;
            async move {
                let Some((after, result)) = does else { return pending().await };
                sleep(Duration::from_millis(after)).await;
                result.map(|()| address).map_err(io::Error::from)
            }
        });
        let connected = connected.await;
        (connected, began.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_one_delay() {
        let plan = [(v6(1), None), (v4(1), Some((10, Ok(())))), (v6(2), None)];
        let (connected, began) = dial(&plan).await;
        assert_eq!(connected.unwrap(), v4(1));
        assert_eq!(began, [(v6(1), 0), (v4(1), 250)]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_makes_way_at_once_and_a_slow_one_may_still_win() {
        let refused = Some((3, Err(io::ErrorKind::ConnectionRefused)));
        let plan = [(v4(1), refused), (v4(2), Some((400, Ok(())))), (v4(3), Some((900, Ok(()))))];
        let (connected, began) = dial(&plan).await;
        assert_eq!(connected.unwrap(), v4(2));
        assert_eq!(began, [(v4(1), 0), (v4(2), 3), (v4(3), 253)]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_each_is_named() {
        let refused = Some((3, Err(io::ErrorKind::ConnectionRefused)));
        let late = Some((700, Err(io::ErrorKind::TimedOut)));
        let (connected, _) = dial(&[(v6(1), late), (v4(1), refused)]).await;
        let error = connected.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let text =
            "no address answers: 192.0.2.1:1: connection refused; [2001:db8::1]:1: timed out";
        assert_eq!(error.to_string(), text);
        let (connected, _) = dial(&[(v4(1), refused)]).await;
        assert_eq!(connected.unwrap_err().to_string(), "connection refused");
        let (connected, _) = dial(&[]).await;
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let given = vec![v6(1), v6(2), v6(3), v4(1), v4(2)];
        assert_eq!(interleaved(given), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleaved(vec![v4(1), v6(1), v6(2)]), [v4(1), v6(1), v6(2)]);
        assert_eq!(interleaved(vec![v4(1), v4(2)]), [v4(1), v4(2)]);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[test]
    fn one_address_wants_no_timer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            connect(listener.local_addr().unwrap()).await.unwrap();
        });
    }
}
