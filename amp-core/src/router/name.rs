use std::fmt;
use std::sync::Arc;

use crate::shorten::Shortened;

/// The name of a route: text, or nothing at all for the [`DEFAULT`](RouteName::DEFAULT) route.
///
/// On the wire it is the value of the key [`_route`](crate::keys::ROUTE), in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteName(Option<Arc<str>>);

impl RouteName {
    /// The route of the boxes that have no `_route`: those of a peer that does not know of routes,
    /// and by custom those in which the names of other routes are agreed on.
    pub const DEFAULT: Self = Self(None);

    /// Returns the name as text; `None` for the default route.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<&str> for RouteName {
    fn from(name: &str) -> Self {
        Self(Some(name.into()))
    }
}

impl From<String> for RouteName {
    fn from(name: String) -> Self {
        Self(Some(name.into()))
    }
}

impl From<&RouteName> for RouteName {
    fn from(name: &RouteName) -> Self {
        name.clone()
    }
}

/// As it stands in messages: `route "jobs"`, or `default route`. [`as_str`](RouteName::as_str) has
/// the name itself.
impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "route {}", Shortened::new(name.as_bytes())),
            None => f.write_str("default route"),
        }
    }
}
