use super::Value;

/// Values by their names: what a box holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// In the order of their names.
    pairs: Vec<(String, Value)>,
}

impl Values {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value, and returns the one that had its name before.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.pairs[at].1, value)),
            Err(at) => {
                self.pairs.insert(at, (name, value));
                None
            }
        }
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|at| &self.pairs[at].1)
    }

    /// The value of this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.place(name).ok().map(|at| &mut self.pairs[at].1)
    }

    /// Takes the value of this name out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.place(name).ok().map(|at| self.pairs.remove(at).1)
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Values {
    /// Of two values with one name, the last one counts.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        let mut values = Self::new();
        for (name, value) in pairs {
            values.insert(name, value);
        }
        values
    }
}
