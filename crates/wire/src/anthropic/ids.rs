//! Ids of tool calls as the API takes them: of few characters, and each only once in a conversation.
//!
//! Other providers write other characters, or count their calls anew in every answer. What cannot stay is exchanged,
//! in the call and in its result, for something that is the same in every request of the conversation.

use std::borrow::Cow;
use std::collections::HashMap;

/// Longest id of a tool call.
const MAX_ID: usize = 64;

#[derive(Default)]
pub(super) struct Ids<'a> {
    /// How often an id was called and answered.
    used: HashMap<&'a str, (u32, u32)>,
}

impl<'a> Ids<'a> {
    pub(super) fn of_call(&mut self, id: &'a str) -> Cow<'a, str> {
        let (called, _) = self.used.entry(id).or_default();
        *called += 1;
        numbered(id, *called)
    }

    /// Results come in the order of their calls.
    pub(super) fn of_result(&mut self, id: &'a str) -> Cow<'a, str> {
        let (called, answered) = self.used.entry(id).or_default();
        *answered = (*answered + 1).min(*called);
        numbered(id, (*answered).max(1))
    }
}

fn numbered(id: &str, number: u32) -> Cow<'_, str> {
    if number == 1 && is_word(id, MAX_ID) {
        return Cow::Borrowed(id);
    }
    // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv: the same id in every request of a conversation.
    let bytes = id.bytes().chain(number.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Cow::Owned(format!("call_{hash:016x}"))
}

/// Letters, digits, `_` and `-`, as the API has it for ids and names.
pub(super) fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_the_api_takes_stays() {
        let longest = "x".repeat(64);
        let mut ids = Ids::default();
        for id in ["toolu_01A09q90", "call-1", &longest] {
            assert_eq!(ids.of_call(id), id);
            assert_eq!(ids.of_result(id), id);
        }
        assert_eq!(ids.of_result("of_no_call"), "of_no_call");
    }

    #[test]
    fn an_id_that_the_api_refuses_is_exchanged_for_the_same_one_in_call_and_result() {
        let long = "x".repeat(65);
        let mut ids = Ids::default();
        let mut sent = Vec::new();
        for id in ["call.1", "call.2", "", "å", &long] {
            let call = ids.of_call(id);
            assert!(is_word(&call, MAX_ID), "{call}");
            assert_eq!(ids.of_result(id), call);
            assert_eq!(Ids::default().of_call(id), call, "in another request");
            sent.push(call);
        }
        sent.sort_unstable();
        assert!(sent.is_sorted_by(|a, b| a < b), "{sent:?}");
    }

    #[test]
    fn an_id_that_occurs_again_is_told_apart() {
        let mut ids = Ids::default();
        let first = ids.of_call("call_0");
        assert_eq!((&*first, ids.of_result("call_0")), ("call_0", first.clone()));
        let (second, third) = (ids.of_call("call_0"), ids.of_call("call_0"));
        assert!(first != second && second != third && first != third);
        assert_eq!([ids.of_result("call_0"), ids.of_result("call_0")], [second, third]);
    }
}
