//! Python that is imported by `ampctl import python`.

use amp_tests::Python;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// A module in a folder of its own.
pub(crate) struct Module(pub(crate) TempDir);

impl Module {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn import(&self, arguments: &[&str]) -> Output {
        let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
        command.args(["import", "python", "--python"]).arg(python.interpreter().get_program());
        command.args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// What is said of it, which `--strict` takes for a failure.
    pub(crate) fn in_doubt(&self, module: &str) -> String {
        let output = self.import(&[module, "--strict"]);
        let said = text(&output.stderr).to_owned();
        assert_eq!(output.status.code(), Some(1), "{said}\n{}", text(&output.stdout));
        said
    }

    /// The schema, of which nothing is in doubt.
    pub(crate) fn schema(&self, module: &str) -> String {
        let output = self.import(&[module, "--strict"]);
        assert_eq!(text(&output.stderr), "");
        assert!(output.status.success());
        text(&output.stdout).split_once("\n\n").unwrap().1.to_owned()
    }
}

const HEAD: &str = "from twisted.protocols import amp\n";

pub(crate) fn python_of(body: &str) -> Vec<u8> {
    format!("{HEAD}{body}").into_bytes()
}
