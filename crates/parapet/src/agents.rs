//! Which prompt, which history, which tools: from what the caller asked for to what a provider gets.
//!
//! Three steps, because a message that is screened out must not enter a conversation: [`resolve`] finds the agent or
//! model, screening looks at the text, [`prepare`] begins the turn, after which the user's message is durable, and puts
//! prompt and history in front of it.

pub(crate) mod conversation;
pub(crate) mod tools;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::{AgentName, ConversationId, Usage};
use store::{BeginTurn, NewConversation, Owner, Turn};
use tokio::time::Instant;
use wire::call::{Call, Message, Parameters, Role, Tool};
use wire::dialect::{Dialect, Refused, Request};
use wire::openai::EmbeddingRequest;
use wire::provider::{Operation, Uncarried};

use self::tools::{ToolResult, Toolbox, Watch};
use crate::accounting;
use crate::app::App;
use crate::identity::Identified;
use crate::provider::Question;
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
    pub(crate) tools: Toolbox,
    pub(crate) history: u32,
    pub(crate) max_message_chars: usize,
    pub(crate) max_answer_chars: usize,
}

/// What a caller asks for.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and there is one of it")]
pub(crate) enum Ask {
    /// A request in one of the dialects: the caller keeps the conversation.
    Request(Request),
    /// A message to an agent: the conversation is kept here.
    Query(Query),
    Embedding(EmbeddingRequest),
}

/// A message to an agent.
pub(crate) struct Query {
    pub(crate) agent: String,
    pub(crate) says: Says,
    /// The caller's own tools, beside the agent's.
    pub(crate) tools: Vec<Tool>,
    pub(crate) conversation: Option<ConversationId>,
    /// From a closed list.
    pub(crate) channel: &'static str,
    /// A JSON object of strings.
    pub(crate) tags: Option<Arc<str>>,
    pub(crate) stream: bool,
}

/// What a turn begins with.
pub(crate) enum Says {
    /// The user's words.
    Message(String),
    /// What the tools said that the last answer called; at least one.
    Results(Vec<ToolResult>),
}

impl Ask {
    /// The length of the longest message that the caller wrote, in characters. What a model or a tool wrote may be longer.
    pub(crate) fn longest_message(&self) -> usize {
        match self {
            Self::Query(Query { says: Says::Message(message), .. }) => message.chars().count(),
            Self::Query(_) | Self::Embedding(_) => 0,
            Self::Request(request) => {
                let written = |role| matches!(role, Role::User | Role::System | Role::Developer);
                let messages = request.messages().filter(|(role, _)| written(*role));
                messages.map(|(_, characters)| characters).max().unwrap_or(0)
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Request(request) => request.model(),
            Self::Embedding(request) => request.model(),
            Self::Query(query) => &query.agent,
        }
    }

    const fn stream(&self) -> bool {
        match self {
            Self::Request(request) => request.stream(),
            Self::Query(query) => query.stream,
            Self::Embedding(_) => false,
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
    pub(crate) reply: ReplyIn,
    pub(crate) tags: Option<Arc<str>>,
    /// Agent queries only.
    pub(crate) turn: Option<Turn>,
    pub(crate) talking: Option<Counted>,
}

/// How the caller wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyIn {
    Dialect {
        dialect: Dialect,
        /// A chat stream's caller asked for the usage chunk.
        wants_usage: bool,
    },
    /// The agent API's own shape.
    Agent,
    Embeddings {
        base64: bool,
    },
}

/// The request in the caller's own bytes, or in our words.
pub(crate) enum Outgoing {
    Request(Box<Spoken>),
    Call(Box<Call>),
    Embedding(Box<EmbeddingRequest>),
}

/// A caller's request, and its neutral form once a provider of another dialect has been asked.
pub(crate) struct Spoken {
    request: Request,
    neutral: OnceLock<Result<Call, Refused>>,
}

impl Spoken {
    pub(crate) fn new(request: Request) -> Self {
        Self { request, neutral: OnceLock::new() }
    }

    pub(crate) const fn request(&self) -> &Request {
        &self.request
    }

    pub(crate) fn call(&self) -> Result<&Call, Refusal> {
        self.neutral.get_or_init(|| self.request.to_call()).as_ref().map_err(|refused| refused.clone().into())
    }
}

/// Finds what the caller named: an agent, a model of the config, or a provider's own model.
pub(crate) fn resolve(caller: Identified, ask: Ask) -> Result<Resolved, Refusal> {
    let catalog = &caller.settings.catalog;
    let callable = match &ask {
        Ask::Request(request) => catalog.callable(request.model()),
        Ask::Embedding(request) => catalog.callable(request.model()),
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
    match (&callable.agent, &ask) {
        (Some(_), Ask::Request(request)) if request.choices() > 1 => {
            let refusal = Refusal::invalid("n", "an agent gives one answer");
            return Err(refusal.hint("leave `n` out, or call a model"));
        }
        (Some(_), Ask::Embedding(_)) => {
            return Err(Refusal::invalid("model", "an agent has no embeddings").hint("call a model"));
        }
        _ => {}
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
    let prepared = |caller, outgoing, reply| Prepared {
        caller,
        callable: Arc::clone(&callable),
        outgoing,
        stream,
        reply,
        tags: None,
        turn: None,
        talking: None,
    };
    match (ask, callable.agent.clone()) {
        (Ask::Request(request), agent) => {
            let (dialect, wants_usage) = (request.dialect(), request.wants_usage());
            let outgoing = match agent {
                None => Outgoing::Request(Box::new(Spoken::new(request))),
                Some(agent) => with_agent(&agent, request, &agent.parameters)?,
            };
            Ok(prepared(caller, outgoing, ReplyIn::Dialect { dialect, wants_usage }))
        }
        (Ask::Embedding(request), _) => {
            let base64 = request.base64();
            Ok(prepared(caller, Outgoing::Embedding(Box::new(request)), ReplyIn::Embeddings { base64 }))
        }
        (Ask::Query(query), Some(agent)) => {
            let tags = query.tags.clone();
            let (turn, call) = converse(app, &caller, &agent, query).await?;
            let talking = Some(Counted::on(&app.metrics.active_conversations));
            let outgoing = Outgoing::Call(Box::new(call));
            Ok(Prepared { turn: Some(turn), tags, talking, ..prepared(caller, outgoing, ReplyIn::Agent) })
        }
        // `resolve` found a query's callable among the agents.
        (Ask::Query(_), None) => Err(Refusal::internal("a query was resolved to something that is no agent")),
    }
}

/// A request whose tokens are to be counted: with the agent's prompt and tools, and without what only an answer needs.
pub(crate) fn prepare_count(screened: Screened) -> Result<Prepared, Refusal> {
    let Resolved { caller, callable, ask } = screened.into_inner();
    let Ask::Request(request) = ask else { return Err(Refusal::internal("only requests are counted")) };
    let dialect = request.dialect();
    let outgoing = match &callable.agent {
        None => Outgoing::Request(Box::new(Spoken::new(request))),
        Some(agent) => with_agent(agent, request, &Parameters::default())?,
    };
    let reply = ReplyIn::Dialect { dialect, wants_usage: false };
    Ok(Prepared { caller, callable, outgoing, stream: false, reply, tags: None, turn: None, talking: None })
}

/// An agent called like a model. With tools in play the request is ours: the agent's tools are added, and its policy
/// holds.
fn with_agent(agent: &Agent, request: Request, parameters: &Parameters) -> Result<Outgoing, Refusal> {
    let with_tools = request.has_tools() || !agent.tools.is_empty();
    let request = request.with_agent(&agent.prompt, parameters);
    if !with_tools {
        return Ok(Outgoing::Request(Box::new(Spoken::new(request))));
    }
    let mut call = request.to_call()?;
    agent.tools.offer(&mut call)?;
    Ok(Outgoing::Call(Box::new(call)))
}

/// Begins the turn: prompt, history, and what is said now.
async fn converse(
    app: &Arc<App>,
    caller: &Identified,
    agent: &Agent,
    query: Query,
) -> Result<(Turn, Call), Refusal> {
    // Refused before anything is stored.
    agent.tools.check(&query.tools)?;
    let turn = begin_turn(app, caller, agent, &query).await?;
    let mut messages = Vec::with_capacity(turn.history.len() + 2);
    messages.push(Message::text(Role::System, agent.prompt.clone()));
    conversation::recall(&turn.history, agent.history, &mut messages);
    match query.says {
        Says::Message(message) => {
            conversation::close_open_calls(&mut messages);
            messages.push(Message::text(Role::User, message));
        }
        Says::Results(results) => conversation::answer_open_calls(&mut messages, results)?,
    }
    let parameters = agent.parameters.clone();
    let mut call = Call { messages, tools: query.tools, parameters, stream: query.stream, ..Call::default() };
    agent.tools.offer(&mut call)?;
    Ok((turn, call))
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
        content: conversation::said(&query.says)?,
        wait_until: caller.deadline.unwrap_or_else(|| Instant::now() + TURN_WAIT),
        history_limit: agent.history.saturating_add(agent.tools.longest_round()),
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

impl Prepared {
    /// What one target is asked; a refusal if it cannot be asked this.
    pub(crate) fn question_for<'a>(&'a self, target: &'a Target) -> Result<Question<'a>, Refusal> {
        let (codec, model) = (target.endpoint.codec, &*target.model);
        let uncarried = |uncarried| self.uncarried(&uncarried, target);
        let operation = match self.outgoing {
            Outgoing::Embedding(_) => Operation::Embed,
            Outgoing::Request(_) | Outgoing::Call(_) => Operation::Chat,
        };
        if !target.endpoint.offers(operation) {
            return Err(Refusal::invalid("model", format!("`{}` has no embeddings", target.name)));
        }
        let mut headers = None;
        let mut inputs = 0;
        let body = match &self.outgoing {
            Outgoing::Request(spoken) => match codec.pass(spoken.request(), model) {
                Some(body) => {
                    headers = Some(&self.caller.forwarded);
                    body
                }
                None => codec.chat(spoken.call()?, model).map_err(uncarried)?,
            },
            Outgoing::Call(call) => codec.chat(call, model).map_err(uncarried)?,
            Outgoing::Embedding(request) => {
                inputs = request.inputs();
                match codec.pass_embedding(request, model) {
                    Some(body) => body,
                    None => codec.embed(&request.to_embedding()?, model).map_err(uncarried)?,
                }
            }
        };
        Ok(Question { operation, model, body, stream: self.stream, headers, inputs })
    }

    /// What one target is asked to count.
    pub(crate) fn count_question_for<'a>(&'a self, target: &'a Target) -> Result<Question<'a>, Refusal> {
        let (codec, model) = (target.endpoint.codec, &*target.model);
        let uncarried = |uncarried| self.uncarried(&uncarried, target);
        let mut headers = None;
        let body = match &self.outgoing {
            Outgoing::Request(spoken) => match codec.pass(spoken.request(), model) {
                Some(body) => {
                    headers = Some(&self.caller.forwarded);
                    body
                }
                None => codec.count(spoken.call()?, model).map_err(uncarried)?,
            },
            Outgoing::Call(call) => codec.count(call, model).map_err(uncarried)?,
            Outgoing::Embedding(_) => return Err(Refusal::internal("embeddings are not counted")),
        };
        Ok(Question { operation: Operation::Count, model, body, stream: false, headers, inputs: 0 })
    }

    /// A target that cannot carry a member of the request.
    fn uncarried(&self, uncarried: &Uncarried, target: &Target) -> Refusal {
        let member = match self.reply {
            ReplyIn::Dialect { dialect, .. } => dialect.member(uncarried.member()),
            _ => uncarried.member().into(),
        };
        let message = format!("`{member}` has no counterpart at the provider of `{}`", target.name);
        Refusal::new(Kind::InvalidRequest, "unsupported_parameter", message)
            .param(member.into_owned())
            .hint("leave it out, or call a model whose provider has it")
    }

    /// Whether the target's answer goes to the caller as the bytes it is. What an agent says in the messages dialect is
    /// always written anew, so that its longest length needs to be known in one place only.
    pub(crate) fn passes(&self, target: &Target) -> bool {
        let ReplyIn::Dialect { dialect, .. } = self.reply else { return false };
        let own = matches!(self.outgoing, Outgoing::Request(_));
        let as_it_came = dialect == Dialect::Chat || self.callable.agent.is_none();
        own && as_it_came && target.endpoint.codec.dialect() == Some(dialect)
    }

    /// Keeps an agent's answer within its policy, if tools are in play.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let agent = self.callable.agent.as_ref()?;
        let Outgoing::Call(call) = &self.outgoing else { return None };
        Some(agent.tools.watch(call))
    }

    /// The usage of an answer whose provider did not report any.
    pub(crate) fn estimated_usage(&self, output_bytes: usize) -> Usage {
        let output = accounting::estimate(output_bytes);
        Usage { input: self.estimated_input(), output, estimated: true, ..Usage::default() }
    }

    /// Tokens of the input as we would count them.
    pub(crate) fn estimated_input(&self) -> u64 {
        match &self.outgoing {
            Outgoing::Request(spoken) => accounting::estimate(spoken.request().characters()),
            Outgoing::Embedding(request) => accounting::estimate(request.characters()),
            Outgoing::Call(call) => accounting::estimate(call.characters()),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let refusal = Self::new(Kind::InvalidRequest, refused.code, refused.message);
        match refused.param {
            Some(param) => refusal.param(param),
            None => refusal,
        }
    }
}

/// A caller's text in an error message: bounded, and without what could break a line.
fn shown(text: &str) -> String {
    text.chars().take(100).filter(|c| !c.is_control()).collect()
}
