//! Files that a user names, to be sent as descriptors.

use amp_core::Attachment;
use amp_unix::{Descriptor, inherited};
use serde::Deserialize;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::mistake::Mistake;

/// Opens files for a call that is to be made, or looks whether that could be.
#[derive(Default)]
pub(crate) struct Opening {
    is_trial: bool,
    /// Those that are to have nothing in them once the call is made. No mistake destroys a file.
    emptied: Emptied,
}

/// Files that are emptied when the call is made that they are sent with.
#[derive(Default)]
pub(crate) struct Emptied(Vec<Descriptor>);

impl Emptied {
    pub(crate) fn empty(&self) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|descriptor| empty(&File::from(descriptor.as_fd().try_clone_to_owned()?)))
    }
}

/// Takes out what a file has in it, unless it is something else than a file of the disk.
pub(crate) fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

/// Opens a file to be written anew, which keeps what is in it until it is emptied.
pub(crate) fn open_to_write(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// A descriptor as it is written in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    file: String,
    #[serde(default)]
    access: String,
}

impl Opening {
    /// Opens nothing, and says what would be wrong.
    pub(crate) fn trial() -> Self {
        Self { is_trial: true, ..Self::default() }
    }

    pub(crate) fn into_emptied(self) -> Emptied {
        self.emptied
    }

    pub(crate) fn open(&mut self, path: &str, access: &str) -> Result<Attachment, Mistake> {
        let opened = if self.is_trial {
            let is_there = match access {
                "w" | "rw" | "a" => Ok(()),
                _ => fs::metadata(path).map(drop),
            };
            is_there.and_then(|()| File::open("/dev/null"))
        } else {
            match access {
                "w" => open_to_write(path),
                "rw" => OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(path),
                "a" => OpenOptions::new().append(true).create(true).open(path),
                _ => File::open(path),
            }
        };
        let file = opened.map_err(|error| Mistake::new(format!("cannot open {path}: {error}")))?;
        let descriptor = Descriptor::from(OwnedFd::from(file));
        if access == "w" && !self.is_trial {
            self.emptied.0.push(descriptor.clone());
        }
        Ok(descriptor.into())
    }

    /// A descriptor that the program was started with.
    pub(crate) fn inherited(&self, number: i32) -> Result<Attachment, Mistake> {
        let taken = if self.is_trial {
            File::open("/dev/null").map(OwnedFd::from)
        } else {
            inherited::take(number)
        };
        let taken = taken.map_err(|error| Mistake::new(error.to_string()))?;
        Ok(Descriptor::from(taken).into())
    }

    /// Opens what stands for a descriptor in JSON.
    pub(crate) fn attach(&mut self, json: &str) -> Result<Attachment, String> {
        let read = serde_json::from_str::<WrittenFile>(json).ok();
        let read = read.filter(|file| matches!(&*file.access, "" | "r" | "w" | "rw" | "a"));
        let WrittenFile { file, access } = read.ok_or(
            r#"a Descriptor is {"file": PATH}, with "access" r, w, rw or a, and as a word KEY@=FILE"#,
        )?;
        self.open(&file, &access).map_err(|mistake| mistake.to_string())
    }
}
