//! Thoughts of other providers, in this dialect's clothes.
//!
//! A messages caller whose answer came from a provider of another kind is given that provider's thoughts as `thinking`
//! and `redacted_thinking` blocks, which it returns with the conversation. What stands in their `signature` or `data`
//! is a seal of ours: it says whose thought it is and keeps what that provider wants back. Anthropic, which checks its
//! signatures, would refuse a request that has such a block; so they are taken out on the way there.
//!
//! A seal is `parapet.<origin>.<signed|encrypted>.<length>.<tool call id><data>`, where the length is that of the id in
//! bytes, and empty if there is none. Id and data are as they are: with its length known, an id may hold anything.

use crate::call::{Origin, Signature};

/// What every seal begins with; no signature of Anthropic's does, being base64.
pub const MARK: &str = "parapet.";

/// Seals a thought that its provider does not sign.
pub const UNSIGNED: &str = "parapet.unsigned";

/// What stands in the place of a provider's signature, or of the thought itself if that is encrypted.
#[must_use]
pub fn seal(origin: Origin, encrypted: bool, tool_call_id: Option<&str>, data: &str) -> String {
    let origin = origin.as_str();
    let kind = if encrypted { "encrypted" } else { "signed" };
    match tool_call_id {
        Some(id) => format!("{MARK}{origin}.{kind}.{}.{id}{data}", id.len()),
        None => format!("{MARK}{origin}.{kind}..{data}"),
    }
}

/// What was sealed. None if that was nothing, or this is no seal as we write them.
#[must_use]
pub fn unseal(seal: &str) -> Option<Signature> {
    let (origin, rest) = seal.strip_prefix(MARK)?.split_once('.')?;
    let (kind, rest) = rest.split_once('.')?;
    let (length, rest) = rest.split_once('.')?;
    let (tool_call, data) = match length {
        "" => (None, rest),
        length => {
            let (id, data) = rest.split_at_checked(length.parse().ok()?)?;
            (Some(id.to_owned()), data)
        }
    };
    let encrypted = match kind {
        "signed" => false,
        "encrypted" => true,
        _ => return None,
    };
    let signature = Signature { origin: Origin::parse(origin)?, data: data.to_owned(), encrypted, tool_call };
    Some(signature).filter(|signature| !signature.data.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seal_is_what_is_documented() {
        assert_eq!(seal(Origin::Gemini, false, None, "Zz+/="), "parapet.google-gemini-v1.signed..Zz+/=");
        let sealed = seal(Origin::Gemini, true, Some("a.b"), "x");
        assert_eq!(sealed, "parapet.google-gemini-v1.encrypted.3.a.bx");
    }

    #[test]
    fn what_is_no_seal_holds_nothing() {
        let no_seals = [
            "",
            "EqQBCkYIARgCKkA=",
            "parapet.",
            UNSIGNED,
            "parapet.google-gemini-v1.signed..",
            "parapet.google-gemini-v1.signed.",
            "parapet.google-gemini-v1.painted..x",
            "parapet.nobody.signed..x",
            "parapet.google-gemini-v1.signed.9.x",
            "parapet.google-gemini-v1.signed.1.éx",
            "parapet.google-gemini-v1.signed.-1.x",
            "parapet.google-gemini-v1.signed.99999999999999999999999.x",
        ];
        for text in no_seals {
            assert_eq!(unseal(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_comes_out_again(
            origin in prop::sample::select(Origin::ALL.to_vec()),
            encrypted: bool,
            tool_call: Option<String>,
            data in "(?s).+",
        ) {
            let sealed = seal(origin, encrypted, tool_call.as_deref(), &data);
            prop_assert!(sealed.starts_with(MARK));
            prop_assert_eq!(unseal(&sealed), Some(Signature { origin, data, encrypted, tool_call }));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = unseal(&text);
            let _ = unseal(&format!("{MARK}google-gemini-v1.signed.{text}"));
        }
    }
}
