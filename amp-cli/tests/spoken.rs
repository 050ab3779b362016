//! What `ampctl generate rust` has written of the classes of `tests/python/trade.py` speaks with them, both
//! ways, with values at random and each error.

use amp_core::argument::Numbered;
use amp_core::{
    Answered, Arguments, CallError, Command, CommandError, Context, OneWay, Peer, Responders,
    Switched,
};
use amp_tests::{Address, DEADLINE, Python, Transport, trade};
use bytes::Bytes;
use std::fmt::Debug;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Says what comes next, and with which values: the peer draws them.
#[derive(Command)]
#[amp(response = Prepared)]
struct Prepare {
    command: String,
    seed: u64,
    code: Option<String>,
    /// Whether the peer is to ask for an answer, of a one-way command too.
    answered: bool,
}

#[derive(Arguments)]
struct Prepared {
    arguments: Numbered<Bytes>,
    response: Numbered<Bytes>,
}

/// Has the peer call.
#[derive(Command)]
#[amp(error = NotThat)]
struct CallMe {
    description: String,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum NotThat {
    #[error("{0}")]
    Assertion(String),
}

#[derive(Command)]
#[amp(response = WasCalled)]
struct Called;

#[derive(Arguments)]
struct WasCalled {
    right: bool,
}

/// What this side answers with: a response, or an error's code and description.
type Answer = Result<Bytes, (String, String)>;

/// A connection on which one command is answered with what is prepared, and what it was called with.
struct Session<C> {
    peer: Peer,
    prepared: Prepared,
    received: UnboundedReceiver<C>,
}

impl<C: Command> Session<C> {
    async fn start(address: &Address, seed: u64, code: Option<&str>) -> Self {
        let Address::Unix(path) = address else { unreachable!("it listens on a Unix socket") };
        let (called, received) = unbounded_channel();
        let answers = std::sync::Arc::new(std::sync::OnceLock::<Answer>::new());
        let known = std::sync::Arc::clone(&answers);
        let responders = Responders::new(()).respond(move |_, command: C| {
            called.send(command).unwrap();
            let answer = known.get().expect("it is prepared").clone();
            async move {
                match answer {
                    Ok(bytes) => Ok(C::Response::decode(bytes).unwrap()),
                    Err((code, text)) => Err(C::Error::from_wire(code.as_bytes(), &text).unwrap()),
                }
            }
        });
        let connection = amp_unix::connect(path).await.unwrap();
        let peer = connection.responders(responders).spawn();
        let (command, code_of) = (C::NAME.to_owned(), code.map(str::to_owned));
        let prepare = Prepare { command, seed, code: code_of, answered: C::REQUIRES_ANSWER };
        let prepared = timeout(DEADLINE, peer.call_remote(prepare)).await.unwrap().unwrap();
        let failure = code.map(|code| (code.to_owned(), format!("ß{code}")));
        answers.set(failure.map_or_else(|| Ok(prepared.response.0.clone()), Err)).unwrap();
        Self { peer, prepared, received }
    }

    fn command(&self) -> C {
        C::decode(self.prepared.arguments.0.clone())
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}", C::NAME, self.prepared.arguments.0))
    }

    /// Checks that the connection is closed, or else that it goes on.
    async fn is_over(&self, is_over: bool) {
        if is_over {
            timeout(DEADLINE, self.peer.closed()).await.unwrap();
        } else {
            timeout(DEADLINE, self.peer.call_remote(Called)).await.unwrap().unwrap();
        }
    }

    /// Has the peer call, which compares what comes of it.
    async fn be_called(&self, code: &str) {
        let description = format!("ß{code}");
        let call = self.peer.call_remote(CallMe { description });
        timeout(DEADLINE, call)
            .await
            .unwrap()
            .unwrap_or_else(|error| panic!("{}: {error}", C::NAME));
    }
}

/// Both ways, with values at random and with each error.
async fn is_spoken<C>(address: &Address)
where
    C: Command + Clone + Debug + PartialEq,
    C::Response: Debug + PartialEq,
{
    let first = amp_tests::seed();
    for seed in (0..20).map(|step| first.wrapping_add(step)) {
        let mut session = Session::<C>::start(address, seed, None).await;
        let command = session.command();
        // What has one form only has that.
        let again = command.encode().unwrap();
        assert_eq!(C::decode(again).unwrap(), command, "seed {seed}");
        let answer = timeout(DEADLINE, session.peer.call_remote(command.clone())).await.unwrap();
        let answer = answer.unwrap_or_else(|error| panic!("{}, seed {seed}: {error}", C::NAME));
        let expected = C::Response::decode(session.prepared.response.0.clone()).unwrap();
        assert_eq!(answer, expected, "{}, seed {seed}", C::NAME);
        session.be_called("").await;
        assert_eq!(session.received.recv().await.unwrap(), command, "{}, seed {seed}", C::NAME);
    }
    for error in C::Error::schema().unwrap() {
        let session = Session::<C>::start(address, first, Some(&error.code)).await;
        let failed = timeout(DEADLINE, session.peer.call_remote(session.command())).await.unwrap();
        let Err(CallError::Command(failed)) = failed else { panic!("{}: {failed:?}", C::NAME) };
        assert_eq!((failed.code(), failed.is_fatal()), (&*error.code, error.is_fatal));
        assert_eq!(failed.to_string(), format!("é{}", error.code));
        session.is_over(error.is_fatal).await;

        let mut session = Session::<C>::start(address, first, Some(&error.code)).await;
        let call = session.peer.call_remote(CallMe { description: format!("ß{}", error.code) });
        match timeout(DEADLINE, call).await.unwrap() {
            Ok(()) => {}
            Err(CallError::Closed(_)) if error.is_fatal => {}
            Err(other) => panic!("{}, {}: {other}", C::NAME, error.code),
        }
        assert!(session.received.recv().await.is_some());
        session.is_over(error.is_fatal).await;
    }
}

#[tokio::test]
async fn each_command_is_spoken_with_its_class_both_ways() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let peer = amp_tests::Peer::start(python.program("trade_peer.py"), Transport::Unix);
    let address = peer.address();
    is_spoken::<trade::Buy>(address).await;
    is_spoken::<trade::Close>(address).await;
    is_spoken::<trade::Everything>(address).await;
    is_spoken::<trade::ListStock>(address).await;
    is_spoken::<trade::Sell>(address).await;
    is_told::<trade::Tick>(address).await;
    is_spoken::<Answered<trade::Tick>>(address).await;
    switches(address).await;
    // Those of above.
    let spoken = 7;
    assert_eq!(trade::schema().commands().count(), spoken);
}

/// Both ways, of the command that switches the protocol, with its error.
async fn switches(address: &Address) {
    let Address::Unix(path) = address else { unreachable!("it listens on a Unix socket") };
    let connect = async |seed: u64, fails: bool| {
        let ((called, received), (greeted, greeting)) = (unbounded_channel(), unbounded_channel());
        let talk = move |_: Context, command: trade::Talk| {
            called.send(command).unwrap();
            let greeted = greeted.clone();
            async move {
                if fails {
                    return Err(trade::TalkError::NoSuchProtocol("ß".to_owned()));
                }
                Ok(async move |stream: Switched| {
                    let mut lines = BufReader::new(stream);
                    let mut line = String::new();
                    lines.read_line(&mut line).await.unwrap();
                    greeted.send(line).unwrap();
                })
            }
        };
        let connection = amp_unix::connect(path).await.unwrap();
        let peer = connection.responders(Responders::new(()).respond_switch(talk)).spawn();
        let code = fails.then(|| "NO_SUCH_PROTOCOL".to_owned());
        let prepare = Prepare { command: "Talk".to_owned(), seed, code, answered: true };
        let prepared = timeout(DEADLINE, peer.call_remote(prepare)).await.unwrap().unwrap();
        let command = trade::Talk::decode(prepared.arguments.0).unwrap();
        (peer, command, received, greeting)
    };
    for seed in 0..20 {
        let (peer, command, ..) = connect(seed, false).await;
        let switched = timeout(DEADLINE, peer.switch_protocol(command)).await.unwrap();
        let mut stream = BufReader::new(switched.unwrap());
        stream.write_all(b"Hello\n").await.unwrap();
        let mut line = String::new();
        timeout(DEADLINE, stream.read_line(&mut line)).await.unwrap().unwrap();
        assert_eq!(line, "hELLO\n");

        let (peer, command, mut received, mut greeting) = connect(seed, false).await;
        let call = peer.call_remote(CallMe { description: String::new() });
        timeout(DEADLINE, call).await.unwrap().unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(command));
        let line = timeout(DEADLINE, greeting.recv()).await.unwrap();
        assert_eq!(line.as_deref(), Some("Hello\n"));
    }
    let (peer, command, mut received, _) = connect(0, true).await;
    let failed = timeout(DEADLINE, peer.switch_protocol(command.clone())).await.unwrap();
    let Err(CallError::Command(failed)) = failed else { panic!("{failed:?}") };
    assert_eq!(failed, trade::TalkError::NoSuchProtocol("éNO_SUCH_PROTOCOL".to_owned()));
    // The connection goes on.
    let call = peer.call_remote(CallMe { description: "ß".to_owned() });
    timeout(DEADLINE, call).await.unwrap().unwrap();
    assert_eq!(received.recv().await, Some(command));
    timeout(DEADLINE, peer.call_remote(Called)).await.unwrap().unwrap();
}

/// Both ways, of a command that is not answered.
async fn is_told<C: OneWay + Clone + Debug + PartialEq>(address: &Address) {
    for seed in 0..20 {
        let mut session = Session::<C>::start(address, seed, None).await;
        let command = session.command();
        session.peer.notify(command.clone()).await.unwrap();
        let called = timeout(DEADLINE, session.peer.call_remote(Called)).await.unwrap();
        assert!(called.unwrap().right, "{}, seed {seed}", C::NAME);
        session.be_called("").await;
        let received = timeout(DEADLINE, session.received.recv()).await.unwrap();
        assert_eq!(received.unwrap(), command);
    }
    let errors = C::Error::schema().unwrap();
    assert_eq!(errors.iter().map(|error| error.is_fatal).collect::<Vec<_>>(), [true, false]);
    for error in errors {
        // Nobody is told, and Twisted closes the connection, whatever the error is.
        let session = Session::<C>::start(address, 0, Some(&error.code)).await;
        session.peer.notify(session.command()).await.unwrap();
        session.is_over(true).await;

        let mut session = Session::<C>::start(address, 0, Some(&error.code)).await;
        let call = session.peer.call_remote(CallMe { description: String::new() });
        match timeout(DEADLINE, call).await.unwrap() {
            Ok(()) => {}
            Err(CallError::Closed(_)) if error.is_fatal => {}
            Err(other) => panic!("{}, {}: {other}", C::NAME, error.code),
        }
        assert_eq!(session.received.recv().await.unwrap(), session.command());
        session.is_over(error.is_fatal).await;
    }
}
