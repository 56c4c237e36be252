//! Which members of a request have a neutral place, which say nothing about the answer, and which are wishes that
//! only a provider of this dialect can be asked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::dialect::Refused;
use crate::json::{Fault, members};
use crate::openai::neutral::wrong;

/// Members that ask nothing of the answer: they are about the provider's own bookkeeping, storage, caches and abuse
/// detection, and a provider without them answers the same. They are left out where bytes cannot pass.
const SAY_NOTHING: [&str; 6] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
];

/// Hints to a prompt cache, which may stand on any part or tool: OpenAI's, and the one its followers took from
/// Anthropic.
const CACHE_HINTS: [&str; 2] = ["prompt_cache_breakpoint", "cache_control"];

pub(super) const STREAM_OPTIONS: &[&str] = &["include_usage", "include_obfuscation"];
pub(super) const TOOL: &[&str] = &["type", "function"];
pub(super) const FUNCTION: &[&str] = &["name", "description", "parameters", "strict"];
pub(super) const MESSAGE: &[&str] = &["role", "content", "name", "refusal", "tool_calls", "tool_call_id"];
/// `annotations` are the sources of an answer that is sent back as it came.
pub(super) const ASSISTANT_MESSAGE: &[&str] = &[
    "role",
    "content",
    "name",
    "refusal",
    "tool_calls",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "annotations",
];
/// `index` is left over from a stream.
pub(super) const TOOL_CALL: &[&str] = &["id", "type", "function", "index"];
pub(super) const CALLED: &[&str] = &["name", "arguments"];
pub(super) const IMAGE_URL: &[&str] = &["url", "detail"];
pub(super) const FILE: &[&str] = &["file_data", "filename", "file_id"];
pub(super) const INPUT_AUDIO: &[&str] = &["data", "format"];

/// The member asks nothing, or for what happens anyway.
pub(super) fn says_nothing(name: &str, value: &[u8]) -> bool {
    match name {
        "service_tier" => is(value, |tier: String| matches!(&*tier, "auto" | "default")),
        "verbosity" => is(value, |verbosity: String| verbosity == "medium"),
        "modalities" => is(value, |modalities: Vec<String>| modalities == ["text"]),
        "logit_bias" => is(value, |biases: BTreeMap<String, IgnoredAny>| biases.is_empty()),
        "functions" => is(value, |functions: Vec<IgnoredAny>| functions.is_empty()),
        name => SAY_NOTHING.contains(&name),
    }
}

fn is<'a, T: Deserialize<'a>>(value: &'a [u8], what: impl Fn(T) -> bool) -> bool {
    serde_json::from_slice(value).is_ok_and(what)
}

/// Notes the members of the object `raw`, which stands at `place`, that are not `known`.
pub(super) fn note_others(
    call: &mut Call,
    raw: &RawValue,
    known: &[&str],
    place: &str,
) -> Result<(), Refused> {
    let object = raw.get().as_bytes();
    let noted = members(object, |name, span| {
        let name = name.decode();
        let known = known.contains(&&*name) || CACHE_HINTS.contains(&&*name);
        if !known && span.of(object) != b"null" {
            call.cannot_carry(format_args!("{place}.{name}"));
        }
        Ok::<_, Fault>(())
    });
    noted.map_err(|_| wrong(place.to_owned()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::call::Call;
    use crate::openai::ChatRequest;

    fn call(members: &str) -> Call {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
        ChatRequest::parse(Bytes::from(body)).unwrap().to_call().unwrap()
    }

    /// The members of OpenAI's `CompletionCreateParams` but `model` and `messages`, with a value that asks something.
    const CARRIED: [&str; 20] = [
        r#""frequency_penalty":0.5"#,
        r#""logprobs":true"#,
        r#""max_completion_tokens":9"#,
        r#""max_tokens":9"#,
        r#""n":2"#,
        r#""parallel_tool_calls":false"#,
        r#""presence_penalty":0.5"#,
        r#""reasoning_effort":"low""#,
        r#""response_format":{"type":"json_object"}"#,
        r#""seed":1"#,
        r#""stop":["x"]"#,
        r#""stream":true"#,
        r#""temperature":0.5"#,
        r#""tool_choice":"none""#,
        r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
        r#""top_logprobs":2"#,
        r#""top_p":0.5"#,
        r#""user":"u""#,
        // Not a member of the call itself: how it is answered.
        r#""stream_options":{"include_usage":true,"include_obfuscation":false}"#,
        // Not OpenAI's.
        r#""top_k":5"#,
    ];
    const LEFT_OUT: [&str; 12] = [
        r#""metadata":{"a":"b"}"#,
        r#""prompt_cache_key":"k""#,
        r#""prompt_cache_options":{"mode":"explicit"}"#,
        r#""prompt_cache_retention":"24h""#,
        r#""safety_identifier":"s""#,
        r#""store":true"#,
        r#""service_tier":"auto""#,
        r#""service_tier":"default""#,
        r#""modalities":[ "text" ]"#,
        r#""verbosity":"medium""#,
        r#""logit_bias":{ }"#,
        r#""functions":[]"#,
    ];
    const UNCARRIED: [&str; 11] = [
        r#""audio":{"voice":"ash","format":"wav"}"#,
        r#""function_call":"auto""#,
        r#""functions":[{"name":"f"}]"#,
        r#""logit_bias":{"1":5}"#,
        r#""modalities":["text","audio"]"#,
        r#""moderation":{"model":"omni-moderation-latest"}"#,
        r#""prediction":{"type":"content","content":"x"}"#,
        r#""service_tier":"flex""#,
        r#""verbosity":"low""#,
        r#""web_search_options":{}"#,
        r#""wishes":3"#,
    ];

    fn name(member: &str) -> &str {
        member.split('"').nth(1).unwrap()
    }

    #[test]
    fn every_member_is_carried_or_left_out_or_named() {
        let nothing = call(r#""stop":[]"#);
        for member in CARRIED {
            let call = call(member);
            assert_eq!(call.uncarried, [""; 0], "{member}");
            assert_eq!(call == nothing, name(member) == "stream_options", "{member}");
        }
        for member in LEFT_OUT {
            assert_eq!(call(member), nothing, "{member}");
        }
        for member in UNCARRIED {
            assert_eq!(call(member).uncarried, [name(member)], "{member}");
            assert_eq!(call(&format!("\"{}\":null", name(member))), nothing, "{member}");
        }
    }

    #[test]
    fn what_has_no_place_inside_a_member_is_named_by_its_path() {
        let of = |members: &str| call(members).uncarried;
        assert_eq!(of(r#""stream_options":{"x":1}"#), ["stream_options.x"]);
        let tools = r#""tools":[{"type":"function","function":{"name":"f","x":1}},{"type":"custom","custom":{"name":"c"}},
            {"function":{"name":"g","strict":null,"cache_control":{}},"x":null,"y":{}}]"#;
        assert_eq!(of(tools), ["tools[0].function.x", "tools[1]", "tools[2].y"]);
        for choice in [
            r#"{"type":"custom","custom":{"name":"c"}}"#,
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}"#,
            r#""any""#,
        ] {
            assert_eq!(of(&format!(r#""tool_choice":{choice}"#)), ["tool_choice"]);
        }
        assert_eq!(of(r#""response_format":{"type":"grammar","grammar":""}"#), ["response_format"]);
        let named = call(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#);
        assert_eq!(named.tool_choice, Some(crate::call::ToolChoice::Named("f".into())));
    }

    #[test]
    fn what_has_no_place_inside_a_message_is_named_by_its_path() {
        let body = br#"{"model":"m","messages":[
            {"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"},"y":1},
                {"type":"image_url","image_url":{"url":"https://x/y.png","size":3}},
                {"type":"video_url","video_url":{"url":"https://x/y.mp4"}}],"reasoning_content":"x"},
            {"role":"assistant","content":null,"audio":{"id":"a"},"function_call":null,"annotations":[],"tool_calls":[
                {"id":"1","type":"custom","custom":{"name":"c","input":"x"}},
                {"id":"2","type":"function","index":1,"function":{"name":"f","arguments":"{}"},"extra_content":{}}]},
            {"role":"function","name":"f","content":"x"}]}"#;
        let call = ChatRequest::parse(Bytes::from_static(body)).unwrap().to_call().unwrap();
        let expected = [
            "messages[0].reasoning_content",
            "messages[0].content[0].y",
            "messages[0].content[1].image_url.size",
            "messages[1].audio",
            "messages[1].tool_calls[0]",
            "messages[1].tool_calls[1].extra_content",
        ];
        assert_eq!(call.uncarried, expected);
        assert_eq!((call.messages[0].content.len(), call.messages[1].tool_calls.len()), (3, 1));
    }

    #[test]
    fn what_is_named_is_bounded() {
        let members: Vec<_> = (0..100).map(|n| format!(r#""x{n}":1"#)).collect();
        assert_eq!(call(&members.join(",")).uncarried.len(), 64);
    }
}
