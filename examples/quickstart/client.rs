//! The side that connects: it makes every call, and checks what comes back.

use amp_core::argument::EncodeErrorKind;
use amp_core::{CallError, Connection, Peer, Report, Responders, tcp};
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::time::Duration;

use crate::AnyError;
use crate::address::Address;
use crate::commands::{
    CallBack, ConcatenateFiles, Content, CountDown, CountNotes, Countdown, Divide, DivideError,
    Note, NoteCount, OpenFile, OpenTemporary, Quotient, Sum, Total,
};
use crate::server::{sum, temporary_file};

pub(crate) async fn run(address: &Address) -> Result<(), AnyError> {
    let connection = connect(address).await.map_err(|error| {
        let error = Report::new(&error);
        format!("{error}; is the server running? Start it with: quickstart serve {address}")
    })?;
    // The client answers as well: the server calls it back.
    let peer = connection
        .responders(Responders::new(()).respond(sum))
        .call_timeout(Duration::from_secs(30))
        .spawn();
    println!("client: connected to {address}");

    responses(&peer).await?;
    declared_error(&peer).await?;
    one_way(&peer).await?;
    call_back(&peer).await?;
    stream(&peer).await?;
    match address {
        Address::Unix(_) => descriptors(&peer).await?,
        Address::Tcp(_) => refused_descriptor(&peer).await?,
    }

    peer.close().await;
    println!("client: all is as it should be");
    Ok(())
}

async fn connect(address: &Address) -> io::Result<Connection> {
    match address {
        Address::Unix(path) => amp_unix::connect(path).await,
        Address::Tcp(address) => tcp::connect(address).await,
    }
}

async fn responses(peer: &Peer) -> Result<(), AnyError> {
    let Total { total } = peer.call_remote(Sum { a: 13, b: 81 }).await?;
    check("Sum 13 + 81", &total, &94)?;
    let Quotient { result } = peer.call_remote(Divide { numerator: 1, denominator: 4 }).await?;
    check("Divide 1 / 4", &result, &0.25)
}

async fn declared_error(peer: &Peer) -> Result<(), AnyError> {
    match peer.call_remote(Divide { numerator: 1, denominator: 0 }).await {
        Err(CallError::Command(error @ DivideError::ZeroDivision)) => {
            println!("client: Divide 1 / 0 is refused: {error}");
            Ok(())
        }
        other => Err(format!("Divide 1 / 0 should fail with ZeroDivision: {other:?}").into()),
    }
}

async fn one_way(peer: &Peer) -> Result<(), AnyError> {
    let before = count_notes(peer).await?;
    peer.notify(Note { text: "remember the milk".to_owned() }).await?;
    println!("client: Note is sent, and nothing is answered");
    // Commands keep their order, so the server has read the note before it counts. Other clients
    // may have left notes too.
    let after = count_notes(peer).await?;
    if after <= before {
        return Err(format!("the note should count: {before} before, {after} after it").into());
    }
    println!("client: CountNotes shows that the note has arrived");
    Ok(())
}

async fn count_notes(peer: &Peer) -> Result<usize, CallError> {
    let NoteCount { count } = peer.call_remote(CountNotes {}).await?;
    Ok(count)
}

async fn call_back(peer: &Peer) -> Result<(), AnyError> {
    let Total { total } = peer.call_remote(CallBack { a: 20, b: 22 }).await?;
    check("CallBack, calls that the server made in turn", &peer.counters().calls_received, &1)?;
    check("CallBack 20 + 22, as this side answered it", &total, &42)
}

async fn stream(peer: &Peer) -> Result<(), AnyError> {
    let Countdown { mut numbers } = peer.call_remote(CountDown { from: 3 }).await?;
    let mut counted = Vec::new();
    while let Some(number) = numbers.next().await {
        counted.push(number?);
    }
    check("CountDown from 3, as a stream", &*counted, &[3, 2, 1, 0])
}

async fn descriptors(peer: &Peer) -> Result<(), AnyError> {
    let content = b"written by the server".to_vec();
    let OpenFile { file } = peer.call_remote(OpenTemporary { content }).await?;
    let text = io::read_to_string(File::try_from(file)?)?;
    check("OpenTemporary hands over a file that reads", &*text, "written by the server")?;

    let mut files = Vec::new();
    for content in ["written by ", "the client"] {
        files.push(OpenFile { file: temporary_file(content.as_bytes())?.into() });
    }
    let Content { content } = peer.call_remote(ConcatenateFiles { files }).await?;
    let text = String::from_utf8(content)?;
    check("ConcatenateFiles hands over files that read", &*text, "written by the client")
}

/// Only this one call fails, before anything of it is sent.
async fn refused_descriptor(peer: &Peer) -> Result<(), AnyError> {
    let files = vec![OpenFile { file: temporary_file(b"")?.into() }];
    match peer.call_remote(ConcatenateFiles { files }).await {
        Err(CallError::Encode(error))
            if matches!(error.kind(), EncodeErrorKind::NotCarried { .. }) =>
        {
            println!("client: ConcatenateFiles is refused: {error}");
            Ok(())
        }
        Err(error) => {
            Err(format!("ConcatenateFiles should fail otherwise: {}", Report::new(&error)).into())
        }
        Ok(_) => Err("ConcatenateFiles should fail over TCP".into()),
    }
}

/// Says what came back, unless it is wrong.
fn check<T>(what: &str, result: &T, expected: &T) -> Result<(), AnyError>
where
    T: PartialEq + Debug + ?Sized,
{
    if result != expected {
        return Err(format!("{what}: {result:?}, which should be {expected:?}").into());
    }
    println!("client: {what}: {result:?}");
    Ok(())
}
