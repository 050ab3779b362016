use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where this package keeps its Python programs and their requirements.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// The Python package with the arguments that Twisted lacks.
const ARGUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../amp-arguments");

const HELP: &str = "\
The tests talk to a real Twisted, and for that they need Python 3.10 or later with its venv and \
pip modules.
On Debian and Ubuntu: apt-get install python3 python3-venv. On other systems, install python3.
Twisted itself is then installed by the tests, into a virtual environment under the target folder.";

/// A Python interpreter that has Twisted, and the package `amp-arguments`.
#[derive(Clone, Debug)]
pub struct Python {
    executable: PathBuf,
}

impl Python {
    /// Makes a virtual environment with Twisted and `amp-arguments` under `folder`, unless there is
    /// one already.
    ///
    /// Tests give `env!("CARGO_TARGET_TMPDIR")`. However many threads and processes call this at
    /// the same time, one of them installs and the others wait for it. When the requirements,
    /// the package or the system's Python have changed the environment is made anew.
    ///
    /// # Panics
    ///
    /// When Python is missing or too old, and when the requirements cannot be installed; the
    /// message says what to do. A test that needs Twisted must not pass without it.
    pub fn with_twisted(folder: impl AsRef<Path>) -> Self {
        let requirements = Path::new(PROGRAMS).join("requirements.txt");
        Self::with_requirements(folder.as_ref(), &requirements, Some(Path::new(ARGUMENTS)))
    }

    fn with_requirements(folder: &Path, requirements: &Path, package: Option<&Path>) -> Self {
        let environment = folder.join("python");
        let python = Self { executable: environment.join("bin/python") };
        let stamp_file = environment.join("installed.txt");
        let sources = package.map(|package| sources(package).concat()).unwrap_or_default();
        let stamp = format!("{}\n{sources}{}", system_python(), read(requirements));

        fs::create_dir_all(folder).expect("the target folder can be made");
        let lock = File::create(folder.join("python.lock")).expect("a lock file can be made");
        // Released when it is dropped, and by the kernel when this process dies.
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the file can be locked");
        if fs::read_to_string(&stamp_file).is_ok_and(|installed| installed == stamp) {
            return python;
        }
        // A half-made environment has no stamp, since the stamp is written last.
        run(system_python_command().args(["-m", "venv", "--clear"]).arg(&environment));
        run(python
            .command()
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(requirements)
            .args(package));
        fs::write(stamp_file, stamp).expect("the stamp can be written");
        python
    }

    /// A command that runs one of this package's Python programs.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.interpreter();
        command.arg(Path::new(PROGRAMS).join(name));
        command
    }

    /// A command that runs the interpreter.
    pub fn interpreter(&self) -> Command {
        let mut command = self.command();
        // The sources may be on a disk that cannot be written to.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn command(&self) -> Command {
        command(&self.executable)
    }
}

fn system_python_command() -> Command {
    command(Path::new("python3"))
}

/// A command whose modules are its environment's, whatever the caller's environment says.
fn command(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// Which Python the system has.
fn system_python() -> String {
    let script =
        "import sys; print(sys.version, sys.executable); assert sys.version_info >= (3, 10)";
    let output = run(system_python_command().args(["-c", script]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The texts that a Python package is made of.
fn sources(package: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(package.join("src/amp_arguments"))
        .expect("the package is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    files.sort();
    files.push(package.join("pyproject.toml"));
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}\n\n{HELP}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}\n{HELP}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// An environment of its own with nothing to install, so that this needs no network.
    #[test]
    fn an_environment_is_made_once_and_again_when_the_requirements_change() {
        let folder = tempfile::tempdir().unwrap();
        let requirements = folder.path().join("requirements.txt");
        fs::write(&requirements, "").unwrap();
        let made = || {
            let python = Python::with_requirements(folder.path(), &requirements, None);
            assert!(python.executable.exists());
            fs::metadata(folder.path().join("python/installed.txt")).unwrap().modified().unwrap()
        };
        let all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(made)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all, vec![made(); 4], "only one of them installs");

        fs::write(&requirements, "# changed\n").unwrap();
        made();
        assert!(read(&folder.path().join("python/installed.txt")).ends_with("# changed\n"));
    }

    #[test]
    #[should_panic(expected = "apt-get install python3 python3-venv")]
    fn a_missing_python_says_what_to_install() {
        run(&mut Command::new("there-is-no-such-python"));
    }

    #[test]
    #[should_panic(expected = "no-such-package-of-any-kind")]
    fn what_cannot_be_installed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let requirements = folder.path().join("requirements.txt");
        fs::write(&requirements, "./no-such-package-of-any-kind\n").unwrap();
        Python::with_requirements(folder.path(), &requirements, None);
    }
}
