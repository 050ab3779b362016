use std::fmt::{Display, Write};
use std::path::PathBuf;

use bytes::Bytes;

use super::boxes::{answer_box, ask_box, error_box, read_answer_box, read_ask_box};
use super::record::{self, Record, VARIABLE};
use crate::argument::EncodeError;
use crate::command::Command;
use crate::error::CallError;
use crate::report::Report;

/// Golden vectors: a file that has the exact bytes of calls, answers and failures, so that a test
/// fails when one of them changes.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("amp-golden-{}", std::process::id()));
/// # let path = folder.join("wire.golden");
/// # std::fs::create_dir_all(&folder)?;
/// # std::fs::write(&path, "ask Sum: two numbers\n0004 5f61736b 0001 31 0008 5f636f6d6d616e64 0003 53756d 0001 61 0002 3133 0001 62 0002 3831 0000\nanswer Sum: a total\n 0007 5f616e73776572 0001 31 0005 746f74616c 0002 3934 0000")?;
/// use amp_core::testing::Golden;
/// use amp_core::{Arguments, Command};
///
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// // In a test, with a path such as "tests/wire.golden":
/// Golden::new(&path)
///     .ask("two numbers", &Sum { a: 13, b: 81 })
///     .answer::<Sum>("a total", &Total { total: 94 })
///     .check();
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The bytes of each vector are compared. Then the bytes of the file are read as a call, an answer or a failure, and written
/// again. That has to give the same bytes. Tags are `1`.
///
/// The file is text: a line that says which vector it is, and below it the bytes in hexadecimal. Text behind a `#` is a
/// comment. So you can write the file by what another implementation sends. With the environment variable `AMP_RECORD`,
/// the test writes it:
///
/// | `AMP_RECORD` | |
/// |---|---|
/// | not set | nothing is written; vectors that are not in the file or are not the same fail the test |
/// | `additions` | vectors that are not in the file are written; others that differ fail the test |
/// | `all` | all vectors are written, and nothing else is kept |
#[doc(alias("fixture", "snapshot"))]
#[derive(Debug)]
#[must_use = "nothing is compared before `check`"]
pub struct Golden {
    path: PathBuf,
    vectors: Vec<Vector>,
}

#[derive(Debug)]
struct Vector {
    title: String,
    bytes: Bytes,
    rewrite: fn(Bytes) -> Result<Bytes, String>,
}

/// What stands above the vectors.
const HEADER: &str = "\
# Golden vectors: the bytes of boxes, in hexadecimal. A test compares them with what it sends. It
# writes this file with AMP_RECORD=additions, or with AMP_RECORD=all when they may change.
";

/// How many bytes stand in one line.
const PER_LINE: usize = 24;

impl Golden {
    /// Returns the vectors in the file `path`. A relative path begins at the package's folder, where cargo runs
    /// its tests.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), vectors: Vec::new() }
    }

    /// Adds a call. `title` tells it from the other calls of its command.
    ///
    /// # Panics
    ///
    /// When it cannot be written without a connection, and when there is one of this title.
    #[track_caller]
    pub fn ask<C: Command>(self, title: &str, command: &C) -> Self {
        self.with(&format!("ask {}: {title}", C::NAME), ask_box(command), |bytes| {
            let command =
                read_ask_box::<C>(bytes).map_err(|error| Report::new(&error).to_string())?;
            ask_box(&command).map_err(|error| Report::new(&error).to_string())
        })
    }

    /// Adds an answer. `title` tells it from the other answers of its command.
    ///
    /// # Panics
    ///
    /// When it cannot be written without a connection, and when there is one of this title.
    #[track_caller]
    pub fn answer<C: Command>(self, title: &str, response: &C::Response) -> Self {
        self.with(&format!("answer {}: {title}", C::NAME), answer_box::<C>(response), |bytes| {
            let response =
                read_answer_box::<C>(bytes).map_err(|error| Report::new(&error).to_string())?;
            answer_box::<C>(&response).map_err(|error| Report::new(&error).to_string())
        })
    }

    /// Adds a failure. `title` tells it from the other failures of its command.
    ///
    /// # Panics
    ///
    /// When there is one of this title.
    #[track_caller]
    pub fn error<C: Command>(self, title: &str, error: &C::Error) -> Self {
        let title = format!("error {}: {title}", C::NAME);
        self.with(&title, Ok(error_box::<C>(error)), |bytes| match read_answer_box::<C>(bytes) {
            Err(CallError::Command(error)) => Ok(error_box::<C>(&error)),
            Err(error) => {
                Err(format!("not an error that the command declares: {}", Report::new(&error)))
            }
            Ok(_) => Err("not an error".to_owned()),
        })
    }

    #[track_caller]
    fn with(
        mut self,
        title: &str,
        bytes: Result<Bytes, EncodeError>,
        rewrite: fn(Bytes) -> Result<Bytes, String>,
    ) -> Self {
        let title = title.replace(['\n', '#'], " ").trim().to_owned();
        let bytes = bytes
            .unwrap_or_else(|error| panic!("{title:?} cannot be written: {}", Report::new(&error)));
        let is_new = self.vectors.iter().all(|vector| vector.title != title);
        assert!(is_new, "there are two vectors {title:?}");
        self.vectors.push(Vector { title, bytes, rewrite });
        self
    }

    /// Compares the vectors with the file, or writes it.
    ///
    /// # Panics
    ///
    /// When a vector differs from the file's, is not in it, or cannot be read back; when the file
    /// has others; and when it cannot be read, understood or written.
    #[track_caller]
    pub fn check(self) {
        if let Err(error) = Record::from_environment().and_then(|record| self.compare(record)) {
            panic!("{error}");
        }
    }

    fn compare(&self, record: Record) -> Result<(), String> {
        let old = match (record::read(&self.path)?, record) {
            (None, Record::Nothing) => return Err(record::missing(&self.path)),
            (None, _) | (_, Record::All) => return self.read_back().and_then(|()| self.write()),
            (Some(text), _) => {
                parse(&text).map_err(|error| format!("{}, {error}", self.path.display()))?
            }
        };
        let mut message = String::new();
        let mut additions = 0;
        for Vector { title, bytes, .. } in &self.vectors {
            match old.iter().find(|(other, _)| other == title) {
                Some((_, was)) if was == bytes => {}
                Some((_, was)) => {
                    let _ = write!(message, "{title}\n{}", difference(was, bytes));
                }
                None if record == Record::Additions => additions += 1,
                None => {
                    let _ = writeln!(message, "{title}\n  is not in the file");
                }
            }
        }
        for (title, _) in &old {
            if self.vectors.iter().all(|vector| vector.title != *title) {
                let _ = writeln!(message, "{title}\n  is only in the file");
            }
        }
        if !message.is_empty() {
            let path = self.path.display();
            return Err(format!(
                "the vectors are not those of {path} (-):\n{message}\
                 If they may change, run the test with {VARIABLE}=all; \
                 if they are new, with {VARIABLE}=additions."
            ));
        }
        self.read_back()?;
        if additions > 0 { self.write() } else { Ok(()) }
    }

    fn read_back(&self) -> Result<(), String> {
        for Vector { title, bytes, rewrite } in &self.vectors {
            let again = rewrite(bytes.clone())
                .map_err(|error| format!("{title}: it cannot be read back: {error}"))?;
            if again != bytes {
                let difference = difference(bytes, &again);
                return Err(format!(
                    "{title}: read and written again, it is another:\n{difference}"
                ));
            }
        }
        Ok(())
    }

    fn write(&self) -> Result<(), String> {
        let mut text = HEADER.to_owned();
        for Vector { title, bytes, .. } in &self.vectors {
            let _ = writeln!(text, "\n{title}");
            for line in lines_of(bytes) {
                let _ = writeln!(text, "{line}");
            }
        }
        record::write(&self.path, &text)
    }
}

/// Returns the titles and bytes of the text.
fn parse(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut vectors: Vec<(String, Vec<u8>)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        let content = line.split_once('#').map_or(line, |(content, _)| content).trim_end();
        if content.is_empty() {
            continue;
        }
        if ["ask ", "answer ", "error "].iter().any(|kind| content.starts_with(kind)) {
            if vectors.iter().any(|(title, _)| title == content) {
                return Err(format!("line {at}: there are two vectors {content:?}"));
            }
            vectors.push((content.to_owned(), Vec::new()));
            continue;
        }
        let Some((_, bytes)) = vectors.last_mut() else {
            return Err(format!("line {at}: there are bytes above the first vector"));
        };
        let digits: Option<Vec<u8>> = content
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let pairs = digits.filter(|digits| digits.len() % 2 == 0);
        let pairs =
            pairs.ok_or_else(|| format!("line {at}: expected pairs of hexadecimal digits"))?;
        bytes.extend(pairs.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    }
    Ok(vectors)
}

/// Returns the bytes of a box as lines: its keys, their values a little deeper, and its end. What
/// is no box is bytes all the same.
fn lines_of(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_key = true;
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*length));
        let Some((content, rest)) = rest.split_at_checked(len) else { break };
        let indent = if is_key { 2 } else { 4 };
        if is_key && len == 0 {
            lines.push(format!("{:indent$}0000", ""));
        } else {
            lines.extend(lines_of_part(indent, &hex(length), content));
            is_key = !is_key;
        }
        bytes = rest;
    }
    if !bytes.is_empty() {
        lines.extend(lines_of_part(2, "", bytes));
    }
    lines
}

fn lines_of_part(indent: usize, length: &str, content: &[u8]) -> Vec<String> {
    if content.is_empty() {
        return vec![format!("{:indent$}{length}", "")];
    }
    let lines = content.chunks(PER_LINE).enumerate().map(|(at, part)| {
        let length = if at == 0 { length } else { "" };
        let width = if length.is_empty() && at == 0 { 0 } else { 4 };
        let gap = if width == 0 { "" } else { " " };
        let shown = part.escape_ascii();
        format!("{:indent$}{length:width$}{gap}{}  # {shown}", "", hex(part))
    });
    lines.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the lines of both: with `-` those that only `old` has, with `+` those that only `new`
/// has.
fn difference(old: &[u8], new: &[u8]) -> impl Display {
    let (old, new) = (lines_of(old), lines_of(new));
    // What begins and ends alike is told from what is between; boxes are in the order of their
    // keys, so that is seldom more than what has changed.
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    let mut write = |sign: char, lines: &[String]| {
        for line in lines {
            let _ = writeln!(text, "{sign} {line}");
        }
    };
    write(' ', &old[..start]);
    write('-', &old_rest[..old_rest.len() - end]);
    write('+', &new_rest[..new_rest.len() - end]);
    write(' ', &old_rest[old_rest.len() - end..]);
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::argument::{DecodeError, Proto};
    use crate::boxes::{AmpBox, BoxReader, BoxWriter};
    use crate::command::{Arguments, NoError};

    /// A command whose arguments are any: the derive macros are another crate.
    struct Put(AmpBox);

    impl Arguments for Put {
        fn write_to(
            &self,
            out: &mut BoxWriter<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<(), EncodeError> {
            self.0.write_to(out, proto)
        }

        fn read_from(
            input: &mut BoxReader<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<Self, DecodeError> {
            AmpBox::read_from(input, proto).map(Self)
        }
    }

    impl Command for Put {
        const NAME: &'static str = "Put";
        type Response = ();
        type Error = NoError;
    }

    fn put(value: &str) -> Put {
        Put(AmpBox::from_pairs([("a", value), ("b", "\0")]).unwrap())
    }

    #[test]
    fn vectors_are_written_compared_and_extended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.golden");
        let one = |value| Golden::new(&path).ask("one", &put(value));
        let text = || fs::read_to_string(&path).unwrap();

        let missing = one("1").compare(Record::Nothing).unwrap_err();
        assert!(missing.contains("AMP_RECORD=additions"), "{missing}");
        one("1").compare(Record::Additions).unwrap();
        let written = "
ask Put: one
  0004 5f61736b  # _ask
    0001 31  # 1
  0008 5f636f6d6d616e64  # _command
    0003 507574  # Put
  0001 61  # a
    0001 31  # 1
  0001 62  # b
    0001 00  # \\x00
  0000
";
        assert_eq!(text(), format!("{HEADER}{written}"));
        one("1").compare(Record::Nothing).unwrap();

        for record in [Record::Nothing, Record::Additions] {
            let message = one("x").compare(record).unwrap_err();
            let expected = "
ask Put: one
    0004 5f61736b  # _ask
      0001 31  # 1
    0008 5f636f6d6d616e64  # _command
      0003 507574  # Put
    0001 61  # a
-     0001 31  # 1
+     0001 78  # x
    0001 62  # b
      0001 00  # \\x00
    0000
";
            assert!(message.contains(expected), "{message}");
        }

        let two = || one("1").answer::<Put>("two", &());
        let message = two().compare(Record::Nothing).unwrap_err();
        assert!(message.contains("\nanswer Put: two\n  is not in the file\n"), "{message}");
        two().compare(Record::Additions).unwrap();
        two().compare(Record::Nothing).unwrap();
        assert!(text().ends_with(
            "\nanswer Put: two\n  0007 5f616e73776572  # _answer\n    0001 31  # 1\n  0000\n"
        ));
        let message = one("1").compare(Record::Nothing).unwrap_err();
        assert!(message.contains("\nanswer Put: two\n  is only in the file\n"), "{message}");
        one("2").compare(Record::All).unwrap();
        one("2").compare(Record::Nothing).unwrap();
    }

    #[test]
    fn long_values_take_several_lines_and_no_box_is_bytes() {
        let long = lines_of(b"\0\x01k\0\x1aabcdefghijklmnopqrstuvwxyz\0\0");
        assert_eq!(
            long,
            [
                "  0001 6b  # k",
                "    001a 6162636465666768696a6b6c6d6e6f707172737475767778  # abcdefghijklmnopqrstuvwx",
                "         797a  # yz",
                "  0000",
            ]
        );
        assert_eq!(
            lines_of(b"\0\x01k\0\x05abc"),
            ["  0001 6b  # k", "  0005616263  # \\x00\\x05abc"]
        );
        let text = format!("ask A: a\n{}", long.join("\n"));
        assert_eq!(parse(&text).unwrap()[0].1, b"\0\x01k\0\x1aabcdefghijklmnopqrstuvwxyz\0\0");
    }

    #[test]
    fn a_vector_has_to_be_readable() {
        let folder = tempfile::tempdir().unwrap();
        let mut golden = Golden::new(folder.path().join("a")).ask("one", &put("1"));
        golden.vectors[0].bytes = ask_box(&Other).unwrap();
        let message = golden.compare(Record::All).unwrap_err();
        let expected = "ask Put: one: it cannot be read back: \
                        argument _command: \"Other\" is not \"Put\"";
        assert_eq!(message, expected);
    }

    #[derive(Debug)]
    struct Other;

    impl Arguments for Other {
        fn write_to(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
            Ok(())
        }

        fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    impl Command for Other {
        const NAME: &'static str = "Other";
        const REQUIRES_ANSWER: bool = false;
        type Response = ();
        type Error = NoError;
    }

    #[test]
    fn boxes_say_whether_an_answer_is_wanted() {
        let wanted = Bytes::from_static(b"\0\x04_ask\0\x011\0\x08_command\0\x05Other\0\0");
        let error = read_ask_box::<Other>(wanted).unwrap_err();
        assert_eq!(error.to_string(), "argument _ask: the command wants no answer");
        let not_wanted = Bytes::from_static(b"\0\x08_command\0\x03Put\0\0");
        assert_eq!(read_ask_box::<Put>(not_wanted).err().unwrap().argument(), "_ask");
        let error = read_answer_box::<Put>(Bytes::from_static(b"\0\x01a\0\x01b\0\0")).unwrap_err();
        assert!(matches!(error, CallError::Decode(error) if error.argument() == "_answer"));
    }

    #[test]
    fn files_that_have_no_vectors_are_refused() {
        for (text, message) in [
            ("00", "line 1: there are bytes above the first vector"),
            ("ask A: a\n\n  0", "line 3: expected pairs of hexadecimal digits"),
            ("ask A: a\n  0g", "line 2: expected pairs of hexadecimal digits"),
            ("ask A: a\nask A: a # b", "line 2: there are two vectors \"ask A: a\""),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    #[test]
    #[should_panic(expected = "there are two vectors \"ask Put: one\"")]
    fn two_vectors_have_two_titles() {
        let _ = Golden::new("").ask("one", &put("1")).ask("one", &put("2"));
    }
}
