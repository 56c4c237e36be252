//! Ids of tool calls as an API takes them: short, of few characters, and each only once in a conversation.
//!
//! Other providers write other characters, or count their calls anew in every answer. What cannot stay is exchanged,
//! in the call and in its result, for something that is the same in every request of the conversation.

use std::borrow::Cow;
use std::collections::HashMap;

/// The ids of one conversation, message after message.
pub(crate) struct Ids<'a> {
    /// Bytes of the longest id that the API takes.
    max: usize,
    /// How often an id was called and answered.
    used: HashMap<&'a str, (u32, u32)>,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, used: HashMap::new() }
    }

    pub(crate) fn of_call(&mut self, id: &'a str) -> Cow<'a, str> {
        let (called, _) = self.used.entry(id).or_default();
        *called += 1;
        numbered(id, *called, self.max)
    }

    /// Results come in the order of their calls.
    pub(crate) fn of_result(&mut self, id: &'a str) -> Cow<'a, str> {
        let (called, answered) = self.used.entry(id).or_default();
        *answered = (*answered + 1).min(*called);
        numbered(id, (*answered).max(1), self.max)
    }
}

/// `id`, or if it is not a word of at most `max` bytes, another that stands for it.
pub(crate) fn fitting(id: &str, max: usize) -> Cow<'_, str> {
    numbered(id, 1, max)
}

fn numbered(id: &str, number: u32, max: usize) -> Cow<'_, str> {
    if number == 1 && is_word(id, max) {
        return Cow::Borrowed(id);
    }
    // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv: the same id in every request of a conversation.
    let bytes = id.bytes().chain(number.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Cow::Owned(format!("call_{hash:016x}"))
}

/// Letters, digits, `_` and `-`, which every API takes in ids and names.
pub(crate) fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 64;

    #[test]
    fn an_id_that_the_api_takes_stays() {
        let longest = "x".repeat(64);
        let mut ids = Ids::new(MAX);
        for id in ["toolu_01A09q90", "call-1", &longest] {
            assert_eq!(ids.of_call(id), id);
            assert_eq!(ids.of_result(id), id);
        }
        assert_eq!(ids.of_result("of_no_call"), "of_no_call");
    }

    #[test]
    fn an_id_that_the_api_refuses_is_exchanged_for_the_same_one_in_call_and_result() {
        let long = "x".repeat(65);
        let mut ids = Ids::new(MAX);
        let mut sent = Vec::new();
        for id in ["call.1", "call.2", "", "å", &long] {
            let call = ids.of_call(id);
            assert!(is_word(&call, MAX), "{call}");
            assert_eq!(ids.of_result(id), call);
            assert_eq!(Ids::new(MAX).of_call(id), call, "in another request");
            sent.push(call);
        }
        sent.sort_unstable();
        assert!(sent.is_sorted_by(|a, b| a < b), "{sent:?}");
    }

    #[test]
    fn how_long_an_id_may_be_is_the_apis_business() {
        let id = "x".repeat(41);
        assert_eq!(Ids::new(64).of_call(&id), id);
        let short = Ids::new(40).of_call(&id).into_owned();
        assert!(is_word(&short, 40), "{short}");
        assert_eq!(fitting(&id, 40), short);
    }

    #[test]
    fn an_id_that_occurs_again_is_told_apart() {
        let mut ids = Ids::new(MAX);
        let first = ids.of_call("call_0");
        assert_eq!((&*first, ids.of_result("call_0")), ("call_0", first.clone()));
        let (second, third) = (ids.of_call("call_0"), ids.of_call("call_0"));
        assert!(first != second && second != third && first != third);
        assert_eq!([ids.of_result("call_0"), ids.of_result("call_0")], [second, third]);
    }
}
