//! A conversation as this API has it: instructions apart, and two sides who take turns.
//!
//! - Instructions of any message go to `system`, in their order. Newer models also take them in their place, under
//!   rules of their own; in front they are understood by every model and stay instructions, as the provider's own
//!   translation of the chat dialect has it (<https://platform.claude.com/docs/en/api/openai-sdk>).
//! - What one side says in several messages is one turn. Results of tools are the user's, and come first in its turn:
//!   all of a round have to answer it together.
//! - Texts without a visible character say nothing, are refused by the API, and are left out; so are thoughts that
//!   are not this provider's own.
//! - A participant's `name` and the `detail` of an image cannot be said here. They are hints, and left out.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::anthropic::source::{Source, document, image};
use crate::anthropic::tools::is_name;
use crate::call::{Message, Origin, Part, Reasoning, Role, ToolCall};
use crate::ids::Ids;
use crate::json::{MAX_DEPTH, check};
use crate::provider::Uncarried;

/// Bytes of the longest id of a tool call.
const MAX_CALL_ID: usize = 64;

/// Nesting of a tool's input, which was a text, so that the whole body is within [`MAX_DEPTH`].
const MAX_INPUT_DEPTH: u32 = MAX_DEPTH - 5;

#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
    /// How many results of tools `content` begins with.
    #[serde(skip)]
    results: usize,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Self>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    Object(&'a RawValue),
    Nothing {},
}

impl<'a> Conversation<'a> {
    /// # Errors
    /// The first part of a message that has no place here.
    pub(super) fn of(messages: &'a [Message]) -> Result<Self, Uncarried> {
        let mut conversation = Self { system: Vec::new(), turns: Vec::new() };
        let mut ids = Ids::new(MAX_CALL_ID);
        for message in messages {
            match message.role {
                Role::System | Role::Developer => {
                    conversation.system.extend(blocks(message, beside_text)?);
                }
                Role::User => {
                    let content = blocks(message, said_by_user)?;
                    conversation.turn("user").content.extend(content);
                }
                Role::Assistant => {
                    let content = blocks(message, beside_text)?;
                    let turn = conversation.turn("assistant");
                    turn.content.extend(content);
                    for call in &message.tool_calls {
                        turn.content.push(tool_use(call, &mut ids)?);
                    }
                }
                Role::Tool | Role::Function => {
                    let id = message.tool_call_id.as_deref().ok_or(Uncarried::new("tool_call_id"))?;
                    let result = Block::ToolResult {
                        tool_use_id: ids.of_result(id),
                        content: blocks(message, said_by_user)?,
                        is_error: message.tool_failed,
                    };
                    let turn = conversation.turn("user");
                    turn.content.insert(turn.results, result);
                    turn.results += 1;
                }
            }
            conversation.turns.pop_if(|turn| turn.content.is_empty());
        }
        if conversation.turns.is_empty() {
            return Err(Uncarried::new("messages"));
        }
        Ok(conversation)
    }

    /// The turn of `role`: the last one, if it is still theirs.
    fn turn(&mut self, role: &'static str) -> &mut Turn<'a> {
        let last = self.turns.pop_if(|turn| turn.role == role);
        let turn = last.unwrap_or(Turn { role, content: Vec::new(), results: 0 });
        self.turns.push_mut(turn)
    }
}

/// The parts of a message, texts as texts and all others as `other` has it.
fn blocks<'a>(
    message: &'a Message,
    other: impl Fn(&'a Part) -> Result<Option<Block<'a>>, Uncarried>,
) -> Result<Vec<Block<'a>>, Uncarried> {
    let block = |part: &'a Part| match part {
        Part::Text(text) | Part::Refusal(text) => {
            Ok(Some(text).filter(|text| !text.trim().is_empty()).map(|text| Block::Text { text }))
        }
        part => other(part),
    };
    message.content.iter().filter_map(|part| block(part).transpose()).collect()
}

fn said_by_user(part: &Part) -> Result<Option<Block<'_>>, Uncarried> {
    let block = match part {
        Part::Image { url, .. } => image(url).map(|source| Block::Image { source }),
        Part::File { url, name } => document(url)
            .map(|source| Block::Document { source, title: name.as_deref().filter(|name| !name.is_empty()) }),
        Part::Reasoning(_) => return Ok(None),
        _ => None,
    };
    block.map(Some).ok_or_else(|| Uncarried::new(member(part)))
}

/// Where nothing but texts and thoughts can be: with the assistant, and in instructions, which have no thoughts.
fn beside_text(part: &Part) -> Result<Option<Block<'_>>, Uncarried> {
    match part {
        Part::Reasoning(thought) => Ok(thinking(thought)),
        _ => Err(Uncarried::new(member(part))),
    }
}

/// The thought as it came, if it came from here.
fn thinking(thought: &Reasoning) -> Option<Block<'_>> {
    let signature = thought.signature.as_ref();
    let signature = signature.filter(|own| own.origin == Origin::Anthropic && !own.data.is_empty())?;
    Some(if signature.encrypted {
        Block::RedactedThinking { data: &signature.data }
    } else {
        Block::Thinking { thinking: &thought.text, signature: &signature.data }
    })
}

/// A call's arguments have to be an object here. None at all are an empty one; anything else is not made up.
fn tool_use<'a>(call: &'a ToolCall, ids: &mut Ids<'a>) -> Result<Block<'a>, Uncarried> {
    let input = match call.arguments.trim() {
        "" => Some(Input::Nothing {}),
        text if text.starts_with('{') && check(text.as_bytes(), MAX_INPUT_DEPTH).is_ok() => {
            serde_json::from_str(text).ok().map(Input::Object)
        }
        _ => None,
    };
    match input {
        Some(input) if is_name(&call.name) => {
            Ok(Block::ToolUse { id: ids.of_call(&call.id), name: &call.name, input })
        }
        _ => Err(Uncarried::new("tool_calls")),
    }
}

/// What the chat dialect calls a part.
fn member(part: &Part) -> Cow<'static, str> {
    match part {
        Part::Text(_) | Part::Reasoning(_) => "messages".into(),
        Part::Refusal(_) => "refusal".into(),
        Part::Image { .. } => "image_url".into(),
        Part::File { .. } => "file".into(),
        Part::Audio { .. } => "input_audio".into(),
        Part::Other(raw) => raw.kind().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::anthropic::encode::chat;
    use crate::call::{Call, Json, Raw, Signature};
    use crate::dialect::Dialect;

    fn user(text: &str) -> Message {
        Message::text(Role::User, text)
    }

    fn with(role: Role, content: Vec<Part>) -> Message {
        Message { content, ..Message::text(role, "") }
    }

    fn calling(calls: &[(&str, &str)]) -> Message {
        let call = |(id, arguments): &(&str, &str)| ToolCall {
            id: (*id).into(),
            name: "look".into(),
            arguments: (*arguments).into(),
        };
        Message { tool_calls: calls.iter().map(call).collect(), ..with(Role::Assistant, Vec::new()) }
    }

    fn result(id: &str, text: &str) -> Message {
        Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, text) }
    }

    fn turns(messages: &[Message]) -> Value {
        serde_json::to_value(Conversation::of(messages).unwrap().turns).unwrap()
    }

    fn uncarried(messages: &[Message]) -> String {
        Conversation::of(messages).unwrap_err().member().to_owned()
    }

    fn file(url: &str) -> Message {
        with(Role::User, vec![Part::File { url: url.into(), name: Some("a.txt".into()) }])
    }

    fn image(url: &str) -> Message {
        with(Role::User, vec![Part::Image { url: url.into(), detail: None }])
    }

    #[test]
    fn instructions_go_in_front_from_wherever_they_stand() {
        let messages = [
            Message::text(Role::System, "Be kind."),
            user("Hi"),
            Message::text(Role::Developer, "Be brief."),
            user("So?"),
        ];
        let conversation = Conversation::of(&messages).unwrap();
        let system = serde_json::to_value(&conversation.system).unwrap();
        assert_eq!(
            system,
            json!([{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}])
        );
        let content = json!([{"type": "text", "text": "Hi"}, {"type": "text", "text": "So?"}]);
        assert_eq!(turns(&messages), json!([{"role": "user", "content": content}]));
    }

    #[test]
    fn results_of_a_round_come_first_and_together() {
        let mut failed = result("b", "no such city");
        failed.tool_failed = true;
        let messages =
            [user("?"), calling(&[("a", "{}"), ("b", "{}")]), result("a", "3"), user("Well?"), failed];
        let text = |text| json!({"type": "text", "text": text});
        assert_eq!(
            turns(&messages)[2],
            json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [text("3")]},
                {"type": "tool_result", "tool_use_id": "b", "content": [text("no such city")], "is_error": true},
                text("Well?"),
            ]})
        );
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let messages = [user("a"), Message::text(Role::Assistant, " \n"), user(""), user("b"), calling(&[])];
        let content = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        assert_eq!(turns(&messages), json!([{"role": "user", "content": content}]));
        let empty = turns(&[calling(&[("a", "{}")]), result("a", "")]);
        assert_eq!(empty[1]["content"], json!([{"type": "tool_result", "tool_use_id": "a"}]));
        assert_eq!(uncarried(&[Message::text(Role::System, "x"), user("")]), "messages");
    }

    #[test]
    fn only_own_thoughts_are_sent_back_and_in_their_place() {
        let thought = |text: &str, signature| Part::Reasoning(Reasoning { text: text.into(), signature });
        let signed =
            |origin, encrypted| Some(Signature { origin, data: "c2ln".into(), encrypted, tool_call: None });
        let content = vec![
            thought("own", signed(Origin::Anthropic, false)),
            thought("", signed(Origin::Anthropic, true)),
            Part::Text("a".into()),
            thought("unsigned", None),
            thought("foreign", signed(Origin::Gemini, false)),
            thought("", signed(Origin::Anthropic, false)),
            Part::Refusal("b".into()),
        ];
        assert_eq!(
            turns(&[with(Role::Assistant, content)])[0]["content"],
            json!([
                {"type": "thinking", "thinking": "own", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2ln"},
                {"type": "text", "text": "a"},
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
                {"type": "text", "text": "b"},
            ])
        );
    }

    #[test]
    fn arguments_are_an_object_or_not_carried() {
        let input = |arguments| turns(&[calling(&[("a", arguments)])])[0]["content"][0]["input"].clone();
        assert_eq!(input("{\"a\" : [1.50]}\n"), json!({"a": [1.5]}));
        assert_eq!(input(" "), json!({}));
        for arguments in ["[]", "\"x\"", "Oslo", "{\"a\":", "{} {}"] {
            assert_eq!(uncarried(&[calling(&[("a", arguments)])]), "tool_calls", "{arguments}");
        }
    }

    #[test]
    fn arguments_leave_room_for_the_body_around_them() {
        let nested = |levels| r#"{"a":"#.repeat(levels) + "1" + &"}".repeat(levels);
        let asked = Call { messages: vec![calling(&[("a", &nested(59))])], ..Call::default() };
        let body = chat(&asked, "m").unwrap();
        assert_eq!(check(&body, MAX_DEPTH), Ok(()));
        assert!(check(&body, MAX_DEPTH - 1).is_err());
        assert_eq!(uncarried(&[calling(&[("a", &nested(60))])]), "tool_calls");
    }

    #[test]
    fn numbers_in_arguments_keep_their_spelling() {
        let messages = [calling(&[("a", "{\"n\":1.50e3}")])];
        let text = serde_json::to_string(&Conversation::of(&messages).unwrap().turns).unwrap();
        assert!(text.contains("1.50e3"), "{text}");
    }

    #[test]
    fn parts_without_a_place_are_named_as_their_caller_knows_them() {
        let part = |role, part| uncarried(&[user("x"), with(role, vec![part])]);
        let other =
            |json: &str| Part::Other(Raw { dialect: Dialect::Chat, json: Json::new(json.into()).unwrap() });
        let audio = Part::Audio { data: "UklGRg==".into(), format: "wav".into() };
        assert_eq!(part(Role::User, audio), "input_audio");
        assert_eq!(part(Role::Assistant, image("https://x/y").content[0].clone()), "image_url");
        assert_eq!(part(Role::System, file("https://x/y").content[0].clone()), "file");
        assert_eq!(part(Role::User, other(r#"{"type":"video_url","video_url":{}}"#)), "video_url");
        assert_eq!(part(Role::User, other(r#"{"type":"two words"}"#)), "content");
        assert_eq!(uncarried(&[Message::text(Role::Function, "3")]), "tool_call_id");
    }
}
