//! The limit for tasks that call: as many of them over the same socket, with bytes as long as the boxes of a call
//! and its answer, and no protocol. A call is named by the place of its caller, and both sides know how long
//! everything is.

use amp_probe::load::AnyError;
use amp_unix::IUnixTransport;
use bytes::{Buf, BufMut, BytesMut};
use std::env;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::arguments::Options;
use crate::process;
use crate::work::Work;

/// How long a call of two small integers, or of one descriptor, is as a box.
const CALL: usize = 41;

/// How long its answer is.
const ANSWER: usize = 26;

/// How much is read at once.
const READ: usize = 16 << 10;

/// How long the file is that is handed over.
const FILE: u64 = 1000;

/// Answers here, and calls in a process of its own.
pub(crate) async fn both(options: &Options) -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let caller = Command::new(env::current_exe()?)
        .arg("raw")
        .arg(format!("unix:{}", path.display()))
        .args(options.words())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let takes_files = options.work == Work::Fd;
    let answerer =
        tokio::spawn(async move { answer(listener.accept().await?.0, takes_files).await });
    let before = process::usage()?.cpu_ns;
    let said = caller.wait_with_output().await?;
    let used = process::usage()?.cpu_ns - before;
    let said = String::from_utf8(said.stdout)?;
    let mut words = said.split_whitespace();
    let (Some(calls), Some(per_s), Some(client)) = (words.next(), words.next(), words.next())
    else {
        return Err("the calling process failed".into());
    };
    answerer.await??;
    #[allow(clippy::cast_precision_loss, reason = "it is a measure")]
    let server = used as f64 / 1000.0 / calls.parse::<f64>()?;
    println!(
        "{{\"calls_per_s\":{per_s},\"cpu_client_s_per_M\":{client},\"cpu_server_s_per_M\":{server:.2}}}"
    );
    Ok(())
}

/// Calls, and says how many calls there were, how many in a second, and what each took.
pub(crate) async fn call(path: &Path, options: &Options) -> Result<(), AnyError> {
    let stream = UnixStream::connect(path).await?;
    let line = Arc::new(Line::default());
    line.lock().places.resize_with(options.in_flight, || Place::Answered(0));
    let file = match options.work {
        Work::Fd => {
            let file = tempfile::tempfile()?;
            file.set_len(FILE)?;
            Some(Arc::new(OwnedFd::from(file)))
        }
        _ => None,
    };
    let mut driver = tokio::spawn(Driver::new(stream, Arc::clone(&line)).run());
    let (begun, before) = (Instant::now(), process::usage()?.cpu_ns);
    let until = begun + options.duration;
    let mut callers = JoinSet::new();
    for place in 0..options.in_flight {
        callers.spawn(call_again(Arc::clone(&line), place, file.clone(), until));
    }
    let mut calls = 0;
    loop {
        tokio::select! {
            made = callers.join_next() => match made {
                Some(made) => calls += made??,
                None => break,
            },
            ended = &mut driver => return Err(format!("the stream has ended: {:?}", ended?).into()),
        }
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), process::usage()?.cpu_ns - before);
    driver.abort();
    #[allow(clippy::cast_precision_loss, reason = "it is a measure")]
    let (calls_f, used) = (calls as f64, used as f64);
    println!("{calls} {:.2} {:.2}", calls_f / took, used / 1000.0 / calls_f);
    Ok(())
}

async fn call_again(
    line: Arc<Line>,
    place: usize,
    file: Option<Arc<OwnedFd>>,
    until: Instant,
) -> Result<u64, String> {
    let mut calls = 0;
    while Instant::now() < until {
        let (a, b) = (place as u64, calls % 100);
        let answer = line.call(place, a, b, file.as_ref()).await;
        let expected = if file.is_some() { FILE } else { a + b };
        if answer != expected {
            return Err(format!("a wrong answer: {answer} in place of {expected}"));
        }
        calls += 1;
    }
    Ok(calls)
}

/// What callers and the driver share.
#[derive(Default)]
struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    queued: BytesMut,
    files: Vec<Arc<OwnedFd>>,
    places: Vec<Place>,
    /// The driver, while it waits.
    driver: Option<Waker>,
}

enum Place {
    Waits(Waker),
    Answered(u64),
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, place: usize, a: u64, b: u64, file: Option<&Arc<OwnedFd>>) -> u64 {
        let mut queued = false;
        poll_fn(|cx| {
            let mut state = self.lock();
            if !queued {
                queued = true;
                let end = state.queued.len() + CALL;
                state.queued.put_u64(place as u64);
                state.queued.put_u64(a);
                state.queued.put_u64(b);
                state.queued.resize(end, 0);
                state.files.extend(file.cloned());
                state.places[place] = Place::Waits(cx.waker().clone());
                let driver = state.driver.take();
                drop(state);
                if let Some(driver) = driver {
                    driver.wake();
                }
                return Poll::Pending;
            }
            match state.places[place] {
                Place::Answered(answer) => Poll::Ready(answer),
                Place::Waits(_) => Poll::Pending,
            }
        })
        .await
    }
}

/// The one task that reads and writes.
struct Driver {
    stream: UnixStream,
    line: Arc<Line>,
    received: BytesMut,
    writing: BytesMut,
    files: Vec<Arc<OwnedFd>>,
    callers: Vec<Waker>,
    yielded: bool,
}

impl Driver {
    fn new(stream: UnixStream, line: Arc<Line>) -> Self {
        let (received, writing) = (BytesMut::new(), BytesMut::new());
        Self {
            stream,
            line,
            received,
            writing,
            files: Vec::new(),
            callers: Vec::new(),
            yielded: false,
        }
    }

    async fn run(mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.received.reserve(READ);
            while let Poll::Ready(received) =
                self.stream.poll_receive(cx, &mut self.received, &mut Vec::new())
            {
                if received? == 0 {
                    return Poll::Ready(Ok(()));
                }
                self.give_out();
                self.received.reserve(READ);
            }
            while !self.writing.is_empty() {
                ready!(poll_write(&mut self.stream, cx, &mut self.writing, &mut self.files))?;
            }
            let mut state = self.line.lock();
            if state.queued.is_empty() {
                state.driver = Some(cx.waker().clone());
                return Poll::Pending;
            }
            // Others are about to call too.
            self.yielded = !self.yielded;
            if self.yielded {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            mem::swap(&mut self.writing, &mut state.queued);
            mem::swap(&mut self.files, &mut state.files);
        }
    }

    fn give_out(&mut self) {
        let mut state = self.line.lock();
        while self.received.len() >= ANSWER {
            let mut answer = self.received.split_to(ANSWER);
            let (place, answer) = (answer.get_u64(), Place::Answered(answer.get_u64()));
            let place = usize::try_from(place).ok().and_then(|place| state.places.get_mut(place));
            if let Some(Place::Waits(caller)) = place.map(|place| mem::replace(place, answer)) {
                self.callers.push(caller);
            }
        }
        drop(state);
        self.callers.drain(..).for_each(Waker::wake);
    }
}

/// Writes some bytes, and all files with the first of them.
fn poll_write(
    stream: &mut UnixStream,
    cx: &mut Context<'_>,
    bytes: &mut BytesMut,
    files: &mut Vec<Arc<OwnedFd>>,
) -> Poll<io::Result<()>> {
    let borrowed: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
    let written = ready!(stream.poll_send(cx, &[IoSlice::new(bytes)], &borrowed))?;
    drop(borrowed);
    files.clear();
    bytes.advance(written);
    Poll::Ready(Ok(()))
}

async fn answer(mut stream: UnixStream, takes_files: bool) -> io::Result<()> {
    let (mut received, mut answers, mut files) = (BytesMut::new(), BytesMut::new(), Vec::new());
    loop {
        received.reserve(READ);
        if poll_fn(|cx| stream.poll_receive(cx, &mut received, &mut files)).await? == 0 {
            return Ok(());
        }
        let mut files = files.drain(..);
        while received.len() >= CALL {
            let mut call = received.split_to(CALL);
            let (place, a, b) = (call.get_u64(), call.get_u64(), call.get_u64());
            let answer = match files.next().filter(|_| takes_files) {
                Some(file) => File::from(file).metadata()?.len(),
                None => a + b,
            };
            let end = answers.len() + ANSWER;
            answers.put_u64(place);
            answers.put_u64(answer);
            answers.resize(end, 0);
        }
        drop(files);
        while !answers.is_empty() {
            poll_fn(|cx| poll_write(&mut stream, cx, &mut answers, &mut Vec::new())).await?;
        }
    }
}
