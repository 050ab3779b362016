//! What all wrappers of an argument have: they are made from what they wrap, and read as it.

macro_rules! wrapper {
    ($wrapper:ident $(, const $LIMIT:ident)?) => {
        impl<T $(, const $LIMIT: usize)?> From<T> for $wrapper<T $(, $LIMIT)?> {
            fn from(value: T) -> Self {
                Self(value)
            }
        }

        impl<T $(, const $LIMIT: usize)?> std::ops::Deref for $wrapper<T $(, $LIMIT)?> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<T $(, const $LIMIT: usize)?> std::ops::DerefMut for $wrapper<T $(, $LIMIT)?> {
            fn deref_mut(&mut self) -> &mut T {
                &mut self.0
            }
        }
    };
}

pub(super) use wrapper;
