//! Files that are written as a whole or not at all: a disk that is full, or a program that is killed, leaves
//! no part of one.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes a file that must not be there: not as a link either.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    beside(path, Permissions::from_mode(0o666), text)?.persist_noclobber(path)?;
    Ok(())
}

/// Writes a file anew, which keeps its mode. Where `path` is a link, it is still one.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let file = beside(&path, permissions.clone(), text)?;
    // What the process would take off of new files is no matter here.
    file.as_file().set_permissions(permissions)?;
    file.persist(&path)?;
    Ok(())
}

/// A file of a name that nobody has, in the same folder.
fn beside(path: &Path, permissions: Permissions, text: &str) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut builder = tempfile::Builder::new();
    builder.permissions(permissions);
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}
