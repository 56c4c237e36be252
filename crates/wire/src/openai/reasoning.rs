//! Thoughts as members of this dialect's messages.
//!
//! `reasoning_details` is OpenRouter's published convention, and the one that says whose a thought is and what its
//! provider wants back:
//! - `{"type":"reasoning.text","text","signature","format","index"}`, a thought and its signature;
//! - `{"type":"reasoning.encrypted","data","format","id","index"}`, a thought that only its provider can read; `id`
//!   is the tool call it belongs to;
//! - `{"type":"reasoning.summary","summary"}`, for people.
//!
//! Entries of one `index` are pieces of one thought. In a stream some clients join them, string by string, and others
//! send them back as they came: both read the same here. So only the piece with the signature has a `format`.

use std::borrow::Cow;

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Json, Origin, Reasoning, Signature};
use crate::json::{Text, write_display, write_json};

/// Writes the entries of one message, and counts them.
#[derive(Debug, Default)]
pub(super) struct Details {
    index: u32,
    /// The thought of this index may go on.
    open: bool,
}

/// What a provider wants back with a thought, or as one.
#[derive(Clone, Copy)]
pub(super) struct Seal<'a> {
    pub(super) origin: Origin,
    pub(super) data: Text<'a>,
    pub(super) encrypted: bool,
    pub(super) tool_call: Option<&'a str>,
}

impl Details {
    /// Appends the entries, without brackets, of a piece of a thought and what seals it; either may be missing. What
    /// belongs to a tool call seals no thought, and stands apart as what is encrypted does.
    pub(super) fn write(&mut self, out: &mut BytesMut, text: Text<'_>, seal: Option<Seal<'_>>) {
        let (apart, signature) = match seal {
            Some(seal) if seal.encrypted || seal.tool_call.is_some() => (Some(seal), None),
            signature => (None, signature),
        };
        if !text.is_empty() || signature.is_some() {
            out.extend_from_slice(b"{\"type\":\"reasoning.text\"");
            if !text.is_empty() {
                out.extend_from_slice(b",\"text\":");
                text.write_to(out);
            }
            if let Some(seal) = signature {
                out.extend_from_slice(b",\"signature\":");
                seal.write(out);
            }
            self.end_entry(out);
            self.open = true;
        }
        if signature.is_some() || apart.is_some() {
            self.interrupt();
        }
        if let Some(seal) = apart {
            out.extend_from_slice(if text.is_empty() { b"" } else { b"," });
            out.extend_from_slice(if seal.encrypted {
                b"{\"type\":\"reasoning.encrypted\",\"data\":"
            } else {
                b"{\"type\":\"reasoning.text\",\"signature\":"
            });
            seal.write(out);
            self.end_entry(out);
            self.index += 1;
        }
    }

    /// Something else is said, or another thought begins: the one that is open, if any, is over.
    pub(super) fn interrupt(&mut self) {
        if std::mem::take(&mut self.open) {
            self.index += 1;
        }
    }

    fn end_entry(&self, out: &mut BytesMut) {
        out.extend_from_slice(b",\"index\":");
        write_display(out, self.index);
        out.extend_from_slice(b"}");
    }
}

impl Seal<'_> {
    fn write(&self, out: &mut BytesMut) {
        self.data.write_to(out);
        out.extend_from_slice(b",\"format\":");
        Text::plain(self.origin.as_str()).write_to(out);
        if let Some(id) = self.tool_call {
            out.extend_from_slice(b",\"id\":");
            Text::plain(id).write_to(out);
        }
    }
}

/// The `reasoning_details` of a message with these thoughts; none if there are none.
#[must_use]
pub fn reasoning_details<'a>(thoughts: impl IntoIterator<Item = &'a Reasoning>) -> Option<Json> {
    let mut details = Details::default();
    let mut out = BytesMut::new();
    for Reasoning { text, signature } in thoughts {
        if text.is_empty() && signature.is_none() {
            continue;
        }
        let seal = signature.as_ref().map(|signature| Seal {
            origin: signature.origin,
            data: Text::plain(&signature.data),
            encrypted: signature.encrypted,
            tool_call: signature.tool_call.as_deref(),
        });
        out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
        details.write(&mut out, Text::plain(text), seal);
        details.interrupt();
    }
    if out.is_empty() {
        return None;
    }
    out.extend_from_slice(b"]");
    String::from_utf8(out.into()).ok().and_then(|text| Json::new(text).ok())
}

/// The thoughts of a message's `reasoning_details`. What cannot be read, or has the format of a provider that we do
/// not know, is left out: a thought is no wish.
#[must_use]
pub fn read_reasoning_details(details: &str) -> Vec<Reasoning> {
    let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(details) else { return Vec::new() };
    let mut thoughts: Vec<Reasoning> = Vec::new();
    let mut open = None;
    for entry in entries {
        let Ok(entry) = serde_json::from_str::<Entry>(entry.get()) else { continue };
        let Some((index, piece)) = entry.read() else { continue };
        match thoughts.last_mut() {
            Some(thought) if index.is_some() && index == open => {
                thought.text += &piece.text;
                thought.signature = thought.signature.take().or(piece.signature);
            }
            _ => thoughts.push(piece),
        }
        open = index;
    }
    thoughts.retain(|thought| *thought != Reasoning::default());
    thoughts
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    summary: Option<String>,
    data: Option<String>,
    signature: Option<String>,
    format: Option<String>,
    id: Option<String>,
    index: Option<u64>,
}

impl Entry {
    /// A piece of a thought; pieces of the same index that follow each other are one thought.
    fn read(self) -> Option<(Option<u64>, Reasoning)> {
        let origin = match self.format.as_deref() {
            None | Some("unknown" | "") => None,
            Some(format) => Some(Origin::parse(format)?),
        };
        let sign = |data: Option<String>, encrypted| {
            let data = data.filter(|data| !data.is_empty())?;
            // Elsewhere an id is the entry's own.
            let tool_call = self.id.filter(|_| origin == Some(Origin::Gemini));
            Some(Signature { origin: origin?, data, encrypted, tool_call })
        };
        match &*self.kind {
            "reasoning.text" => {
                let signature = sign(self.signature, false);
                Some((self.index, Reasoning { text: self.text.unwrap_or_default(), signature }))
            }
            "reasoning.summary" => {
                Some((None, Reasoning { text: self.summary.unwrap_or_default(), signature: None }))
            }
            "reasoning.encrypted" => {
                let signature = sign(self.data, true)?;
                Some((None, Reasoning { text: String::new(), signature: Some(signature) }))
            }
            _ => None,
        }
    }
}

/// The value of a message's `reasoning_details` without the entries that another provider sealed, by the formats that we
/// know; none if nothing is left.
pub(super) fn without_foreign(details: &[u8]) -> Option<Cow<'_, [u8]>> {
    #[derive(Deserialize)]
    struct Sealed<'a> {
        #[serde(borrow)]
        format: Option<Cow<'a, str>>,
    }
    let foreign = |entry: &RawValue| {
        let sealed = serde_json::from_str::<Sealed<'_>>(entry.get()).ok();
        sealed.and_then(|sealed| sealed.format).is_some_and(|format| Origin::parse(&format).is_some())
    };
    let Ok(mut entries) = serde_json::from_slice::<Vec<&RawValue>>(details) else {
        return Some(Cow::Borrowed(details));
    };
    let all = entries.len();
    entries.retain(|entry| !foreign(entry));
    match entries.len() {
        left if left == all => Some(Cow::Borrowed(details)),
        0 => None,
        _ => {
            let mut out = BytesMut::with_capacity(details.len());
            write_json(&mut out, &entries);
            Some(Cow::Owned(out.into()))
        }
    }
}

/// The thoughts of an assistant's message that has `details` and `text`, the same thoughts for people: what details
/// leave open is taken from there.
pub(super) fn merge(details: Vec<Reasoning>, text: Option<String>) -> Vec<Reasoning> {
    let mut thoughts = details;
    let Some(text) = text.filter(|text| !text.is_empty()) else { return thoughts };
    if thoughts.iter().any(|thought| !thought.text.is_empty()) {
        return thoughts;
    }
    let open = |signature: &Signature| !signature.encrypted && signature.tool_call.is_none();
    let mut signed = thoughts.iter_mut().filter(|thought| thought.signature.as_ref().is_some_and(open));
    match (signed.next(), signed.next()) {
        (Some(thought), None) => thought.text = text,
        _ => thoughts.insert(0, Reasoning { text, signature: None }),
    }
    thoughts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(text: &str) -> Reasoning {
        Reasoning { text: text.into(), signature: None }
    }

    fn sealed(text: &str, origin: Origin, encrypted: bool, tool_call: Option<&str>) -> Reasoning {
        let tool_call = tool_call.map(str::to_owned);
        let signature = Signature { origin, data: "c2ln+/=\"".into(), encrypted, tool_call };
        Reasoning { text: text.into(), signature: Some(signature) }
    }

    #[test]
    fn thoughts_survive_writing_and_reading() {
        let thoughts = [
            thought("line\n\"q\" é"),
            thought("another"),
            sealed("signed", Origin::Anthropic, false, None),
            sealed("", Origin::Anthropic, true, None),
            sealed("", Origin::Gemini, true, Some("call_1")),
            sealed("", Origin::Gemini, false, Some("call_2")),
            thought("last"),
        ];
        let details = reasoning_details(&thoughts).unwrap();
        assert_eq!(read_reasoning_details(details.get()), thoughts);
    }

    #[test]
    fn an_encrypted_thought_with_a_text_is_two_entries() {
        let both = sealed("for people", Origin::Gemini, true, None);
        let details = reasoning_details([&both]).unwrap();
        let apart = [thought("for people"), Reasoning { text: String::new(), ..both }];
        assert_eq!(read_reasoning_details(details.get()), apart);
    }

    #[test]
    fn no_thoughts_are_no_details() {
        assert_eq!(reasoning_details(&[]), None);
        assert_eq!(reasoning_details(&[Reasoning::default()]), None);
    }

    #[test]
    fn pieces_read_the_same_joined_or_as_they_came() {
        let pieces = r#"[{"type":"reasoning.text","text":"a","index":0},{"type":"reasoning.text","text":"b","index":0},
            {"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","index":0},
            {"type":"reasoning.text","text":"c","index":1}]"#;
        let joined = r#"[{"type":"reasoning.text","text":"ab","signature":"s","format":"anthropic-claude-v1","index":0},
            {"type":"reasoning.text","text":"c","signature":null,"format":null,"index":1}]"#;
        let read = read_reasoning_details(pieces);
        assert_eq!(read, read_reasoning_details(joined));
        let texts: Vec<_> =
            read.iter().map(|thought| (&*thought.text, thought.signature.is_some())).collect();
        assert_eq!(texts, [("ab", true), ("c", false)]);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let details = r#"[{"type":"reasoning.summary","summary":"in short"},
            {"type":"reasoning.encrypted","data":"x","format":"openai-responses-v1","id":"rs_1"},
            {"type":"reasoning.encrypted","data":"x"},
            {"type":"reasoning.text","text":"whose?","signature":"s","format":"unknown"},
            {"type":"reasoning.picture"}, 7, {"type":"reasoning.text","text":1}, {"type":"reasoning.text","text":""}]"#;
        assert_eq!(read_reasoning_details(details), [thought("in short"), thought("whose?")]);
        for other in ["{}", "null", "7", ""] {
            assert_eq!(read_reasoning_details(other), []);
        }
    }

    #[test]
    fn the_text_for_people_fills_what_details_leave_open() {
        let text = || Some("said".to_owned());
        assert_eq!(merge(vec![], text()), [thought("said")]);
        assert_eq!(merge(vec![thought("kept")], text()), [thought("kept")]);
        assert_eq!(merge(vec![], Some(String::new())), []);
        let encrypted = sealed("", Origin::Gemini, true, Some("call_1"));
        assert_eq!(merge(vec![encrypted.clone()], text()), [thought("said"), encrypted]);
        let signature = sealed("", Origin::Anthropic, false, None);
        assert_eq!(merge(vec![signature], text()), [sealed("said", Origin::Anthropic, false, None)]);
    }
}
