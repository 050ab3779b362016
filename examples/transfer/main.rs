//! A large file up and down, with progress, and stopped half way.
//!
//! ```text
//! cargo run --example transfer                              run it all, with a file of 16 MB
//! cargo run --example transfer serve unix:PATH FOLDER       keep files in FOLDER
//! cargo run --example transfer put unix:PATH FILE NAME      send FILE there
//! cargo run --example transfer get unix:PATH NAME FILE      and get it
//! ```
//!
//! The contents are a stream of bytes. A slow reader slows down the writer, and neither side has more of the file in memory
//! than a window.

use amp_core::streams::{ByteSink, ByteStream, SinkOf, StreamOf};
use amp_core::{Arguments, Command, CommandError, Context, Failure, Peer, Report, Responders};
use amp_unix::UnixSocketListener;
use std::env;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type AnyError = Box<dyn Error + Send + Sync>;

/// Stores a file, and says meanwhile how many bytes are on the disk.
#[derive(Command)]
#[amp(response = Stored, error = TransferError)]
struct Put {
    name: String,
    contents: ByteStream,
    progress: SinkOf<u64>,
}

#[derive(Arguments, Debug, PartialEq)]
struct Stored {
    len: u64,
}

/// Asks for a file.
#[derive(Command)]
#[amp(response = Found, error = TransferError)]
struct Get {
    name: String,
}

#[derive(Arguments)]
struct Found {
    len: u64,
    contents: ByteStream,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum TransferError {
    #[error("there is no such file")]
    NotFound,
    #[error("a name is a single one")]
    BadName,
}

/// How many bytes are read and written at a time.
const PIECE: usize = 60_000;

fn path_of(folder: &Path, name: &str) -> Result<PathBuf, TransferError> {
    let is_single = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    if is_single { Ok(folder.join(name)) } else { Err(TransferError::BadName) }
}

async fn put(
    context: Context<PathBuf>,
    Put { name, mut contents, mut progress }: Put,
) -> Result<Stored, Failure<TransferError>> {
    let path = path_of(context.state(), &name)?;
    // What is not finished has another name, and goes when it is given up.
    let unfinished = tempfile::NamedTempFile::new_in(context.state())?;
    let mut file = File::create(unfinished.path()).await?;
    let mut len = 0;
    // It ends with an error unless the sender has said that this is all.
    while let Some(piece) = contents.next_piece().await? {
        file.write_all(&piece).await?;
        len += piece.len() as u64;
        // A caller that does not want to know may have dropped the stream.
        let _ = progress.send(len).await;
    }
    file.flush().await?;
    unfinished.persist(path)?;
    Ok(Stored { len })
}

async fn get(
    context: Context<PathBuf>,
    Get { name }: Get,
) -> Result<Found, Failure<TransferError>> {
    let mut file = match File::open(path_of(context.state(), &name)?).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(TransferError::NotFound.into());
        }
        opened => opened?,
    };
    let len = file.metadata().await?.len();
    let (mut sink, contents) = ByteStream::pair();
    // It ends when all is read, or when the other side has dropped its end.
    tokio::spawn(async move { copy(&mut file, &mut sink).await });
    Ok(Found { len, contents })
}

async fn copy(file: &mut File, sink: &mut ByteSink) -> io::Result<u64> {
    let (mut buffer, mut len) = (vec![0; PIECE], 0);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            sink.shutdown().await?;
            return Ok(len);
        }
        sink.write_all(&buffer[..read]).await?;
        len += read as u64;
    }
}

/// Sends a file, and tells how far it has come.
async fn upload(
    peer: &Peer,
    from: &Path,
    name: &str,
    mut tell: impl FnMut(u64),
) -> Result<u64, AnyError> {
    let mut file = File::open(from).await?;
    let (mut sink, contents) = ByteStream::pair();
    let (progress, mut received) = StreamOf::pair();
    let put = peer.call_remote(Put { name: name.to_owned(), contents, progress });
    let told = async {
        while let Some(Ok(len)) = received.next().await {
            tell(len);
        }
    };
    // All three at once: the answer comes when all is sent.
    let (stored, sent, ()) = tokio::join!(put, copy(&mut file, &mut sink), told);
    let Stored { len } = stored?;
    sent?;
    Ok(len)
}

/// Gets a file, or as much of it as is wanted.
async fn download(peer: &Peer, name: &str, to: &Path, most: u64) -> Result<u64, AnyError> {
    let Found { len, contents } = peer.call_remote(Get { name: name.to_owned() }).await?;
    let mut file = File::create(to).await?;
    let read = tokio::io::copy(&mut contents.take(most), &mut file).await?;
    file.flush().await?;
    if read < len.min(most) { Err("the file has become shorter".into()) } else { Ok(read) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => all().await,
        ["serve", address, folder] => serve(address, folder.into()).await,
        ["put", address, file, name] => one(address, Some(file), name, None).await,
        ["get", address, name, file] => one(address, None, name, Some(file)).await,
        _ => Err("usage: transfer [serve unix:PATH FOLDER | put unix:PATH FILE NAME | \
                  get unix:PATH NAME FILE]"
            .into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transfer: {}", Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

fn socket(address: &str) -> Result<&str, AnyError> {
    address.strip_prefix("unix:").ok_or_else(|| "an address is unix:PATH".into())
}

fn responders(folder: PathBuf) -> Responders<PathBuf> {
    Responders::new(folder).try_respond(put).try_respond(get)
}

async fn serve(address: &str, folder: PathBuf) -> Result<(), AnyError> {
    let listener = UnixSocketListener::bind(socket(address)?)?;
    println!("files of {} at {address}", folder.display());
    amp_core::serve(listener, responders(folder)).await;
    Ok(())
}

async fn one(
    address: &str,
    from: Option<&str>,
    name: &str,
    to: Option<&str>,
) -> Result<(), AnyError> {
    let peer = amp_unix::connect(socket(address)?).await?.spawn();
    let len = match (from, to) {
        (Some(from), _) => {
            upload(&peer, Path::new(from), name, |len| eprint!("\r{len} bytes")).await?
        }
        (_, Some(to)) => download(&peer, name, Path::new(to), u64::MAX).await?,
        _ => return Ok(()),
    };
    eprintln!("\r{len} bytes");
    Ok(())
}

const LEN: usize = 16_000_000;

/// A server and a client: up, down, and half way.
async fn all() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let (path, kept) = (folder.path().join("socket"), folder.path().join("kept"));
    fs::create_dir(&kept).await?;
    let bytes: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::write(&from, &bytes).await?;
    let listener = UnixSocketListener::bind(&path)?;
    let server = tokio::spawn(amp_core::serve(listener, responders(kept.clone())));
    let peer = amp_unix::connect(&path).await?.spawn();

    let (mut told, mut last) = (0, 0);
    let len = upload(&peer, &from, "large", |len| {
        told += 1;
        last = len;
    })
    .await?;
    check("put", len == LEN as u64 && last == len && told > 100)?;
    println!("put {len} bytes, and was told {told} times how far it was");

    let len = download(&peer, "large", &to, u64::MAX).await?;
    check("get", len == LEN as u64 && fs::read(&to).await? == bytes)?;
    println!("got {len} bytes");

    let half = download(&peer, "large", &to, LEN as u64 / 2).await?;
    check("half", fs::read(&to).await? == bytes[..LEN / 2])?;
    println!("got {half} bytes and stopped");

    // An upload that is given up leaves nothing.
    let (mut sink, contents) = ByteStream::pair();
    let (progress, mut received) = StreamOf::pair();
    let call = peer.call_remote(Put { name: "half".to_owned(), contents, progress });
    let gives_up = async move {
        sink.write_all(&bytes[..LEN / 2]).await?;
        drop(sink);
        Ok::<_, io::Error>(())
    };
    let told = async { while received.next().await.is_some() {} };
    let (stored, written, ()) = tokio::join!(call, gives_up, told);
    written?;
    check("a file without its end is refused", stored.is_err())?;
    let mut names = fs::read_dir(&kept).await?;
    let mut count = 0;
    while names.next_entry().await?.is_some() {
        count += 1;
    }
    check("it leaves nothing", count == 1)?;
    println!("gave up another one, of which nothing is left");

    peer.close().await;
    server.abort();
    Ok(())
}

fn check(what: &str, holds: bool) -> Result<(), AnyError> {
    if holds { Ok(()) } else { Err(format!("{what}: it is not so").into()) }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_file_goes_up_and_down_and_half_way() {
        super::all().await.unwrap();
    }
}
