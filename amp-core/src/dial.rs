//! To whichever of a host's addresses answers: RFC 8305.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};

/// The time that an attempt has before the next address is tried beside it: RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

tokio::task_local! {
    /// The round of the client on whose behalf the task connects.
    static ROUND: Round;
}

/// Where a client that connects again and again has come to among the addresses of its host.
///
/// One may accept, and be of no use: it fails in what comes after that, or ends at once. The next
/// attempt then begins with the address behind it.
#[derive(Clone, Default)]
pub(crate) struct Round(Arc<Mutex<Option<SocketAddr>>>);

impl Round {
    /// Runs an attempt, whatever it connects to, and by whatever way of this crate over TCP.
    pub(crate) async fn attempt<F: Future>(&self, attempt: F) -> F::Output {
        ROUND.scope(self.clone(), attempt).await
    }

    /// The next attempt begins with the host's first address.
    pub(crate) fn begin_again(&self) {
        self.set(None);
    }

    /// The addresses behind the last one that was used come first.
    fn order(&self, addresses: &mut [SocketAddr]) {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = addresses.iter().position(|address| Some(*address) == last) {
            addresses.rotate_left(last + 1);
        }
    }

    fn set(&self, used: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = used;
    }
}

/// Connects to the first of the addresses that answers. Each is tried a little after the one before
/// it, or at once when that has failed; the attempts that are left over are dropped.
pub(crate) async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let addresses = lookup_host(address).await?.collect();
    first_of(addresses, TcpStream::connect).await
}

async fn first_of<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let round = ROUND.try_with(Round::clone).unwrap_or_default();
    let mut addresses = interleaved(addresses);
    round.order(&mut addresses);
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
                biased;
                connected = poll_fn(|cx| attempts.poll(cx)) => connected,
                () = tokio::time::sleep(ATTEMPT_DELAY) => None,
            }
        };
        if let Some((address, connected)) = connected {
            round.set(Some(address));
            return Ok(connected);
        }
    }
}

struct Attempts<F> {
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<T, F: Future<Output = io::Result<T>>> Attempts<F> {
    /// Resolves to the address when one has succeeded, or to `None` when one has failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(SocketAddr, T)>> {
        for at in 0..self.running.len() {
            let (address, attempt) = &mut self.running[at];
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(connected)) => return Poll::Ready(Some((*address, connected))),
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

    /// Returns why all of them have failed: of one address, as the system says it.
    fn error(mut self) -> io::Error {
        let Some((last, error)) = self.failed.pop() else {
            return io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
        };
        if self.failed.is_empty() {
            return error;
        }
        io::Error::new(error.kind(), NoneAnswers { before: self.failed, last, error })
    }
}

/// No address of a host answers.
#[derive(Debug)]
struct NoneAnswers {
    before: Vec<(SocketAddr, io::Error)>,
    last: SocketAddr,
    error: io::Error,
}

impl fmt::Display for NoneAnswers {
    /// The last cause is left to whoever displays the source, and stands where it belongs then.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address answers: ")?;
        for (address, error) in &self.before {
            write!(f, "{address}: {error}; ")?;
        }
        write!(f, "{}", self.last)
    }
}

impl Error for NoneAnswers {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Returns the addresses in their order, but one of each family after the other, so that a network
/// that does not have one of them costs a single delay.
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
    use crate::report::Report;
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

    /// Returns what becomes of the attempt at each address, `None` where that is nothing; and when
    /// each began.
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
        assert_eq!(Report::new(&error).to_string(), text);
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::TimedOut);
        let (connected, _) = dial(&[(v4(1), refused)]).await;
        assert_eq!(connected.unwrap_err().to_string(), "connection refused");
        let (connected, _) = dial(&[]).await;
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_begins_each_attempt_behind_the_address_that_was_used() {
        let plan = [v6(1), v6(2), v4(1)].map(|address| (address, Some((10, Ok(())))));
        let round = Round::default();
        let used = async || round.attempt(dial(&plan)).await.0.unwrap();
        assert_eq!([used().await, used().await, used().await], [v6(1), v4(1), v6(2)]);
        assert_eq!([used().await, used().await], [v6(1), v4(1)]);
        round.begin_again();
        assert_eq!(used().await, v6(1));
        // An address that the host has no more is as good as none.
        round.set(Some(v4(9)));
        assert_eq!(used().await, v6(1));
        assert_eq!(dial(&plan).await.0.unwrap(), v6(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_is_passed_over_in_a_round() {
        let refused = Some((3, Err(io::ErrorKind::ConnectionRefused)));
        let plan = [(v4(1), Some((10, Ok(())))), (v4(2), refused), (v4(3), Some((10, Ok(()))))];
        let round = Round::default();
        let used = async || round.attempt(dial(&plan)).await.0.unwrap();
        assert_eq!([used().await, used().await, used().await], [v4(1), v4(3), v4(1)]);
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
