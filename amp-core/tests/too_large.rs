//! What is too large to be sent, or once it is decoded: it costs its call, or waits, and nothing else does.

mod support;

use amp_core::argument::{Continued, Numbered};
use amp_core::boxes::{BoxLimits, BoxReader, BoxWriter};
use amp_core::{
    AmpBox, Argument, Arguments, CallError, Command, Connection, DecodeError, EncodeError, Limits,
    NoError, OneWay, Proto, ReceivedCall, RemoteError, Responders, Value, ValueWriter,
};
use bytes::Bytes;
use std::sync::Arc;
use support::{Script, echo, echoing, numbered, three_are_read_at_once};
use tokio::sync::Semaphore;

/// Answers with as many bytes as it is asked for.
async fn bytes(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    let len = call.arguments.get("len").unwrap_or_default();
    let len: usize = str::from_utf8(len).unwrap().parse().unwrap();
    Ok(AmpBox::from_pairs([("x", vec![b'x'; len])]).unwrap())
}

/// Of a call with the tag 1 to 9 of a command with a name of one byte, one pair with a key and a
/// value of `len` bytes, on the wire.
fn call_len(len: usize) -> usize {
    "\0\x04_ask\0\x011\0\x08_command\0\x01A\0\x01x\0\0\0\0".len() + len
}

#[tokio::test]
async fn a_call_over_the_limits_is_never_sent() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    // So tags are short.
    let limits = Limits::default().boxes(boxes).outstanding_calls(1).streams(0);
    let near = Connection::new(near).limits(limits).spawn();
    let responders = Responders::new(()).respond_by_name("A", echo);
    let _far = Connection::new(far).responders(responders).spawn();
    let most = 200 - call_len(0);
    let call = |len| near.call_by_name("A", [("x", "x".repeat(len))]);
    assert_eq!(call(most - 1).await.unwrap().get("x").unwrap().len(), most - 1);

    let refused = |error: CallError, message: &str| {
        assert!(matches!(error, CallError::Encode(_)), "{error}");
        let error = amp_core::Report::new(&error).to_string();
        assert!(error.contains(message), "{error}");
    };
    let message = "a box of at least 201 bytes is over the limit of 200";
    refused(call(most + 1).await.unwrap_err(), message);
    // Without a tag and its key there is room for as much more.
    let more = most + "\0\x04_ask\0\x011".len();
    near.notify_by_name("A", [("x", "x".repeat(more))]).await.unwrap();
    let error = near.notify_by_name("A", [("x", "x".repeat(more + 1))]).await.unwrap_err();
    refused(error, message);

    let pairs = |count: usize| (0..count).map(|n| (n.to_string(), "")).collect::<Vec<_>>();
    assert_eq!(near.call_by_name("A", pairs(2)).await.unwrap().len(), 2);
    let message = "a box of at least 5 pairs is over the limit of 4";
    refused(near.call_by_name("A", pairs(3)).await.unwrap_err(), message);
    near.notify_by_name("A", pairs(3)).await.unwrap();
    refused(near.notify_by_name("A", pairs(4)).await.unwrap_err(), message);
    assert_eq!(near.counters().calls_sent, 4);
    call(1).await.unwrap();
}

#[tokio::test]
async fn an_answer_over_the_limits_is_an_error_answer() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    let responders = Responders::new(()).respond_by_name("Bytes", bytes);
    let far = Connection::new(far).limits(Limits::default().boxes(boxes));
    let _far = far.responders(responders).spawn();
    let near = Connection::new(near).spawn();
    let most = 200 - "\0\x07_answer\0\x011\0\x01x\0\0\0\0".len();
    for (len, fits) in [(most, true), (most + 1, false), (60_000, false), (1, true)] {
        let answer = near.call_by_name("Bytes", [("len", len.to_string())]).await;
        if fits {
            assert_eq!(answer.unwrap().get("x").unwrap().len(), len);
        } else {
            let CallError::Remote(error) = answer.unwrap_err() else { panic!() };
            assert!(error.is_unknown(), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_is_cut_to_the_limits() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    let fail = |_| async { Err(RemoteError::new("CODE", "x".repeat(1000))) };
    let responders = Responders::new(()).respond_by_name("Fail", fail);
    let far = Connection::new(far).limits(Limits::default().boxes(boxes));
    let _far = far.responders(responders).spawn();
    let near = Connection::new(near).limits(Limits::default().boxes(boxes)).spawn();
    let error = near.call_by_name("Fail", [("", ""); 0]).await.unwrap_err();
    let CallError::Remote(error) = error else { panic!("{error}") };
    assert!((100..200).contains(&error.description.len()), "{error}");
}

/// A typed command, which is as large as it is told to be.
struct Large(usize);

impl Arguments for Large {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        let bytes = Bytes::from(vec![0; self.0]);
        Continued(bytes.clone()).to_box("a", out, proto)?;
        Numbered(bytes.slice(..1)).to_box("b", out, proto)
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self(0))
    }
}

impl Command for Large {
    const NAME: &'static str = "Large";
    const REQUIRES_ANSWER: bool = false;

    type Response = ();
    type Error = NoError;
}

impl OneWay for Large {}

#[tokio::test]
async fn a_value_over_the_default_limits_costs_one_call() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let _far = Connection::new(far).responders(echoing()).spawn();
    let near = Connection::new(near).spawn();
    let error = near.notify(Large(18 << 20)).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error}");
    let error = amp_core::Report::new(&error).to_string();
    assert!(error.ends_with("is over the limit of 17825792"), "{error}");
    near.notify(Large(1 << 20)).await.unwrap();
    near.call_by_name("Echo", numbered(1)).await.unwrap();

    let error = Large(18 << 20).encode().unwrap_err();
    let error = amp_core::Report::new(&error).to_string();
    assert!(error.ends_with("is over the limit of 17825792"), "{error}");
    assert!(Large(16 << 20).encode().is_ok());
}

/// An element of a list that is 2 bytes on the wire and 512 in memory.
struct Fat {
    _room: [u64; 64],
}

impl Argument for Fat {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Ok(())
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self { _room: [0; 64] })
    }
}

struct Fats(Vec<Fat>);

impl Arguments for Fats {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        self.0.to_box("fats", out, proto)
    }

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Vec::from_box("fats", input, proto).map(Self)
    }
}

impl Command for Fats {
    const NAME: &'static str = "Fats";

    type Response = ();
    type Error = NoError;
}

#[tokio::test(start_paused = true)]
async fn what_running_calls_take_once_they_are_decoded_stops_the_reading() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = {
        let gate = Arc::clone(&gate);
        move |_: amp_core::Context, _: Fats| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, NoError>(())
            }
        }
    };
    let limits = Limits::default().running_bytes(60_000);
    let responders = Responders::new(()).respond(slow);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    let (peer, mut script) = Script::with_room(40, prepare);
    let fats = [0; 100];
    let call = [("_ask", &b"1"[..]), ("_command", b"Fats"), ("fats", &fats)];
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    three_are_read_at_once(&call, &gate, &peer, &mut script).await;
}

#[tokio::test]
async fn what_takes_too_much_once_it_is_decoded_costs_one_call() {
    let respond = |_: amp_core::Context, fats: Fats| async move {
        assert_eq!(fats.0.len(), 100);
        Ok::<_, NoError>(())
    };
    let limits = Limits::default().decoded_bytes(51_200);
    let responders = Responders::new(()).respond(respond);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    let (_peer, mut script) = Script::start(prepare);
    for (tag, count, fits) in [("1", 100, true), ("2", 101, false), ("3", 100, true)] {
        let fats = vec![0; count * 2];
        let call = [("_ask", tag.as_bytes()), ("_command", b"Fats"), ("fats", &fats)];
        script.send(&AmpBox::from_pairs(call).unwrap().to_bytes()).await;
        if fits {
            script.expect([("_answer", tag)]).await;
        } else {
            script.expect_unknown(tag).await;
        }
    }
}
