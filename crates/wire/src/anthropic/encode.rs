//! The neutral request as a body of this API.
//!
//! What has a counterpart is written, what has none is named. A wish for what happens anyway (`temperature` 1, one
//! answer, no penalty) is none.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::anthropic::model::Model;
use crate::anthropic::thinking::{Effort, Plan, Thinking};
use crate::anthropic::turns::{Block, Conversation, Turn};
use crate::anthropic::{schema, tools};
use crate::call::{Call, Parameters, ResponseFormat};
use crate::json::write_json;
use crate::provider::Uncarried;

/// A request for an answer.
///
/// # Errors
/// The first member that has no place here.
pub(super) fn chat(call: &Call, model: &str) -> Result<Bytes, Uncarried> {
    let known = Model::named(model);
    let p = &call.parameters;
    unanswerable(p)?;
    let Plan { max_tokens, thinking, effort } = Plan::of(call, known)?;
    let Sampling { temperature, top_p, top_k } = Sampling::of(p, known)?;
    let body = Body {
        max_tokens: Some(max_tokens),
        temperature,
        top_p,
        top_k,
        stop_sequences: &p.stop,
        metadata: call.user.as_deref().map(|user_id| Metadata { user_id }),
        stream: call.stream,
        ..Body::prompt(call, model, thinking, effort)?
    };
    if body.messages.last().is_some_and(Turn::begins_answer) && !known.continues_answers() {
        return Err(Uncarried::new("messages"));
    }
    Ok(body.write())
}

/// A request for the number of its tokens: what the model would read, and nothing of how it would answer.
///
/// # Errors
/// The first member that has no place here.
pub(super) fn count(call: &Call, model: &str) -> Result<Bytes, Uncarried> {
    let Plan { thinking, effort, .. } = Plan::of(call, Model::named(model))?;
    Ok(Body::prompt(call, model, thinking, effort)?.write())
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tools::Declared<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Box<RawValue>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

impl<'a> Body<'a> {
    /// What the model reads.
    fn prompt(
        call: &'a Call,
        model: &'a str,
        thinking: Option<Thinking>,
        effort: Option<Effort>,
    ) -> Result<Self, Uncarried> {
        if let Some(member) = call.uncarried.first() {
            return Err(Uncarried::new(member.clone()));
        }
        let Conversation { system, turns } = Conversation::of(&call.messages)?;
        let format = call.parameters.response_format.as_ref().map(format).transpose()?.flatten();
        let configured = effort.is_some() || format.is_some();
        Ok(Self {
            model,
            max_tokens: None,
            system,
            messages: turns,
            tools: call.tools.iter().map(tools::tool).collect::<Result<_, _>>()?,
            tool_choice: tools::choice(call, Model::named(model))?,
            thinking,
            output_config: configured.then_some(OutputConfig { effort, format }),
            temperature: None,
            top_p: None,
            top_k: None,
            stop_sequences: &[],
            metadata: None,
            stream: false,
        })
    }

    fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(1024);
        write_json(&mut out, self);
        out.freeze()
    }
}

/// Wishes about the answer that nothing here can grant.
fn unanswerable(p: &Parameters) -> Result<(), Uncarried> {
    let wishes = [
        ("frequency_penalty", p.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", p.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("seed", p.seed.is_some()),
        ("n", p.n.is_some_and(|n| n != 1)),
        ("logprobs", p.logprobs == Some(true)),
        ("top_logprobs", p.top_logprobs.is_some_and(|top| top != 0)),
        // Refused by the API: a stop sequence has to have a visible character.
        ("stop", p.stop.iter().any(|stop| stop.trim().is_empty())),
    ];
    match wishes.iter().find(|(_, wished)| *wished) {
        Some((member, _)) => Err(Uncarried::new(*member)),
        None => Ok(()),
    }
}

struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

impl Sampling {
    fn of(p: &Parameters, model: Model) -> Result<Self, Uncarried> {
        // 1 is the default of both, and the only value that every model takes: by not being sent.
        let temperature = p.temperature.filter(|&temperature| temperature != 1.0);
        let top_p = p.top_p.filter(|&top_p| top_p != 1.0);
        let own_way = model.samples_its_own_way();
        if temperature.is_some_and(|temperature| own_way || temperature > 1.0) {
            return Err(Uncarried::new("temperature"));
        }
        if top_p.is_some() && (own_way || temperature.is_some() && model.samples_one_way()) {
            return Err(Uncarried::new("top_p"));
        }
        if p.top_k.is_some() && own_way {
            return Err(Uncarried::new("top_k"));
        }
        Ok(Self { temperature, top_p, top_k: p.top_k })
    }
}

fn format(format: &ResponseFormat) -> Result<Option<Format>, Uncarried> {
    let schema = match format {
        ResponseFormat::Text => return Ok(None),
        ResponseFormat::JsonObject => None,
        ResponseFormat::JsonSchema(json) => schema::of_answer(json),
    };
    let schema = schema.ok_or(Uncarried::new("response_format"))?;
    Ok(Some(Format { kind: "json_schema", schema }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::{Json, Message, Role, Tool, ToolChoice};

    const MODEL: &str = "claude-sonnet-4-6";

    fn call(parameters: Parameters) -> Call {
        Call { messages: vec![Message::text(Role::User, "Hi")], parameters, ..Call::default() }
    }

    fn weather() -> Tool {
        Tool { name: "weather".into(), description: None, schema: None, strict: None }
    }

    fn written(call: &Call, model: &str) -> Value {
        serde_json::from_slice(&chat(call, model).unwrap()).unwrap()
    }

    fn uncarried(call: &Call, model: &str) -> String {
        chat(call, model).unwrap_err().member().to_owned()
    }

    #[test]
    fn a_plain_question_has_the_members_the_api_insists_on_and_no_other() {
        let messages = json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]);
        assert_eq!(
            written(&call(Parameters::default()), MODEL),
            json!({"model": MODEL, "max_tokens": 8192, "messages": messages})
        );
    }

    #[test]
    fn parameters_have_their_names_here() {
        let p = Parameters {
            max_tokens: Some(300),
            temperature: Some(0.2),
            top_k: Some(40),
            stop: vec!["END".into()],
            ..Parameters::default()
        };
        let body = written(&Call { user: Some("u-1".into()), stream: true, ..call(p) }, MODEL);
        for (member, value) in [
            ("max_tokens", json!(300)),
            ("temperature", json!(0.2)),
            ("top_k", json!(40)),
            ("stop_sequences", json!(["END"])),
            ("metadata", json!({"user_id": "u-1"})),
            ("stream", json!(true)),
        ] {
            assert_eq!(body[member], value, "{member}");
        }
    }

    #[test]
    fn a_wish_without_a_counterpart_is_named() {
        let d = Parameters::default;
        for (member, p) in [
            ("frequency_penalty", Parameters { frequency_penalty: Some(0.5), ..d() }),
            ("presence_penalty", Parameters { presence_penalty: Some(-0.5), ..d() }),
            ("seed", Parameters { seed: Some(7), ..d() }),
            ("n", Parameters { n: Some(2), ..d() }),
            ("logprobs", Parameters { logprobs: Some(true), ..d() }),
            ("top_logprobs", Parameters { top_logprobs: Some(3), ..d() }),
            ("temperature", Parameters { temperature: Some(1.2), ..d() }),
            ("stop", Parameters { stop: vec!["END".into(), "\n".into()], ..d() }),
            ("response_format", Parameters { response_format: Some(ResponseFormat::JsonObject), ..d() }),
        ] {
            assert_eq!(uncarried(&call(p), MODEL), member);
        }
        let unknown = Call { uncarried: vec!["modalities".into()], ..call(d()) };
        assert_eq!(uncarried(&unknown, MODEL), "modalities");
    }

    #[test]
    fn a_wish_for_what_happens_anyway_is_none() {
        let p = Parameters {
            frequency_penalty: Some(0.0),
            presence_penalty: Some(0.0),
            n: Some(1),
            logprobs: Some(false),
            top_logprobs: Some(0),
            temperature: Some(1.0),
            top_p: Some(1.0),
            response_format: Some(ResponseFormat::Text),
            ..Parameters::default()
        };
        let asked = Call { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(false), ..call(p) };
        for model in [MODEL, "claude-opus-4-8"] {
            assert_eq!(written(&asked, model), written(&call(Parameters::default()), model));
        }
    }

    #[test]
    fn models_that_sample_their_own_way_are_not_told_how() {
        let d = Parameters::default;
        let cool = call(Parameters { temperature: Some(0.2), ..d() });
        let narrow = call(Parameters { top_p: Some(0.9), ..d() });
        let few = call(Parameters { top_k: Some(5), ..d() });
        for (asked, member) in [(&cool, "temperature"), (&narrow, "top_p"), (&few, "top_k")] {
            assert!(chat(asked, MODEL).is_ok(), "{member}");
            assert_eq!(uncarried(asked, "claude-opus-4-8"), member);
        }
        let both = call(Parameters { temperature: Some(0.2), top_p: Some(0.9), ..d() });
        assert_eq!(uncarried(&both, MODEL), "top_p");
        assert_eq!(written(&both, "some-server")["top_p"], 0.9);
    }

    #[test]
    fn a_schema_of_the_answer_and_the_effort_share_their_place() {
        let format = |json: &str| Some(ResponseFormat::JsonSchema(Json::new(json.into()).unwrap()));
        let asked = call(Parameters {
            response_format: format(r#"{"name":"n","strict":true,"schema":{"type":"object"}}"#),
            reasoning_effort: Some("high".into()),
            ..Parameters::default()
        });
        let body = written(&asked, MODEL);
        assert_eq!(
            body["output_config"],
            json!({"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}})
        );
        assert_eq!(body["thinking"], json!({"type": "adaptive"}));
        let nameless = Parameters { response_format: format(r#"{"name":"n"}"#), ..Parameters::default() };
        assert_eq!(uncarried(&call(nameless), MODEL), "response_format");
    }

    #[test]
    fn a_count_is_asked_of_what_the_model_reads() {
        let p = Parameters {
            max_tokens: Some(40000),
            temperature: Some(1.0),
            seed: Some(7),
            stop: vec!["END".into()],
            reasoning_effort: Some("medium".into()),
            ..Parameters::default()
        };
        let asked = Call { user: Some("u".into()), stream: true, tools: vec![weather()], ..call(p) };
        let body: Value = serde_json::from_slice(&count(&asked, "claude-haiku-4-5").unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "model": "claude-haiku-4-5",
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
                "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
                "thinking": {"type": "enabled", "budget_tokens": 8192},
            })
        );
    }
}
