/// Gives a non-exhaustive struct of options a setter for each field, of the field's name. What a
/// field means stands at the field alone, and at its setter what becomes of a value that it cannot have.
macro_rules! setters {
    ($options:ident { $($(#[$more:meta])* $field:ident: $type:ty),* $(,)? }) => {
        impl $options {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
                $(#[$more])*
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
