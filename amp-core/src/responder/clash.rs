use std::any::{TypeId, type_name};
use std::fmt;

use crate::command::Command;
use crate::shorten::Shortened;

/// Two sets of responders that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("both sets have a responder for {}", self.what())]
#[non_exhaustive]
pub struct Clash {
    /// The command that both answer, shortened; `None` for the fallback.
    pub command: Option<Shortened>,
    origins: Option<[Origin; 2]>,
}

/// What a responder was added for. It is replaced by another one for the same, and by no other.
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

impl Clash {
    /// Both sets have a fallback.
    pub(super) fn of_fallbacks() -> Self {
        Self { command: None, origins: None }
    }

    /// Both have a responder for the command of this name.
    pub(super) fn of_command(name: &[u8], origins: [Origin; 2]) -> Self {
        Self { command: Some(Shortened::new(name)), origins: Some(origins) }
    }

    /// What both answer, and what each of them was added for.
    fn what(&self) -> String {
        let Some(command) = &self.command else { return "all other commands".to_owned() };
        match self.origins {
            Some([one, other]) if one != other => {
                format!("the command {command}, one for {one} and one for {other}")
            }
            _ => format!("the command {command}"),
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
