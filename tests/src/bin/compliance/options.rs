use amp_core::FailurePolicy;
use amp_tests::conversations::{Expected, Standard};
use amp_tests::{Address, UnknownAddress, policy_named};

pub(crate) const USAGE: &str = "\
usage: compliance unix:PATH|tcp:HOST:PORT [--policy close|stay] [--differences none|ours]

--policy       what the peer does after a failure that its command does not declare; close, as
               Twisted does, unless given
--differences  ours expects what compliance-peer does on purpose in another way than Twisted, and
               says why; none unless given";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) address: Address,
    pub(crate) expected: Expected,
}

impl Options {
    /// Reads the arguments behind the program's name; the error is for people.
    pub(crate) fn parse() -> Result<Self, String> {
        let mut arguments = amp_tests::arguments();
        let mut address = None;
        let mut expected = Expected { standard: Standard::Twisted, policy: FailurePolicy::Close };
        while let Some(argument) = arguments.next() {
            let argument = argument?;
            let mut value = || arguments.next().unwrap_or_else(|| Err(format!("{argument} what?")));
            match argument.as_str() {
                "--policy" => expected.policy = policy_named(&value()?)?,
                "--differences" => {
                    expected.standard = match value()?.as_str() {
                        "none" => Standard::Twisted,
                        "ours" => Standard::Ours,
                        name => return Err(format!("differences are none or ours, not {name:?}")),
                    }
                }
                _ if argument.starts_with('-') => {
                    return Err(format!("there is no option {argument}"));
                }
                _ if address.is_some() => {
                    return Err(format!("{argument} is one address too many"));
                }
                _ => {
                    let parsed = argument.parse();
                    address = Some(parsed.map_err(|error: UnknownAddress| error.to_string())?);
                }
            }
        }
        let address = address.ok_or("the address is missing")?;
        Ok(Self { address, expected })
    }
}
