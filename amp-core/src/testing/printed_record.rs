use std::path::PathBuf;
use std::process::Command;

use super::record::{self, Record, VARIABLE};

/// A file that a program has printed, such as generated code that is kept among the files of a project. A test fails when
/// the program would print something else.
///
/// ```no_run
/// use amp_core::testing::PrintedRecord;
/// use std::process::Command;
///
/// let mut ampctl = Command::new("ampctl");
/// ampctl.args(["generate", "rust", "wire.schema"]);
/// PrintedRecord::new("src/commands.rs", ampctl).check();
/// ```
///
/// With the environment variable `AMP_RECORD`, the test writes the file: with `additions` only if the file does not exist,
/// and with `all` also if something has changed.
#[derive(Debug)]
#[must_use = "nothing is compared before `check`"]
pub struct PrintedRecord {
    path: PathBuf,
    program: Command,
}

impl PrintedRecord {
    /// Creates a record in the file `path`, which is what `program` prints. A relative path begins at the
    /// package's folder, where cargo runs its tests.
    pub fn new(path: impl Into<PathBuf>, program: Command) -> Self {
        Self { path: path.into(), program }
    }

    /// Runs the program, and compares what it prints with the file, or writes that.
    ///
    /// # Panics
    ///
    /// When the file is not what the program prints, when the program cannot be run or fails, and when the
    /// file cannot be read or written.
    #[track_caller]
    pub fn check(mut self) {
        let checked = Record::from_environment().and_then(|record| self.compare(record));
        if let Err(error) = checked {
            panic!("{error}");
        }
    }

    fn compare(&mut self, record: Record) -> Result<(), String> {
        let printed = self.print()?;
        let kept = record::read(&self.path)?;
        match (&kept, record) {
            (Some(kept), _) if *kept == printed => return Ok(()),
            (_, Record::All) | (None, Record::Additions) => {
                return record::write(&self.path, &printed);
            }
            (None, Record::Nothing) => return Err(record::missing(&self.path)),
            (Some(_), _) => {}
        }
        let kept = kept.unwrap_or_default();
        let line = kept.lines().zip(printed.lines()).take_while(|(kept, new)| kept == new).count();
        let shown = |text: &str| match text.lines().nth(line) {
            Some(line) => format!("{line:?}"),
            None => "its end".to_owned(),
        };
        Err(format!(
            "{} is stale: line {} is {}, and {} prints {}; run the test with {VARIABLE}=all to write it",
            self.path.display(),
            line + 1,
            shown(&kept),
            self.program.get_program().display(),
            shown(&printed),
        ))
    }

    fn print(&mut self) -> Result<String, String> {
        let program = self.program.get_program().display().to_string();
        let output =
            self.program.output().map_err(|error| format!("cannot run {program}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{program} failed, {}: {}", output.status, said.trim_end()));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("{program} does not print UTF-8"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_printed_is_kept_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("printed.rs");
        let compare = |script: &str, record| {
            let mut program = Command::new("sh");
            program.args(["-c", script]);
            PrintedRecord::new(&path, program).compare(record)
        };
        let missing = compare("echo a", Record::Nothing).unwrap_err();
        assert!(missing.contains("AMP_RECORD=additions"), "{missing}");
        assert_eq!(compare("echo a", Record::Additions), Ok(()));
        assert_eq!(compare("echo a", Record::Nothing), Ok(()));
        for record in [Record::Nothing, Record::Additions] {
            let stale = compare("echo a; echo b", record).unwrap_err();
            let expected = format!(
                "{} is stale: line 2 is its end, and sh prints \"b\"; run the test with \
                 AMP_RECORD=all to write it",
                path.display()
            );
            assert_eq!(stale, expected);
        }
        assert_eq!(compare("echo a; echo b", Record::All), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        let failed = compare("echo no >&2; exit 3", Record::All).unwrap_err();
        assert_eq!(failed, "sh failed, exit status: 3: no");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
    }
}
