//! Files that only this user can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::mistake::Mistake;

/// A file with nothing in it that only this user can read.
pub(super) fn private_file(path: &Path) -> Result<File, Mistake> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let file = opened.and_then(|file| {
        // It may have been there before. What is no file, as `/dev/null`, stays what it is for others.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    });
    file.map_err(|error| not_written(path, &error))
}

pub(super) fn not_written(path: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!("cannot write {}: {error}", path.display()))
}
