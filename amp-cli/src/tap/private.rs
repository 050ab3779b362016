//! Files that only this user can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::mistake::Mistake;

/// How many files of one name there may be.
const ALIKE: u32 = 10_000;

/// A file that only this user can read, which is written behind what is in it.
pub(super) fn private_file(path: &Path) -> Result<File, Mistake> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let file = opened.and_then(|file| {
        // It may have been there before. What is no file, as `/dev/null`, stays what it is for others.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    });
    file.map_err(|error| Mistake::new(format!("cannot write {}: {error}", path.display())))
}

/// A file that was not there before, which only this user can read: of this name, or of one with a
/// number behind it where there is one already.
pub(super) fn another_file(path: &Path) -> io::Result<(File, PathBuf)> {
    let numbered = |number: u32| match number {
        1 => path.to_owned(),
        _ => PathBuf::from(format!("{}.{number}", path.display())),
    };
    for path in (1..=ALIKE).map(numbered) {
        // A link of this name is not followed.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
