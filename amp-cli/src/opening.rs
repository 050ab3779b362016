//! Files that a user names: to be sent as descriptors, or to be read.

use amp_core::argument::Attachment;
use amp_unix::{Descriptor, inherited};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mistake::Mistake;

/// The name of standard input, where a file can be read.
pub(crate) const STDIN: &str = "-";

/// Files and descriptors that were read and taken for the calls of this program. A pipe can be read only
/// once, and a call may be written more than once: to look whether it can be, and on each connection.
#[derive(Clone, Default)]
pub(crate) struct Inputs(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    files: HashMap<String, Vec<u8>>,
    descriptors: HashMap<i32, Descriptor>,
    /// The use of standard input, where no value can come from it.
    stdin_is_for: Option<&'static str>,
}

impl Inputs {
    /// Inputs of a program that needs standard input for something else.
    pub(crate) fn without_stdin(what_it_is_for: &'static str) -> Self {
        let taken = Taken { stdin_is_for: Some(what_it_is_for), ..Taken::default() };
        Self(Arc::new(Mutex::new(taken)))
    }

    /// Returns whether a value has come from standard input.
    pub(crate) fn have_stdin(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).files.contains_key(STDIN)
    }

    /// Returns the bytes of a file, or of standard input.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, Mistake> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = taken.files.get(path) {
            return Ok(bytes.clone());
        }
        let mut bytes = Vec::new();
        let read = match (path, taken.stdin_is_for) {
            (STDIN, Some(what)) => {
                return Err(Mistake::new(format!(
                    "standard input is for {what}, and for no value"
                )));
            }
            (STDIN, None) => io::stdin().read_to_end(&mut bytes).map(drop),
            _ => fs::read(path).map(|read| bytes = read),
        };
        read.map_err(|error| Mistake::new(format!("cannot read {path}: {error}")))?;
        taken.files.insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// A descriptor that the program was started with.
    pub(crate) fn inherited(&self, number: i32) -> Result<Attachment, Mistake> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(descriptor) = taken.descriptors.get(&number) {
            return Ok(descriptor.clone().into());
        }
        let descriptor =
            inherited::take(number).map_err(|error| Mistake::new(error.to_string()))?;
        let descriptor = Descriptor::from(descriptor);
        taken.descriptors.insert(number, descriptor.clone());
        Ok(descriptor.into())
    }
}

/// Opens files for a call that is to be made, or looks whether that could be.
#[derive(Default)]
pub(crate) struct Opening {
    is_trial: bool,
    pub(crate) inputs: Inputs,
    /// The files that are to have nothing in them once the call is made. No mistake destroys a file.
    emptied: Emptied,
}

/// Files that are emptied when the box is written that they are sent with.
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

/// Returns whether two open files are of one file.
pub(crate) fn are_the_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// The way to open a file.
fn options(access: &str) -> OpenOptions {
    let mut options = OpenOptions::new();
    match access {
        "w" => options.write(true).create(true).truncate(false),
        "rw" => options.read(true).write(true).create(true).truncate(false),
        "a" => options.append(true).create(true),
        _ => options.read(true),
    };
    options
}

/// Looks whether a file can be opened, and makes none.
fn try_to_open(path: &str, access: &str) -> io::Result<()> {
    match fs::metadata(path) {
        // Opening one waits for somebody at its other end.
        Ok(metadata) if metadata.file_type().is_fifo() => Ok(()),
        Ok(_) => options(access).create(false).open(path).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound && access.contains(['w', 'a']) => {
            let folder = Path::new(path).parent().filter(|folder| *folder != Path::new(""));
            let folder = fs::metadata(folder.unwrap_or(Path::new(".")))?;
            if folder.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        }
        Err(error) => Err(error),
    }
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
    pub(crate) fn new(inputs: &Inputs) -> Self {
        Self { inputs: inputs.clone(), ..Self::default() }
    }

    /// Opens nothing that is to be sent, and says what would be wrong.
    pub(crate) fn trial(inputs: &Inputs) -> Self {
        Self { is_trial: true, ..Self::new(inputs) }
    }

    pub(crate) fn into_emptied(self) -> Emptied {
        self.emptied
    }

    pub(crate) fn open(&mut self, path: &str, access: &str) -> Result<Attachment, Mistake> {
        let opened = if self.is_trial {
            try_to_open(path, access).and_then(|()| File::open("/dev/null"))
        } else {
            options(access).open(path)
        };
        let file = opened.map_err(|error| Mistake::new(format!("cannot open {path}: {error}")))?;
        let descriptor = Descriptor::from(OwnedFd::from(file));
        if access == "w" && !self.is_trial {
            self.emptied.0.push(descriptor.clone());
        }
        Ok(descriptor.into())
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
