//! Descriptors that the system does not take, over a stream that is well: their calls fail, and the
//! connection goes on with its ordinals in step.

mod support;

use amp_core::{
    Arguments, CallError, CloseReason, Command, FailurePolicy, OneWay, Peer, Report, Responders,
};
use amp_unix::{Descriptor, connection, connection_over};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use support::numbered::{number, numbered};
use support::over::Over;
use support::without_leak;
use tokio::net::UnixStream;

/// Passes a file, if there is one, and gets one if it asks for it.
#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Pass {
    n: u64,
    file: Option<Descriptor>,
    back: bool,
}

#[derive(Arguments, Debug)]
struct Passed {
    file: Option<Descriptor>,
}

#[derive(Command, Debug)]
struct Notice {
    n: u64,
    file: Descriptor,
}

impl OneWay for Notice {}

/// `noticed` adds up the numbers of notices.
fn responders(noticed: &Arc<AtomicU64>) -> Responders<Arc<AtomicU64>> {
    Responders::new(Arc::clone(noticed))
        .respond(|_, Pass { n, file, back }| async move {
            if let Some(file) = file {
                assert_eq!(number(file), n);
            }
            Ok(Passed { file: back.then(|| numbered(!n)) })
        })
        .respond(|context, Notice { n, file }| {
            assert_eq!(number(file), n);
            context.state().fetch_add(n, Ordering::Relaxed);
            async { Ok(()) }
        })
}

async fn pass(peer: &Peer, n: u64, with: bool, back: bool) -> Result<(), CallError> {
    let file = with.then(|| numbered(n));
    let passed = peer.call_remote(Pass { n, file, back }).await?;
    assert_eq!(passed.file.map(number), back.then_some(!n));
    Ok(())
}

fn assert_not_sent(result: Result<(), CallError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)) && error.is_safe_to_retry(), "{error:?}");
    let expected = "the call was not sent: no file descriptor can be sent to the peer: ";
    assert!(Report::new(&error).to_string().starts_with(expected), "{}", Report::new(&error));
}

fn assert_answer_not_sent(result: Result<(), CallError>) {
    let error = result.unwrap_err();
    let CallError::Remote(remote) = &error else { panic!("{error:?}") };
    assert_eq!(remote.code, "UNKNOWN");
    assert!(remote.description.starts_with("Unknown Error (reference "), "{error}");
}

/// `peer` can send descriptors while `on` says so, and receive them at any time.
async fn refuses(peer: &Peer, other: &Peer, noticed: &AtomicU64, on: impl Fn(bool)) {
    for round in 0..3 {
        on(true);
        pass(peer, 10 * round, true, true).await.unwrap();
        on(false);
        assert_not_sent(pass(peer, 1, true, false).await);
        pass(peer, 2, false, true).await.unwrap();
        assert_answer_not_sent(pass(other, 3, true, true).await);
        pass(other, 4, true, false).await.unwrap();

        // Many at once, of which each by itself goes or does not.
        let together = tokio::join!(
            pass(peer, 5, false, true),
            pass(peer, 6, true, false),
            pass(peer, 7, false, false),
            pass(peer, 8, true, true),
            pass(peer, 9, false, true),
            pass(other, 9, true, false),
            pass(other, 9, false, true),
        );
        for sent in [together.0, together.2, together.4, together.5] {
            sent.unwrap();
        }
        assert_not_sent(together.1);
        assert_not_sent(together.3);
        assert_answer_not_sent(together.6);

        peer.notify(Notice { n: 1000, file: numbered(1000) }).await.unwrap();
        pass(peer, 10, false, false).await.unwrap();
        on(true);
        peer.notify(Notice { n: 1, file: numbered(1) }).await.unwrap();
        let sent = tokio::join!(pass(peer, 11, true, true), pass(peer, 12, true, false));
        sent.0.unwrap();
        sent.1.unwrap();
        assert_eq!(noticed.load(Ordering::Relaxed), round + 1);
    }
}

/// Has a peer that takes descriptors when it wants to.
fn refusing(stream: UnixStream, takes: &Arc<AtomicBool>) -> Over {
    let takes = Arc::clone(takes);
    let over = Over::new(stream, move |_, descriptors| {
        let refuses = descriptors > 0 && !takes.load(Ordering::Relaxed);
        refuses.then(|| Poll::Ready(Err(io::ErrorKind::PermissionDenied.into())))
    });
    over.on_any_task()
}

#[test]
fn a_transport_that_refuses_fails_the_calls_that_it_refuses() {
    without_leak("a_transport_that_refuses_fails_the_calls_that_it_refuses", || async {
        let (near, far) = UnixStream::pair().unwrap();
        let (takes, noticed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let near = connection_over(refusing(near, &takes));
        let peer = near.responders(responders(&noticed)).spawn();
        let other = connection(far).unwrap().responders(responders(&noticed)).spawn();
        refuses(&peer, &other, &noticed, |on| takes.store(on, Ordering::Relaxed)).await;
        peer.close().await;
        other.closed().await;
    });
}

#[cfg(target_os = "linux")]
mod passrights {
    use super::*;
    use nix::errno::Errno;
    use nix::libc;
    use nix::sys::socket::{setsockopt, sockopt::SetBool};
    use std::os::fd::AsFd;

    /// The C library does not know it.
    const SO_PASSRIGHTS: libc::c_int = 83;

    #[derive(Clone, Copy, Debug)]
    struct PassRights;
    nix::setsockopt_impl!(PassRights, libc::SOL_SOCKET, SO_PASSRIGHTS, bool, SetBool);

    #[test]
    fn a_peer_that_takes_no_descriptors_fails_the_calls_that_bring_some() {
        let name = "passrights::a_peer_that_takes_no_descriptors_fails_the_calls_that_bring_some";
        without_leak(name, || async {
            let (near, far) = UnixStream::pair().unwrap();
            if setsockopt(&far, PassRights, &true) == Err(Errno::ENOPROTOOPT) {
                println!("skipped: this kernel has no SO_PASSRIGHTS, which came with Linux 6.16");
                return;
            }
            let socket = far.as_fd().try_clone_to_owned().unwrap();
            let noticed = Arc::<AtomicU64>::default();
            let peer = connection(near).unwrap().responders(responders(&noticed)).spawn();
            let other = connection(far).unwrap().responders(responders(&noticed)).spawn();
            let on = |on| setsockopt(&socket, PassRights, &on).unwrap();
            refuses(&peer, &other, &noticed, on).await;
            peer.close().await;
            other.closed().await;
        });
    }
}

#[test]
fn what_is_refused_is_closed() {
    without_leak("what_is_refused_is_closed", || async {
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection_over(refusing(near, &Arc::default())).spawn();
        let _other = connection(far).unwrap().spawn();
        let (reader, writer) = std::io::pipe().unwrap();
        let file = Some(writer.into());
        let error = peer.call_remote(Pass { n: 1, file, back: false }).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(_)), "{error}");
        assert_eq!(PipeReader::from(OwnedFd::from(reader)).read(&mut [0]).unwrap(), 0);
    });
}

/// Their boxes wait in several parts, since not all of their descriptors go ahead at once.
#[test]
fn many_calls_that_are_refused_together_leave_no_trace() {
    without_leak("many_calls_that_are_refused_together_leave_no_trace", || async {
        let (near, far) = UnixStream::pair().unwrap();
        let takes = Arc::<AtomicBool>::default();
        let peer = connection_over(refusing(near, &takes)).spawn();
        let far = connection(far).unwrap().responders(responders(&Arc::default())).spawn();
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..200 {
            let peer = peer.clone();
            calls.spawn(async move { pass(&peer, n, true, false).await });
        }
        calls.join_all().await.into_iter().for_each(assert_not_sent);
        for _ in 0..3 {
            assert_not_sent(pass(&peer, 1, true, false).await);
            assert_not_sent(pass(&peer, 1, true, false).await);
            pass(&peer, 1, false, false).await.unwrap();
        }
        takes.store(true, Ordering::Relaxed);
        pass(&peer, 2, true, true).await.unwrap();
        peer.close().await;
        far.closed().await;
    });
}

/// As any failure that is not declared.
#[tokio::test]
async fn an_answer_that_is_refused_ends_the_connection_where_failures_do() {
    let (near, far) = UnixStream::pair().unwrap();
    let near =
        connection_over(refusing(near, &Arc::default())).failure_policy(FailurePolicy::Close);
    let peer = near.responders(responders(&Arc::default())).spawn();
    let other = connection(far).unwrap().spawn();
    let error = pass(&other, 1, false, true).await.unwrap_err();
    let CallError::Remote(remote) = &error else { panic!("{error:?}") };
    assert_eq!((&remote.code[..], &remote.description[..]), (&b"UNKNOWN"[..], "Unknown Error"));
    // No responder has failed, so none is blamed.
    let reason = peer.closed().await;
    assert!(matches!(&reason, CloseReason::Failed { command: None, .. }), "{reason:?}");
    assert_eq!(reason.to_string(), "closed after a command failed with UNKNOWN");
}

/// A call that nobody waits for any more is told nothing.
#[tokio::test]
async fn a_call_that_was_dropped_is_refused_in_silence() {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = connection_over(refusing(near, &Arc::default())).spawn();
    let _other = connection(far).unwrap().responders(responders(&Arc::default())).spawn();
    for n in 0..10 {
        let file = Some(numbered(n));
        let mut call = std::pin::pin!(peer.call_remote(Pass { n, file, back: false }));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
    }
    pass(&peer, 1, false, true).await.unwrap();
}

/// Boxes are encoded on some threads while others are refused.
#[test]
fn ordinals_stay_in_step_on_several_threads() {
    support::in_own_process("ordinals_stay_in_step_on_several_threads", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap();
        let test = async {
            let (near, far) = UnixStream::pair().unwrap();
            let takes = Arc::<AtomicBool>::default();
            let near = connection_over(refusing(near, &takes));
            let peer = near.responders(responders(&Arc::default())).spawn();
            let other = connection(far).unwrap().responders(responders(&Arc::default())).spawn();
            let mut callers = tokio::task::JoinSet::new();
            for caller in 0..8 {
                let (peer, takes) =
                    (if caller < 6 { &peer } else { &other }.clone(), Arc::clone(&takes));
                callers.spawn(async move {
                    let (mut sent, mut refused) = (0, 0);
                    for n in 0..300 {
                        if caller == 0 {
                            takes.store(n % 3 == 0, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                        }
                        match pass(&peer, 1000 * caller + n, n % 4 > 0, n % 7 == 0).await {
                            Ok(()) => sent += 1,
                            Err(CallError::NotSent(_)) => refused += 1,
                            Err(CallError::Remote(error)) => {
                                assert!(error.description.starts_with("Unknown Error (ref"));
                                refused += 1;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    (sent, refused)
                });
            }
            let ended = callers.join_all().await;
            let sent: u32 = ended.iter().map(|(sent, _)| sent).sum();
            let refused: u32 = ended.iter().map(|(_, refused)| refused).sum();
            assert!(sent > 300 && refused > 300, "{sent} sent, {refused} refused");
        };
        // Less than what else may wake a connection that should have been woken.
        let in_time = async { tokio::time::timeout(support::DEADLINE / 2, test).await };
        runtime.block_on(in_time).expect("it should not hang");
    });
}
