//! Which prompt, which history, which tools: from what the caller asked for to what a provider gets.
//!
//! Three steps, because a message that is screened out must not enter a conversation: [`resolve`] finds the agent or
//! model, screening looks at the text, [`prepare`] begins the turn, after which the user's message is durable, and puts
//! prompt and history in front of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{AgentName, ConversationId, Usage};
use serde_json::value::RawValue;
use store::{BeginTurn, NewConversation, Owner, Turn};
use tokio::time::Instant;
use wire::call::{Call, Message, Parameters, Role};
use wire::openai::ChatRequest;

use crate::accounting;
use crate::app::App;
use crate::identity::Identified;
use crate::refusal::{Kind, Refusal};
use crate::routing::catalog::{Callable, Target};
use crate::screening::Screened;
use crate::telemetry::metrics::{Counted, DbLabels, ObserveDuration as _, TypeLabels};

/// A message waits for the turns in front of it this long, unless the caller gave a deadline.
const TURN_WAIT: Duration = Duration::from_secs(60);

/// An agent of the config.
pub(crate) struct Agent {
    pub(crate) name: AgentName,
    pub(crate) prompt: String,
    pub(crate) parameters: Parameters,
    pub(crate) history: u32,
    pub(crate) max_message_chars: usize,
    pub(crate) max_answer_chars: usize,
}

/// What a caller asks for.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and there is one of it")]
pub(crate) enum Ask {
    /// A chat completion: the caller keeps the conversation.
    Chat(ChatRequest),
    /// A message to an agent: the conversation is kept here.
    Query(Query),
}

/// A message to an agent.
pub(crate) struct Query {
    pub(crate) agent: String,
    pub(crate) message: String,
    pub(crate) conversation: Option<ConversationId>,
    /// From a closed list.
    pub(crate) channel: &'static str,
    /// A JSON object of strings.
    pub(crate) tags: Option<Arc<str>>,
    pub(crate) stream: bool,
}

impl Ask {
    /// The length of the longest message that the caller wrote, in characters. What a model or a tool wrote may be longer.
    pub(crate) fn longest_message(&self) -> usize {
        match self {
            Self::Query(query) => query.message.chars().count(),
            Self::Chat(request) => {
                let written = |role| matches!(role, Role::User | Role::System | Role::Developer);
                let messages = request.messages().iter().filter(|message| written(message.role));
                messages.map(|message| message.characters).max().unwrap_or(0)
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Chat(request) => request.model(),
            Self::Query(query) => &query.agent,
        }
    }

    fn stream(&self) -> bool {
        match self {
            Self::Chat(request) => request.stream(),
            Self::Query(query) => query.stream,
        }
    }
}

/// A call whose agent or model is known.
pub(crate) struct Resolved {
    pub(crate) caller: Identified,
    pub(crate) callable: Arc<Callable>,
    pub(crate) ask: Ask,
}

/// A call as it goes to a provider, and the turn it answers.
pub(crate) struct Prepared {
    pub(crate) caller: Identified,
    pub(crate) callable: Arc<Callable>,
    pub(crate) outgoing: Outgoing,
    pub(crate) stream: bool,
    pub(crate) tags: Option<Arc<str>>,
    /// Agent queries only.
    pub(crate) turn: Option<Turn>,
    pub(crate) talking: Option<Counted>,
}

/// The request in the caller's own bytes, or in our words.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and there is one of it")]
pub(crate) enum Outgoing {
    Chat(ChatRequest),
    Call(Box<Call>),
}

/// Finds what the caller named: an agent, a model of the config, or a provider's own model.
pub(crate) fn resolve(caller: Identified, ask: Ask) -> Result<Resolved, Refusal> {
    let catalog = &caller.settings.catalog;
    let callable = match &ask {
        Ask::Chat(request) => catalog.callable(request.model()),
        Ask::Query(query) => catalog.agent(&query.agent),
    };
    let Some(callable) = callable else {
        let what = if matches!(ask, Ask::Query(_)) { "agent" } else { "model" };
        let refusal = Refusal::new(
            Kind::NotFound,
            "model_not_found",
            format!("no {what} named `{}`", shown(ask.name())),
        );
        return Err(refusal.param(what).hint("GET /v1/models lists what can be called"));
    };
    if let (Some(_), Ask::Chat(request)) = (&callable.agent, &ask)
        && request.choices() > 1
    {
        return Err(Refusal::invalid("n", "an agent gives one answer").hint("leave `n` out, or call a model"));
    }
    caller.record.note(|call| {
        call.agent = callable.agent.as_ref().map(|_| Arc::clone(&callable.name));
        call.stream = ask.stream();
        if let Ask::Query(query) = &ask {
            call.channel = Some(query.channel);
        }
    });
    Ok(Resolved { caller, callable, ask })
}

/// Puts the agent's prompt and the conversation's history in place. The user's message is durable after it.
pub(crate) async fn prepare(app: &Arc<App>, screened: Screened) -> Result<Prepared, Refusal> {
    let Resolved { caller, callable, ask } = screened.into_inner();
    let stream = ask.stream();
    match (ask, callable.agent.clone()) {
        (Ask::Chat(request), agent) => {
            let request = match agent {
                Some(agent) => request.with_agent(&agent.prompt, &agent.parameters),
                None => request,
            };
            let outgoing = Outgoing::Chat(request);
            Ok(Prepared { caller, callable, outgoing, stream, tags: None, turn: None, talking: None })
        }
        (Ask::Query(query), Some(agent)) => {
            let turn = begin_turn(app, &caller, &agent, &query).await?;
            let call = Outgoing::Call(Box::new(conversation_call(&agent, &turn, query.message, stream)));
            let talking = Some(Counted::on(&app.metrics.active_conversations));
            Ok(Prepared {
                caller,
                callable,
                outgoing: call,
                stream,
                tags: query.tags,
                turn: Some(turn),
                talking,
            })
        }
        // `resolve` found a query's callable among the agents.
        (Ask::Query(_), None) => Err(Refusal::internal("a query was resolved to something that is no agent")),
    }
}

async fn begin_turn(
    app: &Arc<App>,
    caller: &Identified,
    agent: &Agent,
    query: &Query,
) -> Result<Turn, Refusal> {
    let conversation = match query.conversation {
        Some(id) => store::Target::Existing(id),
        None => store::Target::New(NewConversation::default()),
    };
    let turn = BeginTurn {
        owner: Owner::from(&caller.principal),
        conversation,
        agent: agent.name.clone(),
        request: caller.record.id,
        content: text_content(&query.message)?,
        wait_until: caller.deadline.unwrap_or_else(|| Instant::now() + TURN_WAIT),
        history_limit: agent.history,
    };
    let began = app.clock.ticks();
    let begun = app.store.begin_turn(turn).await;
    // The wait for the turns in front is not the database's; a message that is told `busy` has done nothing else.
    let waited = match &begun {
        Ok(turn) => Some(turn.waited),
        Err(store::Error::Busy) => None,
        Err(_) => Some(Duration::ZERO),
    };
    if let Some(waited) = waited {
        let span = app.clock.ticks().since(began).saturating_sub(waited);
        let labels = DbLabels { query: "begin_turn" };
        app.metrics.db_query_duration.get_or_create(&labels).observe_duration(span);
    }
    let turn = begun?;
    app.metrics.messages.get_or_create(&TypeLabels { r#type: "user" }).inc();
    Ok(turn)
}

/// System prompt, history, message.
fn conversation_call(agent: &Agent, turn: &Turn, message: String, stream: bool) -> Call {
    let mut messages = Vec::with_capacity(turn.history.len() + 2);
    messages.push(Message::text(Role::System, agent.prompt.clone()));
    for past in &turn.history {
        let role = match past.role {
            store::Role::User => Role::User,
            store::Role::Assistant => Role::Assistant,
        };
        let text = text_of(&past.content);
        // An answer that said nothing is kept, but some providers refuse an empty message.
        if !text.is_empty() {
            messages.push(Message::text(role, text));
        }
    }
    messages.push(Message::text(Role::User, message));
    Call { messages, parameters: agent.parameters.clone(), stream, ..Call::default() }
}

impl Prepared {
    /// The body one target gets.
    pub(crate) fn body_for(&self, target: &Target) -> Bytes {
        let flavor = target.endpoint.flavor;
        match &self.outgoing {
            Outgoing::Chat(request) => request.for_upstream(&target.model, flavor, true),
            Outgoing::Call(call) => {
                let call = Call { model: target.model.to_string(), ..(**call).clone() };
                wire::openai::encode(&call, flavor, true)
            }
        }
    }

    /// Whether a chat stream's caller asked for the usage chunk.
    pub(crate) fn wants_usage(&self) -> bool {
        matches!(&self.outgoing, Outgoing::Chat(request) if request.wants_usage())
    }

    /// The usage of an answer whose provider did not report any.
    pub(crate) fn estimated_usage(&self, output_bytes: usize) -> Usage {
        let output = accounting::estimate(output_bytes);
        Usage { input: self.estimated_input(), output, estimated: true, ..Usage::default() }
    }

    /// Tokens of the input as we would count them.
    pub(crate) fn estimated_input(&self) -> u64 {
        match &self.outgoing {
            Outgoing::Chat(request) => accounting::estimate(request.characters()),
            Outgoing::Call(call) => {
                let characters = |message: &Message| message.plain_text().chars().count();
                accounting::estimate(call.messages.iter().map(characters).sum())
            }
        }
    }
}

/// Typed parts, as messages are stored: `[{"type":"text","text":"…"}]`.
pub(crate) fn text_content(text: &str) -> Result<Box<RawValue>, Refusal> {
    let parts = [serde_json::json!({ "type": "text", "text": text })];
    serde_json::value::to_raw_value(&parts).map_err(|error| Refusal::internal(error.to_string()))
}

/// The text of stored parts.
pub(crate) fn text_of(content: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(default)]
        text: String,
    }
    let parts: Vec<Part> = serde_json::from_str(content.get()).unwrap_or_default();
    parts.into_iter().map(|part| part.text).collect()
}

/// A caller's text in an error message: bounded, and without what could break a line.
fn shown(text: &str) -> String {
    text.chars().take(100).filter(|c| !c.is_control()).collect()
}
