//! Names that people choose in config files. Cheap to clone, checked once.

use std::fmt;
use std::sync::Arc;

/// A name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name cannot be empty")]
    Empty,
    #[error("a name has at most 128 characters")]
    TooLong,
    #[error("a name consists of letters, digits, `.`, `-`, `_` and `:`, and starts with a letter or digit")]
    Character,
}

fn check(text: &str) -> Result<(), NameError> {
    let first = text.bytes().next().ok_or(NameError::Empty)?;
    if text.len() > 128 {
        return Err(NameError::TooLong);
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if !first.is_ascii_alphanumeric() || !text.bytes().all(fits) {
        return Err(NameError::Character);
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// If the text is empty, longer than 128 bytes, or has a character outside `[A-Za-z0-9._:-]`.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// Whose data a row is.
    TenantId;
    /// Who a row belongs to within the tenant.
    UserId;
    /// The key a caller came with.
    KeyId;
    /// An agent of the config.
    AgentName;
    /// A name under `models:`.
    ModelName;
    /// A configured upstream account.
    ProviderName;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once() {
        assert!(TenantId::new("acme-1.eu").is_ok());
        assert_eq!(TenantId::new(""), Err(NameError::Empty));
        assert_eq!(TenantId::new("a/b"), Err(NameError::Character));
        assert_eq!(TenantId::new("-a"), Err(NameError::Character));
        assert_eq!(TenantId::new(&"a".repeat(129)), Err(NameError::TooLong));
    }
}
