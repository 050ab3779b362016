use std::path::PathBuf;

use super::record::{self, Record, VARIABLE};
use crate::command::Command;
use crate::schema::{Change, Schema};

/// A file that says what commands look like on the wire. A test fails when a change would break peers that know the commands
/// as they were.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("amp-record-{}", std::process::id()));
/// # let path = folder.join("wire.schema");
/// # std::fs::create_dir_all(&folder)?;
/// # std::fs::write(&path, "command Sum\n  arguments\n    a: Integer\n    b: Integer\n  response\n    total: Integer\n")?;
/// use amp_core::testing::SchemaRecord;
/// use amp_core::{Arguments, Command};
///
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Sum {
///     a: i64,
///     b: i64,
///     modulus: Option<i64>,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// // In a test, with a path such as "tests/wire.schema":
/// let additions = SchemaRecord::new(&path).command::<Sum>().check();
/// assert_eq!(additions[0].to_string(), "command Sum, argument modulus: it is new and optional");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The file is text, with a line for each argument: see [`schema`](crate::schema). It belongs among
/// the files of the project. With the environment variable `AMP_RECORD`, the test writes it:
///
/// | `AMP_RECORD` | |
/// |---|---|
/// | not set | nothing is written; changes that break peers, and a file that is not there, fail the test |
/// | `additions` | what is new is written; changes that break peers fail the test |
/// | `all` | whatever has changed is written, and the test passes |
///
/// Additions pass, and are printed. While they are not in the file, nobody notices when they change again. To require them
/// in the file, a test asserts that [`check`](SchemaRecord::check) returns none. [`Schema::changes_since`] says which
/// changes break peers.
///
/// If both sides call each other, make a record for each direction: one for the commands that the server answers, and one
/// for those that its clients answer. Tools take two schemas, `ampctl` as `--schema` and `--peer-schema`.
#[derive(Debug)]
#[must_use = "nothing is compared before `check`"]
pub struct SchemaRecord {
    path: PathBuf,
    schema: Schema,
}

/// What stands above the commands.
const HEADER: &str = "\
# What the commands look like on the wire. A test compares them with this file, and fails when a
# change would break peers. It is written with AMP_RECORD=additions, or with AMP_RECORD=all when
# peers may break.
";

impl SchemaRecord {
    /// Creates a record in the file `path`. A relative path begins at the package's folder, where
    /// cargo runs its tests.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), schema: Schema::default() }
    }

    /// Adds a command.
    ///
    /// # Panics
    ///
    /// When another command of its name is there.
    #[track_caller]
    pub fn command<C: Command>(mut self) -> Self {
        self.schema.add::<C>();
        self
    }

    /// Adds the commands of a schema, such as that of code which `ampctl generate rust` has written.
    ///
    /// # Panics
    ///
    /// When another command of one of their names is there.
    #[track_caller]
    pub fn schema(mut self, schema: Schema) -> Self {
        if let Err(clash) = self.schema.merge(schema) {
            panic!("two different commands are named {:?}", clash.command);
        }
        self
    }

    /// Compares the commands with a file that somebody else writes, in both directions. For example, `ampctl import python`
    /// prints one from the classes of the other side. Nothing is written. Values that are secret there have to be secret
    /// here too.
    ///
    /// # Panics
    ///
    /// When the file and the commands are not the same, and when the file cannot be read or
    /// understood.
    #[track_caller]
    pub fn agree(self) {
        if let Err(error) = self.same() {
            panic!("{error}");
        }
    }

    fn same(&self) -> Result<(), String> {
        let shown = self.path.display();
        let text = record::read(&self.path)?.ok_or_else(|| format!("there is no {shown}"))?;
        let other = text.parse::<Schema>().map_err(|error| format!("{shown}: {error}"))?;
        let changes = self.schema.changes_since(&other);
        let mut lines: Vec<_> = changes.iter().map(|change| format!("\n  {change}")).collect();
        for (name, command) in other.commands() {
            let ours = self.schema.command(name).map_or(&[][..], |ours| &ours.secrets);
            let shown = command.secrets.iter().filter(|secret| !ours.contains(secret));
            lines.extend(
                shown.map(|secret| {
                    format!("\n  command {name}: {secret} is not secret, and is there")
                }),
            );
        }
        if lines.is_empty() {
            return Ok(());
        }
        Err(format!("the commands are not those of {shown}:{}", lines.concat()))
    }

    /// Compares the commands with the file, or writes it, and returns the additions that are not in
    /// it.
    ///
    /// # Panics
    ///
    /// When a change would break peers, and when the file cannot be read, understood or written.
    #[track_caller]
    pub fn check(self) -> Vec<Change> {
        let additions = Record::from_environment()
            .and_then(|record| self.compare(record))
            .unwrap_or_else(|error| panic!("{error}"));
        for addition in &additions {
            eprintln!("not in {}: {addition}", self.path.display());
        }
        additions
    }

    fn compare(&self, record: Record) -> Result<Vec<Change>, String> {
        let write = || record::write(&self.path, &format!("{HEADER}\n{}", self.schema));
        let old = match (record::read(&self.path)?, record) {
            (_, Record::All) => return write().map(|()| Vec::new()),
            (Some(text), _) => text
                .parse::<Schema>()
                .map_err(|error| format!("{}: {error}", self.path.display()))?,
            (None, Record::Additions) => return write().map(|()| Vec::new()),
            (None, Record::Nothing) => return Err(record::missing(&self.path)),
        };
        let (breaking, additions): (Vec<_>, Vec<_>) =
            self.schema.changes_since(&old).into_iter().partition(|change| change.breaks);
        if !breaking.is_empty() {
            let lines: Vec<_> = breaking.iter().map(|change| format!("  {change}\n")).collect();
            return Err(format!(
                "peers that know the commands of {} would break:\n{}\
                 If they may, run the test with {VARIABLE}=all.",
                self.path.display(),
                lines.concat(),
            ));
        }
        if record == Record::Additions && !additions.is_empty() {
            return write().map(|()| Vec::new());
        }
        Ok(additions)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(commands: &str, path: PathBuf) -> SchemaRecord {
        SchemaRecord { path, schema: commands.parse().unwrap() }
    }

    #[test]
    fn a_record_is_written_read_and_extended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire/commands.schema");
        let compare = |commands: &str, record| of(commands, path.clone()).compare(record);
        let text = || fs::read_to_string(&path).unwrap();

        let missing = compare("command A", Record::Nothing).unwrap_err();
        assert!(missing.contains("AMP_RECORD=additions"), "{missing}");
        assert_eq!(compare("command A", Record::Additions), Ok(vec![]));
        assert_eq!(text(), format!("{HEADER}\ncommand A\n"));
        assert_eq!(compare("command A", Record::Nothing), Ok(vec![]));

        let two = "command A\n\ncommand B\n";
        let additions = compare(two, Record::Nothing).unwrap();
        assert_eq!(additions[0].to_string(), "command B: it is new");
        assert_eq!(text(), format!("{HEADER}\ncommand A\n"));
        assert_eq!(compare(two, Record::Additions), Ok(vec![]));
        assert_eq!(text(), format!("{HEADER}\n{two}"));
    }

    #[test]
    fn what_breaks_peers_is_written_only_with_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("commands.schema");
        let compare = |commands: &str, record| of(commands, path.clone()).compare(record);
        compare("command A", Record::Additions).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        for record in [Record::Nothing, Record::Additions] {
            let message = compare("command B\ncommand A one-way", record).unwrap_err();
            let expected = format!(
                "peers that know the commands of {} would break:\n  \
                 command A: it wants no answer, and did\n\
                 If they may, run the test with AMP_RECORD=all.",
                path.display()
            );
            assert_eq!(message, expected);
            assert_eq!(fs::read_to_string(&path).unwrap(), before);
        }
        assert_eq!(compare("command B", Record::All), Ok(vec![]));
        assert_eq!(compare("command B", Record::Nothing), Ok(vec![]));
    }

    #[test]
    fn both_sides_agree_or_say_where_they_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("python.schema");
        let same = |commands: &str| of(commands, path.clone()).same();
        assert_eq!(same("command A"), Err(format!("there is no {}", path.display())));
        fs::write(&path, "# From Python.\n\n#: Does it.\ncommand A\n  errors\n    E\n").unwrap();
        assert_eq!(same("command A\n  errors\n    E"), Ok(()));
        // What passes where a version follows another is a difference here.
        let expected = format!(
            "the commands are not those of {}:\n  command A, error F: it is new; to older peers it is \
             one that is not declared\n  command B: it is new",
            path.display()
        );
        assert_eq!(same("command A\n  errors\n    E\n    F\n\ncommand B"), Err(expected));
        assert!(same("command B").unwrap_err().contains("command A: it is gone"));
    }

    #[test]
    fn a_file_that_is_no_record_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("commands.schema");
        fs::write(&path, "# what\n\nkommand A\n").unwrap();
        let message = of("command A", path.clone()).compare(Record::Additions).unwrap_err();
        assert_eq!(message, format!("{}: line 3: expected `command NAME`", path.display()));
    }
}
