//! `StartTLS`: from which byte on everything is protected, and what becomes of the calls.

mod support;

use amp_core::argument::FromConnection;
use amp_core::login::Login;
use amp_core::tls::{
    self, Agreement, Authorities, ClientCertificates, Identity, PeerCertificates, Role, StartTls,
    TlsError, dangerous,
};
use amp_core::{
    AmpBox, Arguments, CallError, CameBeforeTls, CloseReason, Command, CommandError, Connection,
    Context, Limits, NoError, Peer, ReceivedCall, RemoteError, Responders, Switched,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;
use support::{Script, echo, numbered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_util::io::InspectWriter;

/// A certificate that vouches for itself, with its key, as PEM.
struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem() }
    }

    fn server(&self) -> Role {
        let identity = Identity::from_pem(self.certificate.clone() + &self.key).unwrap();
        Role::Server(tls::server_config(identity, ClientCertificates::NotAsked).unwrap())
    }

    /// Trusts this certificate and no other.
    fn client(&self) -> Role {
        let trusted = Authorities::from_pem(&self.certificate).unwrap();
        Role::client_any_name(dangerous::client_config_any_name(&trusted, None).unwrap())
    }
}

/// Answers `StartTLS` with this role, and `Echo` and `Certificates`.
fn starting(role: Role) -> Responders {
    let responders = Responders::new(()).respond_by_name("Echo", echo);
    responders.respond_start_tls(move |_, _: StartTls| {
        let role = role.clone();
        async { Ok(role) }
    })
}

fn pair(near: Responders, far: Responders) -> (Peer, Peer) {
    amp_core::testing::pair(near, far)
}

#[tokio::test]
async fn either_side_asks_and_either_is_the_client() {
    let certificate = Certificate::new();
    for asking_is_client in [true, false] {
        let (client, server) = (certificate.client(), certificate.server());
        let (asking, answering) =
            if asking_is_client { (client, server) } else { (server, client) };
        let (near, far) = pair(starting(asking.clone()), starting(answering));
        near.call_by_name("Echo", numbered(1)).await.unwrap();
        near.start_tls(StartTls, asking.clone()).await.unwrap();
        for peer in [&near, &far] {
            let long = "x".repeat(60_000);
            let answer = peer.call_by_name("Echo", [("text", &long)]).await.unwrap();
            assert_eq!(answer.get("text"), Some(long.as_bytes()));
        }
        let client = if asking_is_client { &near } else { &far };
        assert!(client.get::<PeerCertificates>().is_some(), "the server has shown one");
        let error = near.start_tls(StartTls, asking).await.unwrap_err();
        assert_eq!(error.to_string(), "TLS has been started before");
        near.close().await;
        assert!(matches!(far.closed().await, CloseReason::Peer));
    }
}

#[tokio::test]
async fn what_is_sent_meanwhile_is_protected() {
    let certificate = Certificate::new();
    let (near, far) = tokio::io::duplex(1 << 16);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recording = {
        let sent = Arc::clone(&sent);
        InspectWriter::new(near, move |bytes| sent.lock().unwrap().extend_from_slice(bytes))
    };
    let near = Connection::new(recording).spawn();
    let _far = Connection::new(far).responders(starting(certificate.server())).spawn();
    let start = near.start_tls(StartTls, certificate.client());
    // Polled in this order: the call is queued behind the switch.
    let (started, answer) =
        tokio::join!(biased; start, near.call_by_name("Echo", [("text", "a secret")]));
    started.unwrap();
    assert_eq!(answer.unwrap().get("text"), Some(&b"a secret"[..]));
    let sent = sent.lock().unwrap();
    assert!(sent.starts_with(b"\0\x04_ask\0\x011\0\x08_command\0\x08StartTLS\0\0"));
    assert!(!sent.windows(8).any(|bytes| bytes == b"a secret"), "it was sent in clear text");
}

/// The bytes of a call in clear text.
fn evil() -> Vec<u8> {
    let call = AmpBox::from_pairs([("_ask", "66"), ("_command", "Echo")]).unwrap();
    call.to_bytes().to_vec()
}

/// The cause of an end by a `StartTLS` that failed.
fn tls_error(reason: &CloseReason) -> &TlsError {
    let CloseReason::Tls(error) = reason else { panic!("{reason:?}") };
    error.downcast_ref().expect("the cause is an error of TLS")
}

#[tokio::test]
async fn clear_text_behind_the_call_is_never_read_as_boxes() {
    let responders = starting(Certificate::new().server());
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let ask = AmpBox::from_pairs([("_ask", "1"), ("_command", "StartTLS")]).unwrap();
    script.send(&[&ask.to_bytes()[..], &evil()].concat()).await;
    script.expect([("_answer", "1")]).await;
    let reason = peer.closed().await;
    assert!(matches!(tls_error(&reason), TlsError::Handshake(_)), "{reason:?}");
    assert_eq!(peer.counters().calls_received, 1);
}

#[tokio::test]
async fn clear_text_behind_the_answer_is_never_read_as_boxes() {
    let certificate = Certificate::new();
    let responders = starting(certificate.server());
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let starting = tokio::spawn({
        let (peer, role) = (peer.clone(), certificate.client());
        async move { peer.start_tls(StartTls, role).await }
    });
    let tag = script.expect_call("StartTLS").await;
    let answer = AmpBox::from_pairs([("_answer", tag)]).unwrap();
    script.send(&[&answer.to_bytes()[..], &evil()].concat()).await;
    let error = starting.await.unwrap().unwrap_err();
    let CallError::Closed(reason) = error else { panic!("{error:?}") };
    assert!(matches!(tls_error(&reason), TlsError::Handshake(_)), "{reason:?}");
    assert_eq!(peer.counters().calls_received, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_fails_all_calls_for_that_reason() {
    let (near, _far) = pair(
        Responders::new(()),
        starting(Certificate::new().server()).respond_by_name("Never", |_| std::future::pending()),
    );
    let outstanding = tokio::spawn({
        let near = near.clone();
        async move { near.call_by_name("Never", numbered(1)).await }
    });
    support::settled().await;
    let error = near.start_tls(StartTls, Certificate::new().client()).await.unwrap_err();
    for error in [error, outstanding.await.unwrap().unwrap_err()] {
        let CallError::Closed(reason) = error else { panic!("{error:?}") };
        assert!(matches!(tls_error(&reason), TlsError::Handshake(_)), "{reason:?}");
    }
    let reason = amp_core::Report::new(&near.closed().await).to_string();
    assert!(reason.starts_with("TLS could not be started: "), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_agrees_and_says_nothing_is_given_up() {
    let (peer, mut script) = Script::start(|connection| connection);
    let starting = tokio::spawn({
        let (peer, role) = (peer.clone(), Certificate::new().client());
        async move { peer.start_tls(StartTls, role).await }
    });
    let tag = script.expect_call("StartTLS").await;
    script.send_box([("_answer", &*tag)]).await;
    let error = starting.await.unwrap().unwrap_err();
    let CallError::Closed(reason) = error else { panic!("{error:?}") };
    assert!(matches!(tls_error(&reason), TlsError::Timeout { .. }), "{reason:?}");
}

/// The answer has its time, and then the handshake.
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_given_up_when_the_caller_says() {
    let (timeout, handshake) = (Duration::from_secs(2), Duration::from_secs(3));
    for agrees in [false, true] {
        let (near, mut script) = Script::start(|connection| connection);
        let call = near.start_tls(StartTls, Certificate::new().client());
        let before = tokio::time::Instant::now();
        let starting = tokio::spawn(call.timeout(timeout).handshake_timeout(handshake));
        let tag = script.expect_call("StartTLS").await;
        if agrees {
            script.send_box([("_answer", &*tag)]).await;
        }
        let error = starting.await.unwrap().unwrap_err();
        if agrees {
            let CallError::Closed(reason) = error else { panic!("{error}") };
            assert!(
                matches!(tls_error(&reason), TlsError::Timeout { after } if *after == handshake)
            );
            assert_eq!(before.elapsed(), handshake, "of virtual time");
        } else {
            assert!(error.is_timeout(), "{error}");
            assert_eq!(before.elapsed(), timeout, "of virtual time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_given_up_when_the_responder_says() {
    let handshake = Duration::from_secs(3);
    let role = Certificate::new().server();
    let responders = Responders::new(()).respond_start_tls(move |_, _: StartTls| {
        let role = role.clone();
        async move { Ok(Agreement::new(role).handshake_timeout(handshake)) }
    });
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let before = tokio::time::Instant::now();
    script.send_box([("_ask", "1"), ("_command", "StartTLS")]).await;
    script.expect([("_answer", "1")]).await;
    let reason = peer.closed().await;
    assert!(matches!(tls_error(&reason), TlsError::Timeout { after } if *after == handshake));
    assert_eq!(before.elapsed(), handshake, "of virtual time");
}

#[tokio::test]
async fn without_a_certificate_there_is_no_tls_and_the_connection_goes_on() {
    let (near, _far) = pair(Responders::new(()), support::echoing());
    let error = near.start_tls(StartTls, Certificate::new().client()).await.unwrap_err();
    assert!(error.is_unhandled(), "{error}");
    near.call_by_name("Echo", numbered(1)).await.unwrap();
}

/// Starts TLS for those who know the word.
#[derive(Command)]
#[amp(name = "start-tls-please", error = WrongWord, switch)]
struct StartWithWord {
    word: String,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum WrongWord {
    #[error("that is not the word")]
    WrongWord,
}

#[tokio::test]
async fn a_command_of_ones_own_can_start_tls() {
    let certificate = Certificate::new();
    let role = certificate.server();
    let responders =
        Responders::new(()).respond_by_name("Echo", echo).respond_start_tls(
            move |_: Context, command: StartWithWord| {
                let role = role.clone();
                async move {
                    if command.word == "sesame" { Ok(role) } else { Err(WrongWord::WrongWord) }
                }
            },
        );
    let (near, _far) = pair(Responders::new(()), responders);
    let command = StartWithWord { word: "please".to_owned() };
    let error = near.start_tls(command, certificate.client()).await.unwrap_err();
    assert!(matches!(error, CallError::Command(WrongWord::WrongWord)), "{error}");
    near.call_by_name("Echo", numbered(1)).await.unwrap();
    let command = StartWithWord { word: "sesame".to_owned() };
    near.start_tls(command, certificate.client()).await.unwrap();
    near.call_by_name("Echo", numbered(1)).await.unwrap();
    assert!(near.get::<PeerCertificates>().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_during_the_handshake_is_sent_before_the_end() {
    let certificate = Certificate::new();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let responders = Responders::new(()).respond_by_name("Hear", move |_: ReceivedCall| {
        sender.send(()).unwrap();
        async { Ok(AmpBox::new()) }
    });
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let near = Connection::new(near).spawn();
    let starting = tokio::spawn({
        let (near, role) = (near.clone(), certificate.client());
        async move { near.start_tls(StartTls, role).await }
    });
    let mut call = [0; 31];
    far.read_exact(&mut call).await.unwrap();
    near.notify_by_name("Hear", numbered(1)).await.unwrap();
    let answer = AmpBox::from_pairs([("_answer", "1")]).unwrap();
    far.write_all(&answer.to_bytes()).await.unwrap();
    support::settled().await;
    let closing = tokio::spawn(async move { near.close().await });
    support::settled().await;
    let Role::Server(config) = certificate.server() else { panic!("it is a server") };
    let _far = tls::server(far, config).await.unwrap().responders(responders).spawn();
    assert_eq!(heard.recv().await, Some(()), "it was queued");
    closing.await.unwrap();
    assert!(starting.await.unwrap().is_ok());
}

/// Anybody on the way may have sent what came in clear text, however late it is read.
#[tokio::test]
async fn answers_that_came_in_clear_text_are_not_of_whoever_shows_a_certificate() {
    let certificate = Certificate::new();
    let far = starting(certificate.server()).respond_by_name("Shown", echo);
    let (near, _far) = pair(Responders::new(()), far);
    let mut clear = near.call_remote(Shown {});
    let mut none = std::task::Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut clear).poll(&mut none).is_pending());
    // The answer is there, and nobody takes it.
    while near.counters().answers_received == 0 {
        tokio::task::yield_now().await;
    }
    near.start_tls(StartTls, certificate.client()).await.unwrap();
    assert!(near.get::<PeerCertificates>().is_some());
    assert!(matches!(clear.await.map(drop), Err(CallError::Decode(_))));
    near.call_remote(Shown {}).await.unwrap();
}

/// Its answer can be read where decoding sees a certificate.
#[derive(Command)]
#[amp(response = Certificates)]
struct Shown {}

#[derive(Arguments)]
struct Certificates {
    _certificates: FromConnection<PeerCertificates>,
}

/// They answer the first call that is protected, and none before: neither when no TLS follows, nor when the
/// responder has put others in place meanwhile.
#[tokio::test]
async fn responders_that_an_agreement_has_answer_from_the_handshake_on() {
    let certificate = Certificate::new();
    let (near, far) = tokio::io::duplex(1 << 16);
    let protected = Responders::new(()).respond_by_name("Echo", echo);
    let agreement = Agreement::new(certificate.server()).responders(protected);
    let answering = Responders::new(()).respond_start_tls(move |context: Context, _: StartTls| {
        context.peer().replace_responders(Responders::new(())).unwrap();
        let agreement = agreement.clone();
        async { Ok(agreement) }
    });
    let near = Connection::new(near).spawn();
    let _far = Connection::new(far).responders(answering).spawn();
    near.notify_by_name("StartTLS", [("", ""); 0]).await.unwrap();
    assert!(near.call_by_name("Echo", numbered(1)).await.unwrap_err().is_unhandled());
    // The call is queued behind the switch.
    let start = near.start_tls(StartTls, certificate.client());
    let (started, answer) = tokio::join!(biased; start, near.call_by_name("Echo", numbered(2)));
    started.unwrap();
    assert_eq!(answer.unwrap().get("n"), Some(&b"2"[..]));
}

/// Whoever is on the way may log in before TLS, or have responders of theirs put in place otherwise: that is over
/// once the handshake begins.
#[tokio::test]
async fn a_call_in_clear_text_puts_no_responders_in_place_behind_the_handshake() {
    for by_login in [true, false] {
        let (certificate, hold) = (Certificate::new(), Arc::new(Notify::new()));
        let login = Login::within(Duration::from_secs(600));
        let protected = Responders::new(()).respond_by_name("Whose", |_: ReceivedCall| async {
            Ok(AmpBox::from_pairs([("whose", "protected")]).unwrap())
        });
        let agreement = Agreement::new(certificate.server()).responders(protected);
        let (wait, attempts) = (Arc::clone(&hold), login.clone());
        let clear = Responders::new(())
            .respond_by_name("Enter", move |call: ReceivedCall| {
                let (wait, login) = (Arc::clone(&wait), attempts.clone());
                async move {
                    let attempt = login.attempt(&call.peer).await.ok();
                    wait.notified().await;
                    let own = Responders::new(());
                    let done = match attempt.filter(|_| by_login) {
                        Some(attempt) => attempt.succeed(own),
                        None => call.peer.replace_responders(own),
                    };
                    done.map(|()| AmpBox::new())
                        .map_err(|error: CameBeforeTls| RemoteError::new("LATE", error.to_string()))
                }
            })
            .respond_start_tls(move |_, _: StartTls| {
                let agreement = agreement.clone();
                async { Ok(agreement) }
            });
        let (near, far) = tokio::io::duplex(1 << 16);
        let near = Connection::new(near).spawn();
        let far = Connection::new(far).responders(clear).login(login.clone()).spawn();
        let enter = near.call_by_name("Enter", [("", ""); 0]);
        let secure = async {
            near.start_tls(StartTls, certificate.client()).await.unwrap();
            hold.notify_one();
        };
        let (entered, ()) = tokio::join!(biased; enter, secure);
        // Whoever has called is told that nobody has logged in.
        let told = entered.unwrap_err();
        assert!(matches!(&told, CallError::Remote(error) if error.code == "LATE"), "{told}");
        let answer = near.call_by_name("Whose", [("", ""); 0]).await.unwrap();
        assert_eq!(answer.get("whose"), Some(&b"protected"[..]));
        assert!(!login.has_succeeded());
        // Nobody but this side can do it from here on.
        far.replace_responders(Responders::new(())).unwrap();
        assert!(near.call_by_name("Whose", [("", ""); 0]).await.unwrap_err().is_unhandled());
    }
}

/// Those of the side that asks answer what is protected, too. Where TLS is refused, nothing changes.
#[tokio::test]
async fn responders_that_are_asked_for_with_tls_answer_from_the_handshake_on() {
    let certificate = Certificate::new();
    for agrees in [false, true] {
        let answering = if agrees { starting(certificate.server()) } else { Responders::new(()) };
        let clear = Responders::new(()).respond_by_name("Clear", echo);
        let (near, far) = pair(clear, answering);
        far.call_by_name("Clear", numbered(1)).await.unwrap();
        let error = far.call_by_name("Echo", numbered(2)).await.unwrap_err();
        assert!(error.is_unhandled(), "{error}");
        let protected = Responders::new(()).respond_by_name("Echo", echo);
        let start = near.start_tls(StartTls, certificate.client()).responders(protected);
        assert_eq!(start.await.is_ok(), agrees);
        let echoed = far.call_by_name("Echo", numbered(3)).await;
        assert_eq!(echoed.is_ok(), agrees, "{echoed:?}");
        let clear = far.call_by_name("Clear", numbered(4)).await;
        assert_eq!(clear.is_ok(), !agrees, "{clear:?}");
    }
}

/// Waits until it is let go.
#[derive(Command)]
struct Hold {}

/// Asks whether the peer has shown a certificate.
#[derive(Command)]
#[amp(response = Seen)]
struct Look {}

#[derive(Arguments, Debug, PartialEq)]
struct Seen {
    by_context: bool,
    by_peer: bool,
}

/// Can be read where decoding sees a certificate.
#[derive(Command)]
struct LookAsArgument {
    _certificates: FromConnection<PeerCertificates>,
}

fn looking(hold: &Arc<Notify>) -> Responders<Arc<Notify>> {
    Responders::new(Arc::clone(hold))
        .respond(async |context: Context<Arc<Notify>>, _: Hold| {
            context.state().notified().await;
            Ok::<_, NoError>(())
        })
        .respond(async |context: Context<Arc<Notify>>, _: Look| {
            let by_peer = context.peer().get::<PeerCertificates>().is_some();
            let by_context = context.get::<PeerCertificates>().is_some();
            Ok::<_, NoError>(Seen { by_context, by_peer })
        })
        .respond(async |_: Context<Arc<Notify>>, _: LookAsArgument| Ok::<(), NoError>(()))
}

/// Anybody on the way may have sent what came in clear text, and it may wait until TLS is there: in a lane, or
/// for a responder to be done.
#[tokio::test]
async fn calls_that_came_in_clear_text_are_not_of_whoever_shows_a_certificate() {
    for in_lane in [true, false] {
        let (certificate, hold) = (Certificate::new(), Arc::new(Notify::new()));
        let mut far = looking(&hold);
        if in_lane {
            far = far.one_at_a_time();
        }
        let role = certificate.client();
        let far = far.respond_start_tls(move |_, _: StartTls| {
            let role = role.clone();
            async { Ok::<_, NoError>(role) }
        });
        let (near, accepted) = tokio::io::duplex(1 << 16);
        let near = Connection::new(near).responders(starting(certificate.server())).spawn();
        let mut connection = Connection::new(accepted).responders(far);
        if !in_lane {
            connection = connection.limits(Limits::default().running_responders(1));
        }
        let far = connection.spawn();

        // Polled in this order, so they are sent in it.
        let clear = async {
            let done = near.call_remote(Hold {});
            let looked = near.call_remote(Look {});
            let argument =
                near.call_remote(LookAsArgument { _certificates: FromConnection(none()) });
            tokio::join!(biased; done, looked, argument)
        };
        let secure = async {
            if in_lane {
                near.start_tls(StartTls, certificate.server()).await.unwrap();
            } else {
                // What was sent before is received before this asks.
                far.start_tls(StartTls, certificate.client()).await.unwrap();
            }
            assert!(far.get::<PeerCertificates>().is_some());
            hold.notify_one();
        };
        let ((done, looked, argument), ()) = tokio::join!(biased; clear, secure);
        done.unwrap();
        assert_eq!(looked.unwrap(), Seen { by_context: false, by_peer: false });
        assert!(argument.is_err(), "{argument:?}");

        let all = near.call_remote(Look {}).await.unwrap();
        assert_eq!(all, Seen { by_context: true, by_peer: true });
        near.call_remote(LookAsArgument { _certificates: FromConnection(none()) }).await.unwrap();
    }
}

/// What is not sent.
fn none() -> PeerCertificates {
    PeerCertificates::new(Vec::new().into(), [])
}

#[derive(Command)]
#[amp(switch)]
struct SwitchToText {}

#[tokio::test]
async fn tls_that_was_refused_does_not_take_the_place_of_a_later_switch() {
    let responders = Responders::new(()).respond_switch(|_, _: SwitchToText| async {
        Ok(|mut stream: Switched| async move { stream.write_all(b"text").await.unwrap() })
    });
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let starting = tokio::spawn(async move {
        let role = Certificate::new().client();
        let error = peer.start_tls(StartTls, role).await.unwrap_err();
        assert!(error.is_unhandled(), "{error}");
        peer
    });
    let tag = script.expect_call("StartTLS").await;
    let description = ("_error_description", "Unhandled Command: b'StartTLS'");
    script.send_box([("_error", &*tag), ("_error_code", "UNHANDLED"), description]).await;
    let _peer = starting.await.unwrap();
    script.send_box([("_ask", "1"), ("_command", "SwitchToText")]).await;
    script.expect([("_answer", "1")]).await;
    assert_eq!(script.receive_bytes(4).await, b"text");
}
