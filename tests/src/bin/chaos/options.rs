use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: chaos [--clients N] [--seconds N] [--seed N] [--series FILE]

--clients  how many clients call at once, 1 to 2000; 200 unless given
--seconds  how long they do, 1 to 86400; 60 unless given
--seed     what the plan is made from, any number below 2^64; a random one unless given
--series   writes what the process holds, each second, to FILE as CSV, and draws it to FILE.svg

A seed gives the same plan again: what each client is and calls, how long each call is waited for, at which
byte of which connection what goes wrong, how long the server lives and how it goes, and what the raw peers
do. It does not give the same run: tasks run on several threads, and the system's clock, its sockets and
the keys of TLS are not planned. So a client may get further in its plan, or less far.

The exit code is 0 when all went as it must, 1 when anything did not, and 2 when nothing was run.";

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) clients: u32,
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    pub(crate) series: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind the program's name, `None` when they ask for help; the error is
    /// for people.
    pub(crate) fn parse() -> Result<Option<Self>, String> {
        let mut arguments = amp_tests::arguments();
        let mut options = Self {
            clients: 200,
            time: Duration::from_secs(60),
            seed: fastrand::u64(..),
            series: None,
        };
        while let Some(argument) = arguments.next() {
            let argument = argument?;
            let mut text = || arguments.next().unwrap_or_else(|| Err(format!("{argument} what?")));
            let mut value = |least, most| number(&argument, &text()?, least, most);
            match argument.as_str() {
                "--clients" => options.clients = u32::try_from(value(1, 2000)?).expect("2000 fits"),
                "--seconds" => options.time = Duration::from_secs(value(1, 86400)?),
                "--seed" => options.seed = value(0, u64::MAX)?,
                "--series" => options.series = Some(text()?.into()),
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("there is no option {argument}")),
            }
        }
        Ok(Some(options))
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, time, seed, .. } = self;
        write!(f, "--clients {clients} --seconds {} --seed {seed}", time.as_secs())
    }
}

fn number(option: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{option} is a number from {least} to {most}, not {text:?}")),
    }
}
