//! Copies of the files that descriptors are of.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::private::another_file;
use crate::mistake::Mistake;
use crate::watching::Side;

/// How much of a file is copied at once, in bytes.
const PIECE: usize = 64 * 1024;
/// How long a file may be that is copied, in bytes.
const LONGEST: u64 = 64 << 20;
/// How long that may take: there are files that wait for something when they are read.
const WITHIN: Duration = Duration::from_secs(10);

/// Where copies go.
#[derive(Clone)]
pub(super) struct Saving(Rc<Path>);

/// What has become of the file of a descriptor.
pub(super) enum Saved {
    /// It has none.
    NoFile,
    At(PathBuf),
    /// It cannot be read, or the copy cannot be written, or it is too much: why.
    Left(String),
}

impl Saving {
    /// Its whole path, so that what is said of it holds wherever it is read.
    pub(super) fn new(folder: &Path) -> Result<Self, Mistake> {
        let shown = folder.display();
        match folder.canonicalize() {
            Ok(folder) if folder.is_dir() => Ok(Self(folder.into())),
            Ok(_) => Err(Mistake::new(format!("--save-descriptors: {shown} is no folder"))),
            Err(error) => Err(Mistake::new(format!("--save-descriptors: {shown}: {error}"))),
        }
    }

    /// Copies what the file of a descriptor has in it, if it is of one.
    ///
    /// Others may go on meanwhile: reading a file can take long.
    pub(super) async fn save(
        &self,
        connection: u64,
        from: Side,
        ordinal: u64,
        descriptor: &OwnedFd,
    ) -> Saved {
        let Ok(file) = descriptor.try_clone().map(File::from) else {
            return Saved::Left("there may be no more open files".to_owned());
        };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Saved::NoFile;
        }
        let path = self.0.join(format!("{connection}-{}-{ordinal}", from.name()));
        match timeout(WITHIN, spawn_blocking(move || save(&file, &path))).await {
            Ok(Ok(saved)) => saved,
            Ok(Err(error)) => Saved::Left(error.to_string()),
            Err(_) => Saved::Left(format!("it cannot be read within {WITHIN:?}")),
        }
    }
}

fn save(file: &File, path: &Path) -> Saved {
    // It may be open only to be written to.
    let again = File::open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()));
    let (to, path) = match another_file(path) {
        Ok(to) => to,
        Err(error) => return Saved::Left(format!("cannot write {}: {error}", path.display())),
    };
    match copy(again.as_ref().unwrap_or(file), to) {
        Ok(()) => Saved::At(path),
        Err(why) => {
            let _ = fs::remove_file(path);
            Saved::Left(why)
        }
    }
}

/// Copies wherever the position of the file is, which others share.
fn copy(from: &File, mut to: File) -> Result<(), String> {
    let (mut at, mut piece) = (0, vec![0; PIECE]);
    loop {
        let read = match from.read_at(&mut piece, at) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.to_string()),
        };
        at += read as u64;
        if at > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let written = io::Write::write_all(&mut to, &piece[..read]);
        written.map_err(|error| format!("the copy cannot be written: {error}"))?;
    }
}
