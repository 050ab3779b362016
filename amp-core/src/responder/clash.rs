use std::any::{TypeId, type_name};
use std::fmt;

use crate::command::Command;
use crate::shorten::Shortened;

/// Two sets of responders that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("both sets have a responder for {}", self.what())]
pub struct ResponderClash(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Command(Shortened, [Origin; 2]),
    /// Both responders are a fallback; the text says of what.
    Fallback(&'static str),
}

/// The thing that a responder was added for. It is replaced by another one for the same, and by no
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A command that is known by its type.
    Type(TypeId, &'static str),
    /// A command that is known by its name only.
    Name,
}

impl Origin {
    pub(super) fn of<C: Command>() -> Self {
        Origin::Type(TypeId::of::<C>(), type_name::<C>())
    }
}

impl ResponderClash {
    /// Both sets have a fallback for this.
    pub(super) fn of_fallbacks(what: &'static str) -> Self {
        Self(Kind::Fallback(what))
    }

    /// Both have a responder for the command of this name.
    pub(super) fn of_command(name: &[u8], origins: [Origin; 2]) -> Self {
        Self(Kind::Command(Shortened::new(name), origins))
    }

    /// Returns the command that both answer, shortened; `None` for a fallback.
    pub fn command(&self) -> Option<&Shortened> {
        match &self.0 {
            Kind::Command(command, _) => Some(command),
            Kind::Fallback(_) => None,
        }
    }

    /// Returns what both answer, and what each of them was added for.
    fn what(&self) -> String {
        match &self.0 {
            Kind::Command(command, [one, other]) if one != other => {
                format!("the command {command}, one for {one} and one for {other}")
            }
            Kind::Command(command, _) => format!("the command {command}"),
            Kind::Fallback(what) => (*what).to_owned(),
        }
    }

    /// The one set that they were to be in cannot be made: a mistake of the program.
    #[track_caller]
    pub(super) fn panic(&self) -> ! {
        panic!("there are two responders for {}", self.what())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Type(_, name) => write!(f, "the type {name}"),
            Origin::Name => f.write_str("the name"),
        }
    }
}
