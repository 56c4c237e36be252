//! Takes out of a provider's error text what its reader must not see or cannot bear.
//!
//! Providers echo: the key they refused, the header it came in, the URL they fetched. So everything that has the
//! look of a secret goes, by its known prefix, by the name in front of it, or by being a long mix of letters and
//! digits; control and direction characters become spaces; and the whole is bounded. Wrong guesses cost a word of
//! an error message, which is the cheaper mistake.

const REDACTED: &str = "[redacted]";

/// Prefixes of keys, tokens and account ids as providers and clouds hand them out.
const PREFIXES: [&str; 19] = [
    "sk-",
    "sk_",
    "pk-",
    "rk-",
    "gsk_",
    "xai-",
    "AIza",
    "ya29",
    "hf_",
    "r8_",
    "nvapi-",
    "pplx-",
    "ghp_",
    "gho_",
    "github_pat_",
    "AKIA",
    "ASIA",
    "org-",
    "proj_",
];

/// Names whose value, after `:` or `=`, is a secret. Compared in lower case, `-` as `_`.
const NAMES: [&str; 15] = [
    "key",
    "api_key",
    "apikey",
    "x_api_key",
    "access_key",
    "token",
    "access_token",
    "auth_token",
    "secret",
    "client_secret",
    "password",
    "authorization",
    "sig",
    "signature",
    "cookie",
];

/// `text`, harmless and at most `limit` bytes.
pub(crate) fn scrub(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit) + REDACTED.len());
    let mut context = Context::default();
    let mut rest = text;
    while !rest.is_empty() && out.len() <= limit {
        if let Some((separator, after)) = secret(rest, &context) {
            out.extend(separator.chars().map(plain));
            out.push_str(REDACTED);
            context = Context::default();
            rest = after;
            continue;
        }
        let (separator, after) = split_where(rest, is_atom);
        let (atom, after) = split_where(after, |c| !is_atom(c));
        out.extend(separator.chars().map(plain));
        out.push_str(if looks_secret(atom) { REDACTED } else { atom });
        context = Context::of(atom);
        rest = after;
    }
    out.truncate(out.floor_char_boundary(limit));
    out
}

/// What the word just written lets one expect of what follows it.
#[derive(Default)]
struct Context {
    names_secret: bool,
    scheme: bool,
}

impl Context {
    fn of(atom: &str) -> Self {
        let name = atom.to_ascii_lowercase().replace('-', "_");
        Self { names_secret: NAMES.contains(&&*name), scheme: matches!(&*name, "bearer" | "basic") }
    }
}

/// What precedes and what follows the secret, if what is to come is one because of what stands in front of it.
fn secret<'a>(rest: &'a str, context: &Context) -> Option<(&'a str, &'a str)> {
    if let Some(authority) = rest.strip_prefix("://") {
        let end = authority.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#'));
        let userinfo = authority.get(..end.unwrap_or(authority.len()))?.rfind('@')?;
        return Some(("://", authority.get(userinfo..)?));
    }
    if !context.names_secret && !context.scheme {
        return None;
    }
    let (separator, value) =
        split_where(rest, |c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`' | ':' | '='));
    let (value, after) = split_where(value, |c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '"' | '\'' | '`' | ',' | ';' | '&' | ')' | ']' | '}' | '<')
    });
    let assigned = separator.contains([':', '=']);
    let expected = if context.scheme {
        // `Bearer token` is prose, a token has digits, capitals or signs.
        let word = value.trim_end_matches(['.', ':']);
        assigned || word.len() > 16 || !word.bytes().all(|b| b.is_ascii_lowercase())
    } else {
        // `Authorization: Bearer x`: the scheme is not the secret.
        assigned && !Context::of(value).scheme
    };
    (expected && !separator.is_empty() && !value.is_empty()).then_some((separator, after))
}

/// Splits in front of the first character that `stops`.
fn split_where(text: &str, stops: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(stops).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn looks_secret(atom: &str) -> bool {
    let prefixed = PREFIXES.iter().any(|prefix| {
        atom.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= 12 || !rest.is_empty() && rest.bytes().any(|b| b.is_ascii_digit() || b == b'*')
        })
    });
    let json_web_token = atom.starts_with("eyJ") && atom.len() >= 16;
    prefixed || json_web_token || atom.split(['-', '*']).any(is_random)
}

/// Long and mixed: a key, a hash, a token.
fn is_random(part: &str) -> bool {
    part.len() >= 32
        && part.bytes().any(|b| b.is_ascii_digit())
        && part.bytes().any(|b| b.is_ascii_alphabetic())
}

const fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')
}

/// Control, line-separating and direction-changing characters as spaces (the last reorder what a reader sees).
fn plain(c: char) -> char {
    match c {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::scrub;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(scrub(text, 1024), expected);
    }

    #[test]
    fn ordinary_messages_stay_as_they_are() {
        for text in [
            "Invalid 'max_tokens': integer above maximum value. Expected a value <= 16384, but got 99999 instead.",
            "The model `gpt-5-nano-2025-08-07` does not exist or you do not have access to it.",
            "Invalid schema for response_format 'step': In context=(), 'additionalProperties' is required.",
            "Invalid value: 'tol'. Supported values are: 'system', 'assistant', 'user', 'function', and 'tool'.",
            "An assistant message with 'tool_calls' must be followed by 'call_9pw1qnYScqvGrCH58HWCvFH6'",
            "See https://platform.openai.com/docs/api-reference/chat/create#messages?tab=1 for a Bearer token.",
            "résumé 😀 10 % < 20 %",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn keys_are_taken_out_by_their_look() {
        check("Incorrect API key provided: sk-proj-abc1***xyz.", "Incorrect API key provided: [redacted].");
        check("key AIzaSyA1234567890abcdefgh is bad", "key [redacted] is bad");
        check("for gsk_a1b2c3, hf_Z9, xai-00", "for [redacted], [redacted], [redacted]");
        check("in organization org-Ab12Cd34 (proj_77)", "in organization [redacted] ([redacted])");
        check("hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "hash [redacted]");
        check("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.x", "jwt [redacted].[redacted].x");
    }

    #[test]
    fn keys_are_taken_out_by_the_name_in_front() {
        check("Authorization: Bearer CANARY/7f.3+x== refused", "Authorization: Bearer [redacted] refused");
        check("authorization=basic dXNlcjpwYXNz", "authorization=basic [redacted]");
        check(r#"{"api_key": "hunter2", "n": 1}"#, r#"{"api_key": "[redacted]", "n": 1}"#);
        check("x-api-key:abc;d", "x-api-key:[redacted];d");
        check("GET /v1?key=abc.def&n=1", "GET /v1?key=[redacted]&n=1");
        check("password=p@ss/w0rd", "password=[redacted]");
    }

    #[test]
    fn credentials_in_urls_are_taken_out() {
        check(
            "could not fetch https://bob:s3cret@host/x.png",
            "could not fetch https://[redacted]@host/x.png",
        );
        check("https://user@example.com", "https://[redacted]@example.com");
        check("mail me@x.org https://host/a@b", "mail me@x.org https://host/a@b");
    }

    #[test]
    fn characters_that_forge_lines_become_spaces() {
        check("a\r\nb\u{1b}[31mc\u{2028}d\u{202e}e\0", "a  b [31mc d e ");
    }

    #[test]
    fn the_text_is_bounded_at_a_character() {
        assert_eq!(scrub(&"é".repeat(1000), 1023), "é".repeat(511));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_it_is_bounded_and_free_of_control_characters(text: String, limit in 0_usize..64) {
            let scrubbed = scrub(&text, limit);
            prop_assert!(scrubbed.len() <= limit);
            prop_assert!(!scrubbed.chars().any(char::is_control));
        }

        #[test]
        fn a_bearer_token_never_survives(before in "[ -~]{0,20}", token in "[A-Za-z0-9+/._-]{8,40}[0-9]") {
            let scrubbed = scrub(&format!("{before} Bearer {token}"), 1024);
            prop_assert!(!scrubbed.contains(&token), "{}", scrubbed);
        }
    }
}
