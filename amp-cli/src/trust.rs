//! Files that may start programs, which nobody but this user and root can have written.
//!
//! They are found by their names, in a folder that need not be this user's, such as `/tmp`.

use nix::libc::O_NONBLOCK;
use nix::unistd::{Gid, Group, Uid, User};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::mistake::Mistake;

/// Whether the user has said by which file peers are known: whoever can write that, or what it names, is meant to.
static IS_VOUCHED_FOR: AtomicBool = AtomicBool::new(false);

/// Takes all files from here on, whoever can have written them.
pub(crate) fn vouch() {
    IS_VOUCHED_FOR.store(true, Ordering::Relaxed);
}

/// Returns the text of a file, if it is there, or refuses it.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Mistake> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| cannot_read(path, &error))?;
    Ok(Some(text))
}

/// The same, of a file that has to be there.
pub(crate) fn read_there(path: &Path) -> Result<String, Mistake> {
    read(path)?.ok_or_else(|| cannot_read(path, &io::ErrorKind::NotFound.into()))
}

/// Opens a file, if it is there. What it is is asked of the opened one, since a path may lead to another
/// one by then.
fn open(path: &Path) -> Result<Option<File>, Mistake> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    // Of a link too, as other files are found beside it. It has no mode of its own.
    match fs::symlink_metadata(path) {
        Ok(_) if IS_VOUCHED_FOR.load(Ordering::Relaxed) => {}
        Ok(link) => check_owner(path, &link)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(path, &error)),
    }
    // A pipe of somebody's would be waited for.
    let opened = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(path, &error)),
    };
    if IS_VOUCHED_FOR.load(Ordering::Relaxed) {
        return Ok(Some(file));
    }
    let metadata = file.metadata().map_err(|error| cannot_read(path, &error))?;
    check_owner(path, &metadata)?;
    check_mode(path, &metadata)?;
    // Who can write the folder can put another file in the place of this one, and those that it names.
    let around = fs::metadata(folder).map_err(|error| cannot_read(folder, &error))?;
    check_owner(folder, &around)?;
    let is_sticky = around.mode() & 0o1000 != 0;
    if is_sticky { Ok(Some(file)) } else { check_mode(folder, &around).map(|()| Some(file)) }
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), Mistake> {
    let owner = Uid::from_raw(metadata.uid());
    if owner.is_root() || owner == Uid::effective() {
        return Ok(());
    }
    let name = match User::from_uid(owner) {
        Ok(Some(user)) => format!("{} ({owner})", user.name),
        _ => format!("user {owner}"),
    };
    Err(refused(path, &format!("it belongs to {name}"), "make it yours (chown)"))
}

/// Where new files can be written by a group, as `umask 002` has it, that is a group which the user has to
/// himself.
fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), Mistake> {
    let mode = metadata.mode() & 0o7777;
    let is_open_to_a_group = mode & 0o020 != 0
        && !has_to_himself(Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    if mode & 0o002 == 0 && !is_open_to_a_group {
        return Ok(());
    }
    Err(refused(
        path,
        &format!("others can write it (mode {mode:04o})"),
        "keep them out (chmod go-w)",
    ))
}

/// Whether a group is the one that was made with its user, who alone is in it.
fn has_to_himself(user: Uid, group: Gid) -> bool {
    let (Ok(Some(user)), Ok(Some(group))) = (User::from_uid(user), Group::from_gid(group)) else {
        return false;
    };
    // Members are those whose first group is another one. Users of other systems, who cannot be gone through, hardly
    // have that of a user here.
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    group.name == user.name
        && group.mem.iter().all(|member| *member == user.name)
        && !is_first_of_another(&users, &user.name, group.gid)
}

/// Whether it is the first group of somebody else among these users, as `/etc/passwd` has them.
fn is_first_of_another(users: &str, user: &str, group: Gid) -> bool {
    users.lines().any(|line| {
        let mut fields = line.split(':');
        let (name, group_of) = (fields.next(), fields.nth(2));
        name != Some(user) && group_of == Some(&*group.to_string())
    })
}

fn refused(path: &Path, why: &str, what_to_do: &str) -> Mistake {
    Mistake::new(format!(
        "{why}, and who writes it can start programs as you: {what_to_do}, give the address of the peer and not its name, or say by AMPCTL_CONFIG which ampctl.toml you mean, whoever writes it"
    ))
    .at(&path.display().to_string())
}

fn cannot_read(path: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_nobodys_own_that_another_user_begins_in() {
        let users = "ada:x:1000:1000::/home/ada:/bin/sh\nbob:x:1001:1002::/home/bob:/bin/sh\n";
        assert!(!is_first_of_another(users, "ada", Gid::from_raw(1000)));
        assert!(!is_first_of_another(users, "ada", Gid::from_raw(1001)));
        assert!(is_first_of_another(users, "ada", Gid::from_raw(1002)));
        assert!(!is_first_of_another("nobody\n\n", "ada", Gid::from_raw(1000)));
    }
}
