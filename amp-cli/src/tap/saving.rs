//! Copies of the files that descriptors are of.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::private::another_file;
use crate::mistake::Mistake;
use crate::watching::Side;

/// How much of a file is copied at once, in bytes.
const PIECE: usize = 64 * 1024;
/// The length of the longest file that is copied, in bytes.
const LONGEST: u64 = 64 << 20;
/// How much all copies of a tap may have in them, in bytes: whoever connects can send any number of
/// descriptors.
const ALTOGETHER: u64 = 1 << 30;
/// What a file costs that has nothing in it, in bytes.
const LEAST: u64 = 4096;
/// The time that copying one may take: there are files that wait for something when they are read.
const WITHIN: Duration = Duration::from_secs(10);

/// Where copies go.
#[derive(Clone)]
pub(super) struct Saving {
    folder: Rc<Path>,
    room: Room,
}

/// How many bytes may still be written.
#[derive(Clone)]
struct Room(Arc<AtomicU64>);

impl Room {
    fn of(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    fn take(&self, bytes: u64) -> Result<(), String> {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.map(drop).map_err(|_| format!("all copies together may have {ALTOGETHER} bytes"))
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

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
            Ok(folder) if folder.is_dir() => {
                Ok(Self { folder: folder.into(), room: Room::of(ALTOGETHER) })
            }
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
        let path = self.folder.join(format!("{connection}-{}-{ordinal}", from.name()));
        let room = self.room.clone();
        match timeout(WITHIN, spawn_blocking(move || save(&file, &path, &room))).await {
            Ok(Ok(saved)) => saved,
            Ok(Err(error)) => Saved::Left(error.to_string()),
            Err(_) => Saved::Left(format!("it cannot be read within {WITHIN:?}")),
        }
    }
}

fn save(file: &File, path: &Path, room: &Room) -> Saved {
    if let Err(why) = room.take(LEAST) {
        return Saved::Left(why);
    }
    let mut taken = LEAST;
    let saved = another_file(path)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
        .and_then(|(to, path)| {
            copy(file, to, room, &mut taken).map(|()| path.clone()).inspect_err(|_| {
                let _ = fs::remove_file(path);
            })
        });
    match saved {
        Ok(path) => Saved::At(path),
        Err(why) => {
            room.give_back(taken);
            Saved::Left(why)
        }
    }
}

/// Copies wherever the position of the file is, which others share. What is taken of the room is counted.
fn copy(file: &File, mut to: File, room: &Room, taken: &mut u64) -> Result<(), String> {
    // It may be open only to be written to.
    let again = File::open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()));
    let from = again.as_ref().unwrap_or(file);
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
        if at > *taken {
            let more = at - *taken;
            room.take(more)?;
            *taken += more;
        }
        let written = io::Write::write_all(&mut to, &piece[..read]);
        written.map_err(|error| format!("the copy cannot be written: {error}"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_copies_together_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, length: usize| {
            let path = folder.path().join(name);
            fs::write(&path, vec![b'x'; length]).unwrap();
            File::open(path).unwrap()
        };
        let (small, large) = (write("small", 1), write("large", 200_000));
        let room = Room::of(2 * LEAST + 200_000);
        let copied = |file: &File, number: u32| {
            let path = folder.path().join(format!("copy-{number}"));
            let saved = save(file, &path, &room);
            assert_eq!(matches!(saved, Saved::At(_)), path.exists());
            match saved {
                Saved::At(path) => fs::read(path).unwrap().len(),
                Saved::Left(why) => {
                    assert_eq!(why, "all copies together may have 1073741824 bytes");
                    0
                }
                Saved::NoFile => panic!("it is a file"),
            }
        };
        assert_eq!(copied(&large, 1), 200_000);
        // What was not copied whole takes no room.
        assert_eq!(copied(&large, 2), 0);
        assert_eq!(copied(&small, 3), 1);
        assert_eq!(copied(&small, 4), 1);
        // A file without a byte is one more file.
        assert_eq!(copied(&write("empty", 0), 5), 0);
    }
}
