//! Descriptors that were received.

use amp_core::argument::Attachment;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::BoxSchema;
use amp_unix::Descriptor;
use command_fds::{CommandFdExt, FdMapping};
use serde_json::{Value as Json, json};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, ExitCode};

use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::on_line::plain_json;
use crate::opening::{are_the_same, empty, open_to_write};
use crate::programs;

/// What is to be done with the descriptors of an answer.
pub(crate) struct Uses<'a> {
    copies: Vec<Copied<'a>>,
    program: Vec<String>,
}

/// What a descriptor reads is to be in a file, which keeps what it has until then.
struct Copied<'a> {
    key: &'a str,
    path: &'a str,
    file: File,
}

impl<'a> Uses<'a> {
    /// Reads `--fd KEY=FILE` and `--exec PROGRAM`, by the schema of the answer.
    pub(crate) fn new(
        copies: &'a [String],
        program: Option<&str>,
        response: &BoxSchema,
    ) -> Result<Self, Mistake> {
        let copies = copies.iter().map(|copy| {
            let wrong = || Mistake::new(format!("--fd {copy}: it is KEY=FILE"));
            let (key, path) = copy.split_once('=').ok_or_else(wrong)?;
            check_key(response, key).map_err(|mistake| mistake.at(&format!("--fd {key}")))?;
            let file = open_to_write(path).map_err(|error| {
                Mistake::new(format!("--fd {key}: cannot write {path}: {error}"))
            })?;
            Ok::<_, Mistake>(Copied { key, path, file })
        });
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let words = shell_words::split(program.unwrap_or_default());
        let program = words.map_err(|error| Mistake::new(format!("--exec: {error}")))?;
        for key in program.iter().flat_map(|word| keys(word)) {
            let place = format!("--exec {{{key}}}");
            check_key(response, key).map_err(|mistake| mistake.at(&place))?;
        }
        if let Some(name) = program.first().filter(|name| !programs::is_one(name)) {
            return Err(Mistake::new(format!("--exec {name}: there is no such program")));
        }
        Ok(Self { copies, program })
    }

    /// Returns whether anything is to be done with them.
    pub(crate) fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.program.is_empty()
    }

    pub(crate) fn apply(&self, answer: &Values) -> Result<ExitCode, Failure> {
        let of = |key: &str| match answer.get(key) {
            Some(Value::Attachment(attachment)) => Some(attachment),
            _ => None,
        };
        for Copied { key, path, file } in &self.copies {
            let Some(attachment) = of(key) else { continue };
            let copied = open(attachment).and_then(|mut from| {
                // It has in it what would be copied, until it is emptied.
                if are_the_same(&from, file)? {
                    return Ok(0);
                }
                empty(file)?;
                io::copy(&mut from, &mut &*file)
            });
            copied.map_err(|error| {
                Failure::new(exit::NOT_USED, format!("--fd {key}: cannot copy to {path}: {error}"))
            })?;
        }
        let Some((program, words)) = self.program.split_first() else {
            return Ok(ExitCode::SUCCESS);
        };
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(exit::NOT_USED, format!("--exec {program}: {error}"))
        };
        let mut mappings: Vec<(&str, FdMapping)> = Vec::new();
        for key in self.program.iter().flat_map(|word| keys(word)) {
            let Some(attachment) = of(key) else { continue };
            if mappings.iter().all(|(known, _)| *known != key) {
                let parent_fd = OwnedFd::from(open(attachment).map_err(|error| wrong(&error))?);
                // Numbers below are of the standard streams.
                let child_fd = 3 + i32::try_from(mappings.len()).unwrap_or(0);
                mappings.push((key, FdMapping { parent_fd, child_fd }));
            }
        }
        let mut command = Command::new(program);
        for word in words {
            let mut word = word.clone();
            for (key, mapping) in &mappings {
                word = word.replace(&format!("{{{key}}}"), &mapping.child_fd.to_string());
            }
            command.arg(word);
        }
        let mappings = mappings.into_iter().map(|(_, mapping)| mapping).collect();
        command.fd_mappings(mappings).map_err(|error| wrong(&error))?;
        let status = command.status().map_err(|error| wrong(&error))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(exit::DECLARED)))
    }
}

/// Refuses a key under which no descriptor comes.
fn check_key(response: &BoxSchema, key: &str) -> Result<(), Mistake> {
    let argument = response.parts().into_iter().find_map(|part| part.argument(key));
    if argument.is_some_and(|argument| argument.wire_type.to_string() == "Descriptor") {
        return Ok(());
    }
    Err(Mistake::new("the answer has no Descriptor of this name"))
}

/// The keys in braces of a word.
fn keys(word: &str) -> impl Iterator<Item = &str> {
    word.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(key, _)| key)
}

/// The same open file once more.
fn open(attachment: &Attachment) -> io::Result<File> {
    let descriptor = Descriptor::from_attachment(attachment.clone());
    let descriptor = descriptor.ok_or_else(|| io::Error::other("it is no descriptor"))?;
    Ok(File::from(descriptor.as_fd().try_clone_to_owned()?))
}

/// Values as JSON on one line, with what received descriptors are.
pub(crate) fn json(values: &Values) -> String {
    let mut count = 0;
    values.to_json_with(&mut |attachment: &Attachment| {
        count += 1;
        describe(count - 1, attachment)
    })
}

/// One value as JSON on one line; `count` descriptors were before it.
pub(crate) fn json_of_value(value: &Value, count: &mut usize) -> String {
    value.to_json_with(&mut |attachment: &Attachment| {
        *count += 1;
        describe(*count - 1, attachment)
    })
}

/// What a received descriptor is, as JSON.
fn describe(number: usize, attachment: &Attachment) -> String {
    let described = open(attachment).map(|file| what_is(number as u64, &file));
    plain_json(described.unwrap_or_else(|_| json!({ "descriptor": number })))
}

/// What an open file is, as JSON: its kind, and where it was opened if that is known.
pub(crate) fn what_is(number: u64, file: &File) -> Json {
    let Ok(metadata) = file.metadata() else { return json!({ "descriptor": number }) };
    let kind = metadata.file_type();
    let is = match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "directory",
        () if kind.is_socket() => "socket",
        () if kind.is_fifo() => "pipe",
        () if kind.is_char_device() => "character device",
        () => "block device",
    };
    // A name need not be text.
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok();
    let path = path.map(|path| path.to_string_lossy().into_owned());
    json!({ "descriptor": number, "is": is, "path": path, "bytes": metadata.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_file_whose_name_is_no_text_is_shown_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join(OsStr::from_bytes(b"a\xffb"))).unwrap();
        let shown = what_is(0, &file);
        let path = shown["path"].as_str().unwrap();
        assert!(path.ends_with("a\u{fffd}b"), "{path}");
    }
}
